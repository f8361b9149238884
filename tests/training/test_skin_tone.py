"""Tones: the angle of a known colour, the lightest patch wins, and samples are told theirs."""

from math import atan2, degrees
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.datasets.pictures import Sample
from training.skin_tone import tone_of, typology_angle, with_tones


def of(colour: tuple[int, int, int], size: int = 224) -> np.ndarray:
    return np.full((size, size, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("colour", "lightness", "yellow"),
    [((240, 200, 180), 83.4, 16.7), ((198, 134, 66), 61.3, 47.5), ((92, 56, 41), 27.4, 15.9)],
)
def test_the_angle_of_a_colour_is_that_of_its_lab(
    colour: tuple[int, int, int], lightness: float, yellow: float
) -> None:
    assert typology_angle(of(colour)) == pytest.approx(degrees(atan2(lightness - 50, yellow)), abs=3)


def test_lesion_hair_and_frames_do_not_darken_skin() -> None:
    skin = of((240, 200, 180))
    picture = skin.copy()
    picture[40:180, 40:180] = (70, 40, 30)
    picture[:100] = 0
    picture[:, :100] = (60, 30, 20)
    assert typology_angle(picture) == pytest.approx(typology_angle(skin))


def test_tones_begin_where_the_literature_puts_them() -> None:
    assert [tone_of(angle) for angle in (90.0, 55.1, 55.0, 41.1, 41.0, 10.0, -40.0)] == [
        "very light",
        "very light",
        "light",
        "light",
        *["intermediate or darker"] * 3,
    ]


def test_samples_are_told_their_tone_and_keep_what_is_known(tmp_path: Path) -> None:
    samples = []
    for number, colour in enumerate([(240, 200, 180), (92, 56, 41)]):
        Image.fromarray(of(colour, 300)).save(tmp_path / f"{number}.png")
        samples.append(Sample(tmp_path / f"{number}.png", number, str(number), "made-up", {"sex": "female"}))
    told = with_tones(samples)
    assert [sample.strata for sample in told] == [
        {"sex": "female", "tone": "very light"},
        {"sex": "female", "tone": "intermediate or darker"},
    ]
