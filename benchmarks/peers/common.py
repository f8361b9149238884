"""What every peer does with a picture: Pillow, the middle square at 224 pixels, ONNX Runtime."""

import io
import os
from typing import Any

import numpy as np
from PIL import Image

MODEL = os.environ.get("BENCHMARK_MODEL", "")
PORT = int(os.environ.get("BENCHMARK_PORT", "0"))
CORES = os.cpu_count() or 1
SIZE = 224
LARGEST_BATCH = 8
WAIT_SECONDS = 0.005


def tensor_of(data: bytes) -> np.ndarray:
    """The (224, 224, 3) uint8 tensor of a picture file."""
    return square(Image.open(io.BytesIO(data)))


def square(picture: Image.Image) -> np.ndarray:
    """The middle square of a picture as a (224, 224, 3) uint8 tensor."""
    edge = min(picture.size)
    left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
    resized = picture.convert("RGB").resize(
        (SIZE, SIZE), Image.Resampling.BILINEAR, box=(left, top, left + edge, top + edge)
    )
    return np.asarray(resized, dtype=np.uint8)


def open_session(threads: int | None = None) -> Any:
    """A session of the model file; without `threads` with ONNX Runtime's own settings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def probabilities(session: Any, batch: np.ndarray) -> np.ndarray:
    """(n, classes) of pictures (n, 224, 224, 3)."""
    return session.run(["probabilities"], {"image": batch})[0]
