"""ECG records as they are read off their sheets: drawn, photographed and read; or imitated where only shape counts."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.ecg_sheet.layout import GRIDS
from models.preprocessing.ecg_sheet.preparation import SheetPreprocessing, read
from models.preprocessing.picture import UInt8Array
from training.datasets import ptbxl
from training.datasets.ecg_machine_styles import draw_machine_style
from training.datasets.ecg_photograph import draw_damage, photograph
from training.datasets.ecg_sheet import SheetStyle, render
from training.datasets.ecg_sheet_styles import draw_style
from training.datasets.ptbxl import EcgSample

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]

Rendering = Literal["plain", "machines"]
RENDERINGS: Mapping[Rendering, Callable[[np.random.Generator], SheetStyle]] = {
    "plain": draw_style,
    "machines": draw_machine_style,
}
"""How sheets are drawn: plainly, as for bundles up to 1.0.0, or as real machines print them."""

RATE = 100.0
LAYOUTS: Mapping[str, float] = {"3x4": 0.55, "6x2": 0.25, "12x1": 0.2}
STRIPS = (1, 6, 10)


class DigitisedSheets(NamedTuple):
    """What was read off a sheet of each record: tensors (n, 1000, 24), `fit` and `consistency` (n,), 0 where nothing
    was."""

    tensors: FloatArray
    fit: FloatArray
    consistency: FloatArray


@dataclass(frozen=True)
class SheetData:
    """Tensors (n, 1000, 24); labels (n, 5), 0 or 1; folds (n,); whether voltages were read or only shapes (n,)."""

    tensors: FloatArray
    labels: FloatArray
    folds: NDArray[np.int64]
    voiced: NDArray[np.bool_]


def sheet_of(signal: FloatArray, seed: Sequence[int], severity: float, rendering: Rendering = "plain") -> UInt8Array:
    """A picture (height, width, 3) of a signal (n, 12) in mV at 100 Hz: a style and damages drawn by the seed."""
    rng = np.random.default_rng(seed)
    picture = render(signal, RATE, RENDERINGS[rendering](rng)).picture
    return photograph(picture, draw_damage(rng, severity))


def read_sheets(
    folder: Path,
    samples: Sequence[EcgSample],
    *,
    seed: int,
    severity: float,
    rendering: Rendering = "plain",
    cache: Path | None = None,
) -> DigitisedSheets:
    """Draw and read a sheet of each record in mV. With `cache`, a folder, what was read is kept there, one file each,
    so that an interrupted run goes on."""
    spec = SheetPreprocessing()
    signals = ptbxl.load_signals(folder, samples)
    found = []
    for number, (sample, signal) in enumerate(zip(samples, signals, strict=True)):
        file = cache / folder_of(seed, severity, rendering) / f"{sample.ecg_id}.npz" if cache else None
        if file and file.is_file():
            with np.load(file) as kept:
                found.append((kept["tensor"].astype(np.float32), float(kept["fit"]), float(kept["consistency"])))
            continue
        sheet = read(sheet_of(signal, [seed, sample.ecg_id], severity, rendering), spec)
        tensor = sheet.tensors[0]
        quality = (sheet.reading.fit, sheet.reading.consistency) if sheet.reading else (0.0, 0.0)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, tensor=tensor.astype(np.float16), fit=quality[0], consistency=quality[1])
        found.append((tensor, *quality))
        if number % 100 == 99:
            log.info("%d of %d sheets read", number + 1, len(samples))
    tensors, fit, consistency = zip(*found, strict=True)
    return DigitisedSheets(np.stack(tensors), np.array(fit, np.float32), np.array(consistency, np.float32))


def folder_of(seed: int, severity: float, rendering: Rendering) -> str:
    """The name of the folder that keeps readings of such sheets."""
    return f"{seed}-{severity:g}" + ("" if rendering == "plain" else f"-{rendering}")


def imitate(signals: FloatArray, seed: int) -> FloatArray:
    """Tensors (n, 1000, 24) of signals (n, 1000, 12) as sheets would show them, without drawing them."""
    return np.stack([_imitate(signal, np.random.default_rng([seed, n])) for n, signal in enumerate(signals)])


def encode(picture: UInt8Array) -> bytes:
    """As a PNG file."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _imitate(signal: FloatArray, rng: np.random.Generator) -> FloatArray:
    grid = GRIDS[str(rng.choice(list(LAYOUTS), p=list(LAYOUTS.values())))]
    columns = len(grid[0])
    length = len(signal) // columns
    shown = np.zeros(signal.shape, dtype=bool)
    together = columns > 1 and rng.random() < 0.2
    for leads in grid:
        for column, lead in enumerate(leads):
            start = 0 if together else column * length
            first, last = start + rng.integers(0, 12), start + length - rng.integers(0, 6)
            shown[first:last, lead] = True
    strips = int(rng.choice([0, 1, 3], p=(0.3, 0.55, 0.15))) if columns == 4 else 0
    for lead in STRIPS[:1] if strips == 1 else STRIPS[:strips]:
        shown[:, lead] = True
    noisy = signal + rng.normal(0, 0.02, signal.shape) * signal.std(axis=0)
    medians = np.array([np.median(noisy[shown[:, lead], lead]) for lead in range(signal.shape[1])])
    return np.concatenate([np.where(shown, noisy - medians, 0.0), shown], axis=1).astype(np.float32)
