"""The sets that what ships is measured on, once, and the figures asked of each; none of them was trained on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.datasets import isic2017
from training.datasets.pictures import Sample, labels_of
from training.datasets.ultrasound import assessment_of
from training.diagnoses import breast, skin, xray
from training.diagnoses.breast import quadratic_kappa
from training.diagnoses.picture_task import PictureTask, hold_some_outside
from training.served import Answer, Chosen, Figure, MeasuredSet, Share
from training.skin_tone import TONES, with_tones


def ranking(score: Callable[[Answer], float], positive: Chosen, among: Chosen = lambda _: True) -> Figure:
    """The AUROC of a score, no number where one side is empty."""

    def figure(given: Sequence[Answer]) -> float:
        counted = [answer for answer in given if among(answer)]
        truth = np.array([positive(answer) for answer in counted], dtype=bool)
        if not truth.any() or truth.all():
            return float("nan")
        return metrics.auroc(truth, np.array([score(answer) for answer in counted]))

    return figure


def outside(task: PictureTask, data: Path) -> list[Sample]:
    """What stays outside of a task's folds."""
    return hold_some_outside(task.load(data), task.only_tested).test


def skin_sets(data: Path) -> list[MeasuredSet]:
    """A tenth of HAM10000's lesions, sharp and soft apart, and ISIC 2017, by how light the skin looks."""
    samples, others = with_tones(outside(skin.TASK, data)), with_tones(isic2017.load(data / "isic2017"))
    codes = skin.TASK.recipe.classes

    def chances(given: Sequence[Answer]) -> NDArray[np.float32]:
        return np.array([list(answer.chances.values()) for answer in given], np.float32)

    def labels(given: Sequence[Answer]) -> NDArray[np.int64]:
        return labels_of([answer.sample for answer in given])

    def of(code: str) -> Chosen:
        return lambda answer: codes[answer.sample.label] == code

    def aurocs(classes: Sequence[str]) -> Figure:
        def figure(given: Sequence[Answer]) -> float:
            found = [ranking(lambda answer, code=code: answer.chances[code], of(code))(given) for code in classes]  # type: ignore[misc]
            return float(np.mean(found))

        return figure

    urgent: dict[str, Figure] = {
        "melanomas answered routine": Share(lambda answer: answer.routine, of("mel")),
        "nevi escalated": Share(lambda answer: not answer.routine, of("nv")),
        "refused": Share(lambda answer: not answer.accepted),
    }
    whole: dict[str, Figure] = {
        "macro AUROC": aurocs(codes),
        "balanced accuracy": lambda given: metrics.balanced_accuracy(labels(given), chances(given)),
        "ECE": lambda given: metrics.expected_calibration_error(labels(given), chances(given)),
        **urgent,
    }
    name = "HAM10000, a tenth of the lesions"
    parts = [
        MeasuredSet(f"{name}, {kind}", [each for each in samples if each.strata["resolution"] == kind], urgent)
        for kind in ("sharp", "soft")
    ]
    tones = [
        MeasuredSet(f"ISIC 2017, {tone} skin", [each for each in others if each.strata["tone"] == tone], urgent)
        for tone, _ in TONES
    ]
    elsewhere = {"macro AUROC of its three classes": aurocs(("bkl", "mel", "nv")), **urgent}
    return [
        MeasuredSet(name, samples, whole),
        *parts,
        MeasuredSet("ISIC 2017 (never trained on)", others, elsewhere),
        *tones,
    ]


def xray_sets(data: Path) -> list[MeasuredSet]:
    """Kermany's test split, NIH patients held out, whole and by view, and the normal adults held back."""
    samples = outside(xray.TASK, data)

    def ill(answer: Answer) -> bool:
        return answer.sample.label == 1

    def score(answer: Answer) -> float:
        return answer.chances["pneumonia"]

    usual: dict[str, Figure] = {
        "AUROC": ranking(score, ill),
        "sensitivity": Share(lambda answer: answer.code == "pneumonia", ill),
        "specificity": Share(lambda answer: answer.code == "normal", lambda answer: not ill(answer)),
        "accuracy": Share(lambda answer: answer.code == ("pneumonia" if ill(answer) else "normal")),
        "ECE": lambda given: metrics.calibration_error(
            np.array([ill(answer) for answer in given], np.float64), np.array([score(answer) for answer in given])
        ),
    }
    ranked = {key: usual[key] for key in ("AUROC", "sensitivity", "specificity")}
    adults: dict[str, Figure] = {
        "false alarms": Share(lambda answer: answer.code != "normal", lambda answer: _set(answer) == "normal_adults"),
        "AUROC of NIH pneumonia against them": ranking(
            score, ill, lambda answer: _set(answer) == "normal_adults" or ill(answer)
        ),
        "AUROC of NIH normals against them": ranking(
            score, lambda answer: _set(answer) == "nih", lambda answer: not ill(answer)
        ),
    }
    nih = [each for each in samples if each.strata["set"] == "nih"]
    views = [
        MeasuredSet(f"NIH, {view} films", [each for each in nih if each.strata["view"] == view], ranked)
        for view in ("PA", "AP")
    ]
    return [
        MeasuredSet("Kermany test split", [each for each in samples if each.strata["set"] == "kermany"], usual),
        MeasuredSet("NIH, 15 % of the patients", nih, usual),
        *views,
        MeasuredSet("normal adults held back", [each for each in samples if each.strata["set"] != "kermany"], adults),
    ]


def breast_sets(data: Path) -> list[MeasuredSet]:
    """A tenth of the groups of BUSI and of BUS-BRA."""
    samples = outside(breast.TASK, data)

    def birads(answer: Answer) -> int:
        return int(answer.code or 0)

    def truly(pathology: str) -> Chosen:
        return lambda answer: answer.sample.strata["pathology"] == pathology

    def lesion(answer: Answer) -> bool:
        return answer.sample.strata["pathology"] != "normal"

    def malignancy(answer: Answer) -> float:
        return float(answer.reading.malignancy_probability)

    def kappa(given: Sequence[Answer]) -> float:
        rated = [(assessment_of(answer.sample), birads(answer)) for answer in given]
        pairs = [(truth, found) for truth, found in rated if truth and found]
        return quadratic_kappa(*np.array(pairs).T) if pairs else float("nan")

    ranked: dict[str, Figure] = {
        "AUROC of malignancy, lesions": ranking(malignancy, truly("malignant"), lesion),
        "malignant lesions answered 1 or 2": Share(lambda answer: birads(answer) in (1, 2), truly("malignant")),
        "malignant among lesions answered 2 or 3": Share(
            truly("malignant"), lambda answer: lesion(answer) and birads(answer) in (2, 3)
        ),
        "benign lesions answered 2 or 3": Share(lambda answer: birads(answer) in (2, 3), truly("benign")),
        "ECE of malignancy, lesions": lambda given: _calibration(
            [answer for answer in given if lesion(answer)], truly("malignant"), malignancy
        ),
        "refused": Share(lambda answer: not answer.accepted),
    }
    normal: dict[str, Figure] = {
        "normal pictures answered 1 or 2": Share(lambda answer: birads(answer) in (1, 2), truly("normal")),
        "AUROC of a lesion": ranking(lambda answer: 1.0 - answer.chances["1"], lesion),
    }
    return [
        MeasuredSet("BUSI, a tenth", [each for each in samples if each.strata["set"] == "busi"], normal | ranked),
        MeasuredSet(
            "BUS-BRA, a tenth of the patients",
            [each for each in samples if each.strata["set"] == "bus_bra"],
            {"quadratic kappa to the radiologist": kappa, **ranked},
        ),
    ]


SETS: Mapping[str, Callable[[Path], list[MeasuredSet]]] = {"skin": skin_sets, "xray": xray_sets, "breast": breast_sets}


def _set(answer: Answer) -> str:
    return answer.sample.strata["set"]


def _calibration(given: Sequence[Answer], positive: Chosen, score: Callable[[Answer], float]) -> float:
    if not given:
        return float("nan")
    truth = np.array([positive(answer) for answer in given], np.float64)
    return metrics.calibration_error(truth, np.array([score(answer) for answer in given]))
