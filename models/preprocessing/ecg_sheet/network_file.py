"""The networks that belong to the reader of sheets: each lies beside its module and is refused where it was changed."""

from functools import cache
from hashlib import sha256
from pathlib import Path

import onnxruntime


@cache
def load(file: Path, checksum: str) -> onnxruntime.InferenceSession:
    """The network of a file whose SHA-256 is known; raises `OSError` where it is another, or is absent."""
    data = file.read_bytes()
    if sha256(data).hexdigest() != checksum:
        raise OSError(f"{file.name} is not the file that this version was made with. Install it again.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # what a rare, small run needs is not held for good
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
