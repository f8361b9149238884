"""From what was sent to the two halves of an answer: the model's where there is one, else the demo mode's sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fastapi import Request, Response

from app.audit import Audited
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
from models.diagnoses.diagnosis import Diagnosis, Explained
from models.diagnoses.knowledge import common_knowledge
from models.diagnoses.prediction_sets import PredictionSet
from models.preprocessing.inputs import Limits, Prepared
from models.serving.bundle import Metadata
from models.serving.registry import ModelRegistry, Prediction
from schemas.common import AnswerContext, Explanation, ModelInfo, Reading, Reliability
from schemas.common import Prediction as NamedFirst

SentT = TypeVar("SentT")
PreparedT = TypeVar("PreparedT", bound=Prepared)
ReadingT = TypeVar("ReadingT", bound=Reading)

_REFUSALS: Mapping[str, type[ServiceError]] = {
    "picture": UnreliableImageError,
    "record": UnreliableRecordError,
    "form": UnreliableFormError,
}
"""By what an input kind calls its subject: the answer to one that is not accepted, where that is to be refused."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Makes the reading of one request."""

    registry: ModelRegistry
    metrics: Metrics
    settings: Settings
    request: Request
    response: Response
    explain: bool = False

    async def read(
        self, diagnosis: Diagnosis[SentT, PreparedT, ReadingT], sent: SentT
    ) -> tuple[ReadingT, AnswerContext]:
        """Read what was sent with the model; its sample where there is no bundle.

        Raises what the diagnosis's kind of input raises where it can't be prepared, `ModelUnavailableError`, the
        refusal of an unreliable input, `ClientDisconnect`, or what `ModelRegistry.predict` does.
        """
        if self.registry.model(diagnosis.name).state == "absent":
            return await self._sample(diagnosis, sent)
        prediction, prepared = await self._predict(diagnosis, sent)
        explained: Explained[ReadingT] | None = prediction.explanation
        reliability = explained.reliability if explained else diagnosis.reliability_of(prediction, prepared, sent)
        self.metrics.read(diagnosis.name, prediction, accepted=reliability.accepted)
        if tracing := self.request.state.tracing:
            tracing.stages(diagnosis.name, prediction.seconds)
        if self.settings.reject_unreliable and not reliability.accepted and diagnosis.unknown(sent) is None:
            raise _REFUSALS[diagnosis.reads.subject](reliability.reason)
        reading = explained.reading if explained else diagnosis.reading_of(prediction, prepared, sent, reliability)
        self._note(diagnosis.name, prediction.metadata.version, reading, reliability)
        return reading, answer_context(
            model_info(diagnosis.name, prediction.metadata),
            reliability,
            self._request_id,
            explanation=explained.explanation if explained else None,
            prediction_set=diagnosis.prediction_set_of(prediction, reading, reliability),
        )

    def _note(self, name: str, version: str, reading: Reading, reliability: Reliability) -> None:
        """Count what is named, and say for the audit log what became of the request."""
        named: NamedFirst = reading.prediction  # type: ignore[attr-defined]
        self.metrics.named(name, named.code, settled=named.settled)
        outcome = "not-accepted" if not reliability.accepted else "settled" if named.settled else "not-settled"
        self.request.state.audited = Audited(name, version, outcome)
        root: str = self.request.scope.get("root_path", "")
        self.response.headers["Link"] = f'<{root}/models/{name}/card>; rel="describedby"'

    async def _predict(self, diagnosis: Diagnosis[SentT, PreparedT, Any], sent: SentT) -> tuple[Prediction, PreparedT]:
        def prepare(metadata: Metadata) -> PreparedT:
            return diagnosis.reads.prepare(sent, metadata.preprocessing, limits)

        limits = self._limits
        explain = partial(diagnosis.explained, sent) if self.explain else None
        if diagnosis.reads.immediate:
            return self.registry.predict_at_once(diagnosis.name, prepare, explain)
        return await while_connected(self.request, self.registry.predict(diagnosis.name, prepare, explain))

    async def _sample(
        self, diagnosis: Diagnosis[SentT, PreparedT, ReadingT], sent: SentT
    ) -> tuple[ReadingT, AnswerContext]:
        """The demo mode's sample, marked as such, once the input has proven to be one."""
        if diagnosis.sample is None or not self.settings.demo_mode:
            raise ModelUnavailableError(f"The model {diagnosis.name} is not installed, and demo mode is off.")
        if not diagnosis.reads.immediate:
            work = self.registry.run(diagnosis.name, diagnosis.reads.prove, sent, self._limits)
            await while_connected(self.request, work)
        self.metrics.sampled(diagnosis.name)
        self.request.state.audited = Audited(diagnosis.name, "demo", "sample")
        self.response.headers["X-Demo-Mode"] = "true"
        model = ModelInfo(name=diagnosis.name, version="demo", precision="none")
        return diagnosis.sample(sent), answer_context(
            model, Reliability(accepted=True), self._request_id, demo_mode=True
        )

    @property
    def _limits(self) -> Limits:
        return Limits(max_pixels=self.settings.max_pixels)

    @property
    def _request_id(self) -> str:
        request_id: str = self.request.state.request_id
        return request_id


def model_info(name: str, metadata: Metadata) -> ModelInfo:
    """The model that answered."""
    return ModelInfo(name=name, version=metadata.version, precision=metadata.precision)


def answer_context(
    model: ModelInfo,
    reliability: Reliability,
    request_id: str,
    *,
    explanation: Explanation | None = None,
    prediction_set: PredictionSet | None = None,
    demo_mode: bool = False,
) -> AnswerContext:
    """The half of an answer that says who answered, how far to rely on it, and under which disclaimer."""
    return AnswerContext(
        model=model,
        demo_mode=demo_mode,
        reliability=reliability,
        explanation=explanation,
        prediction_set=prediction_set.codes if prediction_set else None,
        prediction_set_says=prediction_set.says if prediction_set else None,
        request_id=request_id,
        disclaimer=common_knowledge().disclaimer.value,
    )
