"""From what was sent to a reading and its context: the model's where there is one, else the demo mode's sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from fastapi import Request, Response

from app.disconnection import while_connected
from app.errors import ModelUnavailableError, UnreliableImageError
from app.metrics import Metrics
from app.settings import Settings
from models import knowledge
from models.bundle import BundleError, Metadata
from models.diagnoses import breast, heart, skin, xray
from models.engine import PROBABILITIES, Outputs
from models.preprocessing.image import decode, preprocess
from models.registry import ModelRegistry, Prediction
from schemas.common import AnswerContext, Diagnosis, ModelInfo, Reading, Reliability

ReadingT = TypeVar("ReadingT", bound=Reading)
Interpret = Callable[[Outputs, Metadata], ReadingT]

INTERPRETERS: Mapping[str, Interpret[Reading]] = {
    "skin": skin.interpret,
    "heart_image": heart.interpret,
    "breast": breast.interpret,
    "xray": xray.interpret,
}


def check_classes(metadata: Metadata) -> None:
    """Raises `BundleError` where no diagnosis can interpret what the bundle answers."""
    if metadata.name not in INTERPRETERS:
        raise BundleError(f"Bundle {metadata.name}: this version of the service can't interpret it.")
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
        prediction = await while_connected(
            self.request,
            self.registry.predict(
                name, lambda metadata: preprocess(image, metadata.preprocessing, max_pixels=self.settings.max_pixels)
            ),
        )
        reliability = judge(prediction)
        self.metrics.read(name, accepted=reliability.accepted, seconds=prediction.seconds)
        if self.settings.reject_unreliable and not reliability.accepted:
            raise UnreliableImageError(reliability.reason)
        metadata = prediction.metadata
        model = ModelInfo(name=name, version=metadata.version, precision=metadata.precision)
        return interpret(prediction.outputs, metadata), self._context(model, reliability)

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

    def _context(self, model: ModelInfo, reliability: Reliability, *, demo_mode: bool = False) -> AnswerContext:
        return AnswerContext(
            model=model,
            demo_mode=demo_mode,
            reliability=reliability,
            request_id=self.request.state.request_id,
            disclaimer=knowledge.common().disclaimer.text,
        )


def judge(prediction: Prediction) -> Reliability:
    """Accept an input whose novelty is at most the bundle's threshold; without a threshold every input."""
    spec, novelty = prediction.metadata.novelty, prediction.novelty
    if spec is None or novelty is None or novelty <= spec.threshold:
        return Reliability(accepted=True)
    return Reliability(
        accepted=False,
        reason=f"The picture is unlike those the model learned from (novelty {novelty:.3g}, accepted up to "
        f"{spec.threshold:.3g}). Check that it is of the kind this endpoint reads; don't rely on the answer.",
    )
