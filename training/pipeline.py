"""From data to bundle: train, calibrate, export, measure on validation; and, once, measure the test split."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle, Metadata, read_bundle, write_bundle
from training import export, novelty
from training.calibrate import choose_operating_point, fit_temperature
from training.card import write_card
from training.datasets.pictures import Sample, labels_of, load_tensors
from training.evaluate import Evaluation, evaluate, predict
from training.metrics import softmax
from training.report import write_report
from training.splits import Splits
from training.tasks import Task
from training.two_phase import Trainer, predict_in_batches

log = logging.getLogger(__name__)

NOTES = Path(__file__).parent / "notes"
NOVELTY_PICTURES = 2000
NOVELTY_QUANTILE = 0.99
NOVELTY_MARGIN = 1.75


@dataclass(frozen=True)
class Run:
    """One run's folder: cache, checkpoints, history.jsonl, model.keras, report/ and bundle/."""

    task: Task
    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder.parent / "cache"

    @property
    def bundle_folder(self) -> Path:
        return self.folder / "bundle"

    @property
    def report_folder(self) -> Path:
        return self.folder / "report"


def train(run: Run, splits: Splits, *, resume: bool = False) -> None:
    """Train and save model.keras. Raises `DatasetError` or `BackboneError`."""
    spec = run.task.recipe.preprocessing
    trainer = Trainer(run.task.recipe, run.folder)
    trainer.fit(
        splits.train,
        load_tensors(splits.train, spec, run.cache),
        splits.validation,
        load_tensors(splits.validation, spec, run.cache),
        resume=resume,
    )


def average(run: Run, folders: Sequence[Path]) -> None:
    """Save the mean of the weights of these runs' model.keras as this run's; `make_bundle` goes on from there.

    Runs that start from the same pretrained weights can be averaged and often generalise better than each of them
    (Wortsman et al. 2022, Model soups, arXiv:2203.05482).
    """
    networks = [keras.models.load_model(folder / "model.keras") for folder in folders]
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    networks[0].set_weights([np.mean(variants, axis=0) for variants in weights])
    run.folder.mkdir(parents=True, exist_ok=True)
    networks[0].save(run.folder / "model.keras")


def make_bundle(run: Run, splits: Splits) -> Bundle:
    """Calibrate on validation, export model.keras and write a bundle with the validation figures."""
    task, recipe = run.task, run.task.recipe
    network = keras.models.load_model(run.folder / "model.keras")
    pictures = load_tensors(splits.validation, recipe.preprocessing, run.cache)
    labels, weights = labels_of(splits.validation), set_weights(splits.validation, task.test_by)
    logits = predict_in_batches(network, pictures, recipe.batch_size)
    temperature = fit_temperature(labels, logits, weights)
    probabilities = softmax(logits / temperature)
    points = tuple(
        choose_operating_point(rule, labels == index, probabilities[:, index], weights)
        for rule in task.operating_rules
        for index in [recipe.classes.index(rule.code)]
    )
    taps = novelty.TAPS[recipe.backbone]
    tapped = keras.Model(network.input, novelty.tapped_features(network, taps))
    training_pictures = load_tensors(splits.train, recipe.preprocessing, run.cache)
    typical = training_pictures[:: max(1, len(training_pictures) // NOVELTY_PICTURES)]
    gaussian = novelty.fit_gaussian(predict_in_batches(tapped, typical, recipe.batch_size))
    served = export.served_model(network, temperature, gaussian, taps)
    exported = run.folder / "fp32.onnx"
    export.export_onnx(served, exported)
    difference = export.check_parity(served, exported, np.asarray(pictures[: recipe.batch_size]))
    log.info("Keras and ONNX differ by at most %.1e in a probability", difference)
    entry, outputs = export.tensor_specs(exported)
    draft = write_bundle(
        run.bundle_folder,
        model=exported,
        card="",
        metadata={
            "name": recipe.name,
            "version": task.version,
            "created": date.today(),
            "precision": "fp32",
            "task": "multiclass",
            "classes": recipe.classes,
            "input": entry,
            "outputs": outputs,
            "preprocessing": recipe.preprocessing,
            "temperature": temperature,
            "operating_points": points,
            "licence": task.licence,
            "data": task.sources,
            "metrics": {},
            "training": {
                "backbone": recipe.backbone,
                "steps": recipe.steps,
                "batch_size": recipe.batch_size,
                "loss": recipe.loss,
                "seed": recipe.seed,
                "pictures": len(splits.train),
            },
        },
    )
    scores = predict(draft.model_path, pictures)["novelty"]
    known = novelty.choose_threshold(scores, NOVELTY_QUANTILE, NOVELTY_MARGIN)
    complete = draft.metadata.model_copy(update={"novelty": known})
    rewrite(run, complete, measure(run.task, draft, "validation", splits.validation, run.cache))
    return read_bundle(run.bundle_folder)


def measure(task: Task, bundle: Bundle, part: str, samples: Sequence[Sample], cache: Path | None) -> list[Evaluation]:
    """Evaluate the bundle on one part, each value of `task.test_by` apart; `part` is validation or test."""
    pictures = load_tensors(samples, bundle.metadata.image_preprocessing, cache)
    probabilities = predict(bundle.model_path, pictures)["probabilities"]
    values = sorted({sample.strata[task.test_by] for sample in samples}) if task.test_by else [""]
    evaluations = []
    for value in values:
        chosen = [i for i, sample in enumerate(samples) if not task.test_by or sample.strata[task.test_by] == value]
        evaluations.append(
            evaluate(
                f"{part} {value}".strip(),
                [samples[i] for i in chosen],
                probabilities[chosen],
                bundle.metadata.classes,
                bundle.metadata.operating_points,
                task.report_by,
            )
        )
    return evaluations


def rewrite(run: Run, metadata: Metadata, evaluations: Sequence[Evaluation]) -> None:
    """Put the figures into metadata.json and card.md, and write the report."""
    complete = metadata.model_copy(update={"metrics": {found.name: found.figures for found in evaluations}})
    notes = NOTES / f"{run.task.recipe.name}.md"
    write_bundle(
        run.bundle_folder,
        model=run.bundle_folder / "model.onnx",
        card=write_card(
            complete,
            {found.name: found.subgroups for found in evaluations},
            notes.read_text(encoding="utf-8") if notes.is_file() else "",
        ),
        metadata=complete.model_dump(exclude={"sha256"}),
    )
    title = f"{complete.name} {complete.version}"
    write_report(run.report_folder, title, complete.classes, evaluations)


def set_weights(samples: Sequence[Sample], stratum: str | None) -> NDArray[np.float64]:
    """Weights (n,) that give each value of `stratum` the same total, with a mean of 1."""
    values = [sample.strata[stratum] if stratum else "" for sample in samples]
    counts = {value: values.count(value) for value in set(values)}
    return np.array([len(values) / len(counts) / counts[value] for value in values])
