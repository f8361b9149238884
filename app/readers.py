"""From what was sent to a reading and its context: the model's where there is one, else the demo mode's sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from fastapi import Request, Response

from app.disconnection import while_connected
from app.errors import (
    ModelUnavailableError,
    ServiceError,
    UnreliableFormError,
    UnreliableImageError,
    UnreliableRecordError,
)
from app.metrics import Metrics
from app.settings import Settings
from app.uploads import RecordFiles
from models.diagnoses.breast import interpretation as breast
from models.diagnoses.disease import interpretation as disease
from models.diagnoses.heart import interpretation as heart
from models.diagnoses.heart_risk import interpretation as heart_risk
from models.diagnoses.knowledge import common_knowledge
from models.diagnoses.skin import interpretation as skin
from models.diagnoses.xray import interpretation as xray
from models.preprocessing import ecg_record as ecg
from models.preprocessing import image as picture
from models.preprocessing.ecg_record import EcgWindows, SignalPreprocessing
from models.preprocessing.ecg_sheet import preparation as sheet
from models.preprocessing.ecg_sheet.preparation import ReadSheet
from models.preprocessing.picture import ReadPicture, decode
from models.serving.bundle import BundleError, Metadata
from models.serving.engine import PROBABILITIES, Outputs
from models.serving.registry import ModelRegistry, Prediction
from schemas.common import AnswerContext, Diagnosis, ModelInfo, Reading, Reliability
from schemas.disease import DiseaseRequest
from schemas.heart import HeartReading

ReadingT = TypeVar("ReadingT", bound=Reading)
Interpret = Callable[[Outputs, Metadata], ReadingT]

INTERPRETERS: Mapping[str, Interpret[Reading]] = {
    "skin": skin.interpret,
    "heart_image": heart.interpret,
    "heart_record": heart.interpret,
    "breast": breast.interpret,
    "xray": xray.interpret,
    "heart_risk": heart_risk.interpret_example,
    "disease": disease.interpret_example,
}
"""How the answers of each model are read; those of a form by the form of the OpenAPI document's example."""
KINDS: Mapping[str, str] = {
    "heart_image": "sheet",
    "heart_record": "signal",
    "heart_risk": "tabular",
    "disease": "tabular",
}
"""What a diagnosis reads, where it is no picture."""
_LONGEST_READ_AT_ONCE = 2000
"""Characters of symptoms that the event loop reads itself: at worst 3 ms for each thousand, where handing them to
another thread and back takes 0.1 ms."""


def check_classes(metadata: Metadata) -> None:
    """Raises `BundleError` where no diagnosis can interpret what the bundle answers."""
    if metadata.name not in INTERPRETERS:
        raise BundleError(f"Bundle {metadata.name}: this version of the service can't interpret it.")
    if metadata.preprocessing.kind != KINDS.get(metadata.name, "image"):
        raise BundleError(f"Bundle {metadata.name}: this diagnosis does not read what its preprocessing makes.")
    try:
        INTERPRETERS[metadata.name](_plausible_outputs(metadata), metadata)
    except ValueError as error:
        raise BundleError(f"Bundle {metadata.name}: its answers can't be interpreted: {error}") from error


def _plausible_outputs(metadata: Metadata) -> Outputs:
    """Of one input, each output of metadata.json: equal probabilities, and 0.5 everywhere else."""
    n = len(metadata.classes)
    others = {spec.name: np.full([edge or 1 for edge in spec.shape[1:]], 0.5, np.float32) for spec in metadata.outputs}
    return {**others, PROBABILITIES: np.full(n, 1 / n, np.float32)}


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes the reading of one request."""

    registry: ModelRegistry
    metrics: Metrics
    settings: Settings
    request: Request
    response: Response

    async def image(
        self, name: Diagnosis, image: bytes, interpret: Interpret[ReadingT], sample: Callable[[], ReadingT]
    ) -> tuple[ReadingT, AnswerContext]:
        """Read a picture with a model, or answer its sample where there is no bundle.

        Raises a `PictureError`, `ModelUnavailableError`, `UnreliableImageError`, `ClientDisconnect`, or what
        `ModelRegistry.predict` does.
        """
        if self.registry.model(name).state == "absent":
            return await self.sample_of_image(name, image, sample)
        prediction, read = await while_connected(
            self.request,
            self.registry.predict_windows(
                name,
                lambda metadata: picture.read(image, metadata.image_preprocessing, max_pixels=self.settings.max_pixels),
            ),
        )
        context = self._judged(name, prediction, judge_picture(prediction, read), UnreliableImageError)
        return interpret(prediction.outputs, prediction.metadata), context

    async def sheet(self, image: bytes) -> tuple[HeartReading, AnswerContext]:
        """Read the picture of a 12-lead ECG sheet with the model, or answer its sample where there is no bundle.

        Raises as `image` does.
        """
        if self.registry.model("heart_image").state == "absent":
            return await self.sample_of_image("heart_image", image, heart.sample)
        prediction, read = await while_connected(
            self.request,
            self.registry.predict_windows(
                "heart_image",
                lambda metadata: sheet.preprocess(
                    image, metadata.sheet_preprocessing, max_pixels=self.settings.max_pixels
                ),
            ),
        )
        context = self._judged("heart_image", prediction, judge_sheet(read), UnreliableImageError)
        reading = heart.interpret(prediction.outputs, prediction.metadata)
        return reading.model_copy(update={"sheet": heart.summarise_sheet(read)}), context

    async def record(self, files: RecordFiles) -> tuple[HeartReading, AnswerContext]:
        """Read a 12-lead ECG with the model, or answer its sample, once the record has proven to be one, where there
        is no bundle.

        Raises a `RecordError`, `ModelUnavailableError`, `UnreliableRecordError`, `ClientDisconnect`, or what
        `ModelRegistry.predict` does.
        """
        if self.registry.model("heart_record").state == "absent":
            answer = self.sample("heart_record", heart.sample)
            await while_connected(
                self.request, self.registry.run("heart_record", ecg.preprocess, *files, SignalPreprocessing())
            )
            return answer
        prediction, windows = await while_connected(
            self.request,
            self.registry.predict_windows(
                "heart_record", lambda metadata: ecg.preprocess(*files, metadata.signal_preprocessing)
            ),
        )
        context = self._judged("heart_record", prediction, judge_record(prediction, windows), UnreliableRecordError)
        reading = heart.interpret(prediction.outputs, prediction.metadata)
        return reading.model_copy(update={"record": heart.summarise(windows)}), context

    async def form(
        self,
        name: Diagnosis,
        values: Mapping[str, float | None],
        interpret: Interpret[ReadingT],
        sample: Callable[[], ReadingT],
    ) -> tuple[ReadingT, AnswerContext]:
        """Read the values of a form, by feature name, with a model, or answer its sample where there is no bundle.

        Raises `ModelUnavailableError`, `UnreliableFormError`, or what `ModelRegistry.predict_row` does.
        """
        if self.registry.model(name).state == "absent":
            return self.sample(name, sample)
        prediction = await self.registry.predict_row(name, lambda metadata: metadata.tabular_preprocessing.row(values))
        context = self._judged(name, prediction, judge_form(prediction.metadata, values), UnreliableFormError)
        return interpret(prediction.outputs, prediction.metadata), context

    async def understand(self, sent: DiseaseRequest) -> disease.Case:
        """What a list of symptoms and a description say.

        Raises `NoKnownSymptomError`, or for a long one, which is read on a core, also what `ModelRegistry.run` does.
        """
        if sent.length <= _LONGEST_READ_AT_ONCE:
            return disease.understand(sent)
        return await self.registry.run("disease", disease.understand, sent)

    async def sample_of_image(
        self, name: Diagnosis, image: bytes, sample: Callable[[], ReadingT]
    ) -> tuple[ReadingT, AnswerContext]:
        """The demo mode's sample, once the picture has proven to be one. Raises as `image` does."""
        answer = self.sample(name, sample)
        await while_connected(self.request, self.registry.run(name, decode, image, max_pixels=self.settings.max_pixels))
        return answer

    def sample(self, name: Diagnosis, sample: Callable[[], ReadingT]) -> tuple[ReadingT, AnswerContext]:
        """The demo mode's sample, marked as such.

        Raises `ModelUnavailableError` where demo mode is off or a bundle is there that can't be served.
        """
        state = self.registry.model(name).state
        if state != "absent":
            raise ModelUnavailableError(f"The model {name} is {state}.")
        if not self.settings.demo_mode:
            raise ModelUnavailableError(f"The model {name} is not installed, and demo mode is off.")
        self.metrics.sampled(name)
        self.response.headers["X-Demo-Mode"] = "true"
        model = ModelInfo(name=name, version="demo", precision="none")
        return sample(), self._context(model, Reliability(accepted=True), demo_mode=True)

    def _judged(
        self, name: Diagnosis, prediction: Prediction, reliability: Reliability, refusal: type[ServiceError]
    ) -> AnswerContext:
        """The context of a prediction; raises `refusal` where unreliable readings are to be refused."""
        self.metrics.read(name, prediction, accepted=reliability.accepted)
        if tracing := self.request.state.tracing:
            tracing.stages(name, prediction.seconds)
        if self.settings.reject_unreliable and not reliability.accepted:
            raise refusal(reliability.reason)
        metadata = prediction.metadata
        model = ModelInfo(name=name, version=metadata.version, precision=metadata.precision)
        return self._context(model, reliability)

    def _context(self, model: ModelInfo, reliability: Reliability, *, demo_mode: bool = False) -> AnswerContext:
        return AnswerContext(
            model=model,
            demo_mode=demo_mode,
            reliability=reliability,
            request_id=self.request.state.request_id,
            disclaimer=common_knowledge().disclaimer.value,
        )


def judge_picture(prediction: Prediction, read: ReadPicture) -> Reliability:
    """As `judge`; a picture that was damaged on its way is not accepted, however usual it looks."""
    if read.damage is None:
        return judge(prediction)
    return Reliability(accepted=False, reason=f"{read.damage} Don't rely on the answer.")


def judge_sheet(read: ReadSheet) -> Reliability:
    """Accept a sheet whose traces were read and fit together."""
    if read.fault is None:
        return Reliability(accepted=True)
    return Reliability(accepted=False, reason=f"{read.fault} Don't rely on the answer.")


def judge_record(prediction: Prediction, windows: EcgWindows) -> Reliability:
    """As `judge`; a record with leads that show nothing is not accepted either, however usual the rest looks."""
    if windows.flat_leads:
        leads = ", ".join(windows.flat_leads)
        return Reliability(
            accepted=False,
            reason=f"No signal in {leads}: check the electrodes and record the ECG again; don't rely on the answer.",
        )
    return judge(prediction, subject="record")


def judge_form(metadata: Metadata, values: Mapping[str, float | None]) -> Reliability:
    """Accept a form whose values lie within what the model learned from."""
    outside = metadata.tabular_preprocessing.outside(values)
    if not outside:
        return Reliability(accepted=True)
    named = ", ".join(f"{feature.name} ({feature.low:g} to {feature.high:g})" for feature in outside)
    return Reliability(
        accepted=False, reason=f"Outside what the model learned from: {named}. Don't rely on the answer."
    )


def judge(prediction: Prediction, *, subject: str = "picture") -> Reliability:
    """Accept an input whose novelty is at most the bundle's threshold; without a threshold every input."""
    spec, novelty = prediction.metadata.novelty, prediction.novelty
    if spec is None or novelty is None or novelty <= spec.threshold:
        return Reliability(accepted=True)
    return Reliability(
        accepted=False,
        reason=f"The {subject} is unlike those the model learned from (novelty {novelty:.3g}, accepted up to "
        f"{spec.threshold:.3g}). Check that it is of the kind this endpoint reads; don't rely on the answer.",
    )
