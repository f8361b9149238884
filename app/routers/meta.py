"""The service about itself: GET /, /health, /models and /metrics."""

from functools import cache
from importlib.util import find_spec

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST

from app.card_page import card_page
from app.dependencies import CatalogueDep, MetricsDep, RegistryDep
from app.errors import InvalidRequestError, ModelNotFoundError, problems
from app.page import VARY, asks_for_a_page, page_response
from app.workers.together import metrics_of_all, readiness, readiness_of_all
from models.diagnoses.knowledge import common_knowledge
from models.serving.bundle import BIN, BY_GROUP, MISTAKEN, Bundle
from schemas.common import ModelName
from schemas.meta import (
    ApiInfo,
    Health,
    Liveness,
    MeasuredAsServed,
    ModelList,
    ModelSummary,
    Readiness,
)

router = APIRouter(tags=["service"])


@router.get(
    "/",
    response_model=ApiInfo,
    responses={200: {"description": "What this is.", "content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def describe_service(request: Request, catalogue: CatalogueDep, response: Response) -> ApiInfo | Response:
    """What this is, and every endpoint: JSON, or the page at /ui where a browser asks."""
    if asks_for_a_page(request.headers.get("accept", "")):
        return await to_thread.run_sync(page_response)
    response.headers.update(VARY)
    app = request.app
    return ApiInfo(
        name=app.title,
        version=app.version,
        description=app.description,
        endpoints=(*app.state.endpoints, *(f"POST {each.path}" for each in catalogue.own.values())),
        disclaimer=common_knowledge().disclaimer.value,
    )


@router.get("/health")
async def health(registry: RegistryDep, catalogue: CatalogueDep) -> Health:
    """Which trained models are loaded."""
    loaded = {each.health_name: registry.model(each.name).state == "ready" for each in catalogue.all}
    return Health(models=loaded, tensorflow=_has_tensorflow())


@router.get("/health/live")
async def live() -> Liveness:
    """Answers while the event loop turns."""
    return Liveness()


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "Not ready."}})
async def ready(request: Request, registry: RegistryDep, response: Response) -> Readiness:
    """200 when every model that has a bundle is loaded, warmed and not stuck, else 503, as while the service stops."""
    state = request.state
    own = readiness(registry, stopping=state.stopping, demo_mode=state.settings.demo_mode)
    answer = await readiness_of_all(state.team, own) if state.team else own
    response.status_code = 200 if answer.status == "ready" else 503
    return answer


@router.get("/models")
async def list_models(registry: RegistryDep) -> ModelList:
    """The loaded models: version, checksum, data, licence and measured quality."""
    return ModelList(models=tuple(_summary(model.bundle) for model in registry.models if model.bundle))


def _summary(bundle: Bundle) -> ModelSummary:
    """What is told of a bundle; of what was measured as it is served the figures, not the diagrams nor their groups."""
    summary = ModelSummary.model_validate(bundle.metadata, from_attributes=True)
    if not bundle.measured:
        return summary
    sets = {
        title: {name: value for name, value in figures.items() if not name.startswith(BIN)}
        for title, figures in bundle.measured.sets.items()
        if not title.startswith((BY_GROUP, MISTAKEN))
    }
    told = bundle.measured.model_copy(update={"sets": sets})
    return summary.model_copy(update={"as_served": MeasuredAsServed.model_validate(told, from_attributes=True)})


@router.get(
    "/models/{name}/card",
    response_class=Response,
    responses={
        200: {
            "description": "The model card.",
            "content": {kind: {"schema": {"type": "string"}} for kind in ("text/markdown", "text/html")},
        },
        **problems(ModelNotFoundError, InvalidRequestError),
    },
)
def model_card(name: ModelName, request: Request, registry: RegistryDep) -> Response:
    """The card of a loaded model: Markdown, or a page where a browser asks."""
    model = next((each for each in registry.models if each.name == name), None)
    if not model or not model.bundle:
        raise ModelNotFoundError
    if asks_for_a_page(request.headers.get("accept", "")):
        return HTMLResponse(card_page(model.bundle.card), headers=VARY)
    return Response(model.bundle.card, media_type="text/markdown", headers=VARY)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, metrics: MetricsDep, registry: RegistryDep) -> Response:
    """Counters and timings for Prometheus."""
    team = request.state.team
    page = await metrics_of_all(team) if team else metrics.render(registry)
    return Response(page, headers={"Content-Type": CONTENT_TYPE_LATEST})


@cache
def _has_tensorflow() -> bool:
    return find_spec("tensorflow") is not None
