import numpy as np
import pytest

from training.studies import masks

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
VIEWS = (
    masks.without_frame,
    masks.without_corners,
    masks.without_lungs,
    masks.thumbnail,
    masks.equalised,
)


@pytest.mark.parametrize("view", VIEWS)
def test_views_keep_shape_and_type_and_change_something(view: masks.View) -> None:
    before = PICTURES.copy()
    masked = view(PICTURES)
    assert masked.shape == PICTURES.shape
    assert masked.dtype == np.uint8
    assert (masked != PICTURES).any()
    np.testing.assert_array_equal(PICTURES, before)


def test_lungs_and_frame_are_where_they_should_be() -> None:
    lungs = masks.without_lungs(PICTURES)
    assert (lungs[:, 32, 32] == 96).all()
    np.testing.assert_array_equal(lungs[:, :4], PICTURES[:, :4])
    frame = masks.without_frame(PICTURES)
    assert (frame[:, 0] == 0).all()
    np.testing.assert_array_equal(frame[:, 32, 32], PICTURES[:, 32, 32])
