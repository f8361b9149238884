"""Printed speeds and gains: read to the letter or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from models.preprocessing.ecg_sheet import printed_scale
from models.preprocessing.ecg_sheet.digitisation import SheetError, Told, digitise
from models.preprocessing.ecg_sheet.ink import densities
from models.preprocessing.ecg_sheet.print_lines import HEIGHT, cut_strip, find_lines
from models.preprocessing.ecg_sheet.printed_scale import (
    ALPHABET,
    SURE,
    PrintedScale,
    Spelled,
    read_printed_scale,
    scales_in,
    settled,
)
from tests.sheets import MARGIN, PX_PER_MM, sheet

NO_COLUMNS = np.zeros((0, 1 + len(ALPHABET)), np.float32)


def named(picture: Image.Image, text: str, size: int = 16, place: tuple[int, int] | None = None) -> Image.Image:
    """The picture with a line of print, at its foot unless a place is given."""
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).text(place or (80, picture.height - size - 14), text, (20, 20, 30), font)
    return picture


def read(picture: Image.Image) -> PrintedScale:
    return read_printed_scale(densities(picture, 5).print, (0.2 * picture.height, 0.85 * picture.height))


def spelled(text: str, *, sure: float = 0.95, doubtful: str = "", first: float = 20.0) -> Spelled:
    chances = tuple(SURE - 0.1 if letter in doubtful else sure for letter in text)
    return Spelled(text, chances, tuple(first + 8.0 * n for n in range(len(text))), NO_COLUMNS)


def test_what_is_printed_is_read_or_nothing_is() -> None:
    printed = {
        "25 mm/s  10 mm/mV": (25, 10),
        "50mm/s 20mm/mV  0.05-150 Hz": (50, 20),
        "Speed: 25 mm/sec   Gain: 5.0 mm/mV": (25, 5),
        "10mm/mV  25mm/s": (25, 10),
    }
    right = 0
    for size in (12, 14, 18, 26):
        for text, scale in printed.items():
            found = read(named(Image.new("RGB", (1000, 600), (255, 252, 250)), text, size))
            right += (found.speed, found.gain) == scale
            assert found.speed in (None, scale[0])
            assert found.gain in (None, scale[1])
    assert right >= 13


def test_small_print_is_read_by_what_a_line_says_as_a_whole() -> None:
    printed = {"25 mm/s  10 mm/mV": (25, 10), "50mm/s 20mm/mV  0.05-150 Hz": (50, 20), "10mm/mV  25mm/s": (25, 10)}
    told = []
    for size in (8, 9, 14):
        for text, scale in printed.items():
            found = read(named(Image.new("RGB", (1000, 600), (255, 252, 250)), text, size))
            assert found.fault is None
            told += [own for own, true in zip(found, scale, strict=False) if own is not None]
            assert (found.speed or scale[0], found.gain or scale[1]) == scale
    assert len(told) >= 15  # 9 letter by letter


@pytest.mark.parametrize("text", ["25 Hz  10 mV", "HR: 25 /min", "ID 250510  PR 125 ms", "mm/s mm/mV", "25 10"])
def test_other_words_are_no_scale(text: str) -> None:
    assert read(named(Image.new("RGB", (1000, 600), "white"), text, 18)) == PrintedScale()


def test_traces_alone_have_no_scale() -> None:
    assert read(sheet()) == PrintedScale()
    assert read(sheet(pulse=5, ruled=True)) == PrintedScale()


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (40, 8), (300, 400)])
def test_any_ink_map_is_read(shape: tuple[int, int]) -> None:
    restless = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for ink in (np.zeros(shape, np.uint8), np.full(shape, 200, np.uint8), restless):
        assert isinstance(read_printed_scale(ink, (0.0, 10.0)), PrintedScale)


def test_lines_of_print_are_found_where_they_stand() -> None:
    paper = named(Image.new("RGB", (900, 400), "white"), "25 mm/s 10 mm/mV", 20, (300, 200))
    ink = densities(paper, 5).print
    (line,) = find_lines(ink)
    assert 280 < line.left < 310
    assert 200 < line.top < line.bottom < 226
    assert cut_strip(Image.fromarray(ink), line).shape[0] == HEIGHT


@pytest.mark.parametrize(
    ("text", "scales"),
    [
        ("25 mm/s 10 mm/mV", [(25, "s"), (10, "mV")]),
        ("#: 12.5mm/s##", [(12.5, "s")]),
        ("#:5.0 mm/mV #:10.0 mm/mV", [(5, "mV"), (10, "mV")]),
        ("#25 mm/s", []),
        (".5 mm/mV", []),
        ("0.25mm/s", [(0.25, "s")]),
        ("1025 mm/s", []),
        ("25 m/s 10 mV 5 mm", []),
        ("10 /mm/mV", []),
    ],
)
def test_a_scale_is_a_number_with_its_unit_to_the_letter(text: str, scales: list[tuple[float, str]]) -> None:
    assert list(scales_in(spelled(text))) == scales


def test_a_doubtful_letter_and_a_number_that_may_be_cut_are_not_read() -> None:
    assert not list(scales_in(spelled("10 mm/mV", doubtful="1")))
    assert not list(scales_in(spelled("10 mm/mV", doubtful="V")))
    assert list(scales_in(spelled("10 mm/mV", doubtful=" ")))
    assert not list(scales_in(spelled("5 mm/mV", first=3.0)))


def test_numbers_are_told_apart_by_their_distance() -> None:
    apart = Spelled("1 5mm/mV", (0.9,) * 8, (20, 23, 27, 35, 45, 50, 55, 65), NO_COLUMNS)
    assert list(scales_in(apart)) == [(15, "mV")]
    doubtful = apart._replace(middles=(20, 24, 29, 37, 47, 52, 57, 67))
    assert not list(scales_in(doubtful))
    far = apart._replace(middles=(20, 30, 40, 48, 58, 63, 68, 78))
    assert list(scales_in(far)) == [(5, "mV")]


def test_several_gains_are_a_fault_and_what_is_unusual_is_not_read() -> None:
    assert settled([(25, "s"), (10, "mV"), (10, "mV")]) == (25, 10, None)
    assert settled([]) == (None, None, None)
    assert "5 and 10 mm/mV" in (settled([(10, "mV"), (5, "mV")]).fault or "")
    assert settled([(12.5, "s"), (10, "mV")]) == (None, 10, None)
    assert settled([(25, "s"), (50, "s"), (80, "mV"), (10, "mV")]) == (None, None, None)


def test_a_sheet_is_read_at_the_scale_that_is_printed() -> None:
    plain = digitise(sheet(gain=5))
    assert (plain.gain, plain.gain_from) == (10, "assumed")
    printed = digitise(named(sheet(gain=5), "25 mm/s   5 mm/mV"))
    assert (plain.speed_from, printed.speed_from) == ("beats", "print")
    assert (printed.speed, printed.gain, printed.gain_from) == (25, 5, "print")
    assert np.ptp(printed.signal) == pytest.approx(2 * np.ptp(plain.signal), rel=0.05)
    fast = digitise(named(sheet(speed=50), "50 mm/s   10 mm/mV"))
    assert (fast.speed, fast.gain, fast.gain_from) == (50, 10, "print")


def test_a_sender_or_a_pulse_that_contradicts_the_print_is_refused() -> None:
    with pytest.raises(SheetError, match="You say 10 mm/mV, but 5 mm/mV is printed"):
        digitise(named(sheet(gain=5), "25 mm/s   5 mm/mV"), Told(gain=10))
    with pytest.raises(SheetError, match="You say 50 mm/s, but 25 mm/s is printed"):
        digitise(named(sheet(), "25 mm/s   10 mm/mV"), Told(speed=50))
    with pytest.raises(SheetError, match="read as 20 mm/mV, but the calibration pulse is 10 mm high"):
        digitise(named(sheet(pulse=5), "25 mm/s   20 mm/mV"))
    agreed = digitise(named(sheet(pulse=5), "25 mm/s   10 mm/mV"), Told(speed=25, gain=10))
    assert (agreed.gain, agreed.gain_from) == (10, "pulse")


def test_a_sheet_of_two_gains_is_refused() -> None:
    with pytest.raises(SheetError, match="names 5 and 10 mm/mV"):
        digitise(named(sheet(), "25 mm/s  Limb: 10 mm/mV  Chest: 5 mm/mV"))


def test_print_at_the_very_edge_is_read() -> None:
    picture = sheet()
    assert MARGIN * PX_PER_MM > 40
    assert digitise(named(picture, "50 mm/s   10 mm/mV", 16, (80, picture.height - 17))).speed == 50


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "scale_words.onnx"
    damaged.write_bytes(printed_scale.MODEL.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(printed_scale, "MODEL", damaged)
    with pytest.raises(OSError, match="Install it again"):
        read(named(Image.new("RGB", (900, 400), "white"), "25 mm/s 10 mm/mV"))
