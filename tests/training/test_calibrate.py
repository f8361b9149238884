import numpy as np
import pytest
from scipy.special import expit, softmax

from training.calibrate import (
    OUT_OF_FOLD,
    OperatingRule,
    answers_for,
    choose_multilabel_points,
    choose_operating_point,
    choose_points,
    fit_multilabel_temperature,
    fit_temperature,
    predictive_values,
)


def test_the_temperature_that_skewed_the_logits_is_found() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    assert fit_temperature(labels, logits * 2.5) == pytest.approx(2.5, rel=0.05)


def test_weights_decide_whose_temperature_it_is() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(8_000, 2)) * 2
    labels = np.array([rng.choice(2, p=row) for row in softmax(logits, axis=1)])
    both, labels = np.concatenate([logits, logits * 4]), np.concatenate([labels, labels])
    weights = np.r_[np.zeros(8_000), np.ones(8_000)]
    assert fit_temperature(labels, both, weights) == pytest.approx(4.0, rel=0.1)


def test_what_balanced_draws_changed_is_taken_back_in_part_or_whole() -> None:
    """Two classes of which one is nine times as frequent; a network that saw both alike, and Bayes' rule."""
    rng = np.random.default_rng(2)
    labels = (rng.random(200_000) < 0.1).astype(int)
    seen = rng.normal(labels * 2.0 - 1.0)
    learned = np.stack([np.zeros_like(seen), 2.0 * seen], axis=1)
    counts = np.bincount(labels)
    told = softmax(learned + answers_for(counts, 1.0, 1.0), axis=1)[:, 1]
    sure = (told > 0.4) & (told < 0.6)
    assert labels[sure].mean() == pytest.approx(told[sure].mean(), abs=0.02)
    whole, half = answers_for(np.array([900, 100]), 0.8, 1.0), answers_for(np.array([900, 100]), 0.8, 0.5)
    assert whole[0] - whole[1] == pytest.approx(0.8 * np.log(9))
    np.testing.assert_allclose(half, whole / 2)
    assert whole.sum() == pytest.approx(0, abs=1e-6)


def test_the_highest_threshold_with_the_wanted_sensitivity() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    positive = np.array([False, False, False, True, False, True, True, True, True, True])
    point = choose_operating_point(OperatingRule("mel", 0.8), positive, scores, np.ones(10))
    assert point.threshold == 0.6
    assert point.sensitivity == pytest.approx(5 / 6)
    assert point.specificity == 1.0


def test_classes_added_up_are_held_to_the_sensitivity_of_one_of_them() -> None:
    chances = np.array(
        [[0.5, 0.1, 0.4], [0.1, 0.3, 0.6], [0.05, 0.15, 0.8], [0.9, 0.0, 0.1], [0.0, 0.1, 0.9], [0, 0, 1.0]]
    )
    labels = np.array([0, 0, 0, 1, 2, 2])
    rule = OperatingRule("suspicious", 1.0, codes=("a", "b"), of=("a",), prevalence=0.1)
    [point] = choose_points([rule], ("a", "b", "c"), labels, chances, np.ones(6), OUT_OF_FOLD)
    assert point.rule.endswith("out of fold")
    assert (point.code, point.sensitivity, point.specificity) == ("suspicious", 1.0, 1.0)
    assert point.threshold == pytest.approx(0.2)
    assert (point.positive_predictive_value, point.negative_predictive_value) == (1.0, 1.0)


def test_predictive_values_follow_bayes_rule() -> None:
    positive, negative = predictive_values(0.9, 0.8, 0.1)
    assert positive == pytest.approx(0.09 / (0.09 + 0.18))
    assert negative == pytest.approx(0.72 / (0.72 + 0.01))
    assert predictive_values(0.0, 1.0, 0.1)[0] is None


def test_without_a_wanted_sensitivity_the_middle_of_the_best_range() -> None:
    scores = np.array([0.01, 0.02, 0.05, 0.95, 0.98, 0.99])
    point = choose_operating_point(OperatingRule("pneumonia"), scores > 0.5, scores, np.ones(6))
    assert 0.05 < point.threshold <= 0.95
    assert (point.sensitivity, point.specificity) == (1.0, 1.0)


def test_where_findings_are_dear_or_missing_them_is_an_end_of_the_best_range() -> None:
    scores = np.array([0.01, 0.02, 0.05, 0.3, 0.6, 0.95, 0.98, 0.99])
    positive = np.array([False, False, False, False, True, True, True, True])
    lowest, highest = (
        choose_operating_point(OperatingRule("MI", place=place, slack=0.3), positive, scores, np.ones(8))
        for place in ("lowest", "highest")
    )
    assert (lowest.threshold, highest.threshold) == (0.3, 0.95)
    assert (
        highest.rule == "highest of the range where sensitivity + specificity on validation is within 0.3 of its best"
    )


def test_a_class_without_cases_has_no_operating_point() -> None:
    with pytest.raises(ValueError, match="with and without"):
        choose_operating_point(OperatingRule("mel"), np.zeros(3, bool), np.ones(3), np.ones(3))


def test_the_temperature_of_classes_that_occur_together_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 2)).astype(np.float32)
    labels = (rng.random((4000, 2)) < expit(logits)).astype(np.float32)
    assert fit_multilabel_temperature(labels, logits) == pytest.approx(1.0, abs=0.06)
    assert fit_multilabel_temperature(labels, 3 * logits) == pytest.approx(3.0, abs=0.2)
    points = choose_multilabel_points(("a", "b"), labels, expit(logits))
    assert [point.code for point in points] == ["a", "b"]
    assert all(0.3 < point.threshold < 0.7 for point in points)
