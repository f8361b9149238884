"""Real ECG sheets, read one by one: what was found on each, whether it is accepted and how long it took.

    MEDIDIAGNOSE_DATA=... python -m benchmarks.ecg_sheets [--overlays FOLDER] [FILE ...]

Without files it reads `ecg_sheets` and `ecg_pictures`. With `--overlays` the traces that were read are drawn over each
sheet, to be looked at: whether a reading is right, only a person can say. Of `ecg_sheets`, whose prints are labelled,
it prints how well the probabilities of the installed heart_image model tell infarction, or its history, from normal.
"""

import argparse
import csv
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.settings import load_settings
from benchmarks.report import save, table
from models.preprocessing.ecg_sheet import ReadSheet, SheetPreprocessing, preprocess
from models.preprocessing.ecg_sheet.overlay import draw_overlay
from models.serving.engine import PROBABILITIES, Engine
from models.serving.loading import read_newest_bundle

REPEATS = 2000


class Read(NamedTuple):
    """A file, what was read of it, in how many ms, and the probabilities of the classes."""

    file: Path
    sheet: ReadSheet
    milliseconds: float
    chances: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description="Read real ECG sheets.")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--overlays", type=Path)
    arguments = parser.parse_args()
    data = Path(os.environ.get("MEDIDIAGNOSE_DATA", "."))
    files = arguments.files or [*sorted(data.glob("ecg_sheets/*.jpg")), *sorted(data.glob("ecg_pictures/*.jpg"))]
    found = list(read_all(files))
    print(table(["file", "layout", "mm/s", "mm/mV", "fit", "consistency", "accepted", "ms"], list(map(_row, found))))
    if arguments.overlays:
        arguments.overlays.mkdir(parents=True, exist_ok=True)
        for each in found:
            if each.sheet.reading:
                draw_overlay(each.sheet.reading).save(arguments.overlays / f"{each.file.stem}.png")
    labels = data / "ecg_sheets" / "labels.csv"
    if labels.is_file():
        print(_told_apart(found, labels))
    times = [each.milliseconds for each in found]
    accepted = sum(each.sheet.fault is None for each in found)
    print(f"{accepted} of {len(found)} accepted, {np.median(times):.0f} ms each (median)")
    save("ecg_sheets", {"accepted": accepted, "files": len(found), "median_ms": float(np.median(times))})


def read_all(files: list[Path]) -> Iterator[Read]:
    """What is read of each file, with the newest bundle's limits."""
    bundle = read_newest_bundle(load_settings().bundles / "heart_image", "fp32")
    spec = SheetPreprocessing.model_validate(bundle.metadata.preprocessing.model_dump())
    engine = Engine(bundle)
    for file in files:
        content = file.read_bytes()
        start = time.process_time()
        sheet = preprocess(content, spec, max_pixels=load_settings().max_pixels)
        spent = 1000 * (time.process_time() - start)
        yield Read(file, sheet, spent, engine.run(sheet.tensors)[PROBABILITIES][0])


def _row(found: Read) -> list[str]:
    reading, fault = found.sheet.reading, found.sheet.fault
    if reading is None:
        return [found.file.stem, *["-"] * 5, fault or "", f"{found.milliseconds:.0f}"]
    layout = f"{reading.layout}+{reading.strips}" + (" Cabrera" if reading.order == "cabrera" else "")
    figures = f"{reading.speed:g}", f"{reading.gain:g}", f"{reading.fit:.2f}", f"{reading.consistency:.2f}"
    return [found.file.stem, layout, *figures, fault or "yes", f"{found.milliseconds:.0f}"]


def _told_apart(found: list[Read], labels: Path) -> str:
    """AUROC of infarction or its history against normal, with 95 % intervals; what was refused counts as told wrong."""
    with labels.open(encoding="utf-8") as file:
        known = {row["file"]: row["superclass_proposed"] for row in csv.DictReader(file)}
    prints = [each for each in found if known.get(each.file.name) in ("NORM", "MI")]
    if not prints:
        return "no labelled prints"
    ill = np.array([known[each.file.name] == "MI" for each in prints])
    lines = []
    for name, scores in (
        ("1 - NORM", np.array([1 - each.chances[0] for each in prints])),
        ("MI", np.array([each.chances[1] for each in prints])),
    ):
        refused = np.array([each.sheet.fault is not None for each in prints])
        scores = np.where(refused, np.where(ill, -1.0, 2.0), scores)
        low, high = np.percentile(list(_resampled(ill, scores)), [2.5, 97.5])
        lines.append(f"infarction against normal by {name}: AUROC {_auroc(ill, scores):.3f} ({low:.3f} to {high:.3f})")
    return "\n".join([*lines, f"of {len(prints)} labelled prints, {ill.sum()} of them infarctions or their history"])


def _auroc(ill: np.ndarray, scores: np.ndarray) -> float:
    difference = scores[ill][:, None] - scores[~ill]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def _resampled(ill: np.ndarray, scores: np.ndarray) -> Iterator[float]:
    rng = np.random.default_rng(0)
    for _ in range(REPEATS):
        drawn = rng.integers(0, len(ill), len(ill))
        if 0 < ill[drawn].sum() < len(drawn):
            yield _auroc(ill[drawn], scores[drawn])


if __name__ == "__main__":
    main()
