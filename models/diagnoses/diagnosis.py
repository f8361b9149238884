"""`Diagnosis`, the one description of a diagnosis that everything else is made from.

Health, readiness, the OpenAPI document, the command line, the benchmarks and the tests go through the list in
`models.diagnoses.catalogue`; none of them knows a diagnosis by name.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from models.diagnoses.explaining import Answered
from models.diagnoses.knowledge import Document
from models.diagnoses.prediction_sets import PredictionSet, prediction_set
from models.preprocessing.inputs import InputKind, Prepared
from models.serving.bundle import BundleError, Metadata
from models.serving.engine import PROBABILITIES, Outputs, Tensor
from models.serving.registry import Prediction
from schemas.common import Explanation, Reading, Reliability

SentT = TypeVar("SentT")
PreparedT = TypeVar("PreparedT", bound=Prepared)
ReadingT = TypeVar("ReadingT", bound=Reading)


@dataclass(frozen=True, slots=True)
class Explained(Generic[ReadingT]):
    """An answer and what it rests on, where the model can tell."""

    reliability: Reliability
    reading: ReadingT
    explanation: Explanation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Generic[SentT, PreparedT, ReadingT]):
    """What a diagnosis is.

    `name` is that of its bundle and of its answers' `model`, `path` where it is asked, `health_name` its name in
    /health, `title` what people call it. `reads` is its kind of input. `interpret` turns the outputs of a network for
    one input, and what was sent, into the clinical half of an answer, and raises `ValueError` where it can't;
    `describe` adds what was seen while the input was prepared, and `settle` comes last: it takes back what of the
    reading an input of that reliability, or what was seen, doesn't settle (`models.diagnoses.settling`). `sample` is
    the fixed answer of the demo mode, if there is one, `judge` says whether an input is like the training data,
    `knowledge` holds the texts, and `example` is something that may be sent. `explain` says what an answer rests on,
    where the caller asked for it; it runs in a thread. `named` are the codes of classes that a reading names.
    `unknown` says why the model knows nothing of such a patient, whatever the values, or None: such a request is never
    refused as unreliable, but answered without settling anything.
    `check_bundle` raises `ValueError` for a bundle that can't be interpreted for reasons of the diagnosis's own.
    """

    name: str
    path: str
    health_name: str
    title: str
    reads: InputKind[SentT, PreparedT]
    interpret: Callable[[Outputs, Metadata, SentT], ReadingT]
    sample: Callable[[SentT], ReadingT] | None
    judge: Callable[[Prediction, PreparedT], Reliability]
    knowledge: Document
    example: Callable[[], SentT]
    describe: Callable[[ReadingT, PreparedT, Prediction], ReadingT] = lambda reading, _, __: reading
    settle: Callable[[ReadingT, Metadata, Reliability], ReadingT] = lambda reading, _, __: reading
    unknown: Callable[[SentT], str | None] = lambda _: None
    explain: Callable[[Answered[SentT, PreparedT, ReadingT]], Explanation | None] = lambda _: None
    named: Callable[[ReadingT], Collection[str]] = lambda reading: (reading.prediction.code,)  # type: ignore[attr-defined]
    check_bundle: Callable[[Metadata], None] = lambda _: None

    def reliability_of(self, prediction: Prediction, prepared: PreparedT, sent: SentT) -> Reliability:
        """How far to rely on what was computed for an input."""
        unknown = self.unknown(sent)
        return self.judge(prediction, prepared) if unknown is None else Reliability(accepted=False, reason=unknown)

    def reading_of(
        self, prediction: Prediction, prepared: PreparedT, sent: SentT, reliability: Reliability
    ) -> ReadingT:
        """The clinical half of the answer to an input of that reliability."""
        metadata = prediction.metadata
        reading = self.describe(self.interpret(prediction.outputs, metadata, sent), prepared, prediction)
        return self.settle(reading, metadata, reliability)

    def explained(
        self, sent: SentT, prediction: Prediction, prepared: PreparedT, compute: Callable[[Tensor], Outputs]
    ) -> Explained[ReadingT]:
        """The answer and what it rests on; `compute` runs the network that gave it. To be called in a thread."""
        reliability = self.reliability_of(prediction, prepared, sent)
        reading = self.reading_of(prediction, prepared, sent, reliability)
        answered = Answered(sent, prepared, prediction, reading, reliability, compute)
        return Explained(reliability, reading, self.explain(answered))

    def prediction_set_of(
        self, prediction: Prediction, reading: ReadingT, reliability: Reliability
    ) -> PredictionSet | None:
        """The codes that may hold the truth; None where the bundle states none."""
        listed = getattr(reading, "probabilities", ())
        names = {each.code: each.name for each in listed}
        return prediction_set(prediction.outputs, prediction.metadata, self.named(reading), reliability, names)

    def check(self, metadata: Metadata) -> None:
        """Raises `BundleError` where the answers of a bundle can't be interpreted."""
        if metadata.preprocessing.kind != self.reads.name:
            raise BundleError(f"Bundle {metadata.name}: this diagnosis does not read what its preprocessing makes.")
        try:
            self.check_bundle(metadata)
            self.interpret(_plausible_outputs(metadata), metadata, self.example())
        except ValueError as error:
            raise BundleError(f"Bundle {metadata.name}: its answers can't be interpreted: {error}") from error


AnyDiagnosis = Diagnosis[Any, Any, Any]


def _plausible_outputs(metadata: Metadata) -> Outputs:
    """Of one input, each output of metadata.json: equal probabilities, and 0.5 everywhere else."""
    n = len(metadata.classes)
    others = {spec.name: np.full([edge or 1 for edge in spec.shape[1:]], 0.5, np.float32) for spec in metadata.outputs}
    return {**others, PROBABILITIES: np.full(n, 1 / n, np.float32)}
