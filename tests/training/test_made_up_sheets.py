"""The script that asks the service about sheets of known truth: what it counts as right."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import made_up_sheets
from benchmarks.made_up_sheets import Records, Service, alerts_of_st, elevations, pages, tempo
from models.preprocessing.ecg_record import SignalPreprocessing, preprocess
from tests.documents import written
from tests.sheets import ecg
from tests.training.made_up_sets import write_ptbxl
from training.datasets import ptbxl
from training.datasets.ptbxl import EcgSample

NORMAL = (1, 0, 0, 0, 0)


class MadeUpRecords(Records):
    def signal(self, sample: EcgSample) -> Any:
        return ecg().astype(np.float32)


@pytest.fixture
def records() -> Records:
    samples = [EcgSample(number, number, 1, NORMAL) for number in range(1, 5)]
    return MadeUpRecords(None, samples, {1: {"sub_class": "CLBBB"}})  # type: ignore[arg-type]


class FakeService(Service):
    """Answers the same to everything, and keeps what it was asked."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def sheet(self, picture: Any) -> Any:
        self.asked.append(picture)
        return self.answer

    def record(self, signal: Any) -> Any:
        self.asked.append(signal)
        return self.answer


def answer(*, accepted: bool, sheet: Mapping[str, Any] | None, alerts: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "sheet": sheet,
        "reliability": {"accepted": accepted, "reason": None},
        "alerts": [{"name": name} for name in alerts],
        "prediction": {"name": "Normal"},
    }


def test_what_is_refused_or_not_read_counts_as_missed(records: Records) -> None:
    tally = tempo(FakeService(answer(accepted=False, sheet=None)), records, 3, seed=1)
    assert not any(tally.answers["speed right"])
    assert not any(tally.answers["layout right"])
    assert set(tally.answers) >= {"speed right, usual", "speed right, slow"}


def test_a_page_that_is_taken_for_twelve_leads_is_counted(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("limb page", "Cabrera order")
    monkeypatch.setattr(made_up_sheets, "PAGES", {kind: made_up_sheets.PAGES[kind] for kind in kinds})
    taken = pages(FakeService(answer(accepted=True, sheet={"lead_order": "standard"})), records, 1, seed=1)
    assert [taken.answers[f"{kind} accepted as twelve standard leads"] for kind in kinds] == [[True], [True]]
    told = pages(FakeService(answer(accepted=True, sheet={"lead_order": "cabrera"})), records, 1, seed=1)
    assert told.answers["Cabrera order accepted as twelve standard leads"] == [False]
    assert told.answers["Cabrera order read as printed"] == [True]


def test_elevation_is_drawn_into_the_records_that_are_sent(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made_up_sheets, "HEIGHTS", (4.0,))
    service = FakeService(answer(accepted=True, sheet=None, alerts=("ST elevation, anterior",)))
    tally = elevations(service, records, 1, seed=1)
    plain, raised = service.asked[0], service.asked[2]
    assert (raised - plain).max() > 0.4
    assert tally.answers["ST alert, record, 4 mm above the limit"] == [True]
    assert tally.bounds["ST alert, sheet, NORM alone, false"] == (4.0, None)


@pytest.mark.parametrize(
    ("names", "found"), [(("ST elevation",), True), (("ST-segment elevation",), True), (("Very slow heart",), False)]
)
def test_alerts_of_st_elevation_are_told_by_their_names(names: tuple[str, ...], found: bool) -> None:
    assert alerts_of_st(answer(accepted=True, sheet=None, alerts=names)) is found


def test_a_record_arrives_as_it_was_drawn() -> None:
    windows = preprocess(*ptbxl.wfdb_of(ecg().astype(np.float32)), SignalPreprocessing())
    assert windows.tensors.shape[1:] == (1000, 12)


def test_the_command_of_the_text_asks_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ptbxl(tmp_path / "ptb-xl", 1)
    here = {"/path/to/data": tmp_path}
    asked = written("python -m benchmarks.made_up_sheets --data /path/to/data --part tempo", here)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["made_up_sheets", *asked, "--count", "1"])
    with pytest.raises(SystemExit):
        made_up_sheets.main()
    assert "speed right, usual" in capsys.readouterr().out
