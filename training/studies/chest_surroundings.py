"""How much of a chest picture's label can be told from what isn't lung.

`python -m training.studies.chest_surroundings`.

Part one asks the data: a ridge classifier on ImageNet features of masked pictures, cross-validated by patient on the
NIH development patients. Part two asks the trained model: its AUROC on masked pictures, and whether, within patients
who have both labels, it ranks the pneumonia above the normal picture.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.preprocessing.picture import UInt8Array
from models.serving.bundle import Bundle, read_bundle
from training.datasets.pictures import Sample, labels_of, load_tensors
from training.diagnoses import xray
from training.diagnoses.training import default_data
from training.evaluate import predict
from training.metrics import auroc
from training.studies.masks import View, equalised, thumbnail, whole, without_corners, without_frame, without_lungs

FOLDS = 5
RIDGE = 30.0
VIEWS: tuple[View, ...] = (whole, without_frame, without_corners, without_lungs, thumbnail, equalised)

FloatArray = NDArray[np.float32]


def cross_validated_auroc(samples: Sequence[Sample], features: FloatArray, seed: int = 0) -> float:
    """AUROC of a ridge classifier on features (n, d), folds by group."""
    labels = labels_of(samples) == 1
    names, membership = np.unique([sample.group for sample in samples], return_inverse=True)
    fold_of = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    model = make_pipeline(StandardScaler(), Ridge(RIDGE * features.shape[1] / 100, fit_intercept=False))
    signs = np.where(labels, 1.0, -1.0)
    scores = cross_val_predict(model, features, signs, cv=PredefinedSplit(fold_of[membership]))
    return auroc(labels, scores)


def within_patient_wins(samples: Sequence[Sample], scores: FloatArray) -> tuple[float, int, int]:
    """Share of (normal, pneumonia) pairs of one patient in which the pneumonia scores higher, pairs, patients."""
    wins, pairs, patients = 0.0, 0, set()
    for i, one in enumerate(samples):
        for j, other in enumerate(samples):
            if one.group == other.group and one.label == 1 and other.label == 0:
                wins += float(scores[i] > scores[j]) + 0.5 * float(scores[i] == scores[j])
                pairs += 1
                patients.add(one.group)
    return (wins / pairs if pairs else float("nan")), pairs, len(patients)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--bundle", type=Path, default=Path("runs/xray/bundle"))
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--model-only", action="store_true", help="leave out what the data alone says")
    options = parser.parse_args()
    task, console = xray.TASK, Console()
    splits = task.load(options.data)
    if not options.model_only:
        development = [s for s in (*splits.train, *splits.validation) if s.strata["set"] == "nih"]
        console.print(_data_table(development, load_tensors(development, task.recipe.preprocessing)))
    if options.bundle.is_dir():
        bundle = read_bundle(options.bundle)
        held_out = splits.test if options.split == "test" else splits.validation
        console.print(_model_table(bundle, held_out, options.split))
        nih = [*(s for s in splits.validation if s.strata["set"] == "nih")]
        nih += [s for s in splits.test if s.strata["set"] == "nih"] if options.split == "test" else []
        scores = predict(bundle.model_path, load_tensors(nih, bundle.metadata.image_preprocessing))["probabilities"][
            :, 1
        ]
        share, pairs, patients = within_patient_wins(nih, scores)
        console.print(f"same patient: pneumonia above normal in {share:.2f} of {pairs} pairs of {patients} patients")


def _data_table(samples: Sequence[Sample], pictures: UInt8Array) -> Table:
    from training.networks.backbones import build_backbone
    from training.trainer import predict_in_batches

    backbone = build_backbone("efficientnet_lite0", pictures.shape[1])
    table = Table("NIH development pictures", "cross-validated AUROC", title="ridge on frozen ImageNet features")
    for view in VIEWS:
        features = predict_in_batches(backbone, view(pictures), 32).mean(axis=(1, 2))
        table.add_row(view.__name__, f"{cross_validated_auroc(samples, features):.3f}")
    return table


def _model_table(bundle: Bundle, samples: Sequence[Sample], split: str) -> Table:
    sets = sorted({sample.strata["set"] for sample in samples if sample.label == 1})
    table = Table("pictures", *(f"{name} {split} AUROC" for name in sets), title=f"bundle {bundle.metadata.version}")
    labels = labels_of(samples) == 1
    pictures = load_tensors(samples, bundle.metadata.image_preprocessing)
    for view in VIEWS:
        scores = predict(bundle.model_path, view(pictures))["probabilities"][:, 1]
        chosen = [np.array([sample.strata["set"] == name for sample in samples]) for name in sets]
        table.add_row(view.__name__, *(f"{auroc(labels[rows], scores[rows]):.3f}" for rows in chosen))
    return table


if __name__ == "__main__":
    main()
