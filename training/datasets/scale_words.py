"""Strips of print as the reader of scales cuts them out of made-up scenes: speeds, gains and other words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.preprocessing.ecg_sheet.ink import densities
from models.preprocessing.ecg_sheet.print_lines import HEIGHT, PrintLine, cut_strip, find_lines
from models.preprocessing.ecg_sheet.printed_scale import ALPHABET, OTHER
from models.preprocessing.picture import UInt8Array
from training.datasets.draws import Rgb, Rng, between, blend, chance, pick, vary
from training.datasets.ecg_photograph import draw_damage, lying_flat, photograph
from training.datasets.ecg_print import machine_words, particulars, scale_words
from training.datasets.ecg_sheet import load_font
from training.datasets.lead_labels import OTHER_WORDS, PEN

SIZE = 640, 250
"""Width and height of a scene in pixels."""
_SPEEDS = (25, 25, 25, 50, 50, 50, 12.5, 100, 10, 5, 6.25, 20)
_GAINS = (10, 10, 10, 5, 5, 20, 20, 2.5, 40, 15, 1, 30, 8)
_SAME = str.maketrans({"v": "V", "S": "s", ",": ".", "=": ":", "\u2215": "/"})


class Strip(NamedTuple):
    """The picture (`HEIGHT`, width) of a line, and its characters: rows of (number in `ALPHABET`, middle in pixels)."""

    picture: UInt8Array
    characters: NDArray[np.float32]


class _Written(NamedTuple):
    """A text in a scene: its characters' left and right edges (n, 2) and its upper and lower edges, in pixels."""

    text: str
    edges: NDArray[np.float64]
    top: float
    bottom: float


def draw_strips(rng: Rng, fonts: Sequence[str]) -> list[Strip]:
    """The strips that are found in a scene: lines of print over a grid or none, crossed by traces, and photographed."""
    scale = between(rng, 1, 1.6) if chance(rng, 0.6) else 1.0
    size = round(SIZE[0] * scale), round(SIZE[1] * scale)
    paper, ink = vary(rng, (246, 244, 241), 9), vary(rng, (25, 25, 32), 25)
    if chance(rng, 0.12):
        ink = blend(paper, ink, between(rng, 0.4, 0.7))
    scene = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(scene)
    if chance(rng, 0.65):
        _grid(draw, rng, scale, paper)
    for _ in range(int(rng.integers(0, 3))):
        _trace(draw, rng, scale, ink)
    written = _write(draw, rng, scale, ink, fonts)
    if chance(rng, 0.2):
        y = between(rng, 0, size[1])
        draw.line([(0, y), (size[0], y)], ink, max(1, round(between(rng, 0.5, 3) * scale)))
    seen = _seen(scene, rng)
    return [_labelled(seen, line, written, seen.width / size[0]) for line in find_lines(np.asarray(seen))]


def scale_text(rng: Rng) -> str:
    """Speed, gain or both, as machines word them, usual ones and others."""
    speed, gain = (float(values[int(rng.integers(len(values)))]) for values in (_SPEEDS, _GAINS))
    if chance(rng, 0.5):
        return scale_words(rng, speed, gain)
    per_second = pick(rng, (("mm/s", 3.0), ("mm/sec", 1.5), ("mm/Sec", 0.2), ("mm / s", 0.3), ("mm/s.", 0.1)))
    per_millivolt = pick(rng, (("mm/mV", 4.0), ("mm/mv", 0.7), ("mm / mV", 0.3)))
    space = " " if chance(rng, 0.5) else ""
    s, g = (f"{value:.1f}" if chance(rng, 0.15) else f"{value:g}" for value in (speed, gain))
    one, ten = f"{s}{space}{per_second}", f"{g}{space}{per_millivolt}"
    before = pick(rng, (("", 4.0), ("Speed:", 0.5), ("Speed: ", 0.5), ("V=", 0.3), ("Paper ", 0.3)))
    between_them = pick(rng, (("  ", 2.0), (" ", 1.0), ("     ", 1.0), (", ", 0.3), (" - ", 0.2), (" | ", 0.2)))
    other = pick(rng, (("", 3.0), ("Gain:", 0.4), ("Limb: ", 0.4), ("Chest: ", 0.4), ("S=", 0.2)))
    return pick(
        rng,
        (
            (f"{before}{one}{between_them}{other}{ten}", 3.0),
            (f"{other}{ten}{between_them}{before}{one}", 1.0),
            (f"{before}{one}", 1.0),
            (f"{other}{ten}", 1.0),
            (f"0.67~{int(rng.integers(20, 160))}Hz  AC50  {one}  {ten}  4*2.5s", 0.7),
        ),
    )


def _words(rng: Rng) -> str:
    if chance(rng, 0.55):
        text = scale_text(rng)
        return f"{text}   {machine_words(rng)}" if chance(rng, 0.2) else text
    if chance(rng, 0.4):
        return particulars(rng)
    if chance(rng, 0.3):
        return machine_words(rng)
    gap = " " * int(rng.integers(1, 4))
    numbers = [f"{rng.integers(0, 200)}", f"{rng.uniform(0, 60):.2f}", f"{rng.integers(1, 99)}mm", "mm", "m/s", "mV"]
    words = [*OTHER_WORDS, *numbers]
    return gap.join(words[int(rng.integers(len(words)))] for _ in range(int(rng.integers(1, 6))))


def _write(draw: ImageDraw.ImageDraw, rng: Rng, scale: float, ink: Rgb, fonts: Sequence[str]) -> list[_Written]:
    """Lines of print below one another, each in a typeface."""
    width, height = draw.im.size
    smallest = 6.0 if chance(rng, 0.6) else 8.5
    written: list[_Written] = []
    y = between(rng, 0, 20) * scale
    while True:
        size = max(6, round(float(np.exp(rng.uniform(np.log(smallest), np.log(26)))) * scale))
        if y + size > height:
            return written
        font = load_font(fonts[int(rng.integers(len(fonts)))], size)
        for _ in range(int(rng.integers(1, 3))):
            text = _words(rng)
            x = between(rng, 2, 0.45 * width)
            _, top, right, bottom = draw.textbbox((x, y), text, font)
            if bottom > height or right > width:
                break
            draw.text((x, y), text, vary(rng, ink, 12), font)
            ends = np.array([x + font.getlength(text[:count]) for count in range(len(text) + 1)])
            written.append(_Written(text, np.stack([ends[:-1], ends[1:]], axis=1), top, bottom))
            y = bottom + between(rng, 0.15, 0.8) * size
        y += between(rng, 0.1, 2) * size


def _grid(draw: ImageDraw.ImageDraw, rng: Rng, scale: float, paper: Rgb) -> None:
    width, height = draw.im.size
    hue = pick(rng, (((255, 105, 130), 0.4), ((230, 50, 40), 0.2), ((240, 130, 60), 0.1), ((110, 110, 110), 0.3)))
    pitch, phase = between(rng, 3, 8) * scale, between(rng, 0, 5)
    strength = between(rng, 0.15, 0.8)
    dotted, minor = chance(rng, 0.3), chance(rng, 0.7)
    for count, along in ((int(width / pitch) + 1, height), (int(height / pitch) + 1, width)):
        for number in range(count):
            if number % 5 and not minor:
                continue
            colour = blend(paper, hue, strength * (0.6 if number % 5 else 1.0))
            at = phase + number * pitch
            ends = [(at, 0), (at, height)] if along == height else [(0, at), (width, at)]
            if dotted and number % 5:
                dots = np.arange(phase, along, pitch / 2)
                draw.point([(at, dot) if along == height else (dot, at) for dot in dots.tolist()], colour)
            else:
                draw.line(ends, colour, max(1, round(between(rng, 0.6, 1.1) * scale)))


def _trace(draw: ImageDraw.ImageDraw, rng: Rng, scale: float, ink: Rgb) -> None:
    """A curve that beats."""
    width, height = draw.im.size
    x = np.arange(width, dtype=float)
    apart, high = between(rng, 60, 260) * scale, between(rng, -60, 90) * scale
    phase = (x + between(rng, 0, 300)) % apart
    y = between(rng, 0.1, 1) * height - high * np.exp(-(((phase - 0.3 * apart) / (between(rng, 2, 5) * scale)) ** 2))
    y += 0.4 * high * np.exp(-(((phase - 0.3 * apart - 7 * scale) / (3 * scale)) ** 2))
    y -= 0.25 * high * np.exp(-(((phase - 0.65 * apart) / (0.08 * apart)) ** 2))
    y += rng.normal(0, between(rng, 0, 1.2), width)
    draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), ink, max(1, round(between(rng, 1, 3) * scale)))


def _seen(scene: Image.Image, rng: Rng) -> Image.Image:
    """The ink map of a scene as the reader of sheets has it, as large as `SIZE`."""
    if chance(rng, 0.5):
        scene = scene.resize(SIZE, Image.Resampling.BILINEAR)
    damage = lying_flat(draw_damage(rng, pick(rng, ((0.0, 0.4), (0.6, 0.35), (1.2, 0.25)))))
    damage = replace(damage, long_side=None)
    taken = Image.fromarray(photograph(np.asarray(scene), damage))
    if chance(rng, 0.4):
        shrunk = between(rng, 0.6, 1.0)
        taken = taken.resize((round(taken.width * shrunk), round(taken.height * shrunk)), Image.Resampling.BILINEAR)
    if taken.width > SIZE[0]:
        taken = taken.resize((SIZE[0], round(taken.height * SIZE[0] / taken.width)), Image.Resampling.BILINEAR)
    page = Image.fromarray(densities(taken, PEN).print)
    angle = float(np.rad2deg(rng.normal(0, 0.004)))
    return page.rotate(angle, Image.Resampling.BILINEAR)


def _labelled(page: Image.Image, line: PrintLine, written: Sequence[_Written], scale: float) -> Strip:
    picture = cut_strip(page, line)
    spare = (line.bottom - line.top) // 2
    per_pixel = HEIGHT / (line.bottom - line.top + 2 * spare)
    middle = (line.top + line.bottom) / 2
    rows: list[tuple[float, float]] = []
    for text, edges, top, bottom in written:
        if not top * scale - 2 < middle < bottom * scale + 2:
            continue
        at = (edges.mean(axis=1) * scale - line.left + spare) * per_pixel
        rows += [
            (float(number_of(character)), float(x))
            for character, x in zip(text, at.tolist(), strict=True)
            if 0 <= x < picture.shape[1]
        ]
    return Strip(picture, np.array(sorted(rows, key=lambda row: row[1]), dtype=np.float32).reshape(-1, 2))


def number_of(character: str) -> int:
    """The number of a character in `ALPHABET`, whatever its case or dialect."""
    same = character.translate(_SAME)
    return ALPHABET.index(same if same in ALPHABET else OTHER)
