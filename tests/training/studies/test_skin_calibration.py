"""Ways to calibrate, tried on made-up answers that say too little of one class."""

import numpy as np
import pytest
from scipy.special import softmax

from training.metrics import calibration_error
from training.studies.skin_calibration import BINS, WAYS, Known, apply, fit, held_out, log_loss, table_of


@pytest.fixture
def biased() -> Known:
    """Logits of seven classes whose truth was drawn with one more of the sixth."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (2000, 7))
    truth = softmax(logits + np.array([0, 0, 0, 0, 0, 1.5, 0]), axis=1)
    labels = np.array([rng.choice(7, p=row) for row in truth])
    return Known(softmax(logits, axis=1), labels, [str(number // 2) for number in range(2000)])


def test_a_bias_is_found_where_there_is_one_and_a_temperature_alone_does_not_mend_it(biased: Known) -> None:
    way = "temperature and a bias of each class"
    found = fit(way, biased)
    relative = found[1:] - found[1:].mean()
    assert relative[5] - np.delete(relative, 5).mean() == pytest.approx(1.5, abs=0.3)
    losses = {each: log_loss(biased.labels, held_out(each, biased)) for each in WAYS}
    assert losses[way] < losses["temperature"] - 0.05
    changed = apply(way, found, biased.chances)
    right = changed.argmax(axis=1) == biased.labels
    assert calibration_error(right, changed.max(axis=1), BINS) < 0.04


def test_the_table_has_a_row_for_each_way(biased: Known) -> None:
    assert table_of("a set", biased, {"as served": biased.chances, "again": biased.chances}).row_count == 2
