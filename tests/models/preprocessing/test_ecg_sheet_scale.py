"""The grid's spacing in pixels, also where there is none to be seen."""

import numpy as np
import pytest

from models.preprocessing.ecg_sheet.scale import find_scale

WIDTH = 300


@pytest.mark.parametrize("seed", [713, 1131, 1158, 1190, 2474])
def test_grain_that_passes_for_a_grid_never_gives_an_impossible_scale(seed: int) -> None:
    grain = np.clip(np.random.default_rng(seed).normal(20, 10, WIDTH), 0, 255).astype(np.uint8)
    scale = find_scale(np.tile(grain, (WIDTH, 1)), 0, WIDTH)
    assert scale.across == pytest.approx(WIDTH / 250, rel=0.7)
    assert scale.down == pytest.approx(scale.across, rel=0.7)
