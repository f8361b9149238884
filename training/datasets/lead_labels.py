"""Ink maps of made-up ECG sheets with the places of the lead names on them, in many typefaces and spellings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.preprocessing.ecg_sheet.ink import densities
from models.preprocessing.ecg_sheet.lead_names import NAMES, reduce
from models.preprocessing.picture import UInt8Array
from training.datasets.draws import Rng, between, chance, pick, vary
from training.datasets.ecg_machine_styles import Wish, draw_machine_style
from training.datasets.ecg_photograph import draw_damage, lying_flat, photograph
from training.datasets.ecg_sheet import Layout, Sheet, load_font, render

FloatArray = NDArray[np.float32]

READ_AT = 1400
"""Pixels of the longer side at which the reader makes its ink map."""
PEN = 5

SPELLINGS: Mapping[str, Sequence[str]] = {
    "I": ("I", "I", "I", "DI", "D1", "L1", "I:"),
    "II": ("II", "II", "II", "DII", "D2", "L2", "II:"),
    "III": ("III", "III", "III", "DIII", "D3", "L3", "III:"),
    **{name: (name, name, name, name.upper(), f"{name}:") for name in ("aVR", "aVL", "aVF")},
    **{f"V{n}": (f"V{n}", f"V{n}", f"V{n}", f"C{n}", f"V{n}:") for n in range(1, 7)},
    "-aVR": ("-aVR", "-aVR", "-AVR", "\u2212aVR"),
    **{f"{n} mm/s": (f"{n} mm/s", f"{n}mm/s", f"{n}.0 mm/s", f"{n} mm/sec", f"{n}mm/sec") for n in (25, 50)},
    **{f"{n} mm/mV": (f"{n} mm/mV", f"{n}mm/mV", f"{n}.0 mm/mV", f"{n}.0mm/mV", f"{n}mm/mv") for n in (5, 10, 20)},
}
OTHER_WORDS = (
    *("25", "10", "1", "11", "111", "4", "VI", "IV", "HR", "mV", "mm/s", "aV", "VR", "V7", "V8", "V9", "V3R", "V4R"),
    *("25 Hz", "50 Hz", "10 mV", "12.5 mm/s", "100 mm/s", "2.5 mm/mV", "40 mm/mV", "15mm/mV", "25 mm", "10 ms", "5 mm"),
    *("Hz", "ID", "PR", "QT", "T1", "H", "L", "|", "||", "/", "75 bpm", "40Hz", "V1.7", "MX", "VF", "VT", "C", "D"),
)
_SCALE = re.compile(r"(\d+(?:\.0)?) ?mm/(s(?:ec)?|mV)")
_LAYOUTS: Sequence[tuple[Layout | None, float]] = (
    (None, 0.7),
    ("limb page", 0.1),
    ("chest page", 0.1),
    ("three rows", 0.07),
    ("single strip", 0.03),
)


class LabelledPage(NamedTuple):
    """An ink map (height, width) as the name reader takes it, and its names: rows of (number in `NAMES`, x and y of
    the middle, width, height), in pixels."""

    ink: UInt8Array
    names: FloatArray


def draw_page(signal: NDArray[np.floating], rate: float, rng: Rng, fonts: Sequence[str]) -> LabelledPage:
    """The page of a signal (n, 12) in mV with its names, and other names and words strewn over it."""
    wish = Wish(layout=pick(rng, _LAYOUTS), order="cabrera" if chance(rng, 0.15) else "standard")
    style = draw_machine_style(rng, wish, (700, 1700))
    typeface = fonts[int(rng.integers(len(fonts)))]
    sheet = render(signal, rate, replace(style, label_font=typeface if chance(rng, 0.8) else None, font=typeface))
    picture = Image.fromarray(sheet.picture)
    names = [_named(label.lead, label.text, label[2:]) for label in sheet.labels]
    names += _scales(ImageDraw.Draw(picture), sheet)
    names += _strew(picture, sheet, rng, fonts)
    return _seen(np.asarray(picture), names, rng, dark=sum(style.paper) < 300)


def names_of(sheet: Sheet) -> FloatArray:
    """The names of a sheet, as in `LabelledPage`, in pixels of its picture."""
    return np.array([_named(label.lead, label.text, label[2:]) for label in sheet.labels], np.float32).reshape(-1, 5)


def _named(lead: int, text: str, box: Sequence[float]) -> tuple[float, ...]:
    left, top, right, bottom = box
    number = NAMES.index("-aVR") if text.startswith(("-", "\u2212")) else lead
    return number, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _scales(draw: ImageDraw.ImageDraw, sheet: Sheet) -> Iterator[tuple[float, ...]]:
    """Speed and gain where the sheet's own texts name them."""
    style = sheet.style
    for text in style.texts:
        if not style.scale_text or style.scale_text not in text.content:
            continue
        font = load_font(style.font, max(6, round(text.size * style.px_per_mm)))
        for found in _SCALE.finditer(text.content):
            left = text.x * style.px_per_mm + font.getlength(text.content[: found.start()])
            box = draw.textbbox((left, text.y * style.px_per_mm), found[0], font)
            name = f"{float(found[1]):g} mm/{'s' if found[2].startswith('s') else 'mV'}"
            yield NAMES.index(name), *_named(0, "", box)[1:]


def _strew(picture: Image.Image, sheet: Sheet, rng: Rng, fonts: Sequence[str]) -> list[tuple[float, ...]]:
    """Names and other words at random places that are free of names, over whatever else is there."""
    draw = ImageDraw.Draw(picture)
    taken = [label[2:] for label in sheet.labels]
    names = []
    for _ in range(40):
        name = NAMES[rng.integers(len(NAMES))] if chance(rng, 0.65) else None
        words = SPELLINGS[name] if name else OTHER_WORDS
        text = words[int(rng.integers(len(words)))]
        font = load_font(fonts[int(rng.integers(len(fonts)))], round(between(rng, 9, 30) * max(picture.size) / READ_AT))
        corner = between(rng, 0, picture.width - 40), between(rng, 0, picture.height - 30)
        box = draw.textbbox(corner, text, font)
        if box[2] >= picture.width or box[3] >= picture.height or any(_near(box, other) for other in taken):
            continue
        colour = vary(rng, sheet.style.ink if chance(rng, 0.7) else sheet.style.text_colour, 25)
        draw.text(corner, text, colour, font)
        taken.append(box)
        if name:
            names.append((float(NAMES.index(name)), *_named(0, "", box)[1:]))
    return names


def _near(one: Sequence[float], other: Sequence[float]) -> bool:
    space = 0.6 * max(one[3] - one[1], other[3] - other[1])
    across = one[0] - space < other[2] and other[0] - space < one[2]
    return across and one[1] - space < other[3] and other[1] - space < one[3]


def _seen(picture: UInt8Array, names: Sequence[tuple[float, ...]], rng: Rng, *, dark: bool) -> LabelledPage:
    """What copying, light, lens and compression leave of a flat page, as the name reader takes it."""
    damage = lying_flat(draw_damage(rng, pick(rng, ((0.0, 0.3), (0.7, 0.4), (1.3, 0.3)))))
    taken = Image.fromarray(photograph(255 - picture if dark else picture, damage))
    taken.thumbnail((READ_AT, READ_AT), Image.Resampling.BILINEAR)
    ink, _ = reduce(densities(taken, PEN).ink)
    scales = ink.shape[1] / picture.shape[1], ink.shape[0] / picture.shape[0]
    placed = np.array(names, dtype=np.float32).reshape(-1, 5)
    placed[:, [1, 3]] *= scales[0]
    placed[:, [2, 4]] *= scales[1]
    return LabelledPage(ink, placed)
