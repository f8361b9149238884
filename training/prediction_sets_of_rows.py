"""Prediction sets of the models that read no plain pictures: ECG records, ECG sheets, and symptoms.

As `prediction_sets`, on the tensors that the service makes. Findings of an ECG may occur together, so each class is
covered by itself: of the ECGs that have a finding 90 % have it in their set.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.disease.knowledge import disease_knowledge
from models.serving.bundle import EVERY_CODE, Bundle, Estimate, PredictionSetSpec
from models.serving.engine import PROBABILITIES
from training.datasets import disease_profiles, ptbxl, vignettes
from training.datasets.ptbxl import EcgSample
from training.diagnoses import disease, heart_image, heart_record
from training.evaluate import mean, share
from training.evaluate import predict as run_onnx
from training.prediction_sets import REPEATS, Known, calibrate, with_spec

HALF, SEED = 0.5, 17
"""Of the inputs held out one half calibrates and the other is measured; drawn once."""

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Inputs with what is true of them, each of a group (a patient, a diagnosis) that stays on one side."""

    known: Sequence[Known]
    owners: Sequence[str]

    def halves(self) -> tuple["Rows", "Rows"]:
        """Half of the groups, drawn once, and the rest."""
        names = sorted(set(self.owners))
        drawn = np.random.default_rng(SEED).permutation(len(names))[: round(HALF * len(names))]
        chosen = {names[place] for place in drawn}
        return self.where(lambda owner: owner in chosen), self.where(lambda owner: owner not in chosen)

    def where(self, kept: Callable[[str], bool]) -> "Rows":
        """Those of some groups."""
        pairs = [pair for pair in zip(self.known, self.owners, strict=True) if kept(pair[1])]
        return Rows([known for known, _ in pairs], [owner for _, owner in pairs])


@dataclass(frozen=True)
class RowSets:
    """What calibrates, on what, what is measured, by name, which codes share a threshold, and what of each measured set
    was refused, whose chances mean nothing."""

    calibration: Rows
    calibrated_on: str
    measured: Mapping[str, Rows]
    groups: Sequence[Sequence[str]]
    refused: Mapping[str, Rows] = field(default_factory=dict)

    def spec(self) -> PredictionSetSpec:
        """The thresholds."""
        return calibrate(self.calibration.known, self.groups, self.calibrated_on)


def figures(rows: Rows, spec: PredictionSetSpec, *, by_class: bool) -> dict[str, Estimate]:
    """Coverage of what is true, also of each class, the mean size of sets, and how often the most probable is true,
    with 95 % intervals, whole groups drawn with replacement. What an answer names besides only enlarges its set."""
    sets = [{code for code, chance in each.chances.items() if spec.fits(code, chance)} for each in rows.known]
    paired = list(zip(rows.known, sets, rows.owners, strict=True))
    covered = [(code, float(code in fitting), owner) for known, fitting, owner in paired for code in known.true]
    told = {
        "coverage": share([value for _, value, _ in covered], [owner for *_, owner in covered], REPEATS),
        "mean size": mean([len(fitting) for fitting in sets], rows.owners, REPEATS),
        "most probable is true": share(
            [max(each.chances, key=lambda code: each.chances[code]) in each.true for each in rows.known],
            rows.owners,
            REPEATS,
        ),
    }
    for code in sorted({code for code, *_ in covered}) if by_class else ():
        own = [(value, owner) for each, value, owner in covered if each == code]
        told[f"coverage, {code}"] = share([value for value, _ in own], [owner for _, owner in own], REPEATS)
    return told


def record_sets(bundle: Bundle, data: Path, _: Path) -> RowSets:
    """Half of the patients of fold 9 calibrates, the other half is measured."""
    folder = data / "ptb-xl"
    samples = [sample for sample in ptbxl.split(ptbxl.load(folder)).test if sample.kind == "record"]
    tensors = heart_record.tensors_of(heart_record.load_data(folder, samples).signals)
    calibration, rest = _ecgs(bundle, samples, tensors).halves()
    measured = {"fold 9, half of the patients": rest}
    return RowSets(calibration, "PTB-XL, half of the patients of fold 9", measured, _each(bundle))


def sheet_sets(bundle: Bundle, data: Path, cache: Path) -> RowSets:
    """Damaged sheets of fold 8 calibrate, those of fold 9 are measured, damaged and clean; only what is accepted."""
    calibration, _ = _sheets(bundle, data, cache, "validation", "damaged")
    names = {f"fold 9, {kind} sheets": _sheets(bundle, data, cache, "test", kind) for kind in ("damaged", "clean")}
    measured = {name: accepted for name, (accepted, _) in names.items()}
    refused = {name: rest for name, (_, rest) in names.items()}
    return RowSets(calibration, "damaged sheets of PTB-XL's fold 8", measured, _each(bundle), refused)


def _sheets(bundle: Bundle, data: Path, cache: Path, part: heart_image.Part, kind: str) -> tuple[Rows, Rows]:
    """The sheets of a part that are accepted, and those that are refused."""
    spec, sheets = bundle.metadata.sheet_preprocessing, heart_image.load_sheets(data, part, cache)
    digitised = sheets.digitised[kind]
    accepted = (digitised.fit >= spec.least_fit) & (digitised.consistency >= spec.least_consistency)

    def rows(chosen: NDArray[np.bool_]) -> Rows:
        places = np.flatnonzero(chosen)
        return _ecgs(bundle, [sheets.samples[place] for place in places.tolist()], digitised.tensors[places])

    return rows(accepted), rows(~accepted)


def disease_sets(bundle: Bundle, data: Path, _: Path) -> RowSets:
    """Half of the diagnoses of the vignettes that the model lists calibrates, the other half is measured. All diseases
    share a threshold: no disease has enough vignettes for its own."""
    tables = data / "symptoms"
    told = vignettes.load(tables / "vignettes")
    cases = disease.read_cases(told, disease_profiles.load(tables / "symcat"))
    care = disease_knowledge().diseases.value
    chances = run_onnx(bundle.model_path, cases.rows)[PROBABILITIES]
    known, owners = [], []
    for row, right, owner, case in zip(chances, cases.right, cases.groups, told, strict=True):
        if right.any():
            best = bundle.metadata.classes[int(np.where(right, row, -1).argmax())]
            kinds = (f"set={case.set}", f"body={care[best].group}", f"urgency={care[best].urgency}")
            listed = dict(zip(bundle.metadata.classes, row.tolist(), strict=True))
            known.append(Known(listed, [best], kinds=kinds))
            owners.append(owner)
    calibration, rest = Rows(known, owners).halves()
    on = "half of the diagnoses of the Avey and Semigran vignettes"
    return RowSets(calibration, on, {"vignettes, half of the diagnoses": rest}, [[EVERY_CODE]])


def apply(bundle: Bundle, sets: RowSets) -> tuple[Bundle, dict[str, dict[str, Estimate]]]:
    """The bundle with its prediction sets, and what they show of what is measured."""
    spec, by_class = sets.spec(), len(sets.groups) > 1
    found = {f"Prediction sets: {name}": figures(rows, spec, by_class=by_class) for name, rows in sets.measured.items()}
    return with_spec(bundle, spec), found


SETS: Mapping[str, Callable[[Bundle, Path, Path], RowSets]] = {
    "heart_record": record_sets,
    "heart_image": sheet_sets,
    "disease": disease_sets,
}


def _ecgs(bundle: Bundle, samples: Sequence[EcgSample], tensors: FloatArray) -> Rows:
    if not samples:
        return Rows([], [])
    classes = bundle.metadata.classes
    chances, labels = run_onnx(bundle.model_path, tensors)[PROBABILITIES], ptbxl.labels_of(samples)
    known = [
        Known(
            dict(zip(classes, row.tolist(), strict=True)),
            [code for code, there in zip(classes, label, strict=True) if there > 0],
            kinds=tuple(sorted(sample.statements)),
        )
        for row, label, sample in zip(chances, labels, samples, strict=True)
    ]
    return Rows(known, [str(sample.patient_id) for sample in samples])


def _each(bundle: Bundle) -> list[list[str]]:
    return [[code] for code in bundle.metadata.classes]
