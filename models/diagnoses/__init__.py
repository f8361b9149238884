"""Numbers to clinical answers: one file a diagnosis, all pure functions.

`interpret` turns what a network answers for one input (its outputs by name, without batch axis) into a reading;
`sample` is the fixed reading of the demo mode.
"""
