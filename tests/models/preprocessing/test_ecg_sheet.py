"""ECG sheets to tensors: what is drawn is read back, and no picture is more than refused."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet import DigitisedSheet, SheetError, digitisation, digitise
from models.preprocessing.ecg_sheet.digitisation import LONG_SIDE, UNTOLD
from models.preprocessing.ecg_sheet.ink import densities
from models.preprocessing.ecg_sheet.preparation import SheetPreprocessing, leads_shown, preprocess, read
from models.preprocessing.picture import PictureError, decode
from tests.pictures import encode, noise, plain
from tests.sheets import ecg, sheet

SPEC = SheetPreprocessing()
LARGE = 40_000_000


@pytest.mark.parametrize(("layout", "strip"), [("3x4", 1), ("3x4", None), ("6x2", None), ("12x1", None)])
def test_a_drawn_sheet_is_read_back(layout: str, strip: int | None) -> None:
    found = preprocess(encode(sheet(layout=layout, strip=strip)), SPEC, max_pixels=LARGE)
    assert found.reading is not None
    assert found.fault is None
    assert (found.reading.layout, found.reading.strips) == (layout, int(strip is not None))
    assert (found.reading.speed, found.reading.gain) == (25, 10)
    assert leads_shown(found.reading) == LEADS
    assert found.tensors.shape == (1, *SPEC.tensor_shape)
    signal, shown = found.tensors[0, :, :12], found.tensors[0, :, 12:]
    assert set(np.unique(shown)) <= {0, 1}
    assert (signal[shown == 0] == 0).all()
    heights = (ecg() - np.median(ecg(), axis=0)).max(axis=0)
    tall = heights > 0.5
    np.testing.assert_allclose(signal.max(axis=0)[tall], heights[tall], rtol=0.2)


def test_a_turned_and_tilted_sheet_is_read_too() -> None:
    tilted = sheet().rotate(3, expand=True, fillcolor=(120, 110, 100), resample=Image.Resampling.BILINEAR)
    found = read(np.asarray(tilted), SPEC)
    assert found.reading is not None
    assert found.reading.layout == "3x4"
    assert len(leads_shown(found.reading)) == 12


@cache
def large_sheet(mode: str) -> tuple[Image.Image, DigitisedSheet]:
    """A sheet of twice the width that a file is read at, and what it shows."""
    drawn = sheet(strip=None).convert(mode)
    large = drawn.resize((2 * 2 * LONG_SIDE, drawn.height * 2 * 2 * LONG_SIDE // drawn.width // 2 * 2))
    reading = read(large.convert("RGB"), SPEC).reading
    assert reading is not None
    return large, reading


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_sheet_far_larger_than_it_is_read_at_is_decoded_at_half_its_size(picture_format: str, mode: str) -> None:
    large, exactly = large_sheet(mode)
    file = encode(large, picture_format)
    assert decode(file, max_pixels=LARGE, for_input=SPEC).size == (large.width // 2, large.height // 2)
    found = preprocess(file, SPEC, max_pixels=LARGE).reading
    exact = picture_format != "JPEG"
    whole = exactly if exact else read(decode(file, max_pixels=LARGE), SPEC).reading
    assert found is not None
    assert whole is not None
    np.testing.assert_allclose(found.signal, whole.signal, atol=0 if exact else 0.02)
    np.testing.assert_array_equal(found.shown, whole.shown)
    assert found.layout == whole.layout


def test_a_sheet_of_less_is_decoded_in_full() -> None:
    file = encode(sheet().resize((2 * 2 * LONG_SIDE - 2, 800)), "JPEG")
    assert decode(file, max_pixels=LARGE, for_input=SPEC).width == 2 * 2 * LONG_SIDE - 2


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 90, 40)])
def test_a_picture_without_any_line_is_refused_before_it_is_straightened(
    colour: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("models.preprocessing.ecg_sheet.digitisation.find_plane")
    with pytest.raises(SheetError, match="shows no lines"):
        digitise(np.full((400, 600, 3), colour, np.uint8))


def test_a_sheet_that_fits_worse_than_known_ones_is_not_relied_upon() -> None:
    picture = np.asarray(sheet())
    misread = SheetPreprocessing(least_consistency=1.0)
    assert "do not add up" in str(read(picture, misread).fault)
    faint = SheetPreprocessing(least_fit=1.0)
    assert "stand out" in str(read(picture, faint).fault)


def test_a_picture_without_traces_has_an_empty_tensor_and_a_reason() -> None:
    found = preprocess(encode(plain((200, 200, 200))), SPEC, max_pixels=LARGE)
    assert found.reading is None
    assert not found.tensors.any()
    assert "12-lead ECG sheet" in str(found.fault)


def test_no_picture_at_all_is_a_picture_error() -> None:
    with pytest.raises(PictureError):
        preprocess(b"not a picture", SPEC, max_pixels=LARGE)


def test_ink_of_one_shade_only_is_refused() -> None:
    picture = np.full((400, 600, 3), 255, np.uint8)
    rows = (np.arange(40, 360, 40)[:, None] + 10 * np.sin(np.arange(600) / 9)).astype(int)
    picture[rows, np.arange(600)] = 0
    picture[rows + 1, np.arange(600)] = 0
    assert read(picture, SPEC).tensors.shape == (1, *SPEC.tensor_shape)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**16),
    size=st.tuples(st.integers(1, 400), st.integers(1, 600)),
    kind=st.sampled_from(["noise", "waves", "stripes", "cut"]),
)
def test_any_picture_is_read_or_refused(seed: int, size: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(seed)
    height, width = size
    picture = np.full((height, width, 3), 255, np.uint8)
    if kind == "noise":
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    elif kind == "waves":
        for base in range(0, height, int(rng.integers(10, 80))):
            wave = base + rng.uniform(0, 30) * np.sin(np.arange(width) / rng.uniform(1, 50)) + rng.normal(0, 1, width)
            picture[wave.astype(int).clip(0, height - 1), np.arange(width)] = rng.integers(0, 200)
    elif kind == "stripes":
        picture[:: int(rng.integers(1, 40))] = rng.integers(0, 256)
        picture[:, :: int(rng.integers(1, 40))] = rng.integers(0, 256)
    else:
        whole = np.asarray(sheet(strip=None))
        top, left = rng.integers(0, whole.shape[0] - 1), rng.integers(0, whole.shape[1] - 1)
        picture = whole[top : top + height, left : left + width]
    try:
        reading = digitise(picture)
    except SheetError:
        return
    assert np.isfinite(reading.signal).all()
    assert 0 <= reading.consistency <= 1
    assert 0 <= reading.fit <= 1


def test_noise_is_refused_by_what_sheets_have_at_least() -> None:
    found = preprocess(encode(noise(800, 600)), SheetPreprocessing(least_consistency=0.5), max_pixels=LARGE)
    assert found.fault is not None


def _diagonals(edge: int = 1000) -> Image.Image:
    picture = Image.new("L", (edge, edge), 255)
    draw = ImageDraw.Draw(picture)
    for left in range(-edge, edge, 60):
        draw.line((left, 0, left + edge, edge), fill=0, width=3)
        draw.line((left + edge, 0, left, edge), fill=0, width=3)
    return picture.convert("RGB")


def test_rows_that_no_sheet_has_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs from corner to corner was taken for two rows, with every pixel between them."""
    followed: list[int] = []
    monkeypatch.setattr(digitisation, "follow", lambda _, rows: followed.append(len(rows.baselines)))
    with pytest.raises(SheetError, match=r"rows of traces were found|No rows of traces were found"):
        digitise(_diagonals())
    assert followed == []


@pytest.mark.parametrize("rows", [3, 6, 12])
def test_ruled_paper_is_no_ecg(rows: int) -> None:
    paper = np.full((900, 1200, 3), 255, np.uint8)
    for row in range(rows):
        y = 80 + row * 800 // rows
        paper[y : y + 2, 60:1140] = 0
    assert read(paper, SPEC).fault is not None


def test_what_is_taller_than_wide_and_no_sheet_may_have_to_be_turned() -> None:
    fault = read(noise(400, 600), SPEC).fault
    assert fault is not None
    assert fault.endswith("turn it by 90 degrees first.")
    lying = read(noise(600, 400), SPEC).fault
    assert lying is not None
    assert "90 degrees" not in lying


def test_what_passes_for_a_first_row_is_left_out_where_the_others_are_those_of_one_heart() -> None:
    straight = digitisation._straight(densities(sheet(strip=None), 5))
    rows = straight.rows
    fold = rows.baselines[:1] - 0.8 * rows.gap
    found = digitisation._read(
        straight._replace(rows=rows._replace(baselines=np.vstack([fold, rows.baselines]))), UNTOLD
    )
    assert (found.layout, found.strips) == ("3x4", 0)
    assert found.consistency > 0.5
