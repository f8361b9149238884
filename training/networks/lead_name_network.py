"""The network that reads lead names off ink maps: for every cell, which name has its middle there, and how large it is.

Separable convolutions (Howard et al. 2017, arXiv:1704.04861) at a half, a quarter and an eighth of the resolution;
names are found as centres of objects (Zhou et al. 2019, arXiv:1904.07850) under a focal loss (Lin et al. 2017,
arXiv:1708.02002), and told apart where they are.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.ecg_sheet.lead_names import NAMES, STRIDE, USUAL_SIZE, prepare
from training.datasets.draws import Rng, between, chance
from training.datasets.lead_labels import LabelledPage

FloatArray = NDArray[np.float32]

CROP = 96
"""Edge of the pieces of pages that are learned from, in pixels."""
SMALLEST = 5.0
"""Names less high than that, in pixels, can't be read: they are neither asked for nor held against the network."""
_RARE = 0.01
_FOCUS = 2.0
_SIZE_WEIGHT = 0.2
_BOXES = 1 + len(NAMES)
"""Where the boxes begin among a cell's answers."""


def build() -> keras.Model:
    """Ink (n, height, width, 1), darkness 0-1.5, to log odds that a name is there, of
    which, and its box: (n, height / 8, width / 8, 1 + names + 4)."""
    ink = keras.Input((None, None, 1), name="ink")
    x = _act(layers.Conv2D(8, 5, strides=2, padding="same", use_bias=False, name="stem")(ink))
    x = _separable(x, 24, strides=2)
    x = _separable(x, 32)
    x = _separable(x, 32)
    x = _separable(x, 64, strides=2)
    for dilation in (1, 2, 1):
        x = layers.Add()([x, _separable(x, 64, dilation=dilation)])
    bias = keras.initializers.Constant(float(-np.log((1 - _RARE) / _RARE)))
    heads = (
        layers.Conv2D(1, 1, bias_initializer=bias, name="somewhere")(x),
        layers.Conv2D(len(NAMES), 1, name="which")(x),
        layers.Conv2D(4, 1, name="boxes")(x),
    )
    return keras.Model(ink, layers.Concatenate()(heads))


def served(network: keras.Model) -> keras.Model:
    """The same with two outputs: `chances` (n, rows, columns, names), which sum to that of any name, and `boxes`
    (n, rows, columns, 4)."""
    ink = keras.Input((None, None, 1), name="ink")
    answers = network(ink)
    chances = ops.sigmoid(answers[..., :1]) * ops.softmax(answers[..., 1:_BOXES])
    return keras.Model(ink, {"chances": chances, "boxes": answers[..., _BOXES:]})


def loss(truth: Any, answers: Any) -> Any:
    """Per name: focal loss of where one is, cross-entropy of which it is, absolute error of its box; `truth` is as
    `Crops` gives it."""
    names, counted = truth[..., : len(NAMES)], truth[..., -1:]
    here = ops.max(names, axis=-1, keepdims=True)
    found = answers[..., :1]
    missed = ops.where(here > 0.5, 1 - ops.sigmoid(found), ops.sigmoid(found))
    entropy = ops.relu(found) - found * here + ops.log1p(ops.exp(-ops.abs(found)))
    somewhere = ops.sum(counted * missed**_FOCUS * entropy)
    which = -ops.sum(names * ops.log_softmax(answers[..., 1:_BOXES]))
    sizes = ops.sum(here * ops.abs(answers[..., _BOXES:] - truth[..., len(NAMES) : -1]))
    return (somewhere + which + _SIZE_WEIGHT * sizes) / (ops.sum(here) + 1)


class Crops(keras.utils.PyDataset):
    """Batches of pieces of pages, turned, scaled, faded and blotted a little, three of four around a name."""

    def __init__(self, pages: Sequence[LabelledPage], batch: int, steps: int, seed: int) -> None:
        super().__init__()
        self.pages = [LabelledPage(np.rint(170 * prepare(page.ink)).astype(np.uint8), page.names) for page in pages]
        self.batch, self.steps, self.seed, self.epoch = batch, steps, seed, 0

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[FloatArray, FloatArray]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        pieces = [cut(self.pages[rng.integers(len(self.pages))], rng) for _ in range(self.batch)]
        return np.stack([ink for ink, _ in pieces]), np.stack([truth for _, truth in pieces])

    def on_epoch_end(self) -> None:
        self.epoch += 1


def cut(page: LabelledPage, rng: Rng) -> tuple[FloatArray, FloatArray]:
    """A piece (CROP, CROP, 1) of a page, and of each of its cells: 0 or 1 for each name, the box of the name whose
    middle it holds, and whether it counts: neighbours of such cells do not."""
    if len(page.names) and chance(rng, 0.75):
        middle = page.names[rng.integers(len(page.names)), 1:3] + rng.uniform(-0.4, 0.4, 2) * CROP
    else:
        middle = rng.uniform(0, 1, 2) * page.ink.shape[::-1]
    angle, scale = np.deg2rad(rng.normal(0, 1.5)), float(np.exp(rng.normal(0, 0.18)))
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    half = CROP / 2
    matrix = (cos, -sin, middle[0] - cos * half + sin * half, sin, cos, middle[1] - sin * half - cos * half)
    image = Image.fromarray(page.ink).transform(
        (CROP, CROP), Image.Transform.AFFINE, [float(number) for number in matrix], Image.Resampling.BILINEAR
    )
    ink = np.asarray(image, dtype=np.float32) / 170
    ink = ink * between(rng, 0.6, 1.25) + rng.normal(0, between(rng, 0, 0.06), ink.shape)
    around = page.names[:, 1:3] - middle
    turned = np.stack([cos * around[:, 0] + sin * around[:, 1], -sin * around[:, 0] + cos * around[:, 1]], axis=1)
    placed = turned * scale**2 + half
    names = np.concatenate([page.names[:, :1], placed, page.names[:, 3:] * scale], axis=1)
    return np.clip(ink, 0, 1.5).astype(np.float32)[..., None], _truth(names)


def _truth(names: NDArray[np.floating]) -> FloatArray:
    cells = CROP // STRIDE
    truth = np.zeros((cells, cells, len(NAMES) + 5), dtype=np.float32)
    truth[..., -1] = 1
    inside = [
        (number, x, y, width, height) for number, x, y, width, height in names if 0 <= min(x, y) <= max(x, y) < CROP
    ]
    for _, x, y, _, _ in inside:
        column, row = int(x // STRIDE), int(y // STRIDE)
        truth[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2, -1] = 0
    for number, x, y, width, height in inside:
        if height < SMALLEST:
            continue
        column, row = int(x // STRIDE), int(y // STRIDE)
        right, down = x / STRIDE - column - 0.5, y / STRIDE - row - 0.5
        size = np.log(np.maximum([width, height], 1) / USUAL_SIZE)
        truth[row, column, int(number)] = 1
        truth[row, column, len(NAMES) :] = (right, down, *size, 1)
    return truth


def _separable(x: Any, channels: int, *, strides: int = 1, dilation: int = 1) -> Any:
    x = layers.DepthwiseConv2D(3, strides=strides, dilation_rate=dilation, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.95)(x)
    return _act(layers.Conv2D(channels, 1, use_bias=False)(x))


def _act(x: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
