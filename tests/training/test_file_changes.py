"""What happens to a file on its way: every change does something, keeps the shape, and follows its draw."""

import numpy as np
import pytest
from PIL import Image

from training.file_changes import (
    FILE_CHANGES,
    FileChanges,
    calipers,
    compressed,
    hair,
    letters,
    pen_marks,
    resampled,
    round_frame,
    ruler,
    sticker,
)

SMOOTH = np.asarray(
    Image.fromarray(np.random.default_rng(0).integers(60, 200, (9, 9, 3), np.uint8)).resize((96, 96)), np.uint8
)
PICTURES = np.stack([SMOOTH, SMOOTH[::-1]])


@pytest.mark.parametrize("draw", [hair, ruler, sticker, round_frame, pen_marks, letters, calipers])
def test_marks_change_a_part_of_the_picture_and_nothing_is_drawn_onto_the_original(draw) -> None:  # type: ignore[no-untyped-def]
    before = Image.fromarray(SMOOTH)
    changed = [np.asarray(draw(before, np.random.default_rng(seed))) for seed in range(8)]
    np.testing.assert_array_equal(np.asarray(before), SMOOTH)
    shares = [np.mean((picture != SMOOTH).any(axis=2)) for picture in changed]
    assert max(shares) > 0.0005
    assert all(picture.shape == SMOOTH.shape and picture.dtype == np.uint8 for picture in changed)
    if draw is not round_frame:
        assert max(shares) < 0.6


def test_resampling_and_compression_keep_what_is_shown() -> None:
    rng = np.random.default_rng(1)
    for _ in range(6):
        found = np.asarray(resampled(Image.fromarray(SMOOTH), rng)).astype(float)
        assert 0 < np.abs(found - SMOOTH).mean() < 6
    harsh, mild = (np.asarray(compressed(Image.fromarray(SMOOTH), quality, 0)) for quality in (10, 95))
    assert np.abs(harsh.astype(float) - SMOOTH).mean() > np.abs(mild.astype(float) - SMOOTH).mean() > 0


@pytest.mark.parametrize("name", sorted(FILE_CHANGES))
def test_a_draw_fixes_what_happens(name: str) -> None:
    change = FILE_CHANGES[name]  # type: ignore[index]
    one, same, other = (change(PICTURES, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert one.shape == PICTURES.shape
    assert not np.array_equal(one, other)


def test_no_share_no_change() -> None:
    np.testing.assert_array_equal(FileChanges()(PICTURES, np.random.default_rng(0)), PICTURES)


def test_a_grey_picture_stays_grey_through_a_file() -> None:
    grey = np.repeat(SMOOTH[..., :1], 3, axis=2)
    found = np.asarray(compressed(Image.fromarray(grey), 60, 2)).astype(int)
    assert np.ptp(found, axis=2).max() <= 2
