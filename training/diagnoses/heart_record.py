"""The ECG record model from data to bundle: random convolutions of ten seconds and of the median beat, weighed.

The published folds fix who is held out: of folds 1-8 two at a time are left out, and what readings answer that had not
seen them weighs these readings, calibrates them and chooses the thresholds; fold 9 is measured once.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.preprocessing.ecg_beat import with_beat
from models.preprocessing.ecg_record import SignalPreprocessing, filter_band
from models.serving.bundle import Bundle, Estimate, OperatingPoint, read_bundle
from models.serving.engine import NOVELTY, PROBABILITIES, RHYTHM
from training import novelty
from training.datasets import ptbxl
from training.datasets.ecg_beats import BeatData, read_data, targets_of
from training.datasets.ptbxl import CLASSES, EcgData, EcgSample
from training.diagnoses import ecg_figures
from training.diagnoses.training import Job, Training
from training.draft import BundleDraft, notes_of, record_figures
from training.evaluate import predict as run_onnx
from training.evaluate import tensor_specs
from training.explainable_ecg import explain_leads
from training.recipe import ConvolutionRecipe

log = logging.getLogger(__name__)

NAME = "heart_record"
VERSION = "1.3.0"
TITLE = "12-lead ECG records, five superclasses and the rhythm"
SPEC = SignalPreprocessing(beat=True)
GROUPS = ((1, 2), (3, 4), (5, 6), (7, 8))
"""Folds that are left out together."""
CONVOLUTIONS = ConvolutionRecipe()
BEAT_CONVOLUTIONS = ConvolutionRecipe(
    dilations=(1, 2, 3, 4, 6, 8), thresholds=4, voltage_ridge=1.0, parts=(8, 28, 36, 42, 50, 62, 84, 112)
)
"""The parts of the beat are about P, PR, both halves of QRS, the J point, and both halves of ST and T."""
CONVOLUTIONS_FILE, BEAT_CONVOLUTIONS_FILE = "convolutions.keras", "beat_convolutions.keras"
BEAT_FILE, ANSWERS_FILE = "beat.keras", "answers.npz"
OUT_OF_FOLD = "folds 1-8, out of fold, records in mV"
TEST = "fold 9, records in mV"
_FIVE = len(CLASSES)

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Records:
    """ECGs as the readings take them, in the order of `samples`; labels are of classes and rhythms, (n, 8)."""

    samples: Sequence[EcgSample]
    ecgs: EcgData
    beats: BeatData

    @property
    def groups(self) -> NDArray[np.int64]:
        """Which of `GROUPS` each lies in."""
        return np.array([next(n for n, folds in enumerate(GROUPS) if s.fold in folds) for s in self.samples])


def load_data(folder: Path, samples: Sequence[EcgSample]) -> EcgData:
    """Signals as the networks read them: band-passed; normalised records scaled again after the filter."""
    signals = filter_band(ptbxl.load_signals(folder, samples), float(ptbxl.RATE), SPEC.band)
    known = np.array([sample.kind == "record" for sample in samples], dtype=np.float32)
    unknown = known == 0
    signals[unknown] /= np.maximum(signals[unknown].std(axis=1, keepdims=True), 1e-3)
    return EcgData(signals, known, ptbxl.labels_of(samples))


def load_records(folder: Path) -> Records:
    """Folds 1-8."""
    splits = ptbxl.split(ptbxl.load(folder))
    samples = [*splits.train, *splits.validation]
    ecgs = load_data(folder, samples)
    return Records(samples, replace(ecgs, labels=targets_of(samples)), read_data(ecgs.signals))


def train(job: Job) -> None:
    """Fit the random convolutions and the readings of the beat, and keep them with what they answer out of fold."""
    from training.networks.beat_reading import fit_beat_reading
    from training.networks.random_convolutions import fit_convolutions

    folder, records = job.runs / NAME, load_records(job.data / "ptb-xl")
    folder.mkdir(parents=True, exist_ok=True)
    groups, labels = records.groups, records.ecgs.labels
    fitted = fit_convolutions(CONVOLUTIONS, records.ecgs, groups.tolist())
    of_beat = fit_convolutions(BEAT_CONVOLUTIONS, replace(records.ecgs, signals=records.beats.median), groups.tolist())
    reading = fit_beat_reading(records.beats, labels[:, _FIVE:], groups)
    fitted.model.save(folder / CONVOLUTIONS_FILE)
    of_beat.model.save(folder / BEAT_CONVOLUTIONS_FILE)
    reading.model.save(folder / BEAT_FILE)
    np.savez(folder / ANSWERS_FILE, convolved=[*fitted.answers, *of_beat.answers], beat=reading.answers)


def make_bundle(job: Job) -> Bundle:
    """Weigh the readings on what they had not seen, choose thresholds, export and write the bundle with its figures."""
    import keras

    from training import export
    from training.networks import ecg_ensemble as ensemble

    folder, records = job.runs / NAME, load_records(job.data / "ptb-xl")
    with np.load(folder / ANSWERS_FILE) as kept:
        convolved, beat = kept["convolved"], kept["beat"]
    labels, voiced, groups = records.ecgs.labels, records.ecgs.known > 0, records.groups
    classes = (
        [answer[voiced] for answer in ensemble.of_classes(*convolved)],
        labels[voiced, :_FIVE],
        ensemble.EACH_CLASS,
    )
    rhythms = ensemble.of_rhythms(convolved[0], beat), labels[:, _FIVE:], ensemble.EACH_RHYTHM
    together = ensemble.Ensemble(
        keras.models.load_model(folder / CONVOLUTIONS_FILE),
        keras.models.load_model(folder / BEAT_CONVOLUTIONS_FILE),
        keras.models.load_model(folder / BEAT_FILE),
        ensemble.fit_weights(*classes),
        ensemble.fit_weights(*rhythms),
    )
    chances = expit(ensemble.cross_fitted(*classes, groups[voiced]))
    rhythm_chances = expit(ensemble.cross_fitted(*rhythms, groups))[voiced]
    points = ecg_figures.choose_points(labels[voiced, :_FIVE], chances)
    rhythm_points = ecg_figures.choose_rhythm_points(labels[voiced, _FIVE:], rhythm_chances)
    gaussian = novelty.fit_gaussian(ensemble.familiar_features(records.beats.median[voiced]))
    served = ensemble.served_model(together, gaussian)
    exported, tensors = folder / "fp32.onnx", tensors_of(records.ecgs.in_millivolts.signals)
    export.export_onnx(served, exported)
    log.info("Keras and ONNX differ by at most %.1e", export.check_parity(served, exported, tensors[:16]))
    explain_leads(exported, CLASSES)
    patients = [sample.patient_id for sample, known in zip(records.samples, voiced, strict=True) if known]
    figures = ecg_figures.measure(labels[voiced], chances, rhythm_chances, points, rhythm_points, patients)
    draft = _draft(exported, points, rhythm_points, {OUT_OF_FOLD: figures}, len(labels))
    return replace(draft, novelty=novelty.choose_threshold(run_onnx(exported, tensors)[NOVELTY])).write(
        folder / "bundle", exported
    )


def _draft(
    exported: Path,
    points: tuple[OperatingPoint, ...],
    rhythm_points: tuple[OperatingPoint, ...],
    metrics: dict[str, dict[str, Estimate]],
    records: int,
) -> BundleDraft:
    entry, outputs = tensor_specs(exported)
    return BundleDraft(
        name=NAME,
        title=TITLE,
        version=VERSION,
        task="multilabel",
        classes=CLASSES,
        input=entry,
        outputs=outputs,
        preprocessing=SPEC,
        operating_points=points,
        explains=CLASSES,
        rhythm=rhythm_points,
        licence="CC BY 4.0 (as its training data)",
        data=(ptbxl.SOURCE,),
        metrics=metrics,
        training={"backbone": "random convolutions of ten seconds and of the median beat", "records": records},
        notes=notes_of(NAME),
    )


def tensors_of(signals: FloatArray) -> FloatArray:
    """Band-passed signals (n, 1000, 12), mV, as the service gives them to the bundle."""
    return np.stack([with_beat(signal) for signal in signals])


def measure_test(job: Job) -> Bundle:
    """Measure fold 9, once everything is chosen, and write the figures into the bundle."""
    bundle, data = read_bundle(job.runs / NAME / "bundle"), job.data / "ptb-xl"
    samples = [sample for sample in ptbxl.split(ptbxl.load(data)).test if sample.kind == "record"]
    outputs = run_onnx(bundle.model_path, tensors_of(load_data(data, samples).signals))
    figures = ecg_figures.measure(
        targets_of(samples),
        outputs[PROBABILITIES],
        outputs[RHYTHM],
        bundle.metadata.operating_points,
        bundle.metadata.rhythm,
        [sample.patient_id for sample in samples],
    )
    return record_figures(bundle, TITLE, {**bundle.metadata.metrics, TEST: figures}, notes=notes_of(NAME))


TRAINING = Training(
    name=NAME,
    title=TITLE,
    version=VERSION,
    train=train,
    make_bundle=make_bundle,
    measure_test=measure_test,
)
