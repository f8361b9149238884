"""The service about itself: GET /, /health, /models and /metrics."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.dependencies import MetricsDep, RegistryDep
from app.errors import InvalidRequestError, ModelNotFoundError, problems
from models.diagnoses.knowledge import common_knowledge
from models.serving.registry import Fault, Model
from schemas.common import Diagnosis
from schemas.meta import (
    ApiInfo,
    Health,
    HealthName,
    Liveness,
    ModelList,
    ModelReadiness,
    ModelState,
    ModelSummary,
    Readiness,
)

HEALTH_NAMES: Mapping[Diagnosis, HealthName] = {
    "skin": "skin_cancer",
    "heart_image": "heart_image",
    "heart_record": "heart_record",
    "breast": "breast_cancer",
    "xray": "pneumonia",
    "disease": "disease",
    "heart_risk": "heart_risk",
}

router = APIRouter(tags=["service"])


@router.get("/")
async def describe_service(request: Request) -> ApiInfo:
    """What this is, and every endpoint."""
    app = request.app
    return ApiInfo(
        name=app.title,
        version=app.version,
        description=app.description,
        endpoints=app.state.endpoints,
        disclaimer=common_knowledge().disclaimer.value,
    )


@router.get("/health")
async def health(registry: RegistryDep) -> Health:
    """Which trained models are loaded."""
    loaded = {key: registry.model(name).state == "ready" for name, key in HEALTH_NAMES.items()}
    return Health(models=loaded, tensorflow=_has_tensorflow())


@router.get("/health/live")
async def live() -> Liveness:
    """Answers while the event loop turns."""
    return Liveness()


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "Not ready."}})
async def ready(request: Request, registry: RegistryDep, response: Response) -> Readiness:
    """200 when every model that has a bundle is loaded, warmed and not stuck, else 503, as while the service stops."""
    stopping = request.state.stopping
    response.status_code = 200 if registry.ready and not stopping else 503
    return Readiness(
        status="stopping" if stopping else "ready" if registry.ready else "not ready",
        models={
            model.name: _readiness(model, registry.fault(model.name), demo_mode=request.state.settings.demo_mode)
            for model in registry.models
        },
    )


@router.get("/models")
async def list_models(registry: RegistryDep) -> ModelList:
    """The loaded models: version, checksum, data, licence and measured quality."""
    loaded = [model.bundle.metadata for model in registry.models if model.bundle]
    return ModelList(models=tuple(ModelSummary.model_validate(metadata, from_attributes=True) for metadata in loaded))


@router.get(
    "/models/{name}/card",
    response_class=Response,
    responses={
        200: {"description": "The model card.", "content": {"text/markdown": {"schema": {"type": "string"}}}},
        **problems(ModelNotFoundError, InvalidRequestError),
    },
)
def model_card(name: Diagnosis, registry: RegistryDep) -> Response:
    """The card of a loaded model, Markdown."""
    model = registry.model(name)
    if not model.bundle:
        raise ModelNotFoundError
    return Response(model.bundle.card, media_type="text/markdown")


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(metrics: MetricsDep, registry: RegistryDep) -> Response:
    """Counters and timings for Prometheus."""
    return Response(metrics.render(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@cache
def _has_tensorflow() -> bool:
    return find_spec("tensorflow") is not None


def _readiness(model: Model, fault: Fault | None, *, demo_mode: bool) -> ModelReadiness:
    demo = model.state == "absent" and demo_mode
    state: ModelState = "demo" if demo else model.state
    return ModelReadiness(
        state=fault.state if fault else state,
        version=model.bundle.metadata.version if model.bundle else None,
        detail=fault.reason if fault else model.error,
        demo=demo,
    )
