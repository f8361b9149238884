"""A bundle is the folder of one trained model: model.onnx, metadata.json and card.md.

`write_bundle` is what training calls last; `read_bundle` is what the registry calls first. The checksum and the
preprocessing revision are verified before the network is loaded, so a half-copied or outdated bundle is named, not
served. What is wrong is said in plain words, since /health/ready shows it.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from models.preprocessing.ecg_record import SignalPreprocessing
from models.preprocessing.ecg_sheet import SheetPreprocessing
from models.preprocessing.form import TabularPreprocessing
from models.preprocessing.inputs import KINDS, Preprocessing
from models.preprocessing.picture import ImagePreprocessing

MODEL_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
METADATA_FILE = "metadata.json"
CARD_FILE = "card.md"
KNOWLEDGE_FILE = "knowledge.yaml"
MEASURED_FILE = "measured.json"

COMPOSITION_EDGE = 16
LONGEST_TEXT = 1024**2
"""Bytes of metadata.json or card.md at most; those that ship have some 10,000."""

Precision = Literal["fp32", "int8"]


class BundleError(ValueError):
    """A bundle that must not be served; the message names the bundle and what is wrong with it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(_Part):
    """Name, ONNX element type (`uint8`, `float`) and shape of a graph input or output; None is the batch axis."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class DataSource(_Part):
    """A data set the model learned from or was measured on."""

    name: str
    use: str
    licence: str
    citation: str


class OperatingPoint(_Part):
    """A decision threshold on one class probability, chosen as `rule` says; present where probability >= threshold.

    `sensitivity` and `specificity` are those of what it was chosen on, 0-1; the predictive values are what they come to
    where that share of all, `prevalence`, has what is looked for.
    """

    code: str
    threshold: float = Field(ge=0, le=1)
    rule: str
    sensitivity: float
    specificity: float
    prevalence: float | None = Field(default=None, gt=0, lt=1)
    positive_predictive_value: float | None = Field(default=None, ge=0, le=1)
    negative_predictive_value: float | None = Field(default=None, ge=0, le=1)


class Composition(_Part):
    """What pictures that all show the same thing in the same place look like: the mean grey of each of 16 x 16 parts of
    the tensor, row by row, and the least correlation with it of a picture that shows that too."""

    greys: tuple[float, ...] = Field(min_length=COMPOSITION_EDGE**2, max_length=COMPOSITION_EDGE**2)
    least: float = Field(ge=0, le=1)


class NoveltySpec(_Part):
    """How the `novelty` output is read: a picture scoring above `threshold` is unlike the training data.

    `false_alarms` is the share of validation pictures above the threshold, 0-1. Pictures of a fixed `composition` are
    held against that too.
    """

    threshold: float
    false_alarms: float
    composition: Composition | None = None


class Estimate(_Part):
    """A measured figure with its 95 % bootstrap interval; `n` cases."""

    value: float
    low: float
    high: float
    n: int


class Measured(_Part):
    """`measured.json`: the figures of the network of that checksum as it is served, by set and figure, and when."""

    model_config = ConfigDict(extra="ignore")

    sha256: str
    measured: date
    note: str = ""
    sets: dict[str, dict[str, Estimate]]


EXPLANATIONS = "Explanations: "
RELIABILITY, BY_GROUP, MISTAKEN, BIN = "Reliability: ", "Reliability by group: ", "Mistaken: ", "said "
"""How in `measured.json` the names of sets begin that tell of explanations, hold reliability diagrams, those of groups,
and what is mistaken; and the names of a diagram's points."""

EVERY_CODE = "*"
"""Stands for every code that has no least probability of its own."""


class PredictionSetSpec(_Part):
    """How the codes that may hold the truth are chosen: those whose probability reaches their own `least` one, 0-1.

    Of the inputs of a class, a share of `coverage` reaches it on data like those it was calibrated on: split conformal
    prediction for each class by itself (Vovk 2012, "Conditional validity of inductive conformal predictors"; Sadinle,
    Lei and Wasserman 2019). `calibrated_on` names the data, `n` says of how many inputs of each class. Where a class
    had too few to promise that, its least probability is 0, so that it is never left out.
    """

    coverage: float = Field(gt=0, lt=1)
    least: dict[str, Annotated[float, Field(ge=0, le=1)]]
    n: dict[str, int]
    calibrated_on: str

    def fits(self, code: str, probability: float) -> bool:
        """Whether a class of that probability, 0-1, belongs to the set."""
        return probability >= self.least.get(code, self.least.get(EVERY_CODE, 0.0))

    def least_of(self, codes: Sequence[str]) -> NDArray[np.float64]:
        """The least probability, 0-1, of each of the codes (n,)."""
        every = self.least.get(EVERY_CODE, 0.0)
        if not self.least.keys() - {EVERY_CODE}:
            return np.full(len(codes), every)
        return np.array([self.least.get(code, every) for code in codes])


class Quantised(_Part):
    """model.int8.onnx, the same network with int8 weights and activations.

    `loss` is what it loses against model.onnx on validation, by figure: positive is worse. `novelty` is how its own
    novelty output is read, and `prediction_set` how its own probabilities are.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    loss: dict[str, float]
    novelty: NoveltySpec | None = None
    prediction_set: PredictionSetSpec | None = None


MapMethod = Literal["class activation map", "learned occlusion"]
CLASS_ACTIVATION_MAP: MapMethod = "class activation map"
LEARNED_OCCLUSION: MapMethod = "learned occlusion"


class Metadata(_Part):
    """metadata.json. `classes` are the codes in output order; names and texts live in knowledge/.

    `temperature` has already been applied inside the graph. `metrics` maps a test set to its measured figures. `rhythm`
    names the columns of the output `rhythm`, probabilities of rhythms outside the classes, each with its threshold;
    empty where the bundle has learned none. `explains` names what each row of the output `class_activation` speaks for,
    a code or another name; empty where the network has no such output. `map_method` says of a network of pictures what
    that output is: the weighed last feature map, or what hiding each place would take, as it was learned.
    """

    format: Literal[1] = 1
    name: str
    version: str
    created: date
    precision: Precision
    task: Literal["multiclass", "multilabel"]
    classes: tuple[str, ...]
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    temperature: float = Field(gt=0)
    operating_points: tuple[OperatingPoint, ...]
    rhythm: tuple[OperatingPoint, ...] = ()
    novelty: NoveltySpec | None = None
    explains: tuple[str, ...] = ()
    map_method: MapMethod = CLASS_ACTIVATION_MAP
    prediction_set: PredictionSetSpec | None = None
    licence: str
    data: tuple[DataSource, ...]
    metrics: dict[str, dict[str, Estimate]]
    training: dict[str, Any] = Field(default_factory=dict)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    int8: Quantised | None = None

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each class stands among the outputs."""
        return {code: place for place, code in enumerate(self.classes)}

    @property
    def image_preprocessing(self) -> ImagePreprocessing:
        """How its pictures are prepared. Raises `BundleError` where the bundle reads none."""
        if not isinstance(self.preprocessing, ImagePreprocessing):
            raise BundleError(f"Bundle {self.name} {self.version}: reads no pictures.")
        return self.preprocessing

    @property
    def signal_preprocessing(self) -> SignalPreprocessing:
        """How its signals are prepared. Raises `BundleError` where the bundle reads none."""
        if not isinstance(self.preprocessing, SignalPreprocessing):
            raise BundleError(f"Bundle {self.name} {self.version}: reads no signals.")
        return self.preprocessing

    @property
    def sheet_preprocessing(self) -> SheetPreprocessing:
        """How its ECG sheets are prepared. Raises `BundleError` where the bundle reads none."""
        if not isinstance(self.preprocessing, SheetPreprocessing):
            raise BundleError(f"Bundle {self.name} {self.version}: reads no ECG sheets.")
        return self.preprocessing

    @property
    def tabular_preprocessing(self) -> TabularPreprocessing:
        """How its rows are made. Raises `BundleError` where the bundle reads none."""
        if not isinstance(self.preprocessing, TabularPreprocessing):
            raise BundleError(f"Bundle {self.name} {self.version}: reads no rows of values.")
        return self.preprocessing


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle on disk; `metadata.precision` is that of the network that is used.

    `card` is the model card, Markdown; `measured` what was measured of this network as it is served, None where nothing
    was or of another; `knowledge` the texts of a diagnosis of one's own, YAML, None in a bundle whose
    diagnosis has its texts here. Bundles with the same `fingerprint` are the same in every file.
    """

    folder: Path
    metadata: Metadata
    card: str = ""
    knowledge: bytes | None = None
    fingerprint: str = ""
    measured: Measured | None = None

    @property
    def model_path(self) -> Path:
        quantised = self.metadata.int8 and self.metadata.precision == "int8"
        return self.folder / (INT8_FILE if quantised else MODEL_FILE)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as 64 lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bundle(folder: Path, precision: Precision = "fp32") -> Bundle:
    """Read and verify a bundle folder, to be used with `precision` where it has a network of that precision.

    Raises `BundleError`, which names the folder.
    """
    try:
        return _read_bundle(folder, precision)
    except OSError as error:
        raise unreadable(folder, error) from error


def unreadable(folder: Path, error: OSError) -> BundleError:
    """What to say of a bundle whose folder or file can't be read."""
    return BundleError(f"Bundle {folder}: it can't be read ({error.strerror or 'the system says no more'}).")


def _read_bundle(folder: Path, precision: Precision) -> Bundle:
    missing = [name for name in (MODEL_FILE, METADATA_FILE, CARD_FILE) if not (folder / name).is_file()]
    if missing:
        raise BundleError(f"Bundle {folder}: {', '.join(missing)} missing.")
    document = _read_text(folder / METADATA_FILE)
    card = _read_text(folder / CARD_FILE)
    try:
        metadata = Metadata.model_validate_json(document)
    except ValidationError as error:
        raise BundleError(f"Bundle {folder}: {METADATA_FILE} is not valid: {_sentences(error)}") from error
    trained, installed = metadata.preprocessing.revision, KINDS[metadata.preprocessing.kind].revision
    if trained != installed:
        raise BundleError(
            f"Bundle {folder}: trained with preprocessing revision {trained}, this installation has {installed}. "
            "Train it again or install the matching version."
        )
    if precision == "int8" and metadata.int8:
        own = {
            "precision": "int8",
            "sha256": metadata.int8.sha256,
            "novelty": metadata.int8.novelty,
            "prediction_set": metadata.int8.prediction_set,
        }
        metadata = metadata.model_copy(update=own)
    knowledge = _read_text(folder / KNOWLEDGE_FILE) if (folder / KNOWLEDGE_FILE).is_file() else None
    measured = _read_text(folder / MEASURED_FILE) if (folder / MEASURED_FILE).is_file() else b""
    fingerprint = hashlib.sha256(b"\0".join([document, card, knowledge or b"", measured])).hexdigest()
    found = _measured(folder, measured, metadata) if measured else None
    bundle = Bundle(folder, metadata, card.decode(), knowledge, fingerprint, found)
    _verify_checksum(bundle.model_path, metadata.sha256)
    return bundle


def _measured(folder: Path, document: bytes, metadata: Metadata) -> Measured | None:
    """What measured.json says of the network that is used; None where it is of another."""
    try:
        measured = Measured.model_validate_json(document)
    except ValidationError as error:
        raise BundleError(f"Bundle {folder}: {MEASURED_FILE} is not valid: {_sentences(error)}") from error
    return measured if measured.sha256 == metadata.sha256 else None


def _read_text(file: Path) -> bytes:
    """A file of UTF-8 text of a sane length."""
    with file.open("rb") as opened:
        content = opened.read(LONGEST_TEXT + 1)
    if len(content) > LONGEST_TEXT:
        raise BundleError(f"Bundle {file.parent}: {file.name} is longer than {LONGEST_TEXT:,} bytes.")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        reason = "it is not UTF-8 text. Copy the bundle again, or save the file as UTF-8."
        raise BundleError(f"Bundle {file.parent}: {file.name} is not valid: {reason}") from error
    return content


def _sentences(error: ValidationError, most: int = 3) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    said = " ".join(_sentence(problem) for problem in problems[:most])
    return said if len(problems) <= most else f"{said} {len(problems) - most} more fields are wrong."


def _sentence(problem: ErrorDetails) -> str:
    field = ".".join(str(step) for step in problem["loc"])
    match problem["type"]:
        case "json_invalid":
            return "it is not JSON. Copy the bundle again."
        case "missing":
            return f"`{field}` is missing."
        case "extra_forbidden":
            return f"`{field}` is not known to this version of the service."
    if not field:
        return "it is not a JSON object."
    message = problem["msg"]
    expected = message.removeprefix("Input ") if message.startswith("Input should be") else "has a value that is wrong"
    return f"`{field}` {expected}."


def _verify_checksum(file: Path, expected: str) -> None:
    if not file.is_file():
        raise BundleError(f"Bundle {file.parent}: {file.name} missing.")
    if (found := file_sha256(file)) != expected:
        raise BundleError(
            f"Bundle {file.parent}: {file.name} has checksum {found[:12]}..., metadata.json says "
            f"{expected[:12]}.... The file is incomplete or was changed; copy the bundle again."
        )


def write_bundle(folder: Path, *, model: Path, card: str, metadata: dict[str, Any]) -> Bundle:
    """Write a bundle folder and read it back. `metadata` is all of `Metadata` but the checksum."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / MODEL_FILE
    if model.resolve() != target.resolve():
        shutil.copyfile(model, target)
    complete = Metadata.model_validate({**metadata, "sha256": file_sha256(target)})
    (folder / METADATA_FILE).write_text(
        json.dumps(complete.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    return read_bundle(folder)
