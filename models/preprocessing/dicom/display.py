"""From the samples of a DICOM picture to the greys and colours that a screen shows (PS3.3, C.7.6.3 and C.11).

Greys go through one table with an entry for each value that a sample may have: rescaling, the first window or VOI
look-up table of the file, and the inversion of MONOCHROME1 are worked out on the table, not on the picture.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.dicom.frames import Layout, Samples
from models.preprocessing.dicom.reading import faults
from models.preprocessing.picture_format import UnreadablePictureError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UInt8Array = NDArray[np.uint8]

INVERTED = "MONOCHROME1"
GREY = frozenset({INVERTED, "MONOCHROME2"})
PALETTE = "PALETTE COLOR"
_ODD_TAGS = (
    "The DICOM file has tags (window, rescaling, look-up table or palette) that make no sense. Export it again, or as "
    "a PNG, and send that."
)
_STRIP = 1 << 20
_EXTREME = 1e12


def greys(samples: Samples, layout: Layout, tags: "Dataset") -> Image.Image:
    """The greys of a picture of one sample a pixel, L. Raises `UnreadablePictureError`."""
    used = np.zeros(1 << layout.bits_stored, np.bool_)
    if samples.itemsize == 1:  # whose table doesn't rest on the picture
        table = _table(tags, layout, used)
        picture = Image.fromarray(np.ascontiguousarray(_stored(samples, layout)))
        unused = [0] * (256 - len(table))
        return picture if _changes_nothing(table) else picture.point([*table.tolist(), *unused])
    for strip in _strips(layout):
        used[_stored(samples[strip], layout)] = True
    table = _table(tags, layout, used)
    shown = np.empty(samples.shape, np.uint8)
    for strip in _strips(layout):
        shown[strip] = table[_stored(samples[strip], layout)]
    return Image.fromarray(shown)


def change_greys(picture: Image.Image, layout: Layout, tags: "Dataset") -> None:
    """Give an RGB picture without colours, as its stored values of 8 bits, the greys that a screen shows. In strips,
    so that there is no other whole copy. Raises `UnreadablePictureError`."""
    used = np.zeros(max(256, 1 << layout.bits_stored), np.bool_)
    used[:256] = np.array(picture.histogram()[:256]) > 0
    table = _table(tags, layout, used[: 1 << layout.bits_stored])
    eight = np.pad(table, (0, max(0, 256 - len(table))), mode="edge")[:256]
    if _changes_nothing(eight):
        return
    width, height = picture.size
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        box = (0, top, width, min(top + rows, height))
        picture.paste(picture.crop(box).point(eight.tolist() * 3), box)


def colours(samples: Samples, layout: Layout, tags: "Dataset", photometric: str) -> UInt8Array:
    """The colours (rows, columns, 3), RGB, of a picture in that photometric interpretation. Raises
    `UnreadablePictureError`."""
    from pydicom.pixels import apply_color_lut, convert_color_space

    shown = np.empty((layout.rows, layout.columns, 3), np.uint8)
    try:
        for strip in _strips(layout):
            piece = samples[strip]
            if photometric == PALETTE:
                shown[strip] = _to_eight_bits(apply_color_lut(_stored(piece, layout), tags)[..., :3])
                continue
            eight = _to_eight_bits(_stored(piece, layout), layout.bits_stored)
            shown[strip] = convert_color_space(eight, "YBR_FULL", "RGB") if photometric == "YBR_FULL" else eight
    except faults():
        raise UnreadablePictureError(_ODD_TAGS) from None
    return shown


def _changes_nothing(table: UInt8Array) -> bool:
    return np.array_equal(table, np.arange(256))


def _strips(layout: Layout) -> Iterator[slice]:
    rows = max(1, _STRIP // (layout.columns * layout.samples))
    return (slice(top, top + rows) for top in range(0, layout.rows, rows))


def _stored(samples: Samples, layout: Layout) -> Samples:
    """The stored values without what other uses of their bits left beside them."""
    shift = layout.high_bit + 1 - layout.bits_stored
    if not shift and layout.bits_stored == 8 * samples.itemsize:
        return samples
    kind = samples.dtype.type
    values: Samples = (samples >> kind(shift)) & kind((1 << layout.bits_stored) - 1)
    return values


def _to_eight_bits(values: NDArray[Any], bits: int | None = None) -> UInt8Array:
    if values.dtype.itemsize == 1 and bits in (None, 8):
        return np.asarray(values, np.uint8)
    bits = bits or 8 * values.dtype.itemsize
    return (values >> (bits - 8) if bits > 8 else values << (8 - bits)).astype(np.uint8)


def _table(tags: "Dataset", layout: Layout, used: NDArray[np.bool_]) -> UInt8Array:
    """What a screen shows for each stored value of which the picture's are `used`. Raises `UnreadablePictureError`."""
    try:
        return _made_table(tags, layout, used)
    except faults():
        raise UnreadablePictureError(_ODD_TAGS) from None


def _made_table(tags: "Dataset", layout: Layout, used: NDArray[np.bool_]) -> UInt8Array:
    from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

    stored = np.arange(1 << layout.bits_stored, dtype=np.int32)
    if tags.get("PixelRepresentation") == 1:
        stored[1 << (layout.bits_stored - 1) :] -= 1 << layout.bits_stored
    padding = _is_padding(tags, stored)
    values = np.asarray(apply_modality_lut(stored, tags))
    if tags.get("VOILUTSequence"):
        lut = np.asarray(apply_voi(np.rint(values).astype(np.int32), tags), np.float64)
        shown = lut * (255 / max(float(lut.max()), 2.0 ** tags.VOILUTSequence[0].LUTDescriptor[2] - 1))
    elif _has_window(tags):
        low, high = apply_windowing(np.array([-_EXTREME, _EXTREME]), tags)
        shown = (apply_windowing(values, tags) - low) * (255 / (high - low))
    else:
        looked_at = values if layout.bits_stored <= 8 else values[used & ~padding]
        low, high = (float(looked_at.min()), float(looked_at.max())) if looked_at.size else (0.0, 0.0)
        shown = (values - low) * (255 / (high - low)) if high > low else np.zeros(len(values))
    if not np.isfinite(shown).all():
        raise ValueError("values without measure")
    table = np.rint(np.clip(shown, 0, 255)).astype(np.uint8)
    if tags.get("PhotometricInterpretation") == INVERTED:
        table = 255 - table
    table[padding] = 0
    return np.asarray(table, np.uint8)


def _is_padding(tags: "Dataset", stored: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which stored values only fill the rectangle around the picture (PS3.3, C.7.5.1.1.2)."""
    first = tags.get("PixelPaddingValue")
    if not isinstance(first, int):
        return np.zeros(stored.shape, np.bool_)
    last = tags.get("PixelPaddingRangeLimit")
    low, high = sorted((first, last if isinstance(last, int) else first))
    return (stored >= low) & (stored <= high)


def _has_window(tags: "Dataset") -> bool:
    """Whether the first window is one: some writers leave zeros where they have none."""
    width, centre = (_first(tags.get(name)) for name in ("WindowWidth", "WindowCenter"))
    if centre is None or width is None or not np.isfinite([width, centre]).all():
        return False
    return width > 0 if tags.get("VOILUTFunction") in ("LINEAR_EXACT", "SIGMOID") else width >= 1


def _first(value: Any) -> float | None:
    """The number, or the first of several; None for an empty value."""
    if value is None or value == "":
        return None
    return float(value if isinstance(value, int | float) or not hasattr(value, "__len__") else value[0])
