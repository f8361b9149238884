"""The service as a Ray Serve application, for more machines than one. Needs the extra `ray-serve`.

    MEDIDIAGNOSE_BUNDLES=/models serve run deploy.ray_serve:app

It is the same application, with the same settings; where Serve's proxy stands, the limits of `medidiagnose serve` for
connections and slow clients do not. A replica takes requests once its models are loaded, is replaced where work of a
model is stuck or its network fails, and is drained for as long as `medidiagnose serve` would be.

By default a replica of the application computes all models. A model that is named gets a deployment of its own, with
its own replicas and scaling; what is computed there then goes over the network as tensors:

    serve run deploy.ray_serve:app 'models={"xray": {"num_replicas": 4}}' 'http={"num_replicas": 2}'

Which version of a model answers is what the folder of bundles says, as ever: a replica of the application reads it
when it starts, and the deployment of a model loads the version that it is asked for.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, cast

import ray
from ray import serve
from ray.exceptions import RayActorError, RayTaskError

from app.loading import start_loading
from app.main import create_app
from app.settings import Settings, load_settings
from models.diagnoses.catalogue import BY_NAME
from models.serving.bundle import Bundle
from models.serving.engine import Engine, EngineError, Network, Outputs, Tensor, blank
from models.serving.loading import read_version
from models.serving.registry import ModelRegistry

HTTP = "MediDiagnose"
VERSIONS = 2
"""Of a model that a replica of its deployment holds: while one takes over from another both answer."""
WAITERS = 8
"""Threads of a replica that wait for models elsewhere, beside those that compute."""
TRIES = 3
"""How often an input is computed where the replica that held it is lost: it asks for nothing but an answer."""

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def app(arguments: Mapping[str, Any]) -> serve.Application:
    """The application. `http` holds Serve's options of its deployment, `models` those of each model that gets one.

    Raises `ValueError` for a model that can't be named there, and `SettingsError`.
    """
    settings = load_settings()
    models, http = _options(arguments, "models"), _options(arguments, "http")
    for name in models:
        if name not in BY_NAME or BY_NAME[name].reads.immediate:
            raise ValueError(f"{name}: there is no such model, or it computes faster than a message travels.")
    usual = {
        "graceful_shutdown_timeout_s": settings.drain_seconds + settings.stop_seconds,
        "max_ongoing_requests": 64,
        "logging_config": {"enable_access_log": False},  # the service has its own
    }
    remote = [
        cast(Any, Model).options(**{"name": f"{HTTP}-{name}", **usual, **options}).bind(name)
        for name, options in models.items()
    ]
    ingress = serve.deployment(serve.ingress(_build(tuple(models)))(Replica))
    return ingress.options(**{"name": HTTP, **usual, **http}).bind(*remote)


def _options(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An argument, which a command line gives as JSON."""
    given = arguments.get(name, {})
    parsed: dict[str, Any] = json.loads(given) if isinstance(given, str) else dict(given)
    return parsed


class Replica:
    """A replica of the application."""

    app: "Application"

    def __init__(self, *models: Any) -> None:
        """`models` are there so that Serve starts their deployments too."""

    async def check_health(self) -> None:
        """Raises `RuntimeError` where something is wrong that a new process would cure."""
        registry: ModelRegistry | None = self.app.state.get("registry")
        faults = [fault for model in registry.models if (fault := registry.fault(model.name))] if registry else []
        if faults:
            raise RuntimeError(faults[0].reason)


class Application:
    """The service's application, started by Serve: it hands each request what the start left for it, as the service's
    own server does, and has started when the models are loaded."""

    def __init__(self, remote: tuple[str, ...]) -> None:
        cores = max(int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)), 1)
        settings = load_settings()
        threads = settings.threads if "threads" in settings.model_fields_set else cores
        settings = settings.model_copy(update={"threads": threads + (WAITERS if remote else 0)})
        loader = start_loading(settings, make_network=lambda bundle: _network(bundle, remote, threads, settings))
        self._app = create_app(settings, loader=loader)
        self.state: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the start and the end."""
        if scope["type"] != "lifespan":
            await self._app({**scope, "state": dict(self.state)}, receive, send)
            return
        self.state = scope.setdefault("state", {})

        async def until_the_end() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.state["stopping"] = True
            return message

        async def once_loaded(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._loaded()
            await send(message)

        await self._app(scope, until_the_end, once_loaded)

    async def _loaded(self) -> None:
        registry: ModelRegistry = self.state["registry"]
        while any(model.state == "loading" for model in registry.models):  # noqa: ASYNC110, nobody tells of it
            await asyncio.sleep(0.05)


def _build(remote: tuple[str, ...]) -> Callable[[], Application]:
    def build() -> Application:
        return Application(remote)

    return build


def _network(bundle: Bundle, remote: tuple[str, ...], threads: int, settings: Settings) -> Network:
    if bundle.metadata.name not in remote:
        return Engine(bundle, threads=threads)
    return RemoteNetwork(bundle, settings.deadline_seconds)


class RemoteNetwork:
    """The network of a bundle in the deployment of its model. What it computes is what `Engine` would."""

    def __init__(self, bundle: Bundle, deadline: float) -> None:
        """Returns when that deployment has computed a first input."""
        self._folder = bundle.folder
        self._deadline = deadline
        name = f"{HTTP}-{bundle.metadata.name}"
        handle = serve.get_deployment_handle(name, app_name=serve.get_replica_context().app_name)
        self._run = handle.options(multiplexed_model_id=bundle.metadata.version).run
        self.run(blank(bundle.metadata)[None])

    def run(self, batch: Tensor, *, cores: int = 1) -> Outputs:
        """Compute a batch; see `Engine.run`. To be called in a thread. Raises `EngineError`."""
        end = time.monotonic() + self._deadline
        for attempt in range(1, TRIES + 1):
            try:
                outputs: Outputs = self._run.remote(batch).result(timeout_s=max(end - time.monotonic(), 0))
            except RayActorError as error:
                if attempt == TRIES:
                    raise EngineError(f"Bundle {self._folder}: the process that computed it was lost.") from error
            except (RayTaskError, TimeoutError) as error:
                raise EngineError(f"Bundle {self._folder}: the network failed elsewhere: {error}") from error
            else:
                return outputs
        raise AssertionError("unreachable")


@serve.deployment
class Model:
    """Computes one model, in the versions that replicas of the application ask for."""

    def __init__(self, name: str) -> None:
        self._folder = load_settings().bundles / name
        self._precision = load_settings().precision

    @serve.multiplexed(max_num_models_per_replica=VERSIONS)
    async def _engine(self, version: str) -> Engine:
        """Raises `BundleError`."""
        bundle = await asyncio.to_thread(read_version, self._folder / version, self._precision)
        return await asyncio.to_thread(Engine, bundle)

    async def run(self, batch: Tensor) -> Outputs:
        """Compute a batch with the version that the request names. Raises `BundleError` and `EngineError`."""
        engine = await self._engine(serve.get_multiplexed_model_id())
        return await asyncio.to_thread(engine.run, batch)
