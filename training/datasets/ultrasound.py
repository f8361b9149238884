"""What the breast ultrasound sets have in common: two labels a picture, and the lesion's outline.

`Sample.label` is the malignancy; the radiologist's assessment, where there is one, is the stratum `birads`.
"""

from functools import reduce

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.datasets.pictures import Sample

UNKNOWN = "unknown"


def assessment_of(sample: Sample) -> int | None:
    """The BI-RADS category, 1 to 5, or None where nobody gave one."""
    birads = sample.strata["birads"]
    return None if birads == UNKNOWN else int(birads)


def lesion_of(sample: Sample) -> NDArray[np.bool_] | None:
    """Where the lesions are, (height, width) of the picture; None where the set has no mask of it.

    A picture without a lesion has a mask without a bright part.
    """
    if not sample.masks:
        return None
    with Image.open(sample.path) as picture:
        size = picture.size
    return reduce(np.logical_or, [_bright(Image.open(mask), size) for mask in sample.masks])


def _bright(mask: Image.Image, size: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(mask.convert("L").resize(size, Image.Resampling.NEAREST)) > 127
