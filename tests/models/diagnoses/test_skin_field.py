"""A dermatoscope's round field is cut to its inside; all other pictures are read as before."""

import numpy as np
import pytest
from PIL import Image

from models.diagnoses.skin.field import find_disc, inside, read_dermoscopy
from models.preprocessing.inputs import Limits, SentPicture
from models.preprocessing.picture import ImagePreprocessing, preprocess
from tests.pictures import encode

SPEC = ImagePreprocessing(size=96, framing="middle_square")
LIMITS = Limits(max_pixels=10_000_000)


def field(
    width: int = 640, height: int = 480, *, radius: float = 210, x: float = 0.5, softness: float = 4
) -> Image.Image:
    """Skin with a dark lesion in its middle, seen through an eyepiece."""
    rows, columns = np.mgrid[0:height, 0:width]
    away = np.hypot(rows - height / 2, columns - x * width)
    skin = np.full((height, width, 3), (205, 150, 120), float)
    skin[away < 50] = (90, 60, 50)
    shown = 1 / (1 + np.exp(np.clip((away - radius) / softness, -30, 30)))
    return Image.fromarray((skin * shown[..., None] + 6).astype(np.uint8))


@pytest.mark.parametrize(
    "options", [{}, {"x": 0.45}, {"radius": 160}, {"radius": 235, "softness": 1}, {"softness": 10}]
)
def test_a_round_field_is_found_and_what_is_left_has_no_black(options: dict[str, float]) -> None:
    picture = field(**options)  # type: ignore[arg-type]
    disc = find_disc(picture)
    assert disc is not None
    assert disc.x == pytest.approx(options.get("x", 0.5), abs=0.02)
    assert disc.height == pytest.approx(2 * options.get("radius", 210) / 480, abs=0.05)
    left = np.asarray(inside(picture, disc))
    assert left.max(axis=2).min() > 60
    assert abs(left.shape[0] - left.shape[1]) < 20
    tensor = read_dermoscopy(SentPicture(encode(picture)), SPEC, LIMITS).tensors[0]
    assert tensor.shape == (96, 96, 3)
    assert tensor[48, 48, 0] < 120 < tensor[3, 3, 0]


def ordinary() -> dict[str, Image.Image]:
    rng = np.random.default_rng(0)
    vignette = field(softness=60, radius=330)
    two_corners = np.asarray(field()).copy()
    two_corners[:, :320] = (205, 150, 120)
    square = np.full((480, 640, 3), 5, np.uint8)
    square[90:390, 140:500] = (205, 150, 120)
    return {
        "noise": Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)),
        "bare": Image.new("RGB", (300, 300), (205, 150, 120)),
        "black": Image.new("RGB", (300, 300)),
        "a soft vignette": vignette,
        "two dark corners": Image.fromarray(two_corners),
        "a square on black": Image.fromarray(square),
    }


@pytest.mark.parametrize("kind", ordinary())
def test_other_pictures_are_read_as_every_picture_is(kind: str) -> None:
    picture = ordinary()[kind]
    assert find_disc(picture) is None
    content = encode(picture)
    found = read_dermoscopy(SentPicture(content), SPEC, LIMITS)
    np.testing.assert_array_equal(found.tensors[0], preprocess(content, SPEC, max_pixels=LIMITS.max_pixels))


def test_a_large_jpeg_is_cut_from_its_full_size() -> None:
    rng = np.random.default_rng(1)
    picture = np.asarray(field(1600, 1200, radius=560)).astype(int)
    picture += (rng.normal(0, 30, picture.shape) * (picture > 40)).astype(int)
    content = encode(Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)), "JPEG", quality=92)
    tensor = read_dermoscopy(SentPicture(content), SPEC, LIMITS).tensors[0]
    assert tensor.min(axis=2)[5:20, 5:20].min() > 60
