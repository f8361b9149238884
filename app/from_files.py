"""What is read without a server: files, in the order they are named, by the models that the service would use."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any
from uuid import uuid4

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import InvalidRequestError, NoRecordError, ServiceError, to_service_error
from app.predictions import answer_context, model_info
from app.settings import Settings
from models.diagnoses.breast import SentUltrasound
from models.diagnoses.catalogue import BY_NAME, Catalogue, own_names
from models.diagnoses.diagnosis import AnyDiagnosis
from models.diagnoses.disease.interpretation import understand
from models.diagnoses.heart.sent import SentHeartRecord, SentSheet
from models.diagnoses.heart_risk.interpretation import RiskForm
from models.preprocessing.dicom.structure import is_dicom
from models.preprocessing.inputs import Limits, SentPicture
from models.serving.bundle import Metadata
from models.serving.loading import BundleLoader
from models.serving.registry import ModelRegistry, Prediction
from schemas.breast import Setting
from schemas.disease import DiseaseRequest
from schemas.heart import Person, PrintedScales
from schemas.heart_risk import HeartRiskRequest

SUFFIXES: Mapping[str, frozenset[str]] = {
    "picture": frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".dcm"}),
    "record": frozenset({".hea", ".dcm"}),
    "form": frozenset({".json"}),
}
"""The files of a folder that are read, by what an input kind calls its subject."""


class _OfUltrasound(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    biopsy_proven: bool = False
    setting: Setting = "diagnostic"


SAID: Mapping[str, tuple[type[BaseModel], ...]] = {
    "heart_image": (Person, PrintedScales),
    "heart_record": (Person,),
    "breast": (_OfUltrasound,),
}
"""What may be said beside the files of a diagnosis, as the parts of its form have it."""
UNDER_WAY = 4
"""Files a core that are read at once, so that one is prepared while another is computed."""

Fetch = Callable[[str], bytes]
"""What a file of that name holds. Raises `OSError`."""
Source = tuple[str, Callable[[], Any]]
"""What an input is called, and what makes of it what its diagnosis is sent; called in a thread."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What became of a file: its `answer`, as the service would give it, or the `error` that it would answer."""

    name: str
    answer: Mapping[str, Any] | None = None
    error: ServiceError | None = None


class NoModelError(RuntimeError):
    """There is no model of that name, or it must not be served."""


def known_names(settings: Settings) -> list[str]:
    """The diagnoses that files can be read by."""
    return [*BY_NAME, *own_names(settings.bundles)]


def files_of(paths: Iterable[Path], subject: str) -> list[Path]:
    """The paths, with the files in folders that fit the subject in place of the folders, by name."""
    return [
        file
        for path in paths
        for file in (
            sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES[subject] and each.is_file())
            if path.is_dir()
            else [path]
        )
    ]


@contextlib.asynccontextmanager
async def open_reader(
    loader: BundleLoader, settings: Settings, said: Mapping[str, str], *, explain: bool = False
) -> AsyncIterator["Reader"]:
    """A reader by the one diagnosis that `loader` loads. `said` is what a form says beside a file.

    Raises `NoModelError`, and `ValueError` for what can't be said.
    """
    (name,) = loader.names
    parsed = _parsed(name, said)
    catalogue = Catalogue()
    registry = ModelRegistry(
        loader, queue_size=settings.queue_size, deadline=settings.deadline_seconds, check=catalogue.check
    )
    try:
        await registry.load()
        model = registry.model(name)
        if model.state != "ready":
            raise NoModelError(
                model.error or f"The model {name} is {model.state}: there is none in {settings.bundles}."
            )
        diagnosis = next(each for each in catalogue.all if each.name == name)
        yield Reader(diagnosis, registry, settings, parsed, explain)
    finally:
        await registry.close()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads files one after the other, several at once."""

    diagnosis: AnyDiagnosis
    registry: ModelRegistry
    settings: Settings
    said: Mapping[type[BaseModel], Any]
    explain: bool

    @property
    def classes(self) -> Sequence[str]:
        """Codes of the classes whose probabilities answers list; none of a form."""
        bundle = self.registry.model(self.diagnosis.name).bundle
        return bundle.metadata.classes if bundle and not self.diagnosis.reads.immediate else ()

    async def read_all(self, files: Iterable[Path]) -> AsyncIterator[ReadFile]:
        """What became of each file, in their order."""
        async for read in self.read_each((str(file), partial(self.sent_file, str(file))) for file in files):
            yield read

    async def read_each(self, sources: Iterable[Source]) -> AsyncIterator[ReadFile]:
        """What became of each input, in their order; a few are under way at once, and no more are taken meanwhile."""
        under_way: deque[asyncio.Task[ReadFile]] = deque()
        for name, make in sources:
            under_way.append(asyncio.create_task(self._read(name, make)))
            if len(under_way) >= UNDER_WAY * self.settings.threads:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()

    async def _read(self, name: str, make: Callable[[], Any]) -> ReadFile:
        try:
            return ReadFile(name, answer=await self._answer(make))
        except OSError as error:
            return ReadFile(name, error=InvalidRequestError(f"The file can't be read: {error.strerror}."))
        except ValidationError as error:
            return ReadFile(name, error=to_service_error(RequestValidationError(_with_place(error))))
        except Exception as error:
            return ReadFile(name, error=to_service_error(error))

    async def _answer(self, make: Callable[[], Any]) -> Mapping[str, Any]:
        diagnosis = self.diagnosis
        sent, prediction, prepared = await self._predict(make)
        reliability = diagnosis.reliability_of(prediction, prepared, sent)
        reading = diagnosis.reading_of(prediction, prepared, sent, reliability)
        model = model_info(diagnosis.name, prediction.metadata)
        context = answer_context(
            model,
            reliability,
            uuid4().hex,
            explanation=prediction.explanation.explanation if prediction.explanation else None,
            prediction_set=diagnosis.prediction_set_of(prediction, reading, reliability),
        )
        return {**reading.model_dump(mode="json"), **context.model_dump(mode="json")}

    async def _predict(self, make: Callable[[], Any]) -> tuple[Any, Prediction, Any]:
        """What was made of the input, as it is sent, what was predicted of it and what was prepared for that; read and
        prepared in one thread, beside the computing of others."""
        diagnosis, limits = self.diagnosis, Limits(max_pixels=self.settings.max_pixels)
        sent: Any = None

        def prepare(metadata: Metadata) -> Any:
            nonlocal sent
            sent = make()
            return diagnosis.reads.prepare(sent, metadata.preprocessing, limits)

        def explain(*predicted: Any) -> Any:
            return diagnosis.explained(sent, *predicted)

        predicted = await self.registry.predict(diagnosis.name, prepare, explain if self.explain else None)
        return sent, *predicted

    def sent_file(self, file: str, fetch: Fetch = lambda file: Path(file).read_bytes()) -> Any:
        """What is sent of a file, and of the signal that lies beside it where it is the header of a record.

        Raises `OSError`, and what `sent` does.
        """
        content, signal = fetch(file), None
        if self.diagnosis.name == "heart_record" and not is_dicom(content):
            beside = file.removesuffix(PurePath(file).suffix) + ".dat"
            try:
                signal = fetch(beside)
            except FileNotFoundError:
                raise NoRecordError(f"{PurePath(beside).name} does not lie beside {PurePath(file).name}.") from None
        return self.sent(content, signal)

    def sent(self, content: bytes, signal: bytes | None = None, said: Mapping[str, Any] | None = None) -> Any:
        """What is sent of these bytes: a picture, a DICOM object, the header of a record with its signal, or a form as
        JSON. What is `said` beside them goes before what is said beside each.

        Raises `ValidationError` and `NoRecordError`.
        """
        beside = self._said(said) if said else self.said
        match self.diagnosis.name:
            case "heart_image":
                return SentSheet(content, beside[Person], beside[PrintedScales])
            case "heart_record":
                if is_dicom(content):
                    return SentHeartRecord(b"", b"", beside[Person], dicom=content)
                if signal is None:
                    raise NoRecordError
                return SentHeartRecord(content, signal, beside[Person])
            case "breast":
                of_ultrasound = beside[_OfUltrasound]
                return SentUltrasound(content, of_ultrasound.biopsy_proven, of_ultrasound.setting)
            case "disease":
                return understand(DiseaseRequest.model_validate_json(content))
            case "heart_risk":
                return RiskForm(HeartRiskRequest.model_validate_json(content))
            case _:
                return SentPicture(content)

    def _said(self, said: Mapping[str, Any]) -> Mapping[type[BaseModel], Any]:
        return {
            model: model.model_validate(
                {
                    **usual.model_dump(exclude_unset=True),
                    **{key: value for key, value in said.items() if key in model.model_fields},
                }
            )
            for model, usual in self.said.items()
        }


def _parsed(name: str, said: Mapping[str, str]) -> dict[type[BaseModel], Any]:
    models = SAID.get(name, ())
    known = [field for model in models for field in model.model_fields]
    if unknown := said.keys() - set(known):
        raise ValueError(f"{', '.join(sorted(unknown))}: of {name} one may say {', '.join(known) or 'nothing more'}.")
    try:
        return {
            model: model.model_validate({key: said[key] for key in model.model_fields if key in said})
            for model in models
        }
    except ValidationError as error:
        raise ValueError(" ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from None


def _with_place(error: ValidationError) -> list[Any]:
    """Its errors as those of a request's body."""
    return [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
