"""Numbers to clinical answers: one file a diagnosis, all pure functions.

`interpret` turns the output of a model into a reading; `sample` is the fixed reading of the demo mode.
"""
