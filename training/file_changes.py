"""What happens to a picture's file on its way from a camera or a machine, and what is drawn onto it.

Each hospital, archive and phone resamples, sharpens and compresses in its own way, and a network that can tell them
apart learns the place instead of the finding. So pictures of training go through such a chain at random, whatever set
they are of, and get marks that go with no class: hair, rulers, stickers and round frames, calipers, letters.
Pictures are uint8, (size, size, 3), before and after.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from models.preprocessing.picture import UInt8Array
from training.recipe import AugmentationName

Random = np.random.Generator

_FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
_REFERENCE = 224


@dataclass(frozen=True)
class FileChanges:
    """How often each change happens, as a share of the pictures; the defaults change nothing.

    `resample` shrinks or enlarges to between 0.55 and 1.6 of the size and back, with two filters at random; `sharpen`
    is an unsharp mask; `compress` is JPEG of a quality between 30 and 95; `marks` are drawn by the functions given.
    """

    resample: float = 0.0
    sharpen: float = 0.0
    compress: float = 0.0
    marks: tuple[tuple[float, Callable[[Image.Image, Random], Image.Image]], ...] = ()

    def __call__(self, pictures: UInt8Array, rng: Random) -> UInt8Array:
        """Change each of the pictures (n, size, size, 3) by draws of its own."""
        return np.stack([self.change(picture, rng) for picture in pictures])

    def change(self, pixels: UInt8Array, rng: Random) -> UInt8Array:
        """One picture, changed."""
        picture = Image.fromarray(pixels)
        for share, draw in self.marks:
            if rng.random() < share:
                picture = draw(picture, rng)
        if rng.random() < self.resample:
            picture = resampled(picture, rng)
        if rng.random() < self.sharpen:
            radius, percent = rng.uniform(0.5, 2.0), int(rng.integers(40, 160))
            picture = picture.filter(ImageFilter.UnsharpMask(radius, percent, threshold=0))
        if rng.random() < self.compress:
            picture = compressed(picture, int(rng.integers(30, 96)), int(rng.integers(0, 3)))
        return np.asarray(picture)


def resampled(picture: Image.Image, rng: Random) -> Image.Image:
    """Through another size and back; 299 to 224 pixels and the like are among them."""
    there, back = (_FILTERS[number] for number in rng.integers(0, len(_FILTERS), 2))
    edge = max(16, round(picture.width * math.exp(rng.uniform(math.log(0.55), math.log(1.6)))))
    return picture.resize((edge, edge), there).resize(picture.size, back)


def compressed(picture: Image.Image, quality: int, subsampling: int) -> Image.Image:
    """Through a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return Image.open(file).convert("RGB")


def hair(picture: Image.Image, rng: Random) -> Image.Image:
    """Up to a dozen curved hairs, mostly dark."""
    picture = picture.copy()
    pen, edge = ImageDraw.Draw(picture), picture.width
    dark = rng.random() < 0.85
    for _ in range(int(rng.integers(1, 13))):
        base = rng.uniform(5, 70) if dark else rng.uniform(150, 240)
        colour = tuple(int(value) for value in np.clip(base * rng.uniform(0.75, 1.1, 3), 0, 255))
        start, middle, end = rng.uniform(-0.2, 1.2, (3, 2)) * edge
        along = np.linspace(0, 1, 12)[:, None]
        curve = (1 - along) ** 2 * start + 2 * along * (1 - along) * middle + along**2 * end
        width = max(1, round(rng.uniform(0.6, 2.4) * edge / _REFERENCE))
        pen.line([tuple(point) for point in curve.tolist()], fill=colour, width=width)
    return picture


def ruler(picture: Image.Image, rng: Random) -> Image.Image:
    """The ticks of a scale along one side."""
    picture = picture.copy()
    pen, edge = ImageDraw.Draw(picture), picture.width
    step, offset = rng.uniform(0.025, 0.09) * edge, rng.uniform(0.0, 0.2) * edge
    colour = (0, 0, 0) if rng.random() < 0.7 else (235, 235, 235)
    turned = int(rng.integers(0, 4))
    for number in range(int(edge / step) + 1):
        along = number * step
        depth = offset + (0.07 if number % 5 == 0 else 0.035) * edge
        ends = {
            0: [(along, offset), (along, depth)],
            1: [(along, edge - offset), (along, edge - depth)],
            2: [(offset, along), (depth, along)],
            3: [(edge - offset, along), (edge - depth, along)],
        }[turned]
        pen.line(ends, fill=colour, width=max(1, round(edge / _REFERENCE)))
    return picture


def sticker(picture: Image.Image, rng: Random) -> Image.Image:
    """A coloured patch that reaches in from the side."""
    picture = picture.copy()
    edge, radius = picture.width, rng.uniform(0.1, 0.3) * picture.width
    angle, distance = rng.uniform(0, 2 * math.pi), rng.uniform(0.55, 0.75) * edge
    x, y = edge / 2 + distance * math.cos(angle), edge / 2 + distance * math.sin(angle)
    colour = tuple(int(value) for value in rng.integers(0, 256, 3))
    ImageDraw.Draw(picture).ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
    return picture


def round_frame(picture: Image.Image, rng: Random) -> Image.Image:
    """The dark surroundings of a dermatoscope's round field, sharp or as a shade that falls off."""
    edge = picture.width
    rows, columns = np.mgrid[0:edge, 0:edge] / (edge - 1) - 0.5
    shift = rng.uniform(-0.08, 0.08, 2)
    away = np.hypot(rows - shift[0], columns - shift[1])
    radius, softness = rng.uniform(0.46, 0.68), 0.008 if rng.random() < 0.5 else rng.uniform(0.03, 0.12)
    shown = 1.0 / (1.0 + np.exp(np.clip((away - radius) / softness, -30, 30)))
    dark = rng.uniform(0, 30)
    pixels = np.asarray(picture) * shown[..., None] + dark * (1.0 - shown[..., None])
    return Image.fromarray(pixels.astype(np.uint8))


def pen_marks(picture: Image.Image, rng: Random) -> Image.Image:
    """Violet ink on the skin near the border."""
    picture = picture.copy()
    pen, edge = ImageDraw.Draw(picture, "RGBA"), picture.width
    for _ in range(int(rng.integers(1, 4))):
        start = rng.uniform(0, edge, 2)
        start[int(rng.integers(0, 2))] = rng.choice([rng.uniform(0, 0.12), rng.uniform(0.88, 1)]) * edge
        end = start + rng.uniform(-0.2, 0.2, 2) * edge
        colour = (int(rng.integers(40, 110)), int(rng.integers(20, 80)), int(rng.integers(110, 190)), 190)
        pen.line([*start.tolist(), *end.tolist()], fill=colour, width=max(1, round(rng.uniform(0.01, 0.03) * edge)))
    return picture


def letters(picture: Image.Image, rng: Random) -> Image.Image:
    """A side marker or a few words near the border."""
    picture = picture.copy()
    edge = picture.width
    text = "".join(rng.choice(list("ABCDEFLMPRSTU0123456789 :.-"), int(rng.integers(1, 12))))
    x, y = rng.uniform(0.0, 0.85, 2) * edge
    if rng.random() < 0.7:
        y = float(rng.choice([rng.uniform(0, 0.1), rng.uniform(0.85, 0.95)])) * edge
    size = max(6.0, rng.uniform(0.04, 0.1) * edge)
    grey = int(rng.integers(170, 256))
    ImageDraw.Draw(picture).text((x, y), text, fill=(grey, grey, grey), font_size=size)
    return picture


def calipers(picture: Image.Image, rng: Random) -> Image.Image:
    """Two to four measuring crosses, some with dotted lines between, anywhere: with a lesion or without."""
    picture = picture.copy()
    pen, edge = ImageDraw.Draw(picture), picture.width
    bright = int(rng.integers(180, 256))
    colour = (bright, bright, bright) if rng.random() < 0.8 else (bright, bright, 60)
    arm = rng.uniform(0.012, 0.025) * edge
    for _ in range(int(rng.integers(1, 3))):
        centre, reach = rng.uniform(0.25, 0.75, 2) * edge, rng.uniform(0.06, 0.25) * edge
        angle = rng.uniform(0, math.pi)
        offset = reach * np.array([math.cos(angle), math.sin(angle)])
        if rng.random() < 0.6:
            for share in np.linspace(-1, 1, int(reach / 2)):
                x, y = centre + share * offset
                pen.point((x, y), fill=colour)
        for x, y in (centre - offset, centre + offset):
            pen.line([x - arm, y, x + arm, y], fill=colour)
            pen.line([x, y - arm, x, y + arm], fill=colour)
    return picture


FILE_CHANGES: dict[AugmentationName, FileChanges] = {
    "dermoscopy_travelling": FileChanges(
        resample=0.5,
        sharpen=0.25,
        compress=0.5,
        marks=((0.2, hair), (0.12, ruler), (0.08, sticker), (0.2, round_frame), (0.05, pen_marks)),
    ),
    "chest_xray": FileChanges(resample=0.7, sharpen=0.3, compress=0.7, marks=((0.25, letters),)),
    "ultrasound": FileChanges(
        resample=0.6, sharpen=0.3, compress=0.5, marks=((0.3, calipers), (0.3, letters), (0.1, ruler))
    ),
}
"""The changes that go with an augmentation; one that is missing here leaves files alone."""
