"""The ECG record model from data to bundle: residual networks and random convolutions in one graph, calibrated.

The seeds and the published folds fix who is held out: folds 1-7 train, fold 8 chooses, fold 9 is measured once.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit

from models.preprocessing.ecg_record import SignalPreprocessing, filter_band
from models.serving.bundle import Bundle, Estimate, OperatingPoint, read_bundle
from training import novelty
from training.calibrate import choose_multilabel_points, fit_multilabel_temperature
from training.datasets import ptbxl
from training.datasets.ptbxl import CLASSES, EcgData, EcgSample
from training.diagnoses.training import Job, Option, Training
from training.draft import BundleDraft, notes_of, record_figures
from training.evaluate import measure_multilabel, tensor_specs
from training.evaluate import predict as run_onnx
from training.metrics import multilabel_macro_auroc
from training.recipe import ConvolutionRecipe, RecordRecipe

if TYPE_CHECKING:
    from training.networks.ecg_ensemble import Ensemble

log = logging.getLogger(__name__)

NAME = "heart_record"
VERSION = "1.1.1"
TITLE = "12-lead ECG records, five superclasses"
SPEC = SignalPreprocessing()
MEMBERS = (RecordRecipe(),)
"""The networks whose logits are averaged; with more of them the time of an answer grows, and fold 8 gains little."""
CONVOLUTIONS = ConvolutionRecipe()
CONVOLUTIONS_FILE = "convolutions.keras"


def load_data(folder: Path, samples: Sequence[EcgSample]) -> EcgData:
    """Signals as the network reads them: band-passed; normalised records scaled again after the filter."""
    signals = filter_band(ptbxl.load_signals(folder, samples), float(ptbxl.RATE), SPEC.band)
    known = np.array([sample.kind == "record" for sample in samples], dtype=np.float32)
    unknown = known == 0
    signals[unknown] /= np.maximum(signals[unknown].std(axis=1, keepdims=True), 1e-3)
    return EcgData(signals, known, ptbxl.labels_of(samples))


def train(job: Job) -> None:
    """Train the random convolutions and the networks of `MEMBERS`; with `resume`, only those not finished."""
    from training.networks.random_convolutions import fit_convolutions
    from training.networks.residual_ecg import predict, train_network

    folder, data = job.runs / NAME, job.data / "ptb-xl"
    splits = ptbxl.split(ptbxl.load(data))
    training, validation = (load_data(data, part) for part in (splits.train, splits.validation))
    convolutions = folder / CONVOLUTIONS_FILE
    if not (job.resume and convolutions.is_file()):
        fitted = fit_convolutions(CONVOLUTIONS, training, [sample.fold for sample in splits.train])
        score = multilabel_macro_auroc(validation.labels, predict(fitted, validation))
        log.info("random convolutions: validation macro AUROC %.4f", score)
        folder.mkdir(parents=True, exist_ok=True)
        fitted.save(convolutions)
    for number, recipe in enumerate(MEMBERS[: job.options.get("members")], 1):
        member = folder / f"member{number}"
        if job.resume and (member / "model.keras").is_file():
            continue
        chosen = replace(recipe, steps=job.options["steps"]) if job.options.get("steps") else recipe
        train_network(chosen, training, validation, member, resume=job.resume)


def make_bundle(job: Job) -> Bundle:
    """Combine what was trained, calibrate on fold 8, export and write the bundle with the validation figures."""
    from training import export
    from training.networks.ecg_ensemble import choose_share, load_ensemble, served_model, tapped

    folder, data = job.runs / NAME, job.data / "ptb-xl"
    splits = ptbxl.split(ptbxl.load(data))
    training, validation = (load_data(data, part) for part in (splits.train, splits.validation))
    ensemble = load_ensemble(folder)
    ensemble = replace(ensemble, share=choose_share(ensemble, validation))
    logits = ensemble.predict(validation)
    temperature = fit_multilabel_temperature(validation.labels, logits)
    points = choose_multilabel_points(CLASSES, validation.labels, expit(logits / temperature))
    gaussian = novelty.fit_gaussian(tapped(ensemble, training.in_millivolts))
    served = served_model(ensemble, temperature, gaussian)
    exported, voiced = folder / "fp32.onnx", validation.in_millivolts.signals
    export.export_onnx(served, exported)
    difference = export.check_parity(served, exported, voiced[:16])
    log.info("Keras and ONNX differ by at most %.1e in an output", difference)
    entry, outputs = tensor_specs(exported)
    draft = BundleDraft(
        name=NAME,
        title=TITLE,
        version=VERSION,
        task="multilabel",
        classes=CLASSES,
        input=entry,
        outputs=outputs,
        preprocessing=SPEC,
        temperature=temperature,
        operating_points=points,
        novelty=novelty.choose_threshold(run_onnx(exported, voiced)["novelty"]),
        licence="CC BY 4.0 (as its training data)",
        data=(ptbxl.SOURCE,),
        metrics=measure(data, ensemble, temperature, points, "validation"),
        training={
            "backbone": "one-dimensional residual network and random convolutions",
            "networks": len(ensemble.networks),
            "share_of_convolutions": ensemble.share,
            "steps": MEMBERS[0].steps,
            "batch_size": MEMBERS[0].batch_size,
            "records": len(training.labels),
        },
        notes=notes_of(NAME),
    )
    return draft.write(folder / "bundle", exported)


def measure(
    data: Path,
    ensemble: "Ensemble",
    temperature: float,
    points: Sequence[OperatingPoint],
    part: Literal["validation", "test"],
) -> dict[str, dict[str, Estimate]]:
    """Figures of a part: of every ECG, and of the records with their voltage, as the service reads them, apart."""
    splits = ptbxl.split(ptbxl.load(data))
    samples = {"validation": splits.validation, "test": splits.test}[part]
    loaded = load_data(data, samples)
    chances = expit(ensemble.predict(loaded) / temperature)
    patients = np.array([sample.patient_id for sample in samples])
    voiced = loaded.known > 0
    return {
        name: measure_multilabel(loaded.labels[chosen], chances[chosen], CLASSES, points, patients[chosen].tolist())
        for name, chosen in ((part, voiced | ~voiced), (f"{part} records in mV", voiced))
    }


def measure_test(job: Job) -> Bundle:
    """Measure fold 9, once everything is chosen, and write the figures into the bundle."""
    from training.networks.ecg_ensemble import load_ensemble

    bundle = read_bundle(job.runs / NAME / "bundle")
    known = bundle.metadata
    ensemble = load_ensemble(job.runs / NAME, known.training["share_of_convolutions"])
    tested = measure(job.data / "ptb-xl", ensemble, known.temperature, known.operating_points, "test")
    return record_figures(bundle, TITLE, {**known.metrics, **tested}, notes=notes_of(NAME))


TRAINING = Training(
    name=NAME,
    title=TITLE,
    version=VERSION,
    train=train,
    make_bundle=make_bundle,
    measure_test=measure_test,
    options=(
        Option("members", "how many networks to average", int),
        Option("steps", "steps of each network", int),
    ),
)
