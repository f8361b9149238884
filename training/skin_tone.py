"""How light the skin around a lesion looks: a proxy of skin type, which no data set here states.

The individual typology angle is arctan((L* - 50) / b*) of skin in CIELAB, in degrees: the lighter, the larger (Chardon,
Cretois and Hourseau 1991, Int J Cosmet Sci 13:191; classes as in Del Bino and Bernerd 2013, Br J Dermatol 169
Suppl 3:33). Of eight patches along the edges of a picture the lightest counts, as lesion, hair and frames are darker
than skin (Bevan and Atapour-Abarghouei 2022, arXiv:2202.02832). A dermatoscope's light and white balance move it
too, so it compares pictures of one camera better than those of two.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from models.preprocessing.picture import ImagePreprocessing, UInt8Array, decode, to_tensor
from training.datasets.pictures import MAX_PIXELS, Sample, for_each

TONES = (("very light", 55.0), ("light", 41.0), ("intermediate or darker", -np.inf))
"""Tones and the angle that each lies above, in degrees; those below 41 are few and stand together."""
SPEC = ImagePreprocessing(size=224, framing="middle_square")
PATCH = 20
_LAB = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")


def typology_angle(pixels: UInt8Array) -> float:
    """The angle of the lightest patch along the edges of a square picture (n, n, 3), -180 to 180 degrees."""
    edge = len(pixels) - PATCH
    places = [at for at in product((0, edge // 2, edge), repeat=2) if at != (edge // 2, edge // 2)]
    patches = [np.median(pixels[top : top + PATCH, left : left + PATCH], axis=(0, 1)) for top, left in places]
    colours = np.asarray(patches).round().astype(np.uint8)[np.newaxis]
    lab = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), _LAB))[0]
    lightness, yellow = lab[:, 0] * (100.0 / 255.0), lab[:, 2].astype(np.int8)
    angles: NDArray[np.float64] = np.degrees(np.arctan2(lightness - 50.0, yellow))
    return float(angles.max())


def tone_of(angle: float) -> str:
    """The tone of an angle in degrees."""
    return next(tone for tone, above in TONES if angle > above)


def with_tones(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with `tone` among their strata. Raises a `PictureError` for one that doesn't decode."""

    def told(sample: Sample) -> Sample:
        pixels = to_tensor(decode(sample.path.read_bytes(), max_pixels=MAX_PIXELS), SPEC)
        return replace(sample, strata={**sample.strata, "tone": tone_of(typology_angle(pixels))})

    return for_each(told, samples)
