"""What a service says of its models, of one process and of all workers, whichever of them is asked."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import DeadlineExceededError
from app.metrics import Metrics
from app.reloading import said
from app.settings import Settings
from app.workers.figures import added, rendered
from app.workers.team import Team
from models.serving.registry import LoadUnderWayError, Model, ModelRegistry, Reload
from schemas.meta import ModelReadiness, ModelReload, ModelState, Readiness, ReloadReport

_WORST_STATES = ("failed", "failing", "stuck", "loading", "absent", "demo", "ready")
_WORST_OUTCOMES = ("refused", "kept", "loaded", "unchanged", "absent")

logger = logging.getLogger("medidiagnose.models")


def readiness(registry: ModelRegistry, *, stopping: bool, demo_mode: bool) -> Readiness:
    """Whether this process is ready, and the state of each of its models."""
    return Readiness(
        status="stopping" if stopping else "ready" if registry.ready else "not ready",
        models={model.name: _of_model(model, registry, demo_mode=demo_mode) for model in registry.models},
    )


def _of_model(model: Model, registry: ModelRegistry, *, demo_mode: bool) -> ModelReadiness:
    fault = registry.fault(model.name)
    demo = model.state == "absent" and demo_mode
    state: ModelState = "demo" if demo else model.state
    return ModelReadiness(
        state=fault.state if fault else state,
        version=model.bundle.metadata.version if model.bundle else None,
        detail=fault.reason if fault else model.error,
        demo=demo,
    )


def report(reloads: Sequence[Reload]) -> ReloadReport:
    """What became of each model in this process."""
    return ReloadReport(
        success=all(reload.outcome not in ("refused", "kept") for reload in reloads),
        models={
            reload.name: ModelReload(
                outcome=reload.outcome,
                old_version=reload.old_version,
                version=reload.version,
                reason=reload.reason,
            )
            for reload in reloads
        },
    )


def answer_for(
    team: Team, registry: ModelRegistry, metrics: Metrics, loading: asyncio.Task[None], settings: Settings
) -> None:
    """Have this worker answer what another, or the supervisor, asks; tell of its models once they are loaded."""

    def tell_versions() -> None:
        team.loaded({model.name: model.bundle.metadata.version for model in registry.models if model.bundle})

    async def ready() -> Any:
        return readiness(registry, stopping=False, demo_mode=settings.demo_mode).model_dump(mode="json")

    async def figures() -> Any:
        return metrics.figures(registry)

    async def reload() -> Any:
        await asyncio.wait([loading])
        reloads = await registry.reload()
        logger.info("%s: %s.", team.place, said(reloads))
        tell_versions()
        return report(reloads).model_dump(mode="json")

    metrics.show("workers", "Workers that answered.", lambda: 1)
    team.answer("ready", ready)
    team.answer("metrics", figures)
    team.answer("reload", reload)
    loading.add_done_callback(lambda task: None if task.cancelled() else tell_versions())


async def metrics_of_all(team: Team) -> bytes:
    """The figures of every worker in the Prometheus text format. Raises `DeadlineExceededError` where one does not
    answer: sums without it would look like a restart."""
    try:
        answers = await team.ask("metrics")
    except TimeoutError:
        answers = [None]
    if None in answers:
        raise DeadlineExceededError("A worker did not tell its figures in time.")
    return rendered(added(answers))


async def readiness_of_all(team: Team, own: Readiness) -> Readiness:
    """Ready where each worker is, of each model the worst state; not ready where one does not answer."""
    if own.status == "stopping":
        return own
    try:
        told = await team.ask("ready")
    except TimeoutError:
        told = [None]
    answers = [Readiness.model_validate(answer) for answer in told if answer is not None]
    ready = len(answers) == len(told) and all(answer.status == "ready" for answer in answers)
    models = {
        name: _worst_state([each.models.get(name, state) for each in (own, *answers)])
        for name, state in own.models.items()
    }
    if len(answers) < len(told):
        models = {name: _of_some(state) for name, state in models.items()}
    return Readiness(status="ready" if ready else "not ready", models=models)


def _of_some(state: ModelReadiness) -> ModelReadiness:
    return state.model_copy(update={"detail": " ".join(filter(None, (state.detail, "A worker does not answer.")))})


def _worst_state(states: Sequence[ModelReadiness]) -> ModelReadiness:
    return min(states, key=lambda each: _WORST_STATES.index(each.state))


async def reload_all(team: Team) -> ReloadReport:
    """Reload the models in every worker, one after the other; of each model the worst outcome, and where the workers'
    outcomes differ each of them. Raises `LoadUnderWayError`."""
    answers = await team.ask("reload", patience=None)
    if not answers or None in answers:
        raise LoadUnderWayError("The models are being loaded already. Try again when that has ended.")
    reports = [ReloadReport.model_validate(answer) for answer in answers]
    names = sorted({name for each in reports for name in each.models})
    return ReloadReport(
        success=all(each.success for each in reports),
        models={name: _worst_outcome([each.models for each in reports], name) for name in names},
    )


def _worst_outcome(reports: Sequence[Mapping[str, ModelReload]], name: str) -> ModelReload:
    reloads = [each[name] for each in reports if name in each]
    worst = min(reloads, key=lambda each: _WORST_OUTCOMES.index(each.outcome))
    if len({(each.outcome, each.version) for each in reloads}) == 1:
        return worst
    each_one = "; ".join(f"{each.outcome} {each.version or ''} {each.reason or ''}".strip() for each in reloads)
    return worst.model_copy(update={"reason": f"The workers differ: {each_one}."})
