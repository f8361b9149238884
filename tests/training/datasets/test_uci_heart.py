import os
from pathlib import Path

import pytest

from training.cli import main
from training.datasets import uci_heart
from training.datasets.uci_heart import Patient
from training.errors import DatasetError

DATA = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data")) / "heart_risk" / "uci"
at_hand = pytest.mark.skipif(not DATA.is_dir(), reason="the UCI heart data are not at hand")
COMPLETE = "63.0,1.0,1.0,145.0,233.0,1.0,2.0,150.0,0.0,2.3,3.0,0.0,6.0,0"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """One patient of each hospital; missing values as each hospital writes them."""
    rows = {
        "cleveland": COMPLETE,
        "hungarian": "40,0,2,-9,0,?,0,172,0,0,-9,-9,-9,1",
        "switzerland": "X1,X2,X3,X4,X5,X6,X7,X8,X9,X10,X11,X12,X13,X14\n35,1,4,0,0,-9,0,130,1,-9,-9,-9,7,3",
        "va": "65,1,4,130,275,0,1,115,1,1,2,?,?,4\n",
    }
    for site, text in rows.items():
        (tmp_path / f"processed.{site}.data").write_text(text + "\n")
    return tmp_path


def test_values_come_in_the_codes_of_the_service(published: Path) -> None:
    assert uci_heart.load(published)[0] == Patient(
        site="cleveland",
        values={
            "age": 63,
            "sex": 1,
            "chest_pain": 0,
            "blood_pressure": 145,
            "cholesterol": 233,
            "fasting_blood_sugar": 1,
            "resting_ecg": 2,
            "max_heart_rate": 150,
            "exercise_angina": 0,
            "st_depression": 2.3,
        },
        narrowed=False,
    )


def test_missing_is_missing_however_it_is_written(published: Path) -> None:
    _, hungarian, swiss, _ = uci_heart.load(published)
    assert [name for name, value in hungarian.values.items() if value is None] == [
        "blood_pressure",
        "cholesterol",
        "fasting_blood_sugar",
    ]
    assert [swiss.values[name] for name in ("blood_pressure", "cholesterol", "st_depression")] == [None, None, None]
    assert swiss.values["resting_ecg"] == 0


def test_any_narrowing_counts(published: Path) -> None:
    assert [patient.narrowed for patient in uci_heart.load(published)] == [False, True, True, True]


def test_a_missing_file_is_named_with_the_layout(published: Path) -> None:
    (published / "processed.va.data").unlink()
    with pytest.raises(DatasetError, match=r"(?s)processed\.va\.data missing.*Expected layout.*doi:"):
        uci_heart.load(published)


@pytest.mark.parametrize("row", ["63,1,1", COMPLETE.replace("145.0", "high"), COMPLETE.replace(",0.0,6.0,0", ",0,6,?")])
def test_a_damaged_row_is_named(published: Path, row: str) -> None:
    (published / "processed.cleveland.data").write_text(f"{COMPLETE}\n{row}\n")
    with pytest.raises(DatasetError, match=r"processed\.cleveland\.data:2: "):
        uci_heart.load(published)


def test_verify_counts_each_hospital(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    assert main(["data", "verify", "uci-heart", str(published)]) == 1
    said = capsys.readouterr().out
    assert "cleveland: 1 patients, published 303" in said
    assert "uci-heart: 4 patients, differs from what was published." in said


@at_hand
def test_the_published_counts_are_at_hand() -> None:
    count, problems = uci_heart.verify(DATA)
    assert (count, problems) == (920, [])
