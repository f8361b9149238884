"""DICOM objects for the tests, made on the spot with pydicom; without the extra `dicom` tests that use them skip."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.preprocessing.ecg_record import LEADS

pydicom: Any = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
imagecodecs: Any = pytest.importorskip("imagecodecs", reason="the extra `dicom` is not installed")

IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN, RLE = (f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2", ".5"))
JPEG, EXTENDED, LOSSLESS, JPEG_LS, JPEG_2000 = (f"1.2.840.10008.1.2.4.{end}" for end in ("50", "51", "70", "80", "90"))
SECONDARY_CAPTURE, ECG_WAVEFORM = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.9.1.1"
PATIENT = "Musterfrau^Erika"


def dicom(
    pixels: NDArray[Any] | None = None,
    *,
    modality: str | None = "OT",
    syntax: str = EXPLICIT,
    frame: bytes | None = None,
    **tags: Any,
) -> bytes:
    """A file with the picture (rows, columns) or (rows, columns, 3), uint8 or uint16, or the encapsulated `frame` of
    it; `tags` replace those that follow from it, None leaves one out."""
    data = head(modality)
    if pixels is not None:
        rows, columns, *samples = pixels.shape
        bits = 8 * pixels.itemsize
        data.Rows, data.Columns, data.SamplesPerPixel = rows, columns, samples[0] if samples else 1
        data.PhotometricInterpretation = "RGB" if samples else "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits, bits - 1, 0
        if samples:
            data.PlanarConfiguration = 0
        stored = pixels.astype(pixels.dtype.newbyteorder(">" if syntax == BIG_ENDIAN else "<")).tobytes()
        data.PixelData = stored + b"\0" * (len(stored) % 2) if frame is None else pydicom.encaps.encapsulate([frame])
        data["PixelData"].VR = "OB" if bits == 8 else "OW"
        data["PixelData"].is_undefined_length = frame is not None
    for name, value in tags.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    return written(data, syntax)


def head(modality: str | None = "OT", kind: str = SECONDARY_CAPTURE) -> Any:
    """A data set of a patient that holds nothing yet."""
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID = kind, "1.2.3.4"
    if modality is not None:
        data.Modality = modality
    data.PatientName, data.PatientID, data.PatientBirthDate = PATIENT, "4711-0815", "19640812"
    return data


def written(data: Any, syntax: str = EXPLICIT) -> bytes:
    """The bytes of a file."""
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def compressed(pixels: NDArray[Any], syntax: str) -> bytes:
    """The frame of a picture in one of the compressed syntaxes, without loss."""
    match syntax:
        case value if value == JPEG_2000:
            frame = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True)
        case value if value == JPEG_LS:
            frame = imagecodecs.jpegls_encode(pixels)
        case value if value == LOSSLESS:
            frame = imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=8 * pixels.itemsize)
        case _:
            frame = run_lengths(pixels)
    return bytes(frame)


def run_lengths(pixels: NDArray[Any]) -> bytes:
    """PS3.5, G: a segment for each byte of each sample."""
    planes = pixels.reshape(*pixels.shape[:2], -1)
    segments = []
    for sample in range(planes.shape[2]):
        plane = np.ascontiguousarray(planes[..., sample])
        depth = plane.astype(plane.dtype.newbyteorder(">")).view(np.uint8).reshape(plane.size, -1)
        for byte in range(depth.shape[1]):
            packed = bytes(imagecodecs.packbits_encode(depth[:, byte].tobytes()))
            segments.append(packed + b"\0" * (len(packed) % 2))
    starts = np.cumsum([64, *(len(segment) for segment in segments)])[:-1]
    return np.array([len(segments), *starts, *[0] * (15 - len(segments))], "<u4").tobytes() + b"".join(segments)


ODD_TYPES = (b"AT", b"DS", b"FD", b"PN", b"SQ", b"UL", b"UN")


def with_odd_types(file: bytes) -> Iterator[bytes]:
    """The file with each of its elements said to be of other types."""
    for place in range(280, min(len(file), 1500)):
        if file[place : place + 2] in (b"US", b"DS", b"CS", b"SQ", b"SH", b"OW", b"LO", b"UL") and file[place - 3] < 64:
            yield from (file[:place] + kind + file[place + 2 :] for kind in ODD_TYPES)


def item(**tags: Any) -> Any:
    """A data set of these tags, as of a sequence."""
    made = pydicom.Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def waveform(
    millivolts: NDArray[np.floating], rate: float = 500, names: Sequence[str] = LEADS, unit: str = "uV", **tags: Any
) -> bytes:
    """A 12-lead ECG object of (samples, channels), a whole number a unit."""
    data = head("ECG", ECG_WAVEFORM)
    data.WaveformSequence = [group(millivolts, rate, names, unit)]
    for name, value in tags.items():
        setattr(data, name, value)
    return written(data)


def group(millivolts: NDArray[np.floating], rate: float = 500, names: Sequence[str] = LEADS, unit: str = "uV") -> Any:
    """A group of channels."""
    scale = {"uV": 1000, "mV": 1}[unit]
    counts = np.rint(np.asarray(millivolts, np.float64) * 1000).astype("<i2")
    channels = [
        item(
            ChannelSourceSequence=[item(CodeValue="x", CodingSchemeDesignator="L", CodeMeaning=f"Lead {name}")],
            ChannelSensitivity=scale / 1000,
            ChannelSensitivityUnitsSequence=[item(CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning=unit)],
            ChannelSensitivityCorrectionFactor=1,
            ChannelBaseline=0,
            WaveformBitsStored=16,
        )
        for name in names
    ]
    made = item(
        WaveformOriginality="ORIGINAL",
        NumberOfWaveformChannels=len(names),
        NumberOfWaveformSamples=len(counts),
        SamplingFrequency=rate,
        ChannelDefinitionSequence=channels,
        WaveformBitsAllocated=16,
        WaveformSampleInterpretation="SS",
    )
    made.add_new(0x54001010, "OW", counts.tobytes())
    return made
