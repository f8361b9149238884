"""Prediction sets that hold the truth in 90 % of the cases of each class: split conformal prediction.

Of the calibration inputs of a class, the least probability of that class is kept that all but the lowest tenth reach,
with the correction of finite samples (Vovk 2012, "Conditional validity of inductive conformal predictors"; Sadinle, Lei
and Wasserman 2019, JASA 114:223). It is found on answers of the shipped network, by the service's own path, to inputs
that it was not trained on. Coverage of these is measured by leaving each lesion or patient out: whether a set holds the
truth is told by the thresholds of all the others, so that nothing is measured by itself. Classes with too few inputs
share a group. Where the inputs are of several sets, each set has its own threshold and the lowest is kept, so that no
set pays for another.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.diagnosis import AnyDiagnosis
from models.serving.bundle import EVERY_CODE, Bundle, Estimate, PredictionSetSpec, read_bundle, write_bundle
from training.datasets import isic2017
from training.datasets.pictures import Sample
from training.datasets.ultrasound import assessment_of
from training.diagnoses import breast, skin, xray
from training.evaluate import mean, share
from training.served import Answer, answers
from training.served_sets import outside

COVERAGE = 0.9
LEAST = 9
"""Inputs of a class below which nothing can be promised at that coverage."""
REPEATS = 400
BREAST_GROUPS = (("1",), ("2", "3"), ("4", "5"))
_ROUNDING = 1e-6
"""Answers round probabilities to six decimals."""

Truth = Callable[[Sample], str | None]
"""The code that is true of a sample; None where nobody knows."""


@dataclass(frozen=True)
class Sets:
    """What calibrates, what is measured, by name, which may be among the former, what is true of a sample, which codes
    share a threshold, and of which set a sample is."""

    calibration: Sequence[Sample]
    calibrated_on: str
    measured: Mapping[str, Sequence[Sample]]
    truth: Truth
    groups: Sequence[Sequence[str]]
    part: Callable[[Sample], str] = lambda _: ""


def least_probability(probabilities: NDArray[np.floating], coverage: float = COVERAGE) -> float:
    """The probability that a share `coverage` of new inputs reaches at least, of (n,) calibration inputs of a class; 0
    where they are too few to promise it."""
    n = len(probabilities)
    below = n - int(np.ceil((n + 1) * coverage - 1e-9))
    return float(np.sort(probabilities)[below]) if below >= 0 else 0.0


@dataclass(frozen=True)
class Known:
    """An input: its probabilities by code, the codes that are true of it, its set, and of which kinds it is, as
    `sex=female`."""

    chances: Mapping[str, float]
    true: Collection[str]
    part: str = ""
    kinds: tuple[str, ...] = ()


def calibrate(inputs: Sequence[Known], groups: Sequence[Sequence[str]], on: str) -> PredictionSetSpec:
    """The threshold of each group of codes: the lowest that a set with enough inputs asks for."""
    least: dict[str, float] = {}
    counts: dict[str, int] = {}
    for group in groups:
        by_part: dict[str, list[float]] = {}
        for each in inputs:
            by_part.setdefault(each.part, []).extend(
                each.chances[code] for code in each.true if code in group or EVERY_CODE in group
            )
        enough = [values for values in by_part.values() if len(values) >= LEAST]
        threshold = min((least_probability(np.array(values)) for values in enough), default=0.0)
        least |= dict.fromkeys(group, max(0.0, threshold - _ROUNDING))
        counts |= dict.fromkeys(group, sum(len(values) for values in by_part.values()))
    return PredictionSetSpec(coverage=COVERAGE, least=least, n=counts, calibrated_on=on)


def calibrate_bundle(diagnosis: AnyDiagnosis, bundle: Bundle, sets: Sets) -> Bundle:
    """The bundle with prediction sets of the network that is served at its precision, found on accepted inputs."""
    known = [each for each in answers(diagnosis, bundle, sets.calibration) if each.accepted and sets.truth(each.sample)]
    inputs = [Known(each.chances, [sets.truth(each.sample) or ""], sets.part(each.sample)) for each in known]
    return with_spec(bundle, calibrate(inputs, sets.groups, sets.calibrated_on))


def with_spec(bundle: Bundle, spec: PredictionSetSpec) -> Bundle:
    """The bundle with these prediction sets for the network of its precision."""
    stored = read_bundle(bundle.folder).metadata
    quantised = stored.int8 is not None and bundle.metadata.precision == "int8"
    if quantised and stored.int8:
        changes: dict[str, Any] = {"int8": stored.int8.model_copy(update={"prediction_set": spec})}
    else:
        changes = {"prediction_set": spec}
    kept = stored.model_copy(update=changes).model_dump(exclude={"sha256"})
    write_bundle(bundle.folder, model=bundle.folder / "model.onnx", card=bundle.card, metadata=kept)
    return read_bundle(bundle.folder, bundle.metadata.precision)


def measure(diagnosis: AnyDiagnosis, bundle: Bundle, sets: Sets) -> dict[str, dict[str, Estimate]]:
    """Coverage of each measured set, whole and by class, the mean size, and how often the first is right. Of what also
    calibrates, each group is left out in turn."""
    calibrating = {each.sample.path: each for each in answers(diagnosis, bundle, sets.calibration)}
    known = [each for each in calibrating.values() if each.accepted and sets.truth(each.sample)]
    inputs = [Known(each.chances, [sets.truth(each.sample) or ""], sets.part(each.sample)) for each in known]
    specs = left_out(inputs, [each.sample.group for each in known], sets.groups, sets.calibrated_on)
    found = {}
    for name, samples in sets.measured.items():
        others = [sample for sample in samples if sample.path not in calibrating]
        given = [calibrating[sample.path] for sample in samples if sample.path in calibrating]
        given = [_by(diagnosis, each, specs[each.sample.group]) for each in given if each.sample.group in specs]
        given += answers(diagnosis, bundle, others)
        known = [each for each in given if each.accepted and sets.truth(each.sample)]
        found[f"Prediction sets: {name}"] = figures(known, sets.truth)
    return found


def left_out(
    inputs: Sequence[Known], owners: Sequence[str], groups: Sequence[Sequence[str]], on: str
) -> dict[str, PredictionSetSpec]:
    """The thresholds that all inputs but those of an owner ask for, for each owner."""
    places: dict[str, list[int]] = {}
    for place, owner in enumerate(owners):
        places.setdefault(owner, []).append(place)
    return {
        owner: calibrate([each for place, each in enumerate(inputs) if place not in own], groups, on)
        for owner, own in places.items()
    }


def _by(diagnosis: AnyDiagnosis, answer: Answer, spec: PredictionSetSpec) -> Answer:
    """An answer with the set that other thresholds give, and what it names."""
    fitting = {code for code, chance in answer.chances.items() if spec.fits(code, chance)}
    return replace(answer, possible=tuple(fitting | set(diagnosis.named(answer.reading))))


def figures(known: Sequence[Answer], truth: Truth) -> dict[str, Estimate]:
    """What accepted answers with a known truth say, with 95 % intervals, whole groups drawn with replacement."""

    def covered(answer: Answer) -> float:
        return float(truth(answer.sample) in (answer.possible or ()))

    def first(answer: Answer) -> float:
        return float(max(answer.chances, key=lambda code: answer.chances[code]) == truth(answer.sample))

    told = {
        "coverage": _share(known, covered),
        "mean size": mean(
            [len(answer.possible or ()) for answer in known], [answer.sample.group for answer in known], REPEATS
        ),
        "accuracy of the most probable": _share(known, first),
    }
    for code in sorted({truth(each.sample) or "" for each in known}):
        told[f"coverage, {code}"] = _share([each for each in known if truth(each.sample) == code], covered)
    return told


def _share(given: Sequence[Answer], of: Callable[[Answer], float]) -> Estimate:
    return share([of(each) for each in given], [each.sample.group for each in given], REPEATS)


def skin_sets(data: Path) -> Sets:
    """The tenth of HAM10000's lesions that stays outside of folds calibrates and is measured, each lesion left out;
    ISIC 2017 is measured too."""
    classes, held_out = skin.TASK.recipe.classes, outside(skin.TASK, data)
    measured = {
        "HAM10000, a tenth of the lesions": held_out,
        "ISIC 2017 (never trained on)": isic2017.load(data / "isic2017"),
    }
    on = "a tenth of HAM10000's lesions, which the network had not seen"
    return Sets(held_out, on, measured, _label(classes), [[code] for code in classes])


def xray_sets(data: Path) -> Sets:
    """All films held out calibrate and are measured, each patient left out."""
    codes, held_out = xray.TASK.recipe.classes, outside(xray.TASK, data)
    names = {"kermany": "Kermany test split", "nih": "NIH, 15 % of the patients"}
    names |= {"normal_adults": "normal adults held back"}
    measured = {name: [each for each in held_out if each.strata["set"] == key] for key, name in names.items()}
    on = "the films held out: Kermany, NIH and normal adults, the most cautious of the three"
    groups = [[code] for code in codes]
    return Sets(held_out, on, measured, _label(codes), groups, lambda sample: sample.strata["set"])


def breast_sets(data: Path) -> Sets:
    """All pictures held out calibrate and are measured, each group left out; of a lesion that no radiologist assessed
    the category is not known."""
    held_out = outside(breast.TASK, data)
    measured = {"BUSI normal pictures and BUS-BRA, those held out": held_out}
    on = "the pictures held out that a radiologist assessed: BUSI and BUS-BRA"
    return Sets(held_out, on, measured, _assessment, BREAST_GROUPS)


SETS: Mapping[str, Callable[[Path], Sets]] = {"skin": skin_sets, "xray": xray_sets, "breast": breast_sets}


def _label(codes: Sequence[str]) -> Truth:
    return lambda sample: codes[sample.label]


def _assessment(sample: Sample) -> str | None:
    found = assessment_of(sample)
    return str(found) if found else None
