"""The printed names of leads on a straight ECG sheet.

A small fully convolutional network, trained on names drawn in many typefaces over grids and traces, says for every
8 x 8 pixels of an ink map which name has its middle there. Its file, lead_names.onnx, lies beside this module and is
refused where its checksum is another: it belongs to the reader as its constants do, not to a bundle, so that every
bundle of sheets reads names alike.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.network_file import load
from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

SCALES = ("25 mm/s", "50 mm/s", "5 mm/mV", "10 mm/mV", "20 mm/mV")
"""Labels that are no names; `printed_scale` reads them."""
NAMES = (*LEADS, "-aVR", *SCALES)
"""What a label may say, whatever its spelling: C1 is V1, DII is II, 25.0mm/sec is 25 mm/s."""
LONG_SIDE = 1000
"""Larger ink maps are reduced to this many pixels first."""
STRIDE = 8
"""Edge of the network's cells, in pixels."""
USUAL_SIZE = 16.0
"""Widths and heights are computed as logarithms of their ratio to this many pixels."""
MODEL = Path(__file__).with_name("lead_names.onnx")
CHECKSUM = "876df4cb4dec8c0c869d0267a40527936f97b6e023dc963087491b52ff01f789"
LEAST = 0.3
"""What is a name with less confidence, whichever it may be, is not reported."""

_DARK = 90.0
_FAINTEST = 24.0


class LeadLabel(NamedTuple):
    """A lead's name, the middle (x, y) and the size of its print in pixels of the ink map, and a confidence, 0-1;
    `chances` are those of all `NAMES`, empty where only the one is known."""

    name: str
    x: float
    y: float
    width: float
    height: float
    confidence: float
    chances: tuple[float, ...] = ()


def read_lead_names(ink: UInt8Array) -> list[LeadLabel]:
    """The names printed on a straight sheet whose ink map (height, width) is `densities(...).ink`; dark on light,
    upright. The surest come first. Raises `OSError` where the network's file is damaged."""
    small, scale = reduce(ink)
    chances, boxes = load(MODEL, CHECKSUM).run(["chances", "boxes"], {"ink": prepare(small)[None, :, :, None]})
    return [
        label._replace(x=label.x * scale, y=label.y * scale, width=label.width * scale, height=label.height * scale)
        for label in _decode(chances[0], boxes[0])
    ]


def reduce(ink: UInt8Array) -> tuple[UInt8Array, float]:
    """An ink map of at most `LONG_SIDE` pixels, and how many of the given one's pixels one of its is wide."""
    height, width = ink.shape
    scale = max(height, width) / LONG_SIDE
    if scale <= 1:
        return ink, 1.0
    size = round(width / scale), round(height / scale)
    return np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX)), scale


def prepare(ink: UInt8Array) -> FloatMap:
    """The network's input (height, width): darkness in shares of what is dark on the sheet, its edges filled up to
    whole cells."""
    marked = ink[ink > 8]
    level = max(float(np.percentile(marked, _DARK)), _FAINTEST) if marked.size else _FAINTEST
    fill = [(0, -length % STRIDE) for length in ink.shape]
    shares: FloatMap = np.minimum(np.pad(ink, fill).astype(np.float32) / level, 1.5)
    return shares


def _decode(chances: FloatMap, boxes: FloatMap) -> list[LeadLabel]:
    """Names from the chances (rows, columns, names) and boxes (rows, columns, 4) of cells."""
    any_name = chances.sum(axis=2)
    labels: list[LeadLabel] = []
    for cell in np.argsort(-any_name, axis=None)[: 4 * len(NAMES)]:
        row, column = divmod(int(cell), any_name.shape[1])
        if any_name[row, column] < LEAST:
            break
        right, down, width, height = boxes[row, column].tolist()
        label = LeadLabel(
            NAMES[int(chances[row, column].argmax())],
            (column + 0.5 + right) * STRIDE,
            (row + 0.5 + down) * STRIDE,
            USUAL_SIZE * float(np.exp(np.clip(width, -3, 3))),
            USUAL_SIZE * float(np.exp(np.clip(height, -3, 3))),
            float(chances[row, column].max()),
            tuple(chances[row, column].tolist()),
        )
        if not any(_overlap(label, other) for other in labels):
            labels.append(label)
    return labels


def _overlap(one: LeadLabel, other: LeadLabel) -> bool:
    across = abs(one.x - other.x) < max(0.5 * (one.width + other.width), 1.5 * STRIDE)
    return across and abs(one.y - other.y) < max(0.5 * (one.height + other.height), 1.5 * STRIDE)
