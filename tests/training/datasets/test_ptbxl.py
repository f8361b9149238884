import csv
import os
from pathlib import Path

import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS
from training.cli import main
from training.datasets import ptbxl
from training.datasets.ptbxl import EcgSample
from training.errors import DatasetError

DATA = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data")) / "ptb-xl"
at_hand = pytest.mark.skipif(not DATA.is_dir(), reason="PTB-XL is not at hand")


def write_record(folder: Path, ecg_id: int, stored: np.ndarray, gain: float = 1000.0) -> None:
    path = folder / EcgSample(ecg_id, 1, 1, (1, 0, 0, 0, 0)).record
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.astype("<i2").tofile(path.with_suffix(".dat"))
    lines = [f"{path.name} 12 100 1000"]
    lines += [f"{path.name}.dat 16 {gain}(0)/mV 16 0 0 0 0 {lead.upper()}" for lead in LEADS]
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Four ECGs in the published layout; the last has no diagnostic statement."""
    with (tmp_path / "scp_statements.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("", "description", "diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"),
                ("NORM", "normal ECG", "1.0", "", "", "NORM", "NORM"),
                ("IMI", "inferior myocardial infarction", "1.0", "", "", "MI", "IMI"),
                ("LVH", "left ventricular hypertrophy", "1.0", "", "", "HYP", "LVH"),
                ("SR", "sinus rhythm", "", "", "1.0", "", ""),
            ]
        )
    with (tmp_path / "ptbxl_database.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("ecg_id", "patient_id", "scp_codes", "strat_fold", "filename_lr"),
                (12, "7.0", "{'IMI': 15.0, 'LVH': 0.0, 'SR': 0.0}", 8, "records100/00000/00012_lr"),
                (3, "5.0", "{'NORM': 100.0}", 1, "records100/00000/00003_lr"),
                (1001, "6.0", "{'NORM': 80.0}", 10, "records100/01000/01001_lr"),
                (4, "5.0", "{'SR': 0.0}", 1, "records100/00000/00004_lr"),
            ]
        )
    rng = np.random.default_rng(0)
    for ecg_id in (3, 12, 1001):
        write_record(tmp_path, ecg_id, rng.integers(-2000, 2000, (1000, 12)))
    return tmp_path


def test_statements_count_whatever_their_likelihood_and_ecgs_without_one_are_left_out(published: Path) -> None:
    assert ptbxl.load(published) == [
        EcgSample(3, 5, 1, (1, 0, 0, 0, 0), statements=frozenset({"sub_class:NORM"})),
        EcgSample(12, 7, 8, (0, 1, 0, 0, 1), statements=frozenset({"sub_class:IMI", "sub_class:LVH", "rhythm:SR"})),
        EcgSample(1001, 6, 10, (1, 0, 0, 0, 0), statements=frozenset({"sub_class:NORM"})),
    ]


def test_signals_are_in_millivolts_in_the_order_of_the_leads(published: Path) -> None:
    stored = np.arange(12000).reshape(1000, 12) % 3000
    write_record(published, 3, stored, gain=500.0)
    signals = ptbxl.load_signals(published, ptbxl.load(published)[:1])
    assert signals.dtype == np.float32
    np.testing.assert_allclose(signals[0], stored / 500, rtol=1e-6)


def test_normalised_ecgs_are_found_by_number(tmp_path: Path) -> None:
    rows = [("ecg_id", "patient_id", "strat_fold", "NORM", "MI", "STTC", "CD", "HYP", "signal")]
    rows += [(ecg_id, "2.0", "3", "0", "0", "1", "1", "0", "normalised100") for ecg_id in ("9", "8")]
    with (tmp_path / "superclass_folds.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    stored = np.stack([np.full((1000, 12), 100), np.full((1000, 12), -25)]).astype(np.int16)
    np.savez(tmp_path / "normalised100.npz", ecg_id=[9, 8], signal=stored)
    samples = ptbxl.load(tmp_path)
    assert samples[0] == EcgSample(8, 2, 3, (0, 0, 1, 1, 0), "normalised")
    signals = ptbxl.load_signals(tmp_path, samples)
    assert signals[:, 0, 0].tolist() == [-0.5, 2.0]


def test_what_is_missing_is_named_with_the_layout(published: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DatasetError, match=r"(?s)ptbxl_database\.csv.*missing.*Expected layout.*doi:"):
        ptbxl.load(tmp_path_factory.mktemp("empty"))
    (published / "records100/00000/00003_lr.dat").unlink()
    with pytest.raises(DatasetError, match=r"(?s)00003_lr.*missing.*Expected layout"):
        ptbxl.load_signals(published, ptbxl.load(published))


def test_a_record_of_another_length_is_named(published: Path) -> None:
    write_record(published, 3, np.zeros((999, 12)))
    with pytest.raises(DatasetError, match="00003_lr: "):
        ptbxl.load_signals(published, ptbxl.load(published))


def test_splits_go_by_fold(published: Path) -> None:
    splits = ptbxl.split(ptbxl.load(published))
    assert [[sample.ecg_id for sample in part] for part in splits] == [[3], [12], [1001]]


def test_a_patient_in_two_splits_is_an_error() -> None:
    samples = [EcgSample(1, 4, 7, (1, 0, 0, 0, 0)), EcgSample(2, 4, 8, (1, 0, 0, 0, 0))]
    with pytest.raises(DatasetError, match="patient 4"):
        ptbxl.split(samples)


def test_verify_says_what_is_missing_or_damaged(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(published, 12, np.zeros((10, 12)))
    assert main(["data", "verify", "ptb-xl", str(published)]) == 1
    said = capsys.readouterr().out
    assert "ptbxl_database.csv: 4 records, published 21799" in said
    assert "MI: 1 ECGs, published 5469" in said
    assert "fold 2: missing" in said
    assert "00012_lr: " in said
    assert "ptb-xl: 3 ECGs, differs from what was published." in said


@at_hand
def test_no_patient_of_ptbxl_crosses_and_its_leads_obey_einthoven() -> None:
    splits = ptbxl.split(ptbxl.load(DATA))
    assert all(splits)
    records = [sample for sample in splits.validation if sample.kind == "record"][:20]
    signals = ptbxl.load_signals(DATA, records)
    lead_i, lead_ii, lead_iii = signals[..., 0], signals[..., 1], signals[..., 2]
    assert np.abs(lead_ii - lead_i - lead_iii).max() < 0.01
    assert 0.2 < np.abs(signals).max(axis=(1, 2)).mean() < 5
