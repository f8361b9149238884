"""Numbers to clinical answers: a folder a diagnosis, with its interpretation, its texts and its `Diagnosis`."""
