"""Whether the breast model reads the lesion or what is burned in around it.

`python -m training.studies.breast_marks BUNDLE`.

In BUSI's pictures text, calipers and thin bright lines are hidden; then what surrounds the lesion is blurred, or hidden
altogether; then, the other way round, the lesion is hidden. A model that reads lesions changes little at first, keeps
most of its AUROC as long as it sees the lesion, and loses it without.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from models.preprocessing.picture import UInt8Array, decode, to_tensor
from models.serving.bundle import Bundle, Estimate, read_bundle
from training.datasets import busi
from training.datasets.pictures import MAX_PIXELS, Sample, labels_of
from training.datasets.ultrasound import lesion_of
from training.diagnoses.training import default_data
from training.evaluate import bootstrap, predict
from training.metrics import auroc

Mask = NDArray[np.bool_]

MARGIN = 0.1

_STROKE = 0.03
_CONTRAST, _BRIGHTNESS, _COLOUR = 90, 180, 40
_REACH = 2
_LOCAL, _BLEND, _BLUR = 4.0, 6.0, 16.0


@dataclass(frozen=True)
class Row:
    """What a view does: the mean share of the picture that it changes, the mean |change| of the probability of
    malignancy, both 0-1, and the AUROC that is left."""

    area: float
    change: float
    auroc: Estimate


def study(bundle_folder: Path, data_folder: Path) -> Table:
    """The table of `measure` for every lesion of BUSI. Raises `BundleError` or `DatasetError`."""
    bundle = read_bundle(bundle_folder)
    rows = measure(bundle, busi.load(data_folder / "breast_ultrasound"))
    metadata, n = bundle.metadata, rows["whole"].auroc.n
    table = Table(
        "view",
        "changed area",
        "mean |change|",
        "AUROC",
        title=f"{metadata.name} {metadata.version}: {n} lesions of BUSI",
    )
    for view, row in rows.items():
        auroc_text = f"{row.auroc.value:.3f} ({row.auroc.low:.3f}-{row.auroc.high:.3f})"
        table.add_row(view, f"{row.area:.1%}", f"{row.change:.3f}", auroc_text)
    return table


def measure(bundle: Bundle, samples: Sequence[Sample]) -> dict[str, Row]:
    """A row for each of `views`, on the samples that have a lesion and its mask."""
    lesions = {sample.path: lesion for sample in samples if (lesion := lesion_of(sample)) is not None and lesion.any()}
    shown = [sample for sample in samples if sample.path in lesions]
    labels, groups = labels_of(shown), [sample.group for sample in shown]
    tensors: dict[str, list[UInt8Array]] = {}
    areas: dict[str, list[float]] = {}
    for sample in shown:
        picture = np.asarray(decode(sample.path.read_bytes(), max_pixels=MAX_PIXELS))
        for view, changed in views(picture, lesions[sample.path]).items():
            tensors.setdefault(view, []).append(
                to_tensor(Image.fromarray(changed), bundle.metadata.image_preprocessing)
            )
            areas.setdefault(view, []).append(float(np.mean((changed != picture).any(axis=2))))
    scores = {view: predict(bundle.model_path, np.stack(stack))["malignancy"] for view, stack in tensors.items()}
    return {
        view: Row(
            area=float(np.mean(areas[view])),
            change=float(np.mean(np.abs(scores[view] - scores["whole"]))),
            auroc=bootstrap(lambda truth, chances: auroc(truth == 1, chances), labels, scores[view], groups),
        )
        for view in scores
    }


def views(picture: UInt8Array, lesion: Mask) -> dict[str, UInt8Array]:
    """A picture (height, width, 3) as it is and with parts hidden; `lesion` is (height, width).

    What surrounds the lesion begins a tenth of the shorter edge away from it.
    """
    marks, box = burned_in(picture), boxes_around(lesion, round(MARGIN * min(lesion.shape)))
    clean = hide(picture, marks)
    blurred = ndimage.gaussian_filter(clean, (_BLUR, _BLUR, 0))
    return {
        "whole": picture,
        "marks hidden": clean,
        "surroundings blurred": np.where(box[..., None], clean, blurred),
        "surroundings hidden": hide(picture, marks | ~box),
        "lesion hidden": hide(picture, box),
    }


def burned_in(picture: UInt8Array) -> Mask:
    """Where text and calipers are, (height, width): bright strokes thinner than 3 % of the shorter edge, and colour.

    Bright fibres are as thin and are taken along, 2 to 3 % of a picture.
    """
    grey = picture.mean(axis=2)
    strokes = ndimage.white_tophat(grey, size=max(3, round(_STROKE * min(grey.shape))))
    marks = ((strokes > _CONTRAST) & (grey > _BRIGHTNESS)) | (np.ptp(picture.astype(np.int16), axis=2) > _COLOUR)
    return np.asarray(ndimage.binary_dilation(marks, iterations=_REACH))


def boxes_around(lesion: Mask, margin: int) -> Mask:
    """The boxes of a lesion's parts with `margin` pixels around: unlike the outline they don't tell its shape."""
    boxes = np.zeros_like(lesion)
    for rows, columns in ndimage.find_objects(ndimage.label(lesion)[0]):
        boxes[_widened(rows, margin), _widened(columns, margin)] = True
    return boxes


def hide(picture: UInt8Array, hidden: Mask, seed: int = 0) -> UInt8Array:
    """The picture (height, width, 3) with its hidden part (height, width) filled with the nearest visible shade and
    the visible speckle; a picture without a visible part turns grey."""
    if not hidden.any():
        return picture
    visible = ~hidden
    if not visible.any():
        return np.full_like(picture, picture.mean())
    weights = ndimage.gaussian_filter(visible.astype(np.float32), _LOCAL)[..., None]
    shades = ndimage.gaussian_filter(picture * visible[..., None].astype(np.float32), (_LOCAL, _LOCAL, 0))
    shades /= np.maximum(weights, 1e-6)
    nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled = ndimage.gaussian_filter(shades[tuple(nearest)], (_BLEND, _BLEND, 0))
    speckle = (picture - shades)[visible]
    drawn = speckle[np.random.default_rng(seed).integers(len(speckle), size=int(hidden.sum()))]
    changed = picture.copy()
    changed[hidden] = np.clip(filled[hidden] + drawn, 0, 255).astype(np.uint8)
    return changed


def main() -> None:
    """Print the table of `study`."""
    parser = argparse.ArgumentParser(prog="python -m training.studies.breast_marks", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder that holds the data sets")
    options = parser.parse_args()
    Console().print(study(options.bundle, options.data))


def _widened(part: slice, margin: int) -> slice:
    return slice(max(part.start - margin, 0), part.stop + margin)


if __name__ == "__main__":
    main()
