"""The picture data sets and PTB-XL, made up, each with a few small files in its published layout."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from models.preprocessing.ecg_record import LEADS
from tests.sheets import ecg
from training.datasets import ham10000, ptbxl

EACH = 8
"""Pictures of a class, each of a patient of its own."""
RECORDS = 5
Write = Callable[[Path, int], None]
"""Writes a picture of a shade."""


def write_sets(data: Path) -> Path:
    """HAM10000, the three sets of films, both of ultrasounds, and pictures of ECG sheets."""
    rng = np.random.default_rng(0)

    def write(path: Path, shade: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.clip(rng.normal(shade, 30, (48, 64, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)

    _write_skin(data / "HAM10000", write)
    for split in ("train", "val", "test"):
        for number in range(EACH):
            write(data / "chest_xray" / split / "NORMAL" / f"IM-{split}{number}-0001.jpeg", 90)
            write(data / "chest_xray" / split / "PNEUMONIA" / f"person{number}{split}_bacteria_1.jpeg", 150)
    nih = [(f"{label}/{number}.jpeg", label) for number in range(EACH) for label in ("NORMAL", "PNEUMONIA")]
    patients = [{"file": file, "label": label, "patient_id": file} for file, label in nih]
    _write_listed(data / "chest_nih", write, patients)
    adults = [f"Images/{number}.jpg" for number in range(EACH)]
    healthy = [{"file": file, "label": "NORMAL", "group": file} for file in adults]
    _write_listed(data / "chest_normal_adults", write, healthy)
    busi = [f"{kind}/{kind} ({number}).png" for kind in ("normal", "benign", "malignant") for number in range(EACH)]
    _write_listed(data / "breast_ultrasound", write, [{"file": file, "split_group": file} for file in busi])
    _write_bus_bra(data / "bus_bra", write)
    for number in range(EACH):
        write(data / "ecg_sheets" / f"{number}.jpg", 220)
    return data


def write_ptbxl(folder: Path, count: int = RECORDS) -> Path:
    """Records in mV of fold 1, one class each."""
    rows = []
    for number in range(count):
        sample = ptbxl.EcgSample(number + 1, number, 1, (0, 0, 0, 0, 0))
        path = folder / sample.record
        path.parent.mkdir(parents=True, exist_ok=True)
        np.rint(1000 * ecg()).astype("<i2").tofile(path.with_suffix(".dat"))
        lines = [f"{path.name} 12 100 1000", *(f"{path.name}.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
        path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
        labels = {code: int(place == number % 5) for place, code in enumerate(ptbxl.CLASSES)}
        known = {"ecg_id": sample.ecg_id, "patient_id": number, "strat_fold": 1, "sub_class": "['CLBBB']"}
        rows.append({**known, **labels, "signal": "records100"})
    _write_table(folder / "superclass_folds.csv", rows)
    np.savez(folder / "normalised100.npz", ecg_id=[0], signal=np.zeros((1, 1000, 12), np.int16))
    return folder


def write_typefaces(folder: Path) -> Path:
    """Matplotlib's own typeface under a name that is kept for measuring, so that no font of the system is needed."""
    import matplotlib

    folder.mkdir()
    own = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    (folder / "Lato-Regular.ttf").write_bytes(own.read_bytes())
    return folder


def _write_skin(folder: Path, write: Write) -> None:
    rows = []
    for place, code in enumerate(ham10000.CLASSES):
        for number in range(EACH):
            name = f"ISIC_{place}{number}"
            write(folder / "HAM10000_images_part_1" / f"{name}.jpg", 60 + 20 * place)
            known = {"lesion_id": f"HAM_{place}{number}", "image_id": name, "dx": code, "dx_type": "histo"}
            rows.append({**known, "age": "50.0", "sex": "male", "localization": "back"})
    (folder / "HAM10000_images_part_2").mkdir()
    _write_table(folder / "HAM10000_metadata.csv", rows)


def _write_bus_bra(folder: Path, write: Write) -> None:
    rows = []
    for number in range(2 * EACH):
        malignant = number % 2
        write(folder / "Images" / f"bus_{number:04d}-s.png", 60 + 60 * malignant)
        known = {"ID": f"bus_{number:04d}-s", "Case": str(number), "Histology": "made up", "Device": "made up"}
        rows.append({**known, "Pathology": ("benign", "malignant")[malignant], "BIRADS": str(2 + number % 4)})
    _write_table(folder / "bus_data.csv", rows)


def _write_listed(folder: Path, write: Write, rows: Sequence[Mapping[str, object]]) -> None:
    for number, row in enumerate(rows):
        write(folder / str(row["file"]), 80 + 40 * (number % 3))
    _write_table(folder / "labels.csv", rows)


def _write_table(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with file.open("w", newline="") as opened:
        table = csv.DictWriter(opened, rows[0])
        table.writeheader()
        table.writerows(rows)
