"""What happens to an ECG sheet between the printer and the upload: copied, folded, photographed, compressed."""

import io
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from models.preprocessing.picture import UInt8Array

Copy = Literal["none", "grey", "black and white"]
FloatArray = NDArray[np.float64]

_CELLS = (10, 14)
"""Rows and columns of the mesh a picture is warped by."""


@dataclass(frozen=True)
class Damage:
    """Everything done to a sheet; the default does nothing. Lengths are shares of the sheet's longer side."""

    seed: int = 0
    """Of what is random in itself: noise, textures, where creases run."""

    copy: Copy = "none"
    copy_threshold: float = 0.7
    fade: float = 0.0
    """0 as printed, 1 blank paper."""

    quarter_turns: int = 0
    mirrored: bool = False
    """Seen from behind, or by a camera that faces its user."""
    rotation: float = 0.0
    """Degrees, anticlockwise."""
    corners: tuple[float, ...] = (0.0,) * 8
    """Shift (x, y) of the corners, clockwise from the upper left."""
    curl: float = 0.0
    """How far the middle of the sheet is off a line between its ends."""
    wrinkles: float = 0.0
    folds: int = 0
    crop: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Left, top, right, bottom; below 0 the background is seen."""
    background: tuple[int, int, int] = (120, 110, 100)

    gradient: float = 0.0
    """Loss of light from the brightest side to the darkest."""
    shadow: float = 0.0
    """Depth of one soft-edged shadow."""
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    brightness: float = 0.0

    long_side: int | None = None
    """Pixels; only ever smaller than the sheet is."""
    blur: float = 0.0
    """Standard deviation in pixels."""
    motion: int = 0
    """Length of a motion blur in pixels."""
    noise: float = 0.0
    """Standard deviation in grey levels."""
    jpeg: int | None = None


def lying_flat(damage: Damage) -> Damage:
    """The same with nothing that moves a place of the sheet: all of it is seen from straight above."""
    return replace(
        damage,
        quarter_turns=0,
        rotation=0.0,
        corners=(0.0,) * 8,
        curl=0.0,
        wrinkles=0.0,
        crop=(0.0,) * 4,
    )


def draw_damage(rng: np.random.Generator, severity: float = 1.0) -> Damage:
    """Damage at random: none at severity 0, everyday photographs and scans around 1, bad ones at 2."""
    seed = int(rng.integers(2**31))
    if not severity:
        return Damage(seed)
    draw = _Draw(rng, severity)
    return _draw_scan(draw, seed) if rng.random() < 0.3 else _draw_photograph(draw, seed)


class _Draw:
    """Draws that grow with the severity."""

    def __init__(self, rng: np.random.Generator, severity: float) -> None:
        self.rng, self.severity = rng, severity

    def upto(self, most: float, often: float = 1.0) -> float:
        """From 0 to `most`, with probability `often`, else 0."""
        value = float(self.rng.uniform(0, most)) * self.severity
        return value if self.rng.random() < often * min(self.severity, 1.5) else 0.0

    def around(self, most: float) -> float:
        return float(self.rng.uniform(-most, most)) * self.severity

    def count(self, most: int, often: float) -> int:
        value = int(self.rng.integers(1, most + 1))
        return value if self.rng.random() < often * self.severity else 0

    def smaller(self, long_side: int, often: float) -> int | None:
        value = max(700, round(long_side / (1 + self.rng.exponential(0.6) * self.severity)))
        return value if self.rng.random() < often else None

    def quality(self, often: float) -> int | None:
        value = int(self.rng.integers(max(30, round(75 - 40 * self.severity)), 96))
        return value if self.rng.random() < often else None


def _draw_photograph(draw: _Draw, seed: int) -> Damage:
    rng = draw.rng
    red, green, blue = (rng.uniform(0.75, 1) * (1 - draw.upto(0.15)) for _ in range(3))
    near = rng.random() < 0.4
    left, top, right, bottom = (draw.upto(0.02) if near else -draw.upto(0.08) for _ in range(4))
    table = rng.integers(20, 220) + rng.integers(-25, 26, 3)
    return Damage(
        seed=seed,
        fade=min(draw.upto(0.45, often=0.15), 0.7),
        quarter_turns=draw.count(3, often=0.05),
        rotation=draw.around(3 if rng.random() < 0.6 else 8),
        corners=tuple(draw.around(0.05) for _ in range(8)) if rng.random() < 0.7 else (0.0,) * 8,
        curl=draw.around(0.02) if rng.random() < 0.3 else 0.0,
        wrinkles=draw.upto(1.0, often=0.3),
        folds=draw.count(3, often=0.25),
        crop=(left, top, right, bottom),
        background=(int(table[0]), int(table[1]), int(table[2])),
        gradient=draw.upto(0.45, often=0.7),
        shadow=min(draw.upto(0.5, often=0.4), 0.75),
        cast=(red, green, blue),
        contrast=1 - min(draw.upto(0.3), 0.5),
        brightness=draw.around(12),
        long_side=draw.smaller(2000, often=0.6),
        blur=draw.upto(1.3, often=0.45),
        motion=draw.count(4, often=0.12),
        noise=draw.upto(10, often=0.6),
        jpeg=draw.quality(often=0.85),
    )


def _draw_scan(draw: _Draw, seed: int) -> Damage:
    """A flat-bed scan, a fax or a photocopy: hardly turned, evenly lit."""
    rng = draw.rng
    kinds: tuple[Copy, ...] = ("none", "none", "grey", "black and white")
    left, top, right, bottom = rng.uniform(-0.02, 0.01, 4).tolist() if rng.random() < 0.3 else (0.0,) * 4
    return Damage(
        seed=seed,
        copy=kinds[rng.integers(len(kinds))],
        copy_threshold=float(rng.uniform(0.45, 0.75)),
        fade=min(draw.upto(0.4, often=0.2), 0.7),
        quarter_turns=draw.count(3, often=0.03),
        rotation=float(rng.normal(0, 0.8)) * draw.severity,
        folds=draw.count(2, often=0.15),
        crop=(left, top, right, bottom),
        background=(250, 250, 250) if rng.random() < 0.6 else (15, 15, 15),
        blur=draw.upto(0.8, often=0.4),
        noise=draw.upto(6, often=0.5),
        long_side=draw.smaller(1900, often=0.4),
        jpeg=draw.quality(often=0.7),
    )


def photograph(picture: UInt8Array, damage: Damage) -> UInt8Array:
    """The damaged picture of a sheet: (height, width, 3) uint8 RGB in and out; its size changes with the framing."""
    rng = np.random.default_rng(damage.seed)
    sheet = Image.fromarray(picture)
    if damage.long_side and damage.long_side < max(sheet.size):
        scale = damage.long_side / max(sheet.size)
        size = round(sheet.width * scale), round(sheet.height * scale)
        sheet = sheet.resize(size, Image.Resampling.BILINEAR)
    sheet = _print_again(sheet, damage)
    relief = _relief(sheet, damage, rng)
    sheet = _crease(sheet, damage, relief, rng)
    sheet = _shoot(sheet, damage, relief, rng)
    sheet = _light(sheet, damage, rng)
    sheet = _develop(sheet, damage, rng)
    if damage.mirrored:
        sheet = sheet.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if damage.quarter_turns % 4:
        sheet = sheet.rotate(90 * damage.quarter_turns, expand=True)
    if damage.jpeg:
        stream = io.BytesIO()
        sheet.save(stream, "JPEG", quality=damage.jpeg)
        sheet = Image.open(stream).convert("RGB")
    return np.asarray(sheet)


def _print_again(sheet: Image.Image, damage: Damage) -> Image.Image:
    """Faded ink; a copy in grey or in black and white."""
    if damage.fade:
        red, green, blue = np.percentile(np.asarray(sheet)[::16, ::16], 90, (0, 1)).astype(int).tolist()
        sheet = Image.blend(sheet, Image.new("RGB", sheet.size, (red, green, blue)), damage.fade)
    if damage.copy == "none":
        return sheet
    grey = sheet.convert("L")
    if damage.copy == "black and white":
        middle = damage.copy_threshold * float(np.percentile(np.asarray(grey)[::8, ::8], 95))
        grey = grey.point([max(0, min(255, round(128 + 8 * (level - middle)))) for level in range(256)])
    return grey.convert("RGB")


def _relief(sheet: Image.Image, damage: Damage, rng: np.random.Generator) -> FloatArray | None:
    """Heights of the wrinkled paper at the knots of the mesh, in shares of its longer side."""
    if not damage.wrinkles:
        return None
    rows, columns = _CELLS
    coarse = rng.normal(0, 1, (rows // 3 + 2, columns // 3 + 2)).astype(np.float32)
    smooth = Image.fromarray(coarse).resize((columns + 1, rows + 1), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64) * damage.wrinkles


def _crease(sheet: Image.Image, damage: Damage, relief: FloatArray | None, rng: np.random.Generator) -> Image.Image:
    """Shade of wrinkles and folds."""
    if relief is None and not damage.folds:
        return sheet
    shade = np.ones((sheet.height // 4, sheet.width // 4), dtype=np.float32)
    if relief is not None:
        slope = np.gradient(relief, axis=1) + np.gradient(relief, axis=0)
        light = Image.fromarray((1 - 0.12 * np.clip(slope, -1, 1)).astype(np.float32))
        shade *= np.asarray(light.resize((shade.shape[1], shade.shape[0]), Image.Resampling.BICUBIC))
    for _ in range(damage.folds):
        upright = rng.random() < 0.6
        length = shade.shape[1] if upright else shade.shape[0]
        distance = np.arange(length) - rng.uniform(0.15, 0.85) * length
        side = 1 - rng.uniform(0, 0.12) * (distance > 0)
        line = side - rng.uniform(0.05, 0.3) * np.exp(-((distance / rng.uniform(0.5, 1.5)) ** 2))
        shade *= (line[None, :] if upright else line[:, None]).astype(np.float32)
    return _multiply(sheet, np.repeat(shade[..., None], 3, axis=2))


def _shoot(sheet: Image.Image, damage: Damage, relief: FloatArray | None, rng: np.random.Generator) -> Image.Image:
    """Lay the sheet on a table and take it from where the camera is."""
    flat = not (damage.rotation or any(damage.corners) or damage.curl or damage.wrinkles)
    if flat and not any(damage.crop):
        return sheet
    long_side = max(sheet.size)
    left, top, right, bottom = (share * long_side for share in damage.crop)
    border = round(0.35 * long_side)
    table = _table((sheet.width + 2 * border, sheet.height + 2 * border), damage, rng)
    table.paste(sheet, (border, border))
    size = round(sheet.width - left - right), round(sheet.height - top - bottom)
    rows, columns = _CELLS
    x, y = np.meshgrid(np.linspace(0, size[0], columns + 1), np.linspace(0, size[1], rows + 1))
    source_x, source_y = _seen_at(x + left, y + top, sheet.size, damage)
    if relief is not None:
        source_x += 0.0025 * long_side * relief
        source_y += 0.0025 * long_side * np.roll(relief, 1, axis=1)
    source_x = np.clip(source_x + border, 0, table.width)
    source_y = np.clip(source_y + border, 0, table.height)
    knots_x, knots_y = np.rint(x).astype(int).tolist(), np.rint(y).astype(int).tolist()
    mesh = [
        (
            (knots_x[i][j], knots_y[i][j], knots_x[i + 1][j + 1], knots_y[i + 1][j + 1]),
            tuple(
                float(source[knot])
                for knot in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
                for source in (source_x, source_y)
            ),
        )
        for i in range(rows)
        for j in range(columns)
    ]
    return table.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _seen_at(x: FloatArray, y: FloatArray, size: tuple[int, int], damage: Damage) -> tuple[FloatArray, FloatArray]:
    """Which point of the sheet is seen at (x, y) of the picture, in pixels of the sheet."""
    width, height = size
    angle = np.deg2rad(damage.rotation)
    across, down = x - width / 2, y - height / 2
    turned_x = across * np.cos(angle) - down * np.sin(angle) + width / 2
    turned_y = across * np.sin(angle) + down * np.cos(angle) + height / 2
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    homography = _homography(corners, corners + np.reshape(damage.corners, (4, 2)) * max(size))
    seen = homography @ np.stack([turned_x.ravel(), turned_y.ravel(), np.ones(turned_x.size)])
    seen_x, seen_y = (seen[:2] / seen[2]).reshape(2, *x.shape)
    along = seen_x / width * 2 - 1
    return seen_x, seen_y + damage.curl * max(size) * (along**2 - 0.5)


def _homography(source: FloatArray, target: FloatArray) -> FloatArray:
    """The projective map, 3x3, that takes four points to four others."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(rows), target.ravel()), 1.0).reshape(3, 3)


def _table(size: tuple[int, int], damage: Damage, rng: np.random.Generator) -> Image.Image:
    grain = rng.normal(0, rng.uniform(1, 14), (rng.integers(3, 60), rng.integers(3, 60), 1))
    levels = np.clip(np.array(damage.background) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(levels).resize(size, Image.Resampling.BILINEAR)


def _light(sheet: Image.Image, damage: Damage, rng: np.random.Generator) -> Image.Image:
    """Light falling off to one side, a shadow, the colour of the lamp."""
    if not damage.gradient and not damage.shadow and damage.cast == (1.0, 1.0, 1.0):
        return sheet
    y, x = np.mgrid[-1:1:36j, -1:1:48j]
    light = np.ones_like(x)
    if damage.gradient:
        angle = rng.uniform(0, 2 * np.pi)
        light -= damage.gradient * (0.5 + (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(8))
    if damage.shadow:
        angle, away, softness = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.9), rng.uniform(0.03, 0.3)
        distance = x * np.cos(angle) + y * np.sin(angle) + 0.2 * np.sin(rng.uniform(1, 4) * (x - y)) - away
        light *= 1 - damage.shadow / (1 + np.exp(-np.clip(distance / softness, -30, 30)))
    return _multiply(sheet, np.clip(light, 0.15, 1)[..., None] * np.array(damage.cast))


def _develop(sheet: Image.Image, damage: Damage, rng: np.random.Generator) -> Image.Image:
    """What lens, hand and sensor do."""
    if damage.blur:
        sheet = sheet.filter(ImageFilter.GaussianBlur(damage.blur))
    if damage.motion:
        angle, count = rng.uniform(0, np.pi), damage.motion
        for step in range(1, count):
            shift = round(step * np.cos(angle)), round(step * np.sin(angle))
            sheet = Image.blend(sheet, ImageChops.offset(sheet, *shift), 1 / (step + 1))
    if damage.contrast != 1 or damage.brightness:
        levels = np.clip(128 + damage.contrast * (np.arange(256.0) - 128) + damage.brightness, 0, 255)
        sheet = sheet.point(np.rint(levels).astype(int).tolist() * 3)
    if damage.noise:
        tile = rng.normal(0, damage.noise, (331, 307, 1 if rng.random() < 0.5 else 3)).astype(np.int16)
        repeats = (sheet.height // 331 + 1, sheet.width // 307 + 1, 1)
        noise = np.tile(tile, repeats)[: sheet.height, : sheet.width]
        sheet = Image.fromarray(np.clip(np.asarray(sheet) + noise, 0, 255).astype(np.uint8))
    return sheet


def _multiply(sheet: Image.Image, factor: NDArray[np.floating]) -> Image.Image:
    levels = Image.fromarray(np.clip(factor * 255, 0, 255).astype(np.uint8))
    return ImageChops.multiply(sheet, levels.resize(sheet.size, Image.Resampling.BICUBIC))
