"""The waveforms of a DICOM ECG object (PS3.3, A.34.3 to A.34.5 and C.10.9), described as in a WFDB header."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from models.preprocessing.dicom.reading import MODALITY, SOP_CLASS, faults, object_name, open_file, whole_number
from models.preprocessing.dicom.structure import is_dicom
from models.preprocessing.picture_format import PictureError, PictureTooLargeError, UnreadablePictureError
from models.preprocessing.wfdb import (
    GAINS,
    MAX_SAMPLES,
    MAX_SIGNALS,
    BoolArray,
    Header,
    Int32Array,
    RecordError,
    RecordTooLargeError,
    Signal,
    UnreadableRecordError,
    UnusableRecordError,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_WAVEFORMS = 0x54000100
_MOST_GROUPS = 20
_KINDS: Mapping[tuple[int, str], str] = {(8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2"}
"""How samples are stored, by Waveform Bits Allocated and Waveform Sample Interpretation."""
_LEAD_CODES: Mapping[str, str] = {
    **{str(number): name for number, name in enumerate(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), start=1)},
    "61": "III",
    "62": "aVR",
    "63": "aVL",
    "64": "aVF",
}
"""The last part of the code of a lead in both schemes of CID 3001 of PS3.16: SCPECG 5.6.3-9-n and MDC 2:n."""
_PREFIXES: Mapping[str, str] = {"SCPECG": "5.6.3-9-", "MDC": "2:"}


@dataclass(frozen=True, slots=True)
class Waveform:
    """One group of channels with common timing; `data` holds their samples, channel by channel at each moment."""

    header: Header
    data: bytes
    kind: str
    padding: bytes

    @property
    def seconds(self) -> float:
        """Duration."""
        return (self.header.frames or 0) / self.header.rate

    def opened(self) -> Self:
        """Its samples; of a WFDB record they must prove to be there first."""
        return self

    def __len__(self) -> int:
        """How many samples of each channel."""
        return self.header.frames or 0

    def read(self, place: slice) -> tuple[Int32Array, BoolArray]:
        """The samples of a stretch as stored and whether each is valid, both (samples, channels)."""
        values = np.frombuffer(self.data, self.kind).reshape(-1, len(self.header.signals))[place]
        valid = np.ones(values.shape, np.bool_)
        if len(self.padding) >= values.itemsize:
            valid = values != np.frombuffer(self.padding[: values.itemsize], self.kind)[0]
        return values.astype(np.int32), valid


def open_waveforms(data: bytes) -> Sequence[Waveform]:
    """The groups of channels of a DICOM file, at least one. Raises a `RecordError`."""
    if not is_dicom(data):
        raise UnreadableRecordError("The content of `dicom` is not a DICOM file. Send one, or `header` and `signal`.")
    try:
        walked, tags = open_file(data, frozenset({SOP_CLASS, MODALITY, _WAVEFORMS}))
        if not walked.has_waveform:
            raise UnusableRecordError(
                f"The DICOM file holds no waveform{object_name(tags)}. Send a 12-lead ECG object; the picture of an "
                "ECG goes to /analyze/heart."
            )
        return tuple(_waveforms(tags, walked.order))
    except RecordError:
        raise
    except PictureError as error:
        raise _OF_FILES.get(type(error), UnusableRecordError)(str(error)) from error
    except faults():
        raise UnreadableRecordError(
            "The DICOM file has tags of channels that make no sense. Export it again and resend it."
        ) from None


def _waveforms(tags: "Dataset", order: str) -> Iterator[Waveform]:
    groups = tags.WaveformSequence
    if not 1 <= len(groups) <= _MOST_GROUPS:
        raise UnusableRecordError("The DICOM file holds no group of channels, or far too many.")
    return (_waveform(group, order) for group in groups)


def _waveform(group: "Dataset", order: str) -> Waveform:
    count, frames = whole_number(group, "NumberOfWaveformChannels"), whole_number(group, "NumberOfWaveformSamples")
    if not 1 <= count <= MAX_SIGNALS or count * frames > MAX_SAMPLES:
        raise RecordTooLargeError(
            f"The record has {count} channels of {frames} samples; at most {MAX_SIGNALS} channels and {MAX_SAMPLES} "
            "samples in all are read. Send a shorter piece."
        )
    stored = whole_number(group, "WaveformBitsAllocated"), str(group.WaveformSampleInterpretation)
    if stored not in _KINDS:
        raise UnusableRecordError("The samples of the ECG are stored in a way that is not read; 8 and 16 bits are.")
    kind, wanted = order + _KINDS[stored], count * frames * stored[0] // 8
    data, rate = bytes(group.WaveformData or b""), float(group.SamplingFrequency)
    if not frames or len(data) < wanted or not rate > 0 or len(group.ChannelDefinitionSequence) != count:
        raise UnreadableRecordError(
            "The DICOM file holds fewer samples or channels than it announces. Export it again and resend it."
        )
    signals = tuple(_signal(channel, number) for number, channel in enumerate(group.ChannelDefinitionSequence, 1))
    header = Header(rate=rate, frames=frames, storage=stored[0], samples_per_frame=1, offset=0, signals=signals)
    return Waveform(header, data[:wanted], kind, bytes(group.get("WaveformPaddingValue") or b""))


def _signal(channel: Any, number: int) -> Signal:
    """What is said of a channel: a value is sample x sensitivity x correction + baseline (C.10.9.1.4)."""
    if any(float(channel.get(name) or 0) for name in ("ChannelTimeSkew", "ChannelSampleSkew")):
        raise UnusableRecordError("The channels are skewed in time. Save the record with its skew corrected.")
    correction = channel.get("ChannelSensitivityCorrectionFactor")
    scale = float(channel.get("ChannelSensitivity") or 0) * (1.0 if correction is None else float(correction))
    if not scale or not GAINS[0] <= abs(1 / scale) <= GAINS[1]:
        raise UnusableRecordError(
            f"Channel {number} doesn't say how much a unit of it is (Channel Sensitivity), so it can't be measured."
        )
    units = channel.get("ChannelSensitivityUnitsSequence")
    baseline = float(channel.get("ChannelBaseline") or 0)
    return Signal(
        name=_lead_name(channel.ChannelSourceSequence[0]),
        gain=1 / scale,
        baseline=-baseline / scale,
        units=str(units[0].CodeValue) if units else "not stated",
        calibrated=True,
        initial_value=0,
        checksum=None,
    )


def _lead_name(source: "Dataset") -> str:
    """By its code where that is one of a lead, else as it is called."""
    scheme, code = str(source.get("CodingSchemeDesignator", "")), str(source.get("CodeValue", ""))
    prefix = _PREFIXES.get(scheme, "")
    if prefix and code.startswith(prefix) and (lead := _LEAD_CODES.get(code.removeprefix(prefix))):
        return lead
    return str(source.get("CodeMeaning", ""))


_OF_FILES: Mapping[type[PictureError], type[RecordError]] = {
    UnreadablePictureError: UnreadableRecordError,
    PictureTooLargeError: RecordTooLargeError,
}
