"""What every picture data set has in common: samples with a group that must not cross splits, and tensors of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.picture import ImagePreprocessing, PictureError, UInt8Array, preprocess
from training.errors import DatasetError

T = TypeVar("T")

MAX_PIXELS = 200_000_000


@dataclass(frozen=True)
class Sample:
    """One labelled picture.

    `label` is a class index. `group` is what must stay on one side of every split: a lesion, a patient, a set of
    duplicates. `strata` are attributes to report and balance by, such as sex, age band or source resolution. `masks`
    are pictures of the same size whose bright parts outline what is labelled.
    """

    path: Path
    label: int
    group: str
    source: str
    strata: dict[str, str] = field(default_factory=dict)
    masks: tuple[Path, ...] = ()


def check_layout(folder: Path, expected: Sequence[str], *, layout: str, where: str) -> None:
    """Raise a `DatasetError` that shows the expected layout where a file or folder of it is missing."""
    missing = [name for name in expected if not (folder / name).exists()]
    if missing:
        raise DatasetError(f"{folder}: {', '.join(missing)} missing. Expected layout:\n{layout}\nGet it from {where}.")


def verify_counts(samples: Sequence[Sample], classes: Sequence[str], published: dict[str, int]) -> list[str]:
    """Sentences that say which class counts differ from the published ones, and which pictures don't decode."""
    found = Counter(classes[sample.label] for sample in samples)
    problems = [
        f"{code}: {found[code]} pictures, published {count}"
        for code, count in published.items()
        if found[code] != count
    ]
    spec = ImagePreprocessing(size=32, framing="squash")
    return problems + [problem for problem in _each(lambda sample: _decode_fault(sample, spec), samples) if problem]


def load_tensors(samples: Sequence[Sample], spec: ImagePreprocessing, cache: Path | None = None) -> UInt8Array:
    """The (n, size, size, 3) uint8 tensors of `samples`, by the service's own preprocessing.

    With `cache`, a folder, they are kept there and memory-mapped the next time. Raises `DatasetError` for a picture
    that doesn't decode.
    """
    names = "\n".join(str(sample.path) for sample in samples)
    key = sha256(f"{spec.model_dump_json()}\n{names}".encode()).hexdigest()[:16]
    file = cache / f"{key}.npy" if cache else None
    if file and file.is_file():
        cached: UInt8Array = np.load(file, mmap_mode="r")
        return cached

    def read(sample: Sample) -> UInt8Array:
        try:
            return preprocess(sample.path.read_bytes(), spec, max_pixels=MAX_PIXELS)
        except PictureError as error:
            raise DatasetError(f"{sample.path}: {error}") from error

    tensors = np.stack(_each(read, samples))
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npy")
        np.save(partial, tensors)
        partial.rename(file)
    return tensors


def labels_of(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Class indices, shape (n,)."""
    return np.array([sample.label for sample in samples], dtype=np.int64)


def age_band(age: str) -> str:
    """`<40`, `40-59`, `60+` or `unknown`, from a table's age in years."""
    try:
        years = float(age)
    except ValueError:
        return "unknown"
    return "<40" if years < 40 else "40-59" if years < 60 else "60+"


def _decode_fault(sample: Sample, spec: ImagePreprocessing) -> str | None:
    try:
        preprocess(sample.path.read_bytes(), spec, max_pixels=MAX_PIXELS)
    except (PictureError, OSError) as error:
        return f"{sample.path.name}: {error}"
    return None


def _each(work: Callable[[Sample], T], samples: Sequence[Sample]) -> list[T]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(work, samples))
