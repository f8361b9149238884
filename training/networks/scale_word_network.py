"""The network that reads strips of print: for every second column of pixels, which character of the alphabet, or none.

Convolutions to a row of cells, and residual ones along it (He et al. 2016, arXiv:1512.03385). Characters are found by
their middles, as `lead_name_network` finds names.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.ecg_sheet.print_lines import HEIGHT
from models.preprocessing.ecg_sheet.printed_scale import ALPHABET, GAP, normalised
from training.datasets.draws import Rng, between, chance
from training.datasets.scale_words import Strip

FloatArray = NDArray[np.float32]

WIDTH = 192
"""Of the pieces that are learned from, in pixels."""


def build() -> keras.Model:
    """Strips (n, 24, width, 1), darkness 0-1.5, to log odds (n, width / 2, 1 + alphabet); the first is of none."""
    strips = keras.Input((HEIGHT, None, 1), name="strips")
    x = _convolved(strips, 16, (5, 5), strides=2)
    x = _convolved(x, 32, (3, 3), strides=(2, 1))
    x = _act(layers.Conv2D(64, (HEIGHT // 4, 1), use_bias=False)(x))
    for _ in range(2):
        x = layers.Add()([x, _convolved(x, 64, (1, 5))])
    x = layers.Conv2D(1 + len(ALPHABET), 1)(x)
    return keras.Model(strips, x[:, 0])


def served(network: keras.Model) -> keras.Model:
    """The same with `chances` (n, width / 2, 1 + alphabet), which sum to one."""
    strips = keras.Input((HEIGHT, None, 1), name="strips")
    return keras.Model(strips, {"chances": ops.softmax(network(strips))})


def loss(truth: Any, answers: Any) -> Any:
    """Cross-entropy of the columns that count; `truth` is as `Pieces` gives it."""
    numbers, counted = truth[..., 0], ops.cast(truth[..., 1], "float32")
    entropy = ops.sparse_categorical_crossentropy(numbers, answers, from_logits=True)
    return ops.sum(entropy * counted) / ops.sum(counted)


class Pieces(keras.utils.PyDataset):
    """Batches of pieces of strips, stretched, moved and faded a little, and for every second column the character that
    has its middle there, 0 where none has, and whether it counts: neighbours of such columns do not."""

    def __init__(self, strips: Sequence[Strip], batch: int, steps: int, seed: int) -> None:
        super().__init__()
        self.strips = [(normalised(strip.picture), strip.characters) for strip in strips]
        self.written = [number for number, strip in enumerate(strips) if len(strip.characters)]
        self.batch, self.steps, self.seed, self.epoch = batch, steps, seed, 0

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[FloatArray, NDArray[np.int32]]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        pieces = [self._piece(rng) for _ in range(self.batch)]
        return np.stack([picture for picture, _ in pieces]), np.stack([truth for _, truth in pieces])

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def _piece(self, rng: Rng) -> tuple[FloatArray, NDArray[np.int32]]:
        """A piece (24, WIDTH, 1) of a strip, and of others after it where it is short."""
        piece = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
        found: list[FloatArray] = []
        at = 0
        while at < WIDTH - 2 * GAP:
            own = chance(rng, 0.85)
            number = self.written[rng.integers(len(self.written))] if own else int(rng.integers(len(self.strips)))
            picture, characters = stretch(*self.strips[number], rng)
            spare = picture.shape[1] - 80
            skipped = int(rng.integers(spare)) if spare > 0 and not at and chance(rng, 0.5) else 0
            part = picture[:, skipped : skipped + WIDTH - at]
            piece[:, at : at + part.shape[1]] = part
            placed = characters + np.array([0, at - skipped], dtype=np.float32)
            found.append(placed[(placed[:, 1] >= at) & (placed[:, 1] < at + part.shape[1])])
            at += part.shape[1] + GAP
        seen = piece * between(rng, 0.75, 1.2) + rng.normal(0, between(rng, 0, 0.05), piece.shape)
        return np.clip(seen, 0, 1.5).astype(np.float32)[..., None], truth_of(np.concatenate(found))


def truth_of(characters: FloatArray) -> NDArray[np.int32]:
    """For every second column of a piece its character and whether it counts (WIDTH / 2, 2)."""
    truth = np.zeros((WIDTH // 2, 2), dtype=np.int32)
    truth[:, 1] = 1
    columns = np.clip(characters[:, 1] // 2, 0, len(truth) - 1).astype(int)
    for column in columns.tolist():
        truth[max(0, column - 1) : column + 2, 1] = 0
    truth[columns, 0] = characters[:, 0].astype(int) + 1
    truth[columns, 1] = 1
    for column, after in zip(columns[:-1].tolist(), columns[1:].tolist(), strict=True):
        if after == column + 2 and truth[column, 0] == truth[after, 0]:
            truth[column + 1] = 0, 1  # else the two would pass for one
    return truth


def stretch(picture: FloatArray, characters: FloatArray, rng: Rng) -> tuple[FloatArray, FloatArray]:
    """A strip wider or narrower, higher or lower, and moved up or down."""
    across, down = float(np.exp(rng.normal(0, 0.12))), float(np.exp(rng.normal(0, 0.1)))
    width = max(8, round(picture.shape[1] * across))
    top = HEIGHT / 2 - HEIGHT / 2 / down + rng.normal(0, 1)
    matrix = (picture.shape[1] / width, 0, 0, 0, 1 / down, top)
    moved = Image.fromarray(picture).transform(
        (width, HEIGHT), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    placed = characters.copy()
    placed[:, 1] *= width / picture.shape[1]
    return np.asarray(moved), placed


def _convolved(x: Any, channels: int, kernel: tuple[int, int], strides: int | tuple[int, int] = 1) -> Any:
    return _act(layers.Conv2D(channels, kernel, strides=strides, padding="same", use_bias=False)(x))


def _act(x: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
