"""All that a prediction needs: preprocessing, bundles, engine, registry, diagnoses. No HTTP, no TensorFlow."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""From 1.31 on ONNX Runtime's own wheels report to their maker, and write a session id to the temporary folder, unless
this stands in the environment before it is imported (its Privacy.md). A hospital's service reports to nobody."""
