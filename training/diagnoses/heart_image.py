"""The model of ECG sheets from data to bundle: random convolutions of what is read off drawn and photographed sheets.

The seeds and the published folds fix who is held out: folds 1-7 train, fold 8 chooses, fold 9 is measured once, on
sheets drawn from a seed of its own. Records in mV are drawn, damaged and read as the service reads them; of normalised
ones, whose voltage is unknown, only the shape is learned, as sheets would show it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.diagnoses.heart import interpretation as heart
from models.preprocessing.ecg_beat import with_beat
from models.preprocessing.ecg_record import SignalPreprocessing, filter_band
from models.preprocessing.ecg_sheet.preparation import SheetPreprocessing
from models.serving.bundle import Bundle, Estimate, OperatingPoint, read_bundle
from models.serving.engine import PROBABILITIES
from training.calibrate import choose_multilabel_points, fit_multilabel_temperature
from training.datasets import ptbxl
from training.datasets.digitised_sheets import DigitisedSheets, SheetData, imitate, read_sheets
from training.datasets.ptbxl import CLASSES, EcgSample
from training.diagnoses.training import Job, Option, Training
from training.draft import BundleDraft, notes_of, record_figures
from training.evaluate import measure_multilabel, share, tensor_specs
from training.evaluate import predict as run_onnx
from training.explainable_ecg import explain_leads
from training.recipe import SheetRecipe

log = logging.getLogger(__name__)

NAME = "heart_image"
VERSION = "1.0.3"
TITLE = "Pictures of 12-lead ECG sheets, five superclasses"
CONVOLUTIONS_FILE = "convolutions.keras"
RECIPE = SheetRecipe()
TRAIN_SEEDS = (1,)
"""Each draws one sheet of every training record in mV."""
IMITATION_SEED = 7
SEEDS = {"validation": 8, "test": 9}
SEVERITIES = {"damaged": 1.0, "clean": 0.0}
REFUSED = 0.05
"""Share of validation's clean and damaged sheets below each of the least `fit` and `consistency`: at 0.03 none of 180
skin, X-ray and ultrasound pictures passed, at 0.02 four did."""
LEAST_CONSISTENCY = 0.5
"""Below it some made-up sheets with ST elevation were misread and "Normal". Of 80 real prints the least has 0.69."""
ROUND_TRIPS = 50
SIGNAL = SignalPreprocessing()

Part = Literal["validation", "test"]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Sheets:
    """What was read off the sheets of a part, `damaged` and `clean`, in the order of its `samples`."""

    samples: Sequence[EcgSample]
    digitised: dict[str, DigitisedSheets]

    @property
    def labels(self) -> FloatArray:
        return ptbxl.labels_of(self.samples)


def load_training(data: Path, cache: Path) -> SheetData:
    """Sheets of the training records that could be read, and imitations of those known as shape only."""
    samples = ptbxl.split(ptbxl.load(data / "ptb-xl")).train
    voiced = [sample for sample in samples if sample.kind == "record"]
    shapes = [sample for sample in samples if sample.kind == "normalised"]
    tensors, owners = [], []
    for seed in TRAIN_SEEDS:
        digitised = read_sheets(data / "ptb-xl", voiced, seed=seed, severity=SEVERITIES["damaged"], cache=cache)
        found = np.flatnonzero(digitised.fit > 0)
        tensors.append(digitised.tensors[found])
        owners += [voiced[index] for index in found]
    read = len(owners)
    if shapes:
        tensors.append(imitate(ptbxl.load_signals(data / "ptb-xl", shapes), IMITATION_SEED))
        owners += shapes
    return SheetData(
        np.concatenate(tensors),
        ptbxl.labels_of(owners),
        np.array([sample.fold for sample in owners]),
        np.arange(len(owners)) < read,
    )


def load_sheets(data: Path, part: Part, cache: Path) -> Sheets:
    """Sheets of the records in mV of a part."""
    splits = ptbxl.split(ptbxl.load(data / "ptb-xl"))
    samples = [sample for sample in getattr(splits, part) if sample.kind == "record"]
    digitised = {
        name: read_sheets(data / "ptb-xl", samples, seed=SEEDS[part], severity=severity, cache=cache)
        for name, severity in SEVERITIES.items()
    }
    return Sheets(samples, digitised)


def train(job: Job) -> None:
    """Read the training sheets, fit the random convolutions and keep them."""
    from training.networks.sheet_convolutions import fit_convolutions

    training = load_training(job.data, cache_of(job))
    log.info("%d sheets read, %d imitated", int(training.voiced.sum()), int((~training.voiced).sum()))
    convolutions, found = fit_convolutions(RECIPE, training)
    log.info("cross-validation in folds 1-7: %s", found)
    (job.runs / NAME).mkdir(parents=True, exist_ok=True)
    convolutions.save(job.runs / NAME / CONVOLUTIONS_FILE)


def cache_of(job: Job) -> Path:
    """Where what was read off sheets is kept."""
    return job.runs / "digitised_sheets"


def make_bundle(job: Job) -> Bundle:
    """Calibrate what was trained on fold 8, export it and write the bundle with the validation figures."""
    import keras

    from training import export
    from training.networks.sheet_convolutions import served_model

    folder, sheets = job.runs / NAME, load_sheets(job.data, "validation", cache_of(job))
    convolutions = keras.models.load_model(folder / CONVOLUTIONS_FILE)
    tensors = sheets.digitised["damaged"].tensors
    logits = convolutions.predict(tensors, batch_size=16, verbose=0)
    temperature = fit_multilabel_temperature(sheets.labels, logits)
    points = choose_multilabel_points(CLASSES, sheets.labels, expit(logits / temperature))
    served, exported = served_model(convolutions, temperature), folder / "fp32.onnx"
    export.export_onnx(served, exported)
    difference = export.check_parity(served, exported, tensors[:16])
    log.info("Keras and ONNX differ by at most %.1e in a probability", difference)
    explain_leads(exported, CLASSES)
    entry, outputs = tensor_specs(exported)
    draft = BundleDraft(
        name=NAME,
        title=TITLE,
        version=VERSION,
        task="multilabel",
        classes=CLASSES,
        input=entry,
        outputs=outputs,
        preprocessing=choose_least(sheets),
        temperature=temperature,
        operating_points=points,
        explains=CLASSES,
        licence="CC BY 4.0 (as its training data)",
        data=(ptbxl.SOURCE,),
        metrics=measure(exported, sheets, points, "validation"),
        training={"backbone": "random convolutions of traces read off sheets", "sheets_a_record": len(TRAIN_SEEDS)},
        notes=notes_of(NAME),
    )
    return draft.write(folder / "bundle", exported)


def choose_least(sheets: Sheets) -> SheetPreprocessing:
    """The least `fit` and `consistency` of a sheet to be relied upon: what `REFUSED` of validation's fall short of, the
    consistency at least `LEAST_CONSISTENCY`."""
    digitised = sheets.digitised.values()
    fit, consistency = (
        float(np.quantile(np.concatenate([getattr(each, name) for each in digitised]), REFUSED))
        for name in ("fit", "consistency")
    )
    least = max(round(consistency, 3), LEAST_CONSISTENCY)
    return SheetPreprocessing(least_fit=round(fit, 3), least_consistency=least)


def measure(
    model: Path, sheets: Sheets, points: Sequence[OperatingPoint], part: Part
) -> dict[str, dict[str, Estimate]]:
    """Figures of every sheet of a part, clean and damaged, those that could not be read among them."""
    patients = [sample.patient_id for sample in sheets.samples]
    return {
        f"{part}, {name} sheets": measure_multilabel(
            sheets.labels, run_onnx(model, digitised.tensors)[PROBABILITIES], CLASSES, points, patients
        )
        for name, digitised in sheets.digitised.items()
    }


def round_trip(data: Path, bundle: Bundle, record_bundle: Bundle, sheets: Sheets) -> Estimate:
    """Share of the first `ROUND_TRIPS` records whose clean sheet has the leading finding of the record itself."""
    samples = sheets.samples[:ROUND_TRIPS]
    signals = filter_band(ptbxl.load_signals(data / "ptb-xl", samples), float(ptbxl.RATE), SIGNAL.band)
    tensors = sheets.digitised["clean"].tensors[: len(samples)]
    seen = _leading(bundle, tensors)
    if record_bundle.metadata.signal_preprocessing.beat:
        signals = np.stack([with_beat(signal) for signal in signals])
    recorded = _leading(record_bundle, signals)
    same = [one == other for one, other in zip(seen, recorded, strict=True)]
    return share(same, [sample.patient_id for sample in samples])


def _leading(bundle: Bundle, tensors: FloatArray) -> list[int]:
    chances = run_onnx(bundle.model_path, tensors)[PROBABILITIES]
    return [heart.interpret({PROBABILITIES: row}, bundle.metadata).prediction.class_id for row in chances]


def measure_test(job: Job) -> Bundle:
    """Measure fold 9, once everything is chosen, and write the figures into the bundle."""
    record_bundle = read_bundle(job.options.get("record_bundle") or job.runs / "heart_record" / "bundle")
    bundle = read_bundle(job.runs / NAME / "bundle")
    sheets = load_sheets(job.data, "test", cache_of(job))
    tested = measure(bundle.model_path, sheets, bundle.metadata.operating_points, "test")
    tested["test, clean sheets"]["agreement_with_record"] = round_trip(job.data, bundle, record_bundle, sheets)
    return record_figures(bundle, TITLE, {**bundle.metadata.metrics, **tested}, notes=notes_of(NAME))


TRAINING = Training(
    name=NAME,
    title=TITLE,
    version=VERSION,
    train=train,
    make_bundle=make_bundle,
    measure_test=measure_test,
    options=(Option("record_bundle", "heart_record bundle that --test compares with; default: that of its run", Path),),
)
