"""Lesions taken out of drawn ultrasounds: what is put there looks like its surroundings, and patches elsewhere spare
the lesion."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from training.datasets.lesion_removal import changed_pictures, filled, grown
from training.datasets.pictures import Sample

SIZE = 120


def ultrasound(lesion: np.ndarray, seed: int = 0) -> np.ndarray:
    """Speckle that gets darker with depth, much darker in the lesion."""
    rng = np.random.default_rng(seed)
    depth = np.linspace(150, 70, SIZE)[:, None]
    speckle = ndimage.gaussian_filter(rng.normal(0, 60, (SIZE, SIZE)), 1.0)
    grey = np.clip(np.where(lesion, 15, depth) + speckle, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def disc(row: int, column: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    return np.asarray(np.hypot(rows - row, columns - column) <= radius)


def _sample(folder: Path, name: str, lesion: np.ndarray, pathology: str) -> Sample:
    Image.fromarray(ultrasound(lesion)).save(folder / f"{name}.png")
    Image.fromarray(lesion.astype(np.uint8) * 255).save(folder / f"{name}_mask.png")
    strata = {"set": "busi", "origin": "busi", "pathology": pathology, "birads": "unknown"}
    return Sample(
        folder / f"{name}.png", int(pathology == "malignant"), name, "busi", strata, (folder / f"{name}_mask.png",)
    )


def test_what_fills_a_lesion_has_the_shade_and_the_grain_of_its_depth() -> None:
    lesion = disc(60, 40, 14)
    picture = ultrasound(lesion)
    changed = filled(picture, grown(lesion, 0.03)).astype(float)[..., 0]
    beside = np.roll(lesion, 45, axis=1)
    assert picture[lesion].mean() < 30
    assert changed[lesion].mean() == pytest.approx(changed[beside].mean(), abs=12)
    assert changed[lesion].std() == pytest.approx(changed[beside].std(), rel=0.5)
    far = ~grown(lesion, 0.2)
    np.testing.assert_array_equal(changed[far], picture[far][:, 0])


def test_a_lesion_becomes_a_normal_picture_and_a_patched_one_of_the_same_group(tmp_path: Path) -> None:
    nothing = np.zeros((SIZE, SIZE), bool)
    samples = [_sample(tmp_path, "a", disc(60, 40, 14), "malignant"), _sample(tmp_path, "n", nothing, "normal")]
    made = changed_pictures(samples, tmp_path / "made")
    found = {each.path.stem: each for each in made}
    assert set(found) == {"malignant_a_removed", "malignant_a_patched", "normal_n_patched"}
    removed, patched = found["malignant_a_removed"], found["malignant_a_patched"]
    assert (removed.label, removed.group, removed.strata["pathology"], removed.strata["birads"]) == (
        0,
        "a",
        "normal",
        "1",
    )
    assert (patched.label, patched.group, patched.strata["pathology"]) == (1, "a", "malignant")
    assert {each.strata["origin"] for each in made} == {"changed"}
    assert found["normal_n_patched"].strata["pathology"] == "normal"
    lesion = disc(60, 40, 14)
    np.testing.assert_array_equal(np.asarray(Image.open(patched.path))[lesion], ultrasound(lesion)[lesion])
    written = removed.path.stat().st_mtime_ns
    changed_pictures(samples, tmp_path / "made")
    assert removed.path.stat().st_mtime_ns == written


def test_a_lesion_that_fills_the_picture_is_left_alone(tmp_path: Path) -> None:
    made = changed_pictures([_sample(tmp_path, "a", disc(60, 60, 55), "benign")], tmp_path / "made")
    assert made == []
