"""Records as sheets show them: read off pictures, kept for the next run, or imitated."""

from pathlib import Path

import numpy as np
import pytest

from models.preprocessing.ecg_sheet import digitise
from tests.records import ecg as noise
from tests.sheets import ecg
from training.datasets import digitised_sheets, ptbxl
from training.datasets.digitised_sheets import imitate, read_sheets, sheet_of
from training.datasets.ecg_sheet import SheetStyle, render


@pytest.fixture
def one_record(monkeypatch: pytest.MonkeyPatch) -> list[ptbxl.EcgSample]:
    monkeypatch.setattr(ptbxl, "load_signals", lambda _, samples: np.stack([ecg() for _ in samples]).astype("f4"))
    return [ptbxl.EcgSample(1, 1, 1, (1, 0, 0, 0, 0))]


def test_the_same_seed_draws_the_same_sheet() -> None:
    signal = ecg().astype(np.float32)
    first, again, other = (sheet_of(signal, seed, 1.0) for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_a_clean_sheet_is_read_as_the_record_it_was_drawn_from(
    one_record: list[ptbxl.EcgSample], tmp_path: Path
) -> None:
    likeness = []
    for seed in (3, 5, 6):
        sheets = read_sheets(tmp_path, one_record, seed=seed, severity=0.0)
        assert sheets.fit[0] > 0.3
        likeness += alike(sheets.tensors[0, :, :12], sheets.tensors[0, :, 12:] > 0)
    assert np.median(likeness) > 0.9


def test_a_pulse_between_columns_is_no_part_of_a_lead() -> None:
    style = SheetStyle(layout="3x4", pulse="middle", timing="consecutive", rhythm=())
    reading = digitise(render(ecg(), 100, style).picture)
    assert (reading.layout, reading.gain, reading.speed) == ("3x4", 10, 25)
    assert min(alike(reading.signal, reading.shown)) > 0.7


def test_without_a_grid_the_pulse_tells_two_columns_of_ten_seconds() -> None:
    style = SheetStyle(layout="6x2", pulse="left", timing="full", rhythm=(), minor_grid="none", major_grid=False)
    reading = digitise(render(ecg(), 100, style).picture)
    assert (reading.layout, reading.gain, reading.speed) == ("6x2", 10, 25)


def alike(signal: np.ndarray, shown: np.ndarray) -> list[float]:
    """Of each lead that is shown the highest correlation with the record."""
    found = []
    for lead, truth in enumerate(ecg().T):
        piece = signal[shown[:, lead], lead]
        assert len(piece) > 200
        starts = range(1001 - len(piece))
        found.append(max(np.corrcoef(piece, truth[at : at + len(piece)])[0, 1] for at in starts))
    return found


def test_kept_sheets_are_not_read_again(
    one_record: list[ptbxl.EcgSample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_sheets(tmp_path, one_record, seed=3, severity=0.0, cache=tmp_path / "kept")
    monkeypatch.setattr(digitised_sheets, "read", None)
    again = read_sheets(tmp_path, one_record, seed=3, severity=0.0, cache=tmp_path / "kept")
    np.testing.assert_allclose(again.tensors, first.tensors, atol=2e-3)
    assert (again.fit, again.consistency) == (first.fit, first.consistency)


def test_imitations_show_each_lead_for_a_while_and_nothing_elsewhere() -> None:
    signals = np.stack([noise()] * 40).astype(np.float32)
    tensors = imitate(signals, 0)
    signal, shown = tensors[:, :, :12], tensors[:, :, 12:]
    assert set(np.unique(shown)) == {0.0, 1.0}
    assert not signal[shown == 0].any()
    seconds = shown.sum(axis=1) / 100
    assert seconds.min() > 2.2
    assert {round(value, 0) for value in np.median(seconds, axis=1)} == {2, 5, 10}
    np.testing.assert_array_equal(tensors, imitate(signals, 0))
