"""The ECG record model from data to bundle: residual networks and random convolutions in one graph, calibrated.

The seeds and the published folds fix who is held out: folds 1-7 train, fold 8 chooses, fold 9 is measured once.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from models.bundle import Bundle, Estimate, Metadata, OperatingPoint, read_bundle, write_bundle
from models.preprocessing.ecg import SignalPreprocessing, filter_band
from training import export, multilabel, novelty
from training.calibrate import OperatingRule, choose_operating_point
from training.card import write_card
from training.datasets import ptbxl
from training.datasets.ptbxl import CLASSES, EcgSample
from training.ecg_record import EcgData, RecordRecipe, predict, train_network
from training.evaluate import predict as run_onnx
from training.random_convolutions import ConvolutionRecipe, train_reading

log = logging.getLogger(__name__)

NAME = "heart_record"
VERSION = "1.1.0"
NOTES = Path(__file__).parent / "notes" / f"{NAME}.md"
SPEC = SignalPreprocessing()
MEMBERS = (RecordRecipe(),)
"""The networks whose logits are averaged; with more of them the time of an answer grows, and fold 8 gains little."""
CONVOLUTIONS = ConvolutionRecipe()
BLENDS = tuple(round(0.1 * step, 1) for step in range(11))
"""Shares of the random convolutions in the log odds that are tried on fold 8."""
TAPS = ("stage1", "stage2", "stage3")
NOVELTY_QUANTILE = 0.99
NOVELTY_MARGIN = 1.75

FloatArray = NDArray[np.float32]


def load_data(folder: Path, samples: Sequence[EcgSample]) -> EcgData:
    """Signals as the network reads them: band-passed; normalised records scaled again after the filter."""
    signals = filter_band(ptbxl.load_signals(folder, samples), float(ptbxl.RATE), SPEC.band)
    known = np.array([sample.kind == "record" for sample in samples], dtype=np.float32)
    unknown = known == 0
    signals[unknown] /= np.maximum(signals[unknown].std(axis=1, keepdims=True), 1e-3)
    return EcgData(signals, known, ptbxl.labels_of(samples))


def train(
    data: Path, run: Path, *, members: int = len(MEMBERS), steps: int | None = None, resume: bool = False
) -> None:
    """Train the random convolutions and the first `members` of `MEMBERS` into `run`; with `resume`, only those not
    finished."""
    splits = ptbxl.split(ptbxl.load(data / "ptb-xl"))
    training, validation = (load_data(data / "ptb-xl", part) for part in (splits.train, splits.validation))
    convolutions = run / "convolutions.keras"
    if not (resume and convolutions.is_file()):
        reading = train_reading(CONVOLUTIONS, training, [sample.fold for sample in splits.train])
        score = multilabel.macro_auroc(validation.labels, predict(reading, validation))
        log.info("random convolutions: validation macro AUROC %.4f", score)
        run.mkdir(parents=True, exist_ok=True)
        reading.save(convolutions)
    for number, recipe in enumerate(MEMBERS[:members], 1):
        folder = run / f"member{number}"
        if resume and (folder / "model.keras").is_file():
            continue
        chosen = replace(recipe, steps=steps) if steps else recipe
        train_network(chosen, training, validation, folder)


@dataclass(frozen=True)
class Ensemble:
    """The mean of the networks' logits and, by its `share`, the reading of the random convolutions."""

    networks: Sequence[keras.Model]
    convolutions: keras.Model
    share: float

    def combine(self, logits: Sequence[Any], reading: Any) -> Any:
        """Logits (n, 5) of each network and of the convolutions to those of all."""
        return (1.0 - self.share) * sum(logits) / len(logits) + self.share * reading

    def predict(self, data: EcgData) -> FloatArray:
        """Logits (n, 5)."""
        logits = [predict(network, data) for network in self.networks]
        return np.asarray(self.combine(logits, predict(self.convolutions, data)), dtype=np.float32)


def load_ensemble(run: Path, share: float = 0.0) -> Ensemble:
    """What `train` left in `run`."""
    networks = [keras.models.load_model(path) for path in sorted(run.glob("member*/model.keras"))]
    return Ensemble(networks, keras.models.load_model(run / "convolutions.keras"), share)


def choose_share(ensemble: Ensemble, validation: EcgData) -> float:
    """The share of the random convolutions, of `BLENDS`, with the best macro AUROC on validation."""
    logits = [predict(network, validation) for network in ensemble.networks]
    reading = predict(ensemble.convolutions, validation)

    def score(share: float) -> float:
        return multilabel.macro_auroc(validation.labels, replace(ensemble, share=share).combine(logits, reading))

    scores = {share: score(share) for share in BLENDS}
    log.info("validation macro AUROC by the share of the convolutions: %s", scores)
    return max(BLENDS, key=lambda share: scores[share])


def served_model(ensemble: Ensemble, temperature: float, gaussian: novelty.Gaussian) -> keras.Model:
    """Band-passed mV `signal` (n, 1000, 12) to `probabilities` (n, 5), each class by itself, and `novelty` (n,)."""
    signal = keras.Input(SPEC.tensor_shape, name="signal")
    known = keras.ops.ones_like(signal[:, :1, 0])
    logits = [network([signal, known]) for network in ensemble.networks]
    combined = ensemble.combine(logits, ensemble.convolutions([signal, known]))
    probabilities = layers.Activation("sigmoid", name="probabilities")(combined / temperature)
    first = ensemble.networks[0]
    taps = keras.Model(first.inputs, novelty.tapped_features(first, TAPS))
    score = layers.Identity(name="novelty")(novelty.score_layer(gaussian, taps([signal, known])))
    return keras.Model(signal, {"probabilities": probabilities, "novelty": score})


def make_bundle(data: Path, run: Path) -> Bundle:
    """Combine what was trained, calibrate on fold 8, export and write `run`/bundle with the validation figures."""
    splits = ptbxl.split(ptbxl.load(data / "ptb-xl"))
    training, validation = (load_data(data / "ptb-xl", part) for part in (splits.train, splits.validation))
    ensemble = load_ensemble(run)
    ensemble = replace(ensemble, share=choose_share(ensemble, validation))
    logits = ensemble.predict(validation)
    temperature = multilabel.fit_temperature(validation.labels, logits)
    chances = multilabel.sigmoid(logits / temperature)
    even = np.ones(len(chances))
    points = tuple(
        choose_operating_point(
            OperatingRule(code), validation.labels[:, index] > 0, chances[:, index].astype(np.float64), even
        )
        for index, code in enumerate(CLASSES)
    )
    voiced = training.known > 0
    first = ensemble.networks[0]
    taps = keras.Model(first.inputs, novelty.tapped_features(first, TAPS))
    typical = EcgData(training.signals[voiced], training.known[voiced], training.labels[voiced])
    gaussian = novelty.fit_gaussian(predict(taps, typical))
    served = served_model(ensemble, temperature, gaussian)
    exported = run / "fp32.onnx"
    voiced = validation.known > 0
    export.export_onnx(served, exported)
    difference = export.check_parity(served, exported, validation.signals[voiced][:16])
    log.info("Keras and ONNX differ by at most %.1e in a probability", difference)
    found = novelty.choose_threshold(
        run_onnx(exported, validation.signals[voiced])["novelty"], NOVELTY_QUANTILE, NOVELTY_MARGIN
    )
    entry, outputs = export.tensor_specs(exported)
    metadata: dict[str, Any] = {
        "name": NAME,
        "version": VERSION,
        "created": date.today(),
        "precision": "fp32",
        "task": "multilabel",
        "classes": CLASSES,
        "input": entry,
        "outputs": outputs,
        "preprocessing": SPEC,
        "temperature": temperature,
        "operating_points": points,
        "novelty": found,
        "licence": "CC BY 4.0 (as its training data)",
        "data": (ptbxl.SOURCE,),
        "metrics": measure(data, ensemble, temperature, points, "validation"),
        "training": {
            "backbone": "one-dimensional residual network and random convolutions",
            "networks": len(ensemble.networks),
            "share_of_convolutions": ensemble.share,
            "steps": MEMBERS[0].steps,
            "batch_size": MEMBERS[0].batch_size,
            "records": len(training.labels),
        },
    }
    return _write(run, exported, metadata)


def measure(
    data: Path, ensemble: Ensemble, temperature: float, points: Sequence[OperatingPoint], part: str
) -> dict[str, dict[str, Estimate]]:
    """Figures of `validation` or `test`: of every ECG, and of the records with their voltage, as the service reads
    them, apart."""
    splits = ptbxl.split(ptbxl.load(data / "ptb-xl"))
    samples = {"validation": splits.validation, "test": splits.test}[part]
    loaded = load_data(data / "ptb-xl", samples)
    chances = multilabel.sigmoid(ensemble.predict(loaded) / temperature)
    patients = np.array([sample.patient_id for sample in samples])
    voiced = loaded.known > 0
    return {
        name: multilabel.measure(loaded.labels[chosen], chances[chosen], CLASSES, points, patients[chosen].tolist())
        for name, chosen in ((part, voiced | ~voiced), (f"{part} records in mV", voiced))
    }


def record_test(data: Path, run: Path) -> Bundle:
    """Measure fold 9, once everything is chosen, and write the figures into the bundle."""
    bundle = read_bundle(run / "bundle")
    metadata = bundle.metadata
    ensemble = load_ensemble(run, metadata.training["share_of_convolutions"])
    tested = measure(data, ensemble, metadata.temperature, metadata.operating_points, "test")
    complete = metadata.model_copy(update={"metrics": {**metadata.metrics, **tested}})
    return _write(run, bundle.model_path, complete.model_dump(exclude={"sha256"}))


def _write(run: Path, model: Path, metadata: dict[str, Any]) -> Bundle:
    draft = Metadata.model_validate({**metadata, "sha256": "0" * 64})
    notes = NOTES.read_text(encoding="utf-8") if NOTES.is_file() else ""
    return write_bundle(run / "bundle", model=model, card=write_card(draft, {}, notes), metadata=metadata)
