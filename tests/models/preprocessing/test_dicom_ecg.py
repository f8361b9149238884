"""ECGs in DICOM waveform objects: the same tensors as of the WFDB record, and what is refused with a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS, SignalPreprocessing, cut_windows, read_dicom, read_record
from models.preprocessing.wfdb import (
    RecordError,
    RecordTooLargeError,
    UnreadableRecordError,
    UnusableRecordError,
)
from tests.dicoms import dicom, group, head, item, pydicom, waveform, with_odd_types, written
from tests.records import counts_of, ecg, header_of, signal_of

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
SPEC = SignalPreprocessing()
ECG = ecg(10, 500)


def _wfdb(millivolts: Any, rate: float = 500) -> Any:
    counts = counts_of(millivolts)
    return read_record(header_of(counts, rate=rate), signal_of(counts))


@pytest.mark.parametrize("unit", ["uV", "mV"])
def test_its_tensors_are_those_of_the_wfdb_record(unit: str) -> None:
    read = read_dicom(waveform(ECG, unit=unit))
    assert (read.rate, read.derived_leads, read.calibrated) == (500, (), True)
    np.testing.assert_allclose(cut_windows(read, SPEC).tensors, cut_windows(_wfdb(ECG), SPEC).tensors, atol=1e-6)


def test_leads_are_found_by_name_or_code_whatever_their_order() -> None:
    order = [*LEADS[6:], *LEADS[:6]]
    mixed = ECG[:, [LEADS.index(lead) for lead in order]]
    np.testing.assert_allclose(read_dicom(waveform(mixed, names=order)).signal, ECG, atol=6e-4)
    codes = {"I": "1", "II": "2", "III": "61", "aVR": "62", "aVL": "63", "aVF": "64"} | {
        f"V{number}": str(number + 2) for number in range(1, 7)
    }
    for scheme, prefix in (("SCPECG", "5.6.3-9-"), ("MDC", "2:")):
        made = group(mixed, names=["Ableitung"] * 12)
        for channel, lead in zip(made.ChannelDefinitionSequence, order, strict=True):
            channel.ChannelSourceSequence[0].CodingSchemeDesignator = scheme
            channel.ChannelSourceSequence[0].CodeValue = prefix + codes[lead]
        np.testing.assert_allclose(read_dicom(waveform(mixed, WaveformSequence=[made])).signal, ECG, atol=6e-4)


def test_the_longest_group_with_the_twelve_leads_is_read() -> None:
    groups = [group(ECG[:600]), group(ECG), group(np.vstack([ECG, ECG])[:, :3], names=["x", "y", "z"])]
    assert read_dicom(waveform(ECG, WaveformSequence=groups)).seconds == 10


def test_baseline_correction_and_padding_are_heeded() -> None:
    made = group(ECG)
    for channel in made.ChannelDefinitionSequence:
        channel.ChannelBaseline, channel.ChannelSensitivityCorrectionFactor = "500", "2"
    made.WaveformPaddingValue = np.array([32767], "<i2").tobytes()
    samples = np.frombuffer(made.WaveformData, "<i2").reshape(-1, 12).copy()
    samples[40, 3] = 32767
    made.WaveformData = samples.tobytes()
    read = read_dicom(waveform(ECG, WaveformSequence=[made])).signal
    assert np.flatnonzero(np.isnan(read)).tolist() == [40 * 12 + 3]
    np.testing.assert_allclose(read[100:], 2 * ECG[100:] + 0.5, atol=2e-3)


def test_the_ecg_of_pydicom_is_read() -> None:
    read = read_dicom((BUNDLED / "waveform_ecg.dcm").read_bytes())
    assert (read.rate, read.seconds) == (1000, 10)
    expected = pydicom.dcmread(BUNDLED / "waveform_ecg.dcm").waveform_array(0) / 1000
    np.testing.assert_allclose(read.signal, expected, atol=1e-6)
    assert len(cut_windows(read, SPEC).tensors) == 1


def _changed(change: Callable[[Any], None]) -> bytes:
    made = group(ECG)
    change(made)
    return waveform(ECG, WaveformSequence=[made])


def _channel(**tags: Any) -> bytes:
    def change(made: Any) -> None:
        for name, value in tags.items():
            setattr(made.ChannelDefinitionSequence[4], name, value)

    return _changed(change)


REFUSED: dict[str, tuple[Callable[[], bytes], type[RecordError], str]] = {
    "no DICOM": (lambda: b"00001 12 500 5000", UnreadableRecordError, "is not a DICOM file. Send one, or"),
    "picture": (lambda: dicom(np.zeros((9, 9), np.uint8)), UnusableRecordError, "waveform.*goes to /analyze/heart"),
    "three leads": (lambda: waveform(ECG[:, :3], names=["I", "II", "V1"]), UnusableRecordError, "V2"),
    "no groups": (lambda: waveform(ECG, WaveformSequence=[]), UnusableRecordError, "no group of channels"),
    "skewed": (lambda: _channel(ChannelSampleSkew="3"), UnusableRecordError, "skewed in time"),
    "no unit": (lambda: _channel(ChannelSensitivity=None), UnusableRecordError, "Channel 5 doesn't say how much"),
    "unknown unit": (
        lambda: _channel(ChannelSensitivityUnitsSequence=[item(CodeValue="mm[Hg]")]), UnusableRecordError, "unknown"),
    "rate": (lambda: waveform(ECG, rate=7), UnusableRecordError, "7 samples a second"),
    "few samples": (lambda: _changed(lambda made: setattr(made, "NumberOfWaveformSamples", 90_000)),
                    UnreadableRecordError, "fewer samples or channels"),
    "many samples": (lambda: _changed(lambda made: setattr(made, "NumberOfWaveformSamples", 4_000_000_000)),
                     RecordTooLargeError, "at most 32 channels"),
    "other samples": (lambda: _changed(lambda made: setattr(made, "WaveformSampleInterpretation", "MB")),
                      UnusableRecordError, "8 and 16 bits"),
    "channels": (lambda: _changed(lambda made: setattr(made, "ChannelDefinitionSequence", [])),
                 UnreadableRecordError, "fewer samples or channels"),
    "report": (lambda: written(head("SR")), UnusableRecordError, "holds no waveform"),
    "truncated": (lambda: waveform(ECG)[:-900], UnreadableRecordError, "truncated or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_ecg_is_refused_with_a_sentence(name: str) -> None:
    make, error, sentence = REFUSED[name]
    with pytest.raises(error, match=sentence):
        read_dicom(make())


def test_tags_of_odd_types_never_end_in_another_exception() -> None:
    refused = []
    for odd in with_odd_types(waveform(ECG[:600])):
        try:
            read_dicom(odd)
        except RecordError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all(sentence.endswith(".") for sentence in refused)


def test_damage_never_ends_in_another_exception() -> None:
    file = waveform(ECG[:600])
    rng, read = np.random.default_rng(5), 0
    for _ in range(400):
        broken = bytearray(file)
        for place in rng.integers(132, 4000, rng.integers(1, 6)):
            broken[place] = rng.integers(256)
        try:
            read_dicom(bytes(broken[: rng.integers(200, 2 * len(file))]))
            read += 1
        except RecordError:
            continue
    assert 0 < read < 400
