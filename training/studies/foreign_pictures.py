"""How many pictures of another kind a bundle flags: `python -m training.studies.foreign_pictures BUNDLE`.

Pictures of the other diagnoses, and drawn ones: mammograms (a breast that lies as a half ellipse of cloudy tissue on
black film, with a label), clouds, noise and empty frames. `own` are the pictures of the bundle's own data sets; of
those, the share flagged is that of false alarms.
"""

import argparse
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from models.preprocessing.picture import UInt8Array, preprocess
from models.serving.bundle import Bundle, Precision, read_bundle
from training.datasets import bus_bra, busi, chest_nih, chest_xray, ham10000
from training.datasets.pictures import MAX_PIXELS, Sample
from training.diagnoses.training import default_data
from training.evaluate import predict

SEED = 20260
DRAWN = 60
"""How many pictures of each drawn kind."""
SAMPLED = 200
"""The most pictures of a data set."""

SETS: dict[str, tuple[str, Callable[[Path], list[Sample]], str]] = {
    "dermoscopy": ("skin", ham10000.load, "HAM10000"),
    "chest X-ray, children": ("xray", chest_xray.load_all, "chest_xray"),
    "chest X-ray, adults": ("xray", chest_nih.load, "chest_nih"),
    "breast ultrasound, BUSI": ("breast", busi.load, "breast_ultrasound"),
    "breast ultrasound, BUS-BRA": ("breast", bus_bra.load, "bus_bra"),
}


def study(bundle_folder: Path, data: Path, precision: Precision) -> Table:
    """The table of `flagged` for every kind of picture. Raises `BundleError` or `DatasetError`."""
    bundle = read_bundle(bundle_folder, precision)
    table = Table(
        "kind",
        "pictures",
        "flagged",
        title=f"{bundle.metadata.name} {bundle.metadata.version} {bundle.metadata.precision}",
    )
    for kind, (owner, load, folder) in SETS.items():
        samples = load(data / folder)
        chosen = np.random.default_rng(SEED).permutation(len(samples))[:SAMPLED]
        title = f"{kind} (own)" if owner == bundle.metadata.name else kind
        files = [samples[index].path.read_bytes() for index in chosen]
        table.add_row(title, str(len(files)), f"{flagged(bundle, files):.1%}")
    for kind, draw in KINDS.items():
        pictures = [draw(np.random.default_rng([SEED, number])) for number in range(DRAWN)]
        table.add_row(f"drawn: {kind}", str(DRAWN), f"{flagged(bundle, [encode(p) for p in pictures]):.1%}")
    return table


def flagged(bundle: Bundle, files: Sequence[bytes]) -> float:
    """The share, 0-1, of encoded pictures whose novelty is above the bundle's threshold."""
    metadata = bundle.metadata
    if metadata.novelty is None:
        return 0.0
    tensors = np.stack([preprocess(file, metadata.image_preprocessing, max_pixels=MAX_PIXELS) for file in files])
    return float(np.mean(predict(bundle.model_path, tensors)["novelty"] > metadata.novelty.threshold))


def mammogram(rng: np.random.Generator) -> UInt8Array:
    """Like a mediolateral view, (height, width, 3): cloudy tissue in a half ellipse at one edge of a black film."""
    height, width = 900, int(rng.integers(600, 800))
    rows, columns = np.mgrid[0:height, 0:width]
    depth = rng.uniform(0.55, 0.9) * width
    middle, half = rng.uniform(0.42, 0.58) * height, rng.uniform(0.36, 0.47) * height
    inside = np.sqrt((columns / depth) ** 2 + ((rows - middle) / half) ** 2)
    tissue = 70.0 + 110.0 * clouds((height, width), rng, roughness=rng.uniform(1.4, 2.0)) * rng.uniform(0.6, 1.2)
    tissue *= np.clip((1.0 - inside) * 6.0, 0.0, 1.0) ** 0.6
    tissue += rng.normal(0.0, 2.0, tissue.shape) * (inside < 1)
    image = Image.fromarray(np.clip(tissue, 0, 255).astype(np.uint8))
    ImageDraw.Draw(image).text((width - 120, 40), str(rng.choice(["R MLO", "L MLO", "R CC", "L CC"])), fill=230)
    picture = np.asarray(image)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    return np.repeat(picture[..., None], 3, axis=2)


def clouds(shape: tuple[int, int], rng: np.random.Generator, roughness: float = 1.8) -> NDArray[np.float64]:
    """Noise whose amplitude falls with spatial frequency to the power of `roughness`, scaled to 0-1."""
    frequencies = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :])
    frequencies[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.normal(size=shape)) / frequencies**roughness
    field = np.fft.irfft2(spectrum, s=shape)
    return np.asarray((field - field.min()) / np.ptp(field))


def encode(picture: UInt8Array) -> bytes:
    """As a PNG file."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _clouds(rng: np.random.Generator) -> UInt8Array:
    planes = [clouds((480, 640), rng, roughness=1.5) for _ in range(3)]
    return np.asarray(255 * np.stack(planes, axis=2), dtype=np.uint8)


def _noise(rng: np.random.Generator) -> UInt8Array:
    return rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)


def _empty(rng: np.random.Generator) -> UInt8Array:
    return np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (480, 640, 3))


KINDS: dict[str, Callable[[np.random.Generator], UInt8Array]] = {
    "mammograms": mammogram,
    "colour clouds": _clouds,
    "noise": _noise,
    "empty": _empty,
}


def main() -> None:
    """Print the table of a bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="bundle folder of a picture model")
    parser.add_argument("--data", type=Path, default=default_data(), help="folder that holds the data sets")
    parser.add_argument("--precision", choices=get_args(Precision), default="int8", help="where the bundle has int8")
    options = parser.parse_args()
    Console().print(study(options.bundle, options.data, options.precision))


if __name__ == "__main__":
    main()
