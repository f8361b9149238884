from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from training.datasets.pictures import Sample
from training.diagnoses import breast

LARGE = 30.0


def _sample(group: str, label: int, birads: str, name: str = "bus_bra") -> Sample:
    return Sample(Path(f"{group}.png"), label, group, name, {"set": name, "birads": birads})


def test_chances_of_the_categories_sum_to_one_and_follow_the_steps() -> None:
    logits = np.array([[0, LARGE, LARGE, -LARGE, -LARGE], [0, -LARGE, LARGE, 0, 0]], np.float32)
    chances = breast.assessment_chances(logits)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(chances[0], [0, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(chances[1], [1, 0, 0, 0, 0], atol=1e-6)
    assert breast.median_category(chances).tolist() == [3, 1]


def test_quadratic_kappa_of_a_worked_table() -> None:
    truth = np.array([2, 2, 3, 3, 4, 5])
    assert breast.quadratic_kappa(truth, truth) == 1.0
    found = np.array([2, 3, 3, 4, 4, 5])
    # Squared differences sum to 2 in the 6 pairs, to 78 in all 36: 1 - (2 / 6) / (78 / 36).
    assert breast.quadratic_kappa(truth, found) == pytest.approx(11 / 13)
    assert breast.quadratic_kappa(truth, np.array([2, 3, 4, 5, 2, 3])) < 0.5


def test_platt_scaling_finds_weights_and_bias() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20000, 2)).astype(np.float32)
    labels = (rng.random(20000) < expit(logits @ [0.5, -0.2] - 1.0)).astype(np.int64)
    found = breast.fit_platt(labels, logits)
    np.testing.assert_allclose(found.weights, [0.5, -0.2], atol=0.03)
    assert found.bias == pytest.approx(-1.0, abs=0.06)


def test_malignancy_takes_in_whether_there_is_a_lesion() -> None:
    platt = breast.Platt(np.array([1.0, 0.0]), 0.0)
    clear, doubtful, none = platt(np.array([[2.0, 20.0], [2.0, 0.0], [2.0, -20.0]], np.float32))
    assert clear == pytest.approx(expit(2.0))
    assert doubtful == pytest.approx(expit(2.0) / 2)
    assert none == pytest.approx(0.0, abs=1e-6)


def test_the_cut_is_the_highest_below_which_few_are_malignant() -> None:
    chances = np.linspace(0, 1, 1001)[:-1]
    malignant = np.zeros(1000, bool)
    malignant[[300, 310, 320, 330, 340, 350, 360, 370]] = True
    malignant[400:] = True
    cut = breast.choose_cut(chances, malignant, [f"g{n}" for n in range(1000)])
    assert cut == pytest.approx(0.4, abs=0.002)
    assert breast.choose_cut(chances, ~malignant, [f"g{n}" for n in range(1000)]) == 0.0


def test_an_interval_too_wide_for_few_cases_lowers_the_cut() -> None:
    chances, malignant = np.linspace(0, 1, 60), np.zeros(60, bool)
    malignant[[10, 59]] = True
    assert breast.choose_cut(chances[:50], malignant[:50], [f"g{n}" for n in range(50)]) < chances[12]


def test_no_lesion_begins_where_hardly_a_malignant_one_is_called_so() -> None:
    no_lesion = np.r_[np.linspace(0, 0.6, 200), np.linspace(0.3, 1, 100)]
    malignant, lesions = np.r_[np.ones(200, bool), np.zeros(100, bool)], np.r_[np.ones(200, bool), np.zeros(100, bool)]
    one = np.full(300, "here")
    point = breast.choose_no_lesion(no_lesion, malignant, lesions, one)
    assert point.threshold > 0.58
    assert np.mean(no_lesion[malignant] >= point.threshold) <= 0.02
    assert point.sensitivity == pytest.approx(np.mean(no_lesion[~lesions] >= point.threshold))
    sure = breast.choose_no_lesion(no_lesion / 2, malignant, lesions, one)
    assert sure.threshold == 0.5
    assert breast.choose_no_lesion(no_lesion, np.zeros(300, bool), lesions, one).threshold == 1.0


def test_a_set_with_easy_lesions_does_not_hide_those_that_another_overlooks() -> None:
    no_lesion = np.r_[np.linspace(0, 0.4, 900), np.linspace(0, 0.8, 100), np.linspace(0.3, 1, 100)]
    lesions = np.repeat([True, False], [1000, 100])
    sets = np.repeat(["easy", "hard", "hard"], [900, 100, 100])
    point = breast.choose_no_lesion(no_lesion, lesions, lesions, sets)
    hard = no_lesion[900:1000]
    assert np.mean(no_lesion[lesions] >= point.threshold) < 0.005
    assert np.mean(hard >= point.threshold) <= 0.02
    assert point.threshold == pytest.approx(0.79, abs=0.01)


def test_a_lesion_is_assessed_by_what_is_left_for_it() -> None:
    logits = np.array([[0, -1.0, -3, -9, -9], [0, 3, 3, 3, 3], [0, -LARGE, -LARGE, -LARGE, -LARGE]], np.float32)
    assert breast.assessed_of(logits).tolist() == [2, 5, 2]


def test_calibration_states_both_points_and_what_the_group_comes_to() -> None:
    rng = np.random.default_rng(2)
    samples, rows = [], []
    for number in range(600):
        label, normal = int(number % 3 == 0), number % 10 == 9
        label = 0 if normal else label
        pathology = "normal" if normal else ("malignant" if label else "benign")
        strata = {"set": "busi", "pathology": pathology, "birads": "unknown"}
        samples.append(Sample(Path(f"{number}.png"), label, f"g{number}", "busi", strata))
        lesion = -4.0 if normal else 4.0
        rows.append([4 * label - 2 + rng.normal(), lesion + rng.normal(), 2 * label - 1, 2 * label - 2, -4])
    malignancy, points = breast.calibrated(samples, np.array(rows, np.float32))
    suspicious, absent = points
    assert (suspicious.code, absent.code) == ("suspicious", "1")
    assert suspicious.prevalence == pytest.approx(1 / 3, abs=0.06)
    assert suspicious.negative_predictive_value is not None
    assert suspicious.negative_predictive_value >= 0.98
    assert absent.sensitivity > 0.95
    assert malignancy(np.array([rows[0]], np.float32))[0] > 0.5
