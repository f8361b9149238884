"""The requests and answers of the HTTP contract as pydantic models: one file a diagnosis, `common` and `meta`."""
