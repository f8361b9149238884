"""Pictures in DICOM objects: what a screen would show, what is refused with a sentence, and what costs nothing."""

import io
import logging
import re
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.dicom import structure
from models.preprocessing.dicom.modalities import BREAST_ULTRASOUND, CHEST_FILM, ECG_SHEET, SKIN_PICTURE, Wanted
from models.preprocessing.picture import (
    ImagePreprocessing,
    PictureError,
    PictureTooLargeError,
    UnreadablePictureError,
    UnsupportedFormatError,
    UnusablePictureError,
    decode,
    decode_and_judge,
    preprocess,
)
from tests.dicoms import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    LOSSLESS,
    PATIENT,
    RLE,
    compressed,
    dicom,
    head,
    item,
    pydicom,
    waveform,
    with_odd_types,
    written,
)
from tests.pictures import encode, noise
from tests.records import ecg

LARGE = 40_000_000
GREY = np.asarray(noise(37, 24).convert("L"))
COLOUR = np.asarray(noise(37, 24))
DEEP = (GREY.astype(np.uint16) * 13) + 7
BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"


def shown(data: bytes) -> NDArray[np.uint8]:
    """What is shown, (rows, columns, 3)."""
    picture = decode(data, max_pixels=LARGE)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def grey(data: bytes) -> NDArray[np.uint8]:
    """The greys of what is shown without colours."""
    picture = shown(data)
    assert (picture == picture[..., :1]).all()
    return picture[..., 0]


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN, RLE, JPEG_2000, JPEG_LS, LOSSLESS])
@pytest.mark.parametrize("pixels", [GREY, COLOUR, DEEP], ids=["grey", "colour", "16 bits"])
def test_a_picture_is_the_same_in_dicom_as_in_png(pixels: NDArray[Any], syntax: str) -> None:
    frame = compressed(pixels, syntax) if syntax in (RLE, JPEG_2000, JPEG_LS, LOSSLESS) else None
    made = dicom(pixels, syntax=syntax, frame=frame)
    np.testing.assert_array_equal(shown(made), shown(encode(Image.fromarray(pixels))))


@pytest.mark.parametrize(("mode", "photometric"), [("L", "MONOCHROME2"), ("RGB", "YBR_FULL_422")])
def test_a_jpeg_is_decoded_as_if_it_came_by_itself(mode: str, photometric: str) -> None:
    picture = noise(900, 700).convert(mode)
    file, pixels = encode(picture, "JPEG"), np.asarray(picture)
    made = dicom(pixels, syntax=JPEG, frame=file, PhotometricInterpretation=photometric)
    spec = ImagePreprocessing(size=224, framing="squash")
    np.testing.assert_array_equal(preprocess(made, spec, max_pixels=LARGE), preprocess(file, spec, max_pixels=LARGE))
    broken = dicom(pixels, syntax=JPEG, frame=file[:3000] + file[3400:], PhotometricInterpretation=photometric)
    assert "damaged" in str(decode_and_judge(broken, max_pixels=LARGE)[1])


def test_colours_of_a_jpeg_are_those_that_the_tags_say_where_it_says_nothing() -> None:
    picture = Image.new("RGB", (64, 64), (200, 40, 90))
    plain = encode(picture, "JPEG", quality=100, subsampling=0, keep_rgb=True)
    start = plain.index(b"\xff\xee")
    unsaid = plain[:start] + plain[start + 16 :]
    unsaid = unsaid.replace(b"R\x11\0", b"\1\x11\0").replace(b"G\x11\0", b"\2\x11\0").replace(b"B\x11\0", b"\3\x11\0")
    unsaid = unsaid.replace(b"\3R\0G\0B\0", b"\3\1\0\2\0\3\0")
    made = dicom(np.asarray(picture), syntax=JPEG, frame=unsaid)
    np.testing.assert_allclose(shown(made)[32, 32], (200, 40, 90), atol=3)


def test_monochrome1_is_turned_round() -> None:
    np.testing.assert_array_equal(grey(dicom(GREY, PhotometricInterpretation="MONOCHROME1")), 255 - GREY)
    deep = grey(dicom(DEEP))
    np.testing.assert_array_equal(grey(dicom(DEEP, PhotometricInterpretation="MONOCHROME1")), 255 - deep)
    turned = dicom(
        GREY, syntax=JPEG, frame=encode(Image.fromarray(GREY), "JPEG"), PhotometricInterpretation="MONOCHROME1"
    )
    plain = dicom(GREY, syntax=JPEG, frame=encode(Image.fromarray(GREY), "JPEG"))
    np.testing.assert_array_equal(grey(turned), 255 - grey(plain))


def test_the_window_of_the_file_is_the_one_that_is_shown() -> None:
    """PS3.3, C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5) * 255, and black and white beyond."""
    made = dicom(DEEP, BitsStored=12, HighBit=11, WindowCenter="1000", WindowWidth="801")
    expected = np.clip(((DEEP - 999.5) / 800 + 0.5) * 255, 0, 255)
    np.testing.assert_allclose(grey(made), np.rint(expected), atol=1)


def test_a_window_is_of_values_that_are_rescaled() -> None:
    tags: dict[str, Any] = {"BitsStored": 12, "HighBit": 11, "RescaleSlope": "2", "RescaleIntercept": "-1000"}
    made = dicom(DEEP, **tags, WindowCenter="1000", WindowWidth="1601")
    np.testing.assert_allclose(
        grey(made), np.rint(np.clip((((2.0 * DEEP - 1000) - 999.5) / 1600 + 0.5) * 255, 0, 255)), atol=1
    )
    turned = dicom(DEEP, **{**tags, "RescaleSlope": "-1"})
    np.testing.assert_allclose(grey(turned), 255 - grey(dicom(DEEP)).astype(int), atol=1)


def test_a_window_without_width_is_none() -> None:
    np.testing.assert_array_equal(grey(dicom(DEEP, WindowCenter="0", WindowWidth="0")), grey(dicom(DEEP)))


def test_a_look_up_table_of_the_file_is_applied() -> None:
    table = item(LUTDescriptor=[256, 0, 8])
    table.add_new(0x00283006, "OW", bytes(255 - value for value in range(256) for value in (value, 0))[::1])
    entries = np.arange(255, -1, -1, dtype="<u2").tobytes()
    table.add_new(0x00283006, "OW", entries)
    np.testing.assert_array_equal(grey(dicom(GREY, VOILUTSequence=[table])), 255 - GREY)


def test_signed_samples_and_what_lies_beside_the_stored_bits() -> None:
    signed = (DEEP.astype(np.int32) - 1500).astype(np.int16)
    twelve = (signed.view(np.uint16) & 0x0FFF) | 0xA000
    made = dicom(twelve, BitsStored=12, HighBit=11, PixelRepresentation=1)
    np.testing.assert_array_equal(grey(made), grey(dicom(DEEP)))


def test_padding_is_black_and_does_not_stretch_the_greys() -> None:
    padded = DEEP.copy()
    padded[:4] = 60_000
    made = grey(dicom(padded, PixelPaddingValue=60_000, PhotometricInterpretation="MONOCHROME1"))
    assert (made[:4] == 0).all()
    assert made[4:].max() == 255


def test_planes_halved_colours_and_palettes() -> None:
    planes = np.ascontiguousarray(COLOUR.transpose(2, 0, 1)).reshape(COLOUR.shape)
    np.testing.assert_array_equal(shown(dicom(planes, PlanarConfiguration=1)), COLOUR)
    entries: dict[str, Any] = {}
    for n, name in enumerate(("Red", "Green", "Blue"), start=1):
        entries[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        entries[f"{name}PaletteColorLookupTableData"] = bytes((value * n) % 256 for value in range(256))
    painted = shown(dicom(GREY, PhotometricInterpretation="PALETTE COLOR", **entries))
    np.testing.assert_array_equal(painted, np.stack([GREY, GREY * 2, GREY * 3], axis=-1))


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_rle.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_jpeg_no_color_transform.dcm",
        "examples_jpeg2k.dcm",
        "examples_rgb_color.dcm",
    ],
)
def test_colours_are_those_that_pydicom_reads(name: str) -> None:
    if name == "examples_jpeg2k.dcm":
        pytest.importorskip("openjpeg", reason="pydicom has no decoder of JPEG 2000")
    np.testing.assert_array_equal(shown((BUNDLED / name).read_bytes()), pydicom.dcmread(BUNDLED / name).pixel_array)


def test_the_files_of_pydicom_are_read_or_refused_with_a_sentence() -> None:
    read, refusals = set(), []
    for file in (file for file in BUNDLED.rglob("*") if file.is_file()):
        try:
            picture = decode(file.read_bytes(), max_pixels=LARGE)
        except PictureError as error:
            refusals.append(str(error))
        else:
            read.add(file.name)
            assert min(picture.size) > 0
    assert [sentence for sentence in refusals if not re.fullmatch(r"[A-Z][^\n]+ [^\n]+\.", sentence)] == []
    assert {"CT_small.dcm", "MR_small_RLE.dcm", "JPGExtended.dcm", "SC_rgb_jpeg_gdcm.dcm", "image_dfl.dcm"} <= read
    assert {"693_J2KI.dcm", "MR_small_jpeg_ls_lossless.dcm", "examples_palette.dcm", "6154"} <= read
    assert len(read) > 60


def test_an_ultrasound_is_cut_to_its_one_region() -> None:
    framed = np.zeros((300, 400, 3), np.uint8)
    framed[:20] = 255
    framed[60:84, 100:137] = COLOUR
    region = {"RegionSpatialFormat": 1, "RegionDataType": 1, "RegionLocationMinX0": 100, "RegionLocationMinY0": 60}
    within = item(**region, RegionLocationMaxX1=136, RegionLocationMaxY1=83)
    made = dicom(framed, modality="US", SequenceOfUltrasoundRegions=[within])
    np.testing.assert_array_equal(shown(made), COLOUR)
    two = dicom(framed, modality="US", SequenceOfUltrasoundRegions=[within, within])
    outside = item(**region, RegionLocationMaxX1=900, RegionLocationMaxY1=83)
    for whole in (two, dicom(framed, modality="US", SequenceOfUltrasoundRegions=[outside])):
        np.testing.assert_array_equal(shown(whole), framed)


@pytest.mark.parametrize(
    ("modality", "wanted", "sentence"),
    [
        ("CT", CHEST_FILM, "is a computed tomogram, by its tag Modality. This endpoint reads a chest X-ray"),
        ("MG", BREAST_ULTRASOUND, "is a mammogram, by its tag Modality. This endpoint reads a breast ultrasound"),
        ("DX", SKIN_PICTURE, "is a digital radiograph, by its tag Modality. This endpoint reads a dermoscopy picture"),
        ("US", ECG_SHEET, "is an ultrasound picture, by its tag Modality. This endpoint reads the picture of an ECG"),
        (PATIENT[:16], CHEST_FILM, "is of another modality"),
    ],
)
def test_another_modality_is_refused(modality: str, wanted: Wanted, sentence: str) -> None:
    with pytest.raises(UnusablePictureError, match=sentence) as caught:
        decode(dicom(GREY, modality=modality), max_pixels=LARGE, wanted=wanted)
    assert "Muster" not in str(caught.value)


@pytest.mark.parametrize(
    ("modality", "wanted"),
    [("DX", CHEST_FILM), ("CR", CHEST_FILM), ("US", BREAST_ULTRASOUND), ("DMS", SKIN_PICTURE), ("XC", SKIN_PICTURE)]
    + [(modality, wanted) for modality in ("OT", None) for wanted in (CHEST_FILM, BREAST_ULTRASOUND, SKIN_PICTURE)],
)
def test_its_own_modality_is_read(modality: str | None, wanted: Wanted) -> None:
    decode(dicom(GREY, modality=modality), max_pixels=LARGE, wanted=wanted)


def _of_frames(number: int) -> bytes:
    return dicom(np.tile(GREY, (number, 1)), Rows=GREY.shape[0], NumberOfFrames=str(number))


UNUSABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "frames": (lambda: _of_frames(3), "holds 3 frames, and one picture is read"),
    "report": (
        lambda: written(head("SR", "1.2.840.10008.5.1.4.1.1.88.11")),
        r"holds no picture \(Basic Text SR\). Send a picture",
    ),
    "waveform": (lambda: waveform(ecg()), "holds the signal of an ECG.*/analyze/heart/record"),
    "32 bits": (lambda: dicom(GREY, BitsAllocated=32), "stores its picture in a way that is not read"),
    "one bit": (lambda: dicom(GREY, BitsAllocated=1), "stores its picture in a way that is not read"),
    "ink": (lambda: dicom(GREY, PhotometricInterpretation="CMYK"), "stores its picture in a way that is not read"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_no_single_picture_is_refused(name: str) -> None:
    make, sentence = UNUSABLE[name]
    with pytest.raises(UnusablePictureError, match=sentence):
        decode(make(), max_pixels=LARGE)


def test_colours_that_a_decoder_would_take_for_others_are_refused() -> None:
    frame = compressed(COLOUR, LOSSLESS)
    place = frame.find(b"\xff\xee")
    bare = frame[:place] + frame[place + 16 :] if place > 0 else frame
    made = dicom(COLOUR, syntax=LOSSLESS, frame=bare.replace(b"JFIF", b"none"), PhotometricInterpretation="YBR_FULL")
    with pytest.raises(UnsupportedFormatError, match="compressed in a way that is not read"):
        decode(made, max_pixels=LARGE)


def test_a_syntax_that_is_not_read_is_refused() -> None:
    with pytest.raises(UnsupportedFormatError, match="compressed in a way that is not read"):
        decode(dicom(GREY, syntax="1.2.840.10008.1.2.4.102", frame=bytes(64)), max_pixels=LARGE)


def test_without_the_extra_a_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.preprocessing.dicom import reading

    made = dicom(GREY)
    reading._set_up.cache_clear()
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pydicom", None)
        with pytest.raises(UnsupportedFormatError, match=r"pip install 'medidiagnose-ai\[dicom\]'"):
            decode(made, max_pixels=LARGE)
    decode(made, max_pixels=LARGE)


def _inserted(element: bytes) -> bytes:
    """A picture's file with an element before all that are needed."""
    made = dicom(GREY)
    place = made.index(b"\x08\x00\x16\x00")
    return made[:place] + element + made[place:]


def _nested(depth: int) -> bytes:
    opening = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return opening * depth + closing * depth


def _bomb() -> bytes:
    made = written(head(), DEFLATED)
    start = 144 + int.from_bytes(made[140:144], "little")  # PS3.10, 7.1: the length of the group of the head
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(70)) + packer.flush()
    return made[:start] + packed


def _many_elements() -> bytes:
    return _inserted(b"".join(b"\x01\x00" + number.to_bytes(2, "little") + b"LO\0\0" for number in range(1, 60_000)))


def _large(syntax: str) -> bytes:
    pixels = np.zeros((5000, 5000), np.uint8)
    return dicom(pixels, syntax=syntax, frame=compressed(pixels, syntax))


def _of_another_size(syntax: str) -> bytes:
    return dicom(GREY, syntax=syntax, frame=compressed(DEEP[:8], syntax))


COSTLY: dict[str, tuple[Callable[[], bytes], type[PictureError], str]] = {
    "declared size": (lambda: dicom(GREY, Rows=60_000, Columns=60_000), PictureTooLargeError, "megapixels are read"),
    "sequences": (lambda: _inserted(_nested(500)), UnreadablePictureError, "sequences in each other"),
    "elements": (_many_elements, UnreadablePictureError, "far more elements"),
    "long number": (lambda: dicom(GREY, WindowCenter=["1"] * 20_000), UnreadablePictureError, "far longer values"),
    "samples that are missing": (lambda: dicom(GREY, Rows=5000, Columns=5000), UnreadablePictureError, "truncated"),
    "wavelets of another size": (lambda: _of_another_size(JPEG_2000), UnreadablePictureError, "damaged"),
    "lossless of another size": (lambda: _of_another_size(LOSSLESS), UnreadablePictureError, "damaged"),
    "runs of another size": (lambda: _of_another_size(RLE), UnreadablePictureError, "damaged"),
    "slow": (lambda: _large(JPEG_LS), PictureTooLargeError, "takes longer than"),
    "bomb": (_bomb, PictureTooLargeError, "deflated DICOM file holds more than"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_cost_far_more_than_its_size_is_refused_before_it_does(name: str) -> None:
    make, error, sentence = COSTLY[name]
    with pytest.raises(error, match=sentence):
        decode(make(), max_pixels=LARGE)


@pytest.mark.parametrize("syntax", [RLE, JPEG_2000, JPEG_LS, LOSSLESS])
@pytest.mark.parametrize("pixels", [GREY, DEEP], ids=["grey", "16 bits"])
def test_a_frame_that_was_cut_off_is_not_read(pixels: NDArray[Any], syntax: str) -> None:
    frame = compressed(pixels, syntax)
    for share in (0.5, 0.9):
        with pytest.raises(UnreadablePictureError, match="truncated or damaged"):
            decode(dicom(pixels, syntax=syntax, frame=frame[: int(share * len(frame))]), max_pixels=LARGE)


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_a_jpeg_ls_that_has_lost_its_end_is_not_given_to_the_decoder(
    padding: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder works for seconds on some of a few hundred bytes."""
    frame = compressed(GREY, JPEG_LS)
    assert decode(dicom(GREY, syntax=JPEG_LS, frame=frame + padding), max_pixels=LARGE).size == GREY.shape[::-1]
    monkeypatch.delattr("imagecodecs.jpegls_decode")
    for length in (len(frame) // 2, len(frame) - 2):
        with pytest.raises(UnreadablePictureError, match="truncated or damaged"):
            decode(dicom(GREY, syntax=JPEG_LS, frame=frame[:length] + padding), max_pixels=LARGE)


def test_what_is_checked_of_a_codestream_is_what_is_decoded() -> None:
    """A comment that holds the header of a small picture, a second header, and a tile that changes the first."""
    other = np.zeros((300, 300), np.uint8)
    small, large = (compressed(pixels, JPEG_LS) for pixels in (GREY, other))
    header = small[small.index(b"\xff\xf7") :][:13]
    told = large[:2] + b"\xff\xfe" + (2 + len(header)).to_bytes(2, "big") + header + large[2:]
    twice = large[:2] + header + large[2:]
    small, large = (compressed(pixels, JPEG_2000) for pixels in (GREY, other))
    style, tile = large.index(b"\xff\x52"), large.index(b"\xff\x90")
    size = large[2:style]
    doubled = small[:45] + size + small[45:]
    changed = small[: small.index(b"\xff\x93")] + large[style : style + 14] + small[small.index(b"\xff\x93") :]
    assert tile > style
    for syntax, frame in ((JPEG_LS, told), (JPEG_LS, twice), (JPEG_2000, doubled), (JPEG_2000, changed)):
        with pytest.raises((UnreadablePictureError, UnsupportedFormatError), match=r"damaged|not read"):
            decode(dicom(GREY, syntax=syntax, frame=frame), max_pixels=LARGE)
        decode(dicom(GREY, syntax=syntax, frame=compressed(GREY, syntax)), max_pixels=LARGE)


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED, RLE, JPEG_2000, JPEG_LS, LOSSLESS])
def test_damage_never_ends_in_another_exception(syntax: str) -> None:
    frame = compressed(DEEP, syntax) if syntax not in (EXPLICIT, DEFLATED) else None
    file = dicom(DEEP, syntax=syntax, frame=frame, WindowCenter="1000", WindowWidth="800")
    rng, refusals = np.random.default_rng(3), set()
    for _ in range(300):
        broken = bytearray(file)
        for place in rng.integers(132, len(file), rng.integers(1, 6)):
            broken[place] = rng.integers(256)
        try:
            decode(bytes(broken[: rng.integers(200, 2 * len(file))]), max_pixels=LARGE)
        except PictureError as error:
            refusals.add(str(error))
    assert refusals
    assert "Muster" not in str(refusals)


def test_tags_of_odd_types_never_end_in_another_exception(caplog: pytest.LogCaptureFixture) -> None:
    region = item(RegionSpatialFormat=1, RegionDataType=1, RegionLocationMinX0=1, RegionLocationMinY0=1)
    table = item(LUTDescriptor=[4096, 0, 16])
    table.add_new(0x00283006, "OW", bytes(8192))
    file = dicom(
        DEEP,
        modality="US",
        SequenceOfUltrasoundRegions=[region],
        ModalityLUTSequence=[table],
        WindowCenter="1000",
        WindowWidth="500",
    )
    read = refused = 0
    for odd in with_odd_types(file):
        try:
            decode(odd, max_pixels=LARGE)
            read += 1
        except PictureError:
            refused += 1
    assert read > 10
    assert refused > 50
    assert caplog.text == ""


def test_nothing_of_the_patient_is_parsed_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    made = dicom(GREY, VOILUTSequence=[item(LUTDescriptor=[256, 0, 9])])
    assert PATIENT.encode() in made
    walked = structure.walk(made, frozenset({0x00080060, 0x00280010}))
    assert walked.elements.startswith(b"\x08\x00\x60\x00")
    assert b"Muster" not in walked.elements
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(UnreadablePictureError):
            decode(made, max_pixels=LARGE)
    assert not [record for record in caplog.records if record.name.startswith("pydicom")]
    assert "Muster" not in caplog.text + str([str(each.message) for each in warned])


def test_a_deflated_file_is_read_within_its_bound() -> None:
    file = io.BytesIO(dicom(GREY, syntax=DEFLATED))
    np.testing.assert_array_equal(grey(file.getvalue()), GREY)
