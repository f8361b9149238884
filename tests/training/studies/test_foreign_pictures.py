"""The share of pictures of another kind that a bundle flags."""

from pathlib import Path

import numpy as np
import pytest

from models.serving.bundle import Bundle
from tests.fake_bundle import make_bundle
from training.studies.foreign_pictures import KINDS, clouds, encode, flagged, mammogram


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path / "bundles", "breast")


def test_the_share_flagged_is_that_above_the_bundles_threshold(bundle: Bundle) -> None:
    frames = [encode(np.full((40, 60, 3), shade, np.uint8)) for shade in (0, 128, 128, 255)]
    assert flagged(bundle, frames) == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_repeat_by_their_seed(kind: str) -> None:
    first, again, other = (KINDS[kind](np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert first.shape[2] == 3
    assert first.shape != other.shape or (first != other).any()


def test_a_mammogram_is_tissue_at_one_edge_of_a_black_film() -> None:
    picture = mammogram(np.random.default_rng(3))[..., 0].astype(float)
    edges = sorted([picture[300:600, :40].mean(), picture[300:600, -40:].mean()])
    assert edges[0] < 10 < 60 < edges[1]
    assert picture[:20].mean() < 30


def test_rougher_clouds_have_less_fine_detail() -> None:
    fine, coarse = (clouds((64, 64), np.random.default_rng(0), roughness=r) for r in (0.5, 2.0))
    assert np.abs(np.diff(fine)).mean() > 2 * np.abs(np.diff(coarse)).mean()
    assert (coarse.min(), coarse.max()) == (0.0, 1.0)
