"""PTB-XL (Wagner et al. 2020, Sci Data 7:154): ten-second 12-lead ECGs, five diagnostic superclasses, not exclusive.

`ptbxl_database.csv` is read where it is there; else `superclass_folds.csv`, which names the superclasses of a selection
of the records, some of them only normalised (shape without voltage). A patient lies in one published fold. Licence
CC BY 4.0.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_record import LEADS
from models.serving.bundle import DataSource
from training.datasets.pictures import check_layout
from training.datasets.tables import read_rows, read_table
from training.errors import DatasetError

NAME = "PTB-XL"
CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
RATE = 100
SAMPLES = 1000
PUBLISHED_RECORDS = 21799
PUBLISHED_COUNTS = {"NORM": 9514, "MI": 5469, "STTC": 5235, "CD": 4898, "HYP": 2649}
LAYOUT = """  ptb-xl/
    ptbxl_database.csv  scp_statements.csv
    records100/00000/00001_lr.hea  records100/00000/00001_lr.dat  ..."""
WHERE = "PhysioNet (doi:10.13026/kfzx-aw45)"
SOURCE = DataSource(
    name=NAME,
    use="trained on, calibrated on and tested on (published folds, patients held out)",
    licence="CC BY 4.0",
    citation="Wagner P et al. PTB-XL, a large publicly available electrocardiography dataset. Sci Data 2020;7:154.",
)

TRAIN_FOLDS = tuple(range(1, 8))
VALIDATION_FOLDS = (8,)
TEST_FOLDS = (9, 10)

_STATEMENTS = ("sub_class", "form", "rhythm")
_NORMALISED = "normalised100.npz"
_NORMALISED_SCALE = 50.0


@dataclass(frozen=True)
class EcgSample:
    """One labelled ECG.

    `labels` has a 0 or 1 for each of `CLASSES`; any number of them may be 1. A `record` is in mV; a `normalised` one
    was scaled lead by lead to variance 1, so its voltages are unknown. `statements` are those of its report, as
    `sub_class:IMI`, `form:PVC` or `rhythm:AFIB`.
    """

    ecg_id: int
    patient_id: int
    fold: int
    labels: tuple[int, ...]
    kind: Literal["record", "normalised"] = "record"
    statements: frozenset[str] = frozenset()

    @property
    def record(self) -> str:
        """Path of the 100 Hz record inside the data set, without `.hea` or `.dat`."""
        return f"records100/{self.ecg_id // 1000 * 1000:05d}/{self.ecg_id:05d}_lr"


@dataclass(frozen=True)
class EcgData:
    """Signals (n, 1000, 12), band-passed, mV or z-scores; whether the voltage is known (n,); labels (n, 5), 0 or 1."""

    signals: NDArray[np.float32]
    known: NDArray[np.float32]
    labels: NDArray[np.float32]

    @property
    def in_millivolts(self) -> "EcgData":
        """Those whose voltage is known."""
        known = self.known > 0
        return EcgData(self.signals[known], self.known[known], self.labels[known])


class EcgSplits(NamedTuple):
    """Samples by published fold; no patient stands in two of them."""

    train: list[EcgSample]
    validation: list[EcgSample]
    test: list[EcgSample]


def load(folder: Path) -> list[EcgSample]:
    """Every ECG with at least one superclass, by number. Raises `DatasetError`.

    As in the benchmark of Strodthoff et al. 2020 (IEEE J Biomed Health Inform 25:1519), every diagnostic statement of
    a report counts towards its superclass, whatever its stated likelihood, and ECGs without any are left out.
    """
    if (folder / "ptbxl_database.csv").is_file() or not (folder / "superclass_folds.csv").is_file():
        check_layout(folder, ("ptbxl_database.csv", "scp_statements.csv", "records100"), layout=LAYOUT, where=WHERE)
        samples = _published(folder)
    else:
        samples = _selection(folder)
    return sorted((sample for sample in samples if any(sample.labels)), key=lambda sample: sample.ecg_id)


def split(samples: Iterable[EcgSample]) -> EcgSplits:
    """Folds 1-7 to train, 8 for validation, 9 and 10 to test. Raises `DatasetError` where a patient crosses."""
    splits = EcgSplits([], [], [])
    part_of: dict[int, int] = {}
    for sample in samples:
        part = next(n for n, folds in enumerate((TRAIN_FOLDS, VALIDATION_FOLDS, TEST_FOLDS)) if sample.fold in folds)
        if part_of.setdefault(sample.patient_id, part) != part:
            raise DatasetError(f"{NAME}: patient {sample.patient_id} stands in two splits; the folds are not PTB-XL's.")
        splits[part].append(sample)
    return splits


def load_signals(folder: Path, samples: Sequence[EcgSample]) -> NDArray[np.float32]:
    """Signals of `samples`, shape (n, 1000, 12), 100 Hz, in the order of `LEADS`: mV for records, z-scores of the
    0.5-40 Hz band for normalised ones. Raises `DatasetError`."""
    signals = np.empty((len(samples), SAMPLES, len(LEADS)), dtype=np.float32)
    normalised = _normalised(folder) if any(sample.kind == "normalised" for sample in samples) else {}
    for row, sample in enumerate(samples):
        if sample.kind == "record":
            signals[row] = _read_record(folder, sample)
        elif sample.ecg_id in normalised:
            signals[row] = normalised[sample.ecg_id]
        else:
            raise DatasetError(f"{folder / _NORMALISED}: ECG {sample.ecg_id} of superclass_folds.csv is missing.")
    return signals


def wfdb_of(signal: NDArray[np.floating]) -> tuple[bytes, bytes]:
    """The .hea and .dat of a signal (n, 12) in mV at 100 Hz."""
    lines = [f"made 12 100 {len(signal)}", *(f"made.dat 16 1000(0)/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
    return "\n".join(lines).encode(), np.rint(1000 * signal).clip(-32767, 32767).astype("<i2").tobytes()


def labels_of(samples: Sequence[EcgSample]) -> NDArray[np.float32]:
    """Labels, 0 or 1, shape (n, 5)."""
    return np.array([sample.labels for sample in samples], dtype=np.float32).reshape(-1, len(CLASSES))


def verify(folder: Path) -> tuple[int, list[str]]:
    """The number of ECGs at hand, and sentences that say how they differ from what was published."""
    samples = load(folder)
    records = [sample for sample in samples if sample.kind == "record"]
    problems = []
    if (folder / "ptbxl_database.csv").is_file():
        listed = len(read_rows(folder / "ptbxl_database.csv"))
        if listed != PUBLISHED_RECORDS:
            problems.append(f"ptbxl_database.csv: {listed} records, published {PUBLISHED_RECORDS}")
    else:
        problems.append("ptbxl_database.csv: missing, superclass_folds.csv was read instead")
    for column, code in enumerate(CLASSES):
        found = sum(sample.labels[column] for sample in samples)
        if found != PUBLISHED_COUNTS[code]:
            problems.append(f"{code}: {found} ECGs, published {PUBLISHED_COUNTS[code]}")
    if len(records) < len(samples):
        problems.append(f"{_NORMALISED}: {len(samples) - len(records)} ECGs have no voltages")
    folds = Counter(sample.fold for sample in samples)
    problems += [f"fold {fold}: missing" for fold in range(1, 11) if not folds[fold]]
    for sample in records:
        try:
            _read_record(folder, sample)
        except DatasetError as error:
            problems.append(str(error))
    return len(samples), problems


def _published(folder: Path) -> list[EcgSample]:
    statements = read_table(folder / "scp_statements.csv")
    known = dict(zip(statements.iloc[:, 0], statements.to_dict("records"), strict=True))
    superclass = {code: row["diagnostic_class"] for code, row in known.items() if row["diagnostic"].startswith("1")}
    return [
        EcgSample(
            ecg_id=int(row["ecg_id"]),
            patient_id=int(float(row["patient_id"])),
            fold=int(row["strat_fold"]),
            labels=_multi_hot({superclass[code] for code in ast.literal_eval(row["scp_codes"]) if code in superclass}),
            statements=frozenset(
                name
                for code in ast.literal_eval(row["scp_codes"])
                if code in known
                for name in _names(code, known[code])
            ),
        )
        for row in read_rows(folder / "ptbxl_database.csv")
    ]


def _selection(folder: Path) -> list[EcgSample]:
    return [
        EcgSample(
            ecg_id=int(row["ecg_id"]),
            patient_id=int(float(row["patient_id"])),
            fold=int(row["strat_fold"]),
            labels=tuple(int(row[code]) for code in CLASSES),
            kind="record" if row["signal"] == "records100" else "normalised",
            statements=frozenset(
                f"{kind}:{code.rstrip('_')}" for kind in _STATEMENTS for code in ast.literal_eval(row.get(kind) or "[]")
            ),
        )
        for row in read_rows(folder / "superclass_folds.csv")
    ]


def _names(code: str, row: dict[str, str]) -> list[str]:
    """What a statement of scp_statements.csv is called in a sample: it may be of several kinds."""
    names = [f"sub_class:{row['diagnostic_subclass'].rstrip('_')}"] if row["diagnostic"].startswith("1") else []
    return names + [f"{kind}:{code.rstrip('_')}" for kind in ("form", "rhythm") if row[kind].startswith("1")]


def _multi_hot(superclasses: set[str]) -> tuple[int, ...]:
    return tuple(int(code in superclasses) for code in CLASSES)


def _normalised(folder: Path) -> dict[int, NDArray[np.float32]]:
    check_layout(folder, (_NORMALISED,), layout=LAYOUT, where=WHERE)
    with np.load(folder / _NORMALISED) as arrays:
        signals = arrays["signal"].astype(np.float32) / _NORMALISED_SCALE
        return dict(zip(arrays["ecg_id"].tolist(), signals, strict=True))


def _read_record(folder: Path, sample: EcgSample) -> NDArray[np.float32]:
    import wfdb

    path = folder / sample.record
    try:
        record = wfdb.rdrecord(str(path))
    except FileNotFoundError as error:
        raise DatasetError(f"{path}.hea or .dat missing. Expected layout:\n{LAYOUT}\nGet it from {WHERE}.") from error
    except (OSError, ValueError, IndexError) as error:
        raise DatasetError(f"{path}: {error}") from error
    names = [name.upper() for name in record.sig_name]
    if record.fs != RATE or record.sig_len != SAMPLES or sorted(names) != sorted(lead.upper() for lead in LEADS):
        raise DatasetError(f"{path}: not a record of {len(LEADS)} leads and {SAMPLES} samples at {RATE} Hz.")
    if set(record.units) != {"mV"} or not np.isfinite(record.p_signal).all():
        raise DatasetError(f"{path}: not a record in mV, or one with missing samples.")
    return np.asarray(record.p_signal[:, [names.index(lead.upper()) for lead in LEADS]], dtype=np.float32)
