"""The rhythm that a bundle has learned, by its name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.diagnoses.heart.beats import sample
from models.diagnoses.heart.figures import measure
from models.diagnoses.heart.rhythm import NOT_LEARNED, UNCERTAIN, tell_rhythm
from models.serving.bundle import OperatingPoint, read_bundle
from tests.ecgs import made_up
from tests.fake_bundle import make_bundle

FIGURES = measure(sample(made_up("ramps").signal, None, made_up("ramps").hertz))
POINTS = tuple(
    OperatingPoint(code=code, threshold=0.4, rule="by hand", sensitivity=0.9, specificity=0.9)
    for code in ("AFIB_AFLT", "SINUS", "EXTRASYSTOLES")
)


@pytest.mark.parametrize(
    ("chances", "rate", "name"),
    [
        ((0.9, 0.1, 0.1), 80, "Atrial fibrillation or flutter"),
        ((0.4, 0.9, 0.9), 80, "Atrial fibrillation or flutter"),
        ((0.1, 0.9, 0.1), 80, "Sinus rhythm"),
        ((0.1, 0.9, 0.1), None, "Sinus rhythm"),
        ((0.1, 0.9, 0.1), 49, "Sinus bradycardia"),
        ((0.1, 0.9, 0.1), 101, "Sinus tachycardia"),
        ((0.1, 0.9, 0.5), 80, "Sinus rhythm with extrasystoles"),
        ((0.1, 0.3, 0.5), 80, None),
    ],
)
def test_the_rhythm_is_named_where_it_is_likely(
    tmp_path: Path, chances: tuple[float, ...], rate: float | None, name: str | None
) -> None:
    metadata = read_bundle(make_bundle(tmp_path, "heart_record").folder).metadata.model_copy(update={"rhythm": POINTS})
    told = tell_rhythm({"rhythm": np.array([chances], np.float32)}, metadata, replace(FIGURES, rate=rate))
    assert told.value == name
    assert told.reason == (None if name else UNCERTAIN)
    expected = chances[0] if name and name.startswith("Atrial") else chances[1]
    assert told.probability == (pytest.approx(expected) if name else None)


def test_a_bundle_that_has_learned_no_rhythm_says_so(tmp_path: Path) -> None:
    metadata = read_bundle(make_bundle(tmp_path, "heart_record").folder).metadata
    assert tell_rhythm({}, metadata, FIGURES).reason == NOT_LEARNED
