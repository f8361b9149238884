"""The application: `create_app` is its table of contents."""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from app import routers
from app.access import Doors, KeyMiddleware, RateLimitMiddleware, doors_of
from app.audit import AuditLog
from app.bodies import BodyMiddleware, BodyRoom
from app.browsers import BrowserMiddleware
from app.docs import DOCS_PATHS, show_docs
from app.errors import InternalError, handle_errors, problem_kinds, problems
from app.fhir.middleware import FhirMiddleware
from app.json_requests import PlainFormMiddleware
from app.lifespan import make_lifespan
from app.metrics import Metrics
from app.middleware import (
    FaultMiddleware,
    HeadMiddleware,
    ObservationMiddleware,
    RequestIdMiddleware,
)
from app.openapi import OPENAPI_PATH, document
from app.page import PAGE_PATHS, show_page
from app.plain_uploads import PlainUploadMiddleware
from app.rates import RateLimiter, SharedRateLimiter, parse_rate
from app.routers import admin, meta, own_pictures, problem_types, samples, tensors
from app.settings import Settings, load_settings
from app.tracing import NOT_TRACED, Tracing
from app.version import installed_version
from app.workers.team import Team
from models.diagnoses.catalogue import Catalogue
from models.serving.loading import BundleLoader

DESCRIPTION = (
    "Reads skin photographs, ECGs, breast ultrasounds, chest X-rays, symptoms and heart-risk forms, and answers with "
    "calibrated estimates. Not a medical device."
)
PROBLEM_PATHS = ("/problems", "/problems/{kind}", *(f"/problems/{kind}" for kind in problem_kinds()))
UNLIMITED_PATHS = (
    *("/health", "/health/live", "/health/ready", "/metrics"),
    *(OPENAPI_PATH, *DOCS_PATHS, *PAGE_PATHS, *PROBLEM_PATHS),
)
"""What monitors, and readers of the documentation and of the page, ask for is never too often."""
OPEN_PATHS = ("/", *(path for path in UNLIMITED_PATHS if path != "/metrics"))


def create_app(
    settings: Settings | None = None,
    *,
    loader: BundleLoader | None = None,
    tracing: Tracing | None = None,
    team: Team | None = None,
    limiter: SharedRateLimiter | None = None,
) -> FastAPI:
    """The service with these settings, else with those of the environment.

    Its models load when it starts, unless `loader` loads them already; such an app starts once, and so does one with
    `tracing`, which ends with it. In a worker it has a `team`, and the `limiter` of all of them.
    """
    settings = settings or load_settings()
    metrics = Metrics()
    audit = AuditLog(settings.audit_log) if settings.audit_log else None
    if audit:
        metrics.audits(audit)
    catalogue = Catalogue()
    doors = doors_of(settings, OPEN_PATHS)
    opted = (*([admin] if settings.admin_key else []), *([tensors] if settings.tensors else []))
    others = (own_pictures, meta, samples, problem_types, *opted)
    included = [*routers.of_the_diagnoses(), *(module.router for module in others)]
    routes = [route for router in included for route in router.routes if isinstance(route, APIRoute)]
    app = FastAPI(
        title="MediDiagnose-AI",
        version=installed_version(),
        description=DESCRIPTION,
        lifespan=make_lifespan(settings, metrics, catalogue, loader, tracing, team, audit),
        middleware=[
            *_middleware(settings, metrics, doors, tracing, limiter, audit),
            *([] if tracing else [Middleware(PlainFormMiddleware, routes=routes)]),
            *([] if tracing else [Middleware(PlainUploadMiddleware, routes=routes)]),
        ],
        generate_unique_id_function=lambda route: route.name,
        responses=problems(InternalError),
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry=tracing.telemetry if tracing else NOT_TRACED,
    )
    handle_errors(app)
    for router in included:
        app.include_router(router)
    app.state.endpoints = [f"{method} {route.path}" for route in routes for method in route.methods or ()]
    show_docs(app)
    show_page(app)
    document(app, doors, catalogue, unlimited_paths=UNLIMITED_PATHS if settings.rate_limit else None)
    return app


def _middleware(
    settings: Settings,
    metrics: Metrics,
    doors: Doors,
    tracing: Tracing | None,
    limiter: SharedRateLimiter | None,
    audit: AuditLog | None,
) -> list[Middleware]:
    """Outermost first."""
    room = BodyRoom(settings.max_bodies_bytes)
    metrics.show("body_bytes", "Bytes of request bodies in memory.", lambda: room.held)
    return [
        Middleware(RequestIdMiddleware, current_trace_id=tracing.trace_id if tracing else None),
        Middleware(ObservationMiddleware, metrics=metrics, audit=audit),
        Middleware(
            BrowserMiddleware,
            origins=settings.cors_origins,
            headers=settings.cors_headers,
            private_network=settings.cors_private_network,
        ),
        Middleware(FhirMiddleware),
        Middleware(FaultMiddleware),
        *([Middleware(KeyMiddleware, doors=doors)] if doors.ask else []),
        *_rate_limit(settings, limiter),
        Middleware(
            BodyMiddleware,
            room=room,
            limit=settings.max_body_bytes,
            seconds=settings.deadline_seconds,
            idle_seconds=settings.idle_seconds,
        ),
        Middleware(HeadMiddleware),
    ]


def _rate_limit(settings: Settings, limiter: SharedRateLimiter | None) -> list[Middleware]:
    if not settings.rate_limit:
        return []
    chosen = limiter or RateLimiter(parse_rate(settings.rate_limit))
    return [Middleware(RateLimitMiddleware, limiter=chosen, unlimited_paths=UNLIMITED_PATHS)]
