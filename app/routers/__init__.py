"""The routes: one file a diagnosis, and `meta` for the service itself."""
