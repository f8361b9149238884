"""Reliability diagrams, in numbers."""

import numpy as np
import pytest

from training.reliability import ECE, Said, figures, figures_by_group
from training.trust_tables import CALIBRATED


def _said(shift: float, count: int = 1000) -> Said:
    rng = np.random.default_rng(3)
    chances = rng.uniform(0.05, 0.95, count)
    true = rng.random(count) < np.clip(chances + shift, 0, 1)
    return Said(chances, true, [str(number) for number in range(count)])


def test_a_calibrated_model_lies_on_the_diagonal_and_within_chance() -> None:
    found = dict(figures(_said(0.0)))
    bins = {name: value for name, value in found.items() if name.startswith("said ")}
    assert len(bins) == 10
    for name, value in bins.items():
        assert value.n == 100
        assert value.value == pytest.approx(float(name.removeprefix("said ")), abs=0.15)
    assert found[ECE].value <= found[CALIBRATED].value


def test_one_that_says_too_little_does_not() -> None:
    found = dict(figures(_said(0.25)))
    assert found[ECE].value > 2 * found[CALIBRATED].value
    assert list(found.values())[5].value > 0.6


def test_few_inputs_make_few_bins() -> None:
    found = dict(figures(_said(0.0, 45)))
    assert sum(name.startswith("said ") for name in found) == 2
    assert found[CALIBRATED].value > 0.05


def test_groups_have_diagrams_of_their_own_but_not_by_what_is_true_of_them() -> None:
    good, bad = _said(0.0, 200), _said(0.25, 200)
    kinds = [("sex=female", "subtype=virus")] * 200 + [("sex=male",)] * 200
    both = Said(np.append(good.chances, bad.chances), np.append(good.true, bad.true), list(map(str, range(400))), kinds)
    found = dict(figures_by_group(both))
    assert {key.split(",")[0] for key in found} == {"sex=female", "sex=male"}
    assert sum(key.startswith("sex=male, said ") for key in found) == 5
    assert found[f"sex=female, {ECE}"].value < found[f"sex=male, {ECE}"].value
    assert found[f"sex=male, {ECE}"].n == 200
    of_one_kind = good._replace(kinds=[("sex=male",)] * 200)
    assert not dict(figures_by_group(of_one_kind)), "a group that is the whole set"
