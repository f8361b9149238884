"""What every picture data set has in common: samples with a group that must not cross splits, and tensors of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.picture import ImagePreprocessing, PictureError, UInt8Array, preprocess
from training.errors import DatasetError

T = TypeVar("T")

MAX_PIXELS = 200_000_000

_AT_ONCE = 512


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
    return problems + [problem for problem in for_each(lambda sample: _decode_fault(sample, spec), samples) if problem]


@dataclass(frozen=True)
class Rows:
    """Some rows of the tensors of a pool of pictures, without a copy of them: `tensors`[`rows`]."""

    tensors: UInt8Array
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: slice | NDArray[np.int64]) -> UInt8Array:
        return np.asarray(self.tensors[self.rows[key]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> UInt8Array:
        return self[:]


Pictures = UInt8Array | Rows


def load_tensors(samples: Sequence[Sample], spec: ImagePreprocessing, cache: Path | None = None) -> UInt8Array:
    """The (n, size, size, 3) uint8 tensors of `samples`, by the service's own preprocessing.

    With `cache`, a folder, they are kept there and memory-mapped the next time. Raises `DatasetError` for a picture
    that doesn't decode.
    """
    if not cache:
        return np.stack(for_each(lambda sample: _read(sample, spec), samples))
    return _kept(samples, spec, cache)


def rows_of(
    samples: Sequence[Sample], pool: Sequence[Sample], spec: ImagePreprocessing, cache: Path | None = None
) -> Pictures:
    """As `load_tensors`, of samples that are all among a `pool`, which is kept once for all parts of it."""
    if not cache:
        return load_tensors(samples, spec)
    number = {sample.path: index for index, sample in enumerate(pool)}
    rows = np.array([number[sample.path] for sample in samples], dtype=np.int64)
    return Rows(_kept(pool, spec, cache), rows)


def _kept(samples: Sequence[Sample], spec: ImagePreprocessing, cache: Path) -> UInt8Array:
    names = "\n".join(str(sample.path) for sample in samples)
    key = sha256(f"{spec.model_dump_json()}\n{names}".encode()).hexdigest()[:16]
    file = cache / f"{key}.npy"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as own:
            partial = Path(own) / "partial.npy"
            shape = (len(samples), spec.size, spec.size, 3)
            tensors = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
            for start in range(0, len(samples), _AT_ONCE):
                part = samples[start : start + _AT_ONCE]
                tensors[start : start + len(part)] = np.stack(for_each(lambda sample: _read(sample, spec), part))
            tensors.flush()
            del tensors
            partial.replace(file)
    cached: UInt8Array = np.load(file, mmap_mode="r")
    return cached


def _read(sample: Sample, spec: ImagePreprocessing) -> UInt8Array:
    try:
        return preprocess(sample.path.read_bytes(), spec, max_pixels=MAX_PIXELS)
    except PictureError as error:
        raise DatasetError(f"{sample.path}: {error}") from error


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


def for_each(work: Callable[[Sample], T], samples: Sequence[Sample]) -> list[T]:
    """What `work` makes of each sample, several at a time."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(work, samples))
