"""Made-up data sets in the published layouts, so that no real picture is needed."""

import csv
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NEEDS = {
    "keras": (
        "diagnoses/test_heart_image.py",
        "diagnoses/test_heart_record.py",
        "diagnoses/test_pictures.py",
        "networks/test_backbones.py",
        "networks/test_breast_heads.py",
        "networks/test_ecg_ensemble.py",
        "networks/test_lead_name_network.py",
        "networks/test_random_convolutions.py",
        "networks/test_scale_word_network.py",
        "networks/test_sheet_convolutions.py",
        "test_augmentation.py",
        "test_cli.py",
        "test_file_changes.py",
        "test_fitted_heads.py",
        "test_objective.py",
        "test_picture_task.py",
        "test_quantize.py",
        "test_trainer.py",
    ),
    "sklearn": (
        "datasets/test_ptbxl.py",
        "diagnoses/test_breast.py",
        "diagnoses/test_disease.py",
        "diagnoses/test_ecg_figures.py",
        "diagnoses/test_heart_risk.py",
        "studies/test_breast_marks.py",
        "test_danger_sentences.py",
        "studies/test_chest_surroundings.py",
        "studies/test_foreign_pictures.py",
        "studies/test_print.py",
        "test_calibrate.py",
        "test_evaluate.py",
        "test_explained_ecg.py",
        "test_metrics.py",
        "test_learned_maps.py",
        "test_mistakes.py",
        "test_prediction_sets.py",
        "test_reliability.py",
        "test_served.py",
        "test_strangers.py",
    ),
    "wfdb": (
        "datasets/test_breast.py",
        "datasets/test_digitised_sheets.py",
        "datasets/test_ecg_machine_styles.py",
        "datasets/test_ecg_sheet.py",
        "datasets/test_lead_labels.py",
        "datasets/test_lesion_removal.py",
        "datasets/test_loaders.py",
        "datasets/test_own_pictures.py",
        "datasets/test_symptom_tables.py",
        "networks/test_logistic.py",
        "test_made_up_sheets.py",
    ),
}
"""By what they need; wfdb brings pandas and scipy. All others need NumPy alone."""

collect_ignore = [file for module, files in NEEDS.items() if not find_spec(module) for file in files]


@pytest.fixture(scope="session", autouse=True)
def few_repeats() -> Iterator[None]:
    """Intervals from few resamples, statistics from few batches, to be quick; the bootstrap has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("sklearn"):
            patch.setattr("training.evaluate.REPEATS", 20)
            patch.setattr("training.diagnoses.heart_risk.RESAMPLES", 20)
        yield


PictureWriter = Callable[[Path, tuple[int, int]], Path]


@pytest.fixture
def write_picture() -> PictureWriter:
    """Write a noisy picture of (width, height) at a path, folders included."""
    rng = np.random.default_rng(0)

    def write(path: Path, size: tuple[int, int]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def ham10000(tmp_path: Path, write_picture: PictureWriter) -> Path:
    """HAM10000 with three lesions, one of them on two pictures, sharp and soft."""
    folder = tmp_path / "HAM10000"
    write_picture(folder / "HAM10000_images_part_1" / "ISIC_1.jpg", (224, 224))
    write_picture(folder / "HAM10000_images_part_1" / "ISIC_2.jpg", (224, 224))
    write_picture(folder / "HAM10000_images_part_2" / "ISIC_3.jpg", (200, 150))
    write_picture(folder / "HAM10000_images_part_2" / "ISIC_4.jpg", (200, 150))
    rows = [
        ("lesion_a", "ISIC_1", "nv", "histo", "45.0", "male", "back"),
        ("lesion_a", "ISIC_3", "nv", "histo", "45.0", "male", "back"),
        ("lesion_b", "ISIC_2", "mel", "histo", "", "female", "face"),
        ("lesion_c", "ISIC_4", "df", "consensus", "70.0", "unknown", "trunk"),
    ]
    with (folder / "HAM10000_metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"), *rows])
    return folder


@pytest.fixture
def chest_xray(tmp_path: Path, write_picture: PictureWriter) -> Path:
    """The Kermany set with every folder filled."""
    folder = tmp_path / "chest_xray"
    for split in ("train", "val", "test"):
        number = ("train", "val", "test").index(split)
        write_picture(folder / split / "NORMAL" / f"IM-010{number}-0001.jpeg", (64, 64))
        write_picture(folder / split / "PNEUMONIA" / f"person{number}_bacteria_1.jpeg", (64, 64))
        write_picture(folder / split / "PNEUMONIA" / f"person{number}_virus_2.jpeg", (64, 64))
    return folder
