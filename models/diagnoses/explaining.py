"""What an answer rests on, from the network that gave it: maps of pictures, and weights of evidence.

A map is the class activation map (Zhou et al. 2016): the network weighs the mean of its last feature map, so the same
weights say what each place of that map adds. Or it is what hiding each place would take from the log odds, as a part
of the network that was taught by hiding (FastSHAP, Jethani et al. 2021) says in the same pass. With softmax
probabilities p of several rows z, the log odds of row c change by dz_c - sum over the others of p_k / (1 - p_c) dz_k,
and so the maps of the rows are put together.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.diagnoses.knowledge import common_knowledge
from models.preprocessing.inputs import Prepared
from models.preprocessing.picture import ReadPicture, UInt8Array
from models.serving.bundle import MapMethod
from models.serving.engine import CLASS_ACTIVATION, PROBABILITIES, Outputs, Tensor
from models.serving.registry import Prediction
from schemas.common import Explanation, Reading, Reliability

SentT = TypeVar("SentT")
PreparedT = TypeVar("PreparedT", bound=Prepared)
ReadingT = TypeVar("ReadingT", bound=Reading)

FloatArray = NDArray[np.floating]

DECIMALS = 4
NOT = "not "
_MOST_OPAQUE, _MIXED = 190, 0.55
_OVERLAY = 128
"""Pixels: at 224 drawing takes two to four times as long, which is most of what an explanation costs."""
_LEAST_REST = 1e-6


@dataclass(frozen=True, slots=True)
class Answered(Generic[SentT, PreparedT, ReadingT]):
    """An answer to be explained. `compute` runs the network that gave it on more inputs: tensors (n, ...) to outputs.

    It is used in the thread that explains.
    """

    sent: SentT
    prepared: PreparedT
    prediction: Prediction
    reading: ReadingT
    reliability: Reliability
    compute: Callable[[Tensor], Outputs]


def explain_class(answered: Answered[SentT, ReadPicture, ReadingT]) -> Explanation | None:
    """Where a picture speaks for the class that is named; None where it is not accepted, or the network has no map."""
    code = str(answered.reading.prediction.code)  # type: ignore[attr-defined]
    metadata = answered.prediction.metadata
    if not answered.reliability.accepted or code not in metadata.explains:
        return None
    outputs = answered.prediction.outputs
    index = metadata.explains.index(code)
    maps = outputs[CLASS_ACTIVATION] / metadata.temperature
    values = for_class(maps, outputs[PROBABILITIES], index)
    return map_explanation(code, values, answered.prepared, metadata.map_method)


def for_class(maps: FloatArray, probabilities: FloatArray, index: int) -> FloatArray:
    """What each place adds to the log odds of a class: (h, w), of the maps (classes, h, w) of the logits and the
    probabilities (classes,), which are their softmax."""
    others = np.delete(np.arange(len(maps)), index)
    rest = np.maximum(probabilities[others].astype(np.float64), _LEAST_REST)
    against = np.tensordot(rest / rest.sum(), maps[others], axes=1)
    return np.asarray((maps[index] - against) / maps[index].size)


def map_explanation(code: str, values: FloatArray, picture: ReadPicture, method: MapMethod) -> Explanation:
    """A map (h, w) of what each place adds to the log odds of `code`, in numbers, and as pictures."""
    heat = heat_of(values, _OVERLAY)
    return Explanation(
        kind="map",
        method=method,
        code=code,
        values=tuple(tuple(round(value, DECIMALS) for value in row) for row in values.tolist()),
        box=tuple(round(edge, DECIMALS) for edge in picture.box),
        map=data_uri(layer_of(heat)),
        overlay=data_uri(drawn_over(picture.tensors[0], heat)),
        limits=common_knowledge().explanation.map_limits.value,
    )


def enlarged(values: FloatArray, size: int) -> NDArray[np.float32]:
    """A map (h, w) as (size, size), interpolated by Lanczos' filter."""
    small = Image.fromarray(np.asarray(values, np.float32))
    return np.asarray(small.resize((size, size), Image.Resampling.LANCZOS))


def heat_of(values: FloatArray, size: int) -> UInt8Array:
    """A map (h, w) as (size, size), 0 where it is lowest and 255 where it is highest; 0 where it is even."""
    large = enlarged(values, size)
    low, high = float(large.min()), float(large.max())
    if high <= low:
        return np.zeros(large.shape, np.uint8)
    return np.asarray(np.rint((large - low) * (255 / (high - low))), np.uint8)


def layer_of(heat: UInt8Array) -> Image.Image:
    """Heat (h, w) from nothing over yellow to red, to be laid over a picture."""
    layer = Image.fromarray(heat, "P")
    layer.putpalette(_COLOURS.tobytes(), "RGB")
    layer.info["transparency"] = _OPACITIES.tobytes()
    return layer


def drawn_over(tensor: UInt8Array, heat: UInt8Array) -> Image.Image:
    """What the network saw (size, size, 3), as small as the heat (h, w) that is drawn over it."""
    seen = Image.fromarray(tensor).resize(heat.shape[::-1], Image.Resampling.BILINEAR)
    return Image.composite(Image.fromarray(_COLOURS[heat]), seen, Image.fromarray((heat * _MIXED).astype(np.uint8)))


def data_uri(picture: Image.Image) -> str:
    """A picture as a PNG in a data URI."""
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + b64encode(file.getvalue()).decode("ascii")


_STEPS = np.arange(256)
_COLOURS = np.stack([np.full(256, 255), 255 - _STEPS, np.zeros(256)], axis=1).astype(np.uint8)
_OPACITIES = (_STEPS * _MOST_OPAQUE // 255).astype(np.uint8)
