"""Breast ultrasounds with their lesion taken out, and the same ones with as much taken out elsewhere.

Normal pictures are few and of one hospital. Where a lesion is outlined, the tissue beside it can be put in its place:
the shade runs on smoothly from around, the speckle is that of the same depth in the mirrored picture. So that nothing
tells that a picture was changed, lesions and normal pictures get such a patch too, beside what they show.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models.preprocessing.picture import UInt8Array, decode
from training.datasets.pictures import MAX_PIXELS, Sample, for_each
from training.datasets.ultrasound import lesion_of

Mask = NDArray[np.bool_]

CHANGED = "changed"
MARGIN = 0.03
"""How far beyond its outline a lesion is taken out, as a share of the picture's shorter edge."""
_LARGEST = 0.35
_EDGE = 4.0


def changed_pictures(samples: Sequence[Sample], folder: Path) -> list[Sample]:
    """Of each outlined lesion one picture without it, and of each lesion and normal picture one with a patch elsewhere,
    written into `folder` unless they are there. Their group is that of their source; their stratum `origin` is
    `changed`. Lesions over a third of the picture, or with no room beside them, are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = [lesion for sample in samples if (lesion := lesion_of(sample)) is not None and lesion.any()]
    made = for_each(lambda sample: _changes_of(sample, shapes, folder), [each for each in samples if each.masks])
    return [each for several in made for each in several]


def _changes_of(sample: Sample, shapes: Sequence[Mask], folder: Path) -> list[Sample]:
    lesion = lesion_of(sample)
    if lesion is None:
        return []
    name = f"{sample.strata['pathology']}_{sample.path.stem}".replace(" ", "_")
    rng = np.random.default_rng(list(sha256(name.encode()).digest()[:8]))
    picture = np.asarray(decode(sample.path.read_bytes(), max_pixels=MAX_PIXELS))
    wide = grown(lesion, MARGIN)
    made = []
    if lesion.any() and wide.mean() <= _LARGEST:
        strata = {**sample.strata, "pathology": "normal", "birads": "1", "origin": CHANGED}
        made.append((f"{name}_removed.png", wide, 0, strata))
    if (elsewhere := _placed(shapes[int(rng.integers(len(shapes)))], wide, rng)) is not None:
        made.append((f"{name}_patched.png", elsewhere, sample.label, {**sample.strata, "origin": CHANGED}))
    found = []
    for file, patch, label, strata in made:
        if not (folder / file).is_file():
            partial = folder / f"partial_{file}"
            Image.fromarray(filled(picture, patch)).save(partial)
            partial.replace(folder / file)
        found.append(Sample(folder / file, label, sample.group, sample.source, strata))
    return found


def grown(lesion: Mask, margin: float) -> Mask:
    """A mask (height, width) with `margin` of the shorter edge around it."""
    return np.asarray(ndimage.distance_transform_edt(~lesion) <= margin * min(lesion.shape))


def filled(picture: UInt8Array, patch: Mask) -> UInt8Array:
    """The picture (height, width, 3) with tissue in the place of `patch` (height, width)."""
    pixels = picture.astype(np.float32)
    around = ~grown(patch, 0.01)
    reach = max(3.0, 0.02 * min(patch.shape))
    weight = ndimage.gaussian_filter(around.astype(np.float32), reach)
    shade = ndimage.gaussian_filter(pixels * around[..., None], (reach, reach, 0)) / np.maximum(weight, 1e-3)[..., None]
    nearest = ndimage.distance_transform_edt(weight < 0.05, return_distances=False, return_indices=True)
    depth = np.sqrt(patch.sum())
    shade = ndimage.gaussian_filter(shade[tuple(nearest)], (0.15 * depth, 0.15 * depth, 0))
    donor = _donor(pixels, patch)
    smooth = ndimage.gaussian_filter(donor, (reach, reach, 0))
    gain = np.clip((shade + 8.0) / (smooth + 8.0), 0.3, 3.0)
    soft = np.clip(ndimage.gaussian_filter(patch.astype(np.float32), _EDGE) * 1.6 - 0.3, 0.0, 1.0)[..., None]
    changed = pixels * (1.0 - soft) + (shade + (donor - smooth) * gain) * soft
    return np.asarray(np.clip(changed, 0, 255), dtype=np.uint8)


def _donor(pixels: NDArray[np.float32], patch: Mask) -> NDArray[np.float32]:
    """The picture, moved along its rows and mirrored at its sides, so that what lies in the patch comes from outside it
    as far as can be."""
    width = patch.shape[1]

    def moved(shift: int) -> NDArray[np.int64]:
        turned = (np.arange(width) + shift) % (2 * width)
        return np.asarray(np.minimum(turned, 2 * width - 1 - turned))

    step = max(1, width // 12)
    columns = min((moved(shift) for shift in range(step, 2 * width, step)), key=lambda to: (patch & patch[:, to]).sum())
    return np.asarray(pixels[:, columns])


def _placed(shape: Mask, taken: Mask, rng: np.random.Generator) -> Mask | None:
    """A lesion's outline somewhere off `taken`, or None where ten tries find no room."""
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    cut = shape[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = taken.shape
    room = min(1.0, 0.5 * height / cut.shape[0], 0.5 * width / cut.shape[1])
    edges = (max(4, int(cut.shape[1] * room)), max(4, int(cut.shape[0] * room)))
    cut = np.asarray(Image.fromarray(cut).resize(edges, Image.Resampling.NEAREST))
    for _ in range(10):
        top = int(rng.integers(0, height - cut.shape[0] + 1))
        left = int(rng.integers(0, width - cut.shape[1] + 1))
        placed = np.zeros_like(taken)
        placed[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
        if not (grown(placed, MARGIN) & taken).any():
            return grown(placed, MARGIN)
    return None
