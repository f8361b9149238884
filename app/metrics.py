"""What the service counts and times, for Prometheus. One instance an app, so that two apps never share figures.

The values of a label are out of sets that the service knows, never what a client wrote. Names and labels stay as they
are, since dashboards and alerts read them: those in deploy/ and those of operators.
"""

import platform
from collections.abc import Callable, Sequence
from functools import cache
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from app.audit import AuditLog
from app.version import installed_version
from app.workers.figures import Figures, figures_of
from models.serving.registry import ModelRegistry, Prediction, State
from models.serving.scheduling import LARGEST_BATCH, Piece

_CHANCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_OF_THRESHOLD = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)
_REFUSED, _FAULT = 400, 500
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The collectors of one app, to be used on the event loop.

    The children of each collector are looked up once for each set of labels: the client's own lookup takes as long as
    counting. `in_progress` is the number of requests under way, `posts` that of those answered that sent something.
    """

    def __init__(self) -> None:
        self.in_progress = 0
        self.posts = 0
        self._collectors = CollectorRegistry()
        ProcessCollector(registry=self._collectors)
        Info("medidiagnose_build", "What is running.", registry=self._collectors).info(
            {"version": installed_version(), "python": platform.python_version()}
        )
        self.show("requests_in_progress", "Requests under way.", lambda: self.in_progress)
        self._lost: Callable[[], float] = lambda: 0
        self.show("audit_lines_lost", "Lines of the audit log that could not be written.", lambda: self._lost())
        self._count_requests()
        self._time_work()
        self._count_readings()
        self._show_models()

    def _count_requests(self) -> None:
        self._requests = self._counter("requests", "Requests answered.", "method", "route", "status")
        self._request_seconds = self._timer(
            "request_seconds", "Time from the first byte of a request to the last byte of its answer.", "route"
        )
        self._problems = self._counter("problems", "Requests answered with an error, by its type.", "problem")

    def _time_work(self) -> None:
        self._stage_seconds = self._timer(
            "stage_seconds",
            "Time in a stage of a prediction, waiting included: `prepare` decodes, `compute` runs the network.",
            "model",
            "stage",
        )
        self._queue_wait = self._timer(
            "queue_wait_seconds",
            "Time that an input, or a piece of one that has several, waits for a core.",
            "model",
        )
        self._decode = self._timer(
            "decode_seconds", "Time that a core takes to make an input of what was sent.", "model"
        )
        self._inference = self._timer("inference_seconds", "Time that the network takes for a batch.", "model")
        batch_size = Histogram(
            "medidiagnose_batch_size",
            "Inputs that the network computes together.",
            ["model"],
            buckets=range(1, LARGEST_BATCH + 1),
            registry=self._collectors,
        )
        self._batch_size = cache(batch_size.labels)

    def _count_readings(self) -> None:
        self._readings = self._counter(
            "readings", "Readings made, by whether the input resembled the training data.", "model", "accepted"
        )
        self._predictions = self._counter(
            "predictions",
            "Readings made, by the class that the network finds likeliest and by whether the input was accepted.",
            "model",
            "class",
            "accepted",
        )
        self._named = self._counter(
            "answers", "Answers, by the code that is named and by whether that is settled.", "model", "code", "settled"
        )
        self._refused = self._counter(
            "refusals", "Requests that sent what could not be read, by the type of the error.", "route", "problem"
        )
        self._confidence = self._histogram(
            "confidence", "Probability of the class that the network finds likeliest.", _CHANCES, "model"
        )
        self._novelty = self._histogram(
            "novelty_ratio",
            "How unlike the training data inputs are, as a share of the threshold: above 1 they are not accepted.",
            _OF_THRESHOLD,
            "model",
        )
        self._demo_readings = self._counter("demo_readings", "Fixed samples answered for want of a model.", "model")

    def _show_models(self) -> None:
        self._under_way = self._gauge("under_way", "Requests waiting for a model or using it.", "model")
        self._ready = self._gauge("model_ready", "1 where the model is loaded and warmed.", "model")
        self._stuck = self._gauge(
            "stuck_work", "Pieces of a model's work that have run past the deadline and have not ended.", "model"
        )
        self._state = self._gauge("model_state", "1 for the state that the model is in.", "model", "state")
        self._model_info = self._gauge(
            "model_info", "The models in service; always 1.", "model", "version", "precision"
        )

    def _counter(self, name: str, told: str, *labels: str) -> Callable[..., Counter]:
        return cache(Counter(f"medidiagnose_{name}", told, labels, registry=self._collectors).labels)

    def _timer(self, name: str, told: str, *labels: str) -> Callable[..., Histogram]:
        return self._histogram(name, told, _SECONDS, *labels)

    def _histogram(self, name: str, told: str, buckets: Sequence[float], *labels: str) -> Callable[..., Histogram]:
        found = Histogram(f"medidiagnose_{name}", told, labels, buckets=buckets, registry=self._collectors)
        return cache(found.labels)

    def _gauge(self, name: str, told: str, *labels: str) -> Gauge:
        return Gauge(f"medidiagnose_{name}", told, labels, registry=self._collectors)

    def answered(self, method: str, route: str, status: int, seconds: float, *, problem: str | None = None) -> None:
        """Count a request, and the type of the error that it was answered with."""
        self.posts += method == "POST"
        self._requests(method, route, status).inc()
        self._request_seconds(route).observe(seconds)
        if problem is not None:
            self._problems(problem).inc()
            if method == "POST" and _REFUSED <= status < _FAULT:
                self._refused(route, problem).inc()

    def read(self, model: str, prediction: Prediction, *, accepted: bool) -> None:
        """Count a reading and time its stages."""
        code = prediction.metadata.classes[prediction.probabilities.argmax()]
        verdict = "true" if accepted else "false"
        self._readings(model, verdict).inc()
        self._predictions(model, code, verdict).inc()
        self._confidence(model).observe(prediction.probabilities.max())
        spec, novelty = prediction.metadata.novelty, prediction.novelty
        if spec and novelty is not None and spec.threshold > 0:
            self._novelty(model).observe(novelty / spec.threshold)
        for stage, duration in prediction.seconds.items():
            self._stage_seconds(model, stage).observe(duration)

    def named(self, model: str, code: str, *, settled: bool) -> None:
        """Count what an answer names."""
        self._named(model, code, "true" if settled else "false").inc()

    def audits(self, audit: AuditLog) -> None:
        """Show how many lines of that audit log were lost."""
        self._lost = lambda: audit.lost

    def worked(self, piece: Piece, inputs: int) -> None:
        """Time work that was done on the cores, and the waits before it."""
        model = piece.lane.name
        for queued in piece.queued:
            self._queue_wait(model).observe(piece.began - queued)
        if piece.computes:
            self._inference(model).observe(piece.seconds - piece.preparing)
            self._batch_size(model).observe(inputs)
        if piece.preparing or not piece.computes:
            self._decode(model).observe(piece.preparing or piece.seconds)

    def sampled(self, model: str) -> None:
        """Count a demo reading."""
        self._demo_readings(model).inc()

    def show(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge, medidiagnose_<name>, whose value is asked for at each scrape."""
        Gauge(f"medidiagnose_{name}", description, registry=self._collectors).set_function(value)

    def render(self, registry: ModelRegistry) -> bytes:
        """Everything in the Prometheus text format, with the registry's state of this moment."""
        self._look_at(registry)
        return generate_latest(self._collectors)

    def figures(self, registry: ModelRegistry) -> Figures:
        """The same, for another worker to add to its own."""
        self._look_at(registry)
        return figures_of(self._collectors)

    def _look_at(self, registry: ModelRegistry) -> None:
        self._model_info.clear()
        for model in registry.models:
            self._under_way.labels(model.name).set(registry.under_way(model.name))
            self._ready.labels(model.name).set(model.state == "ready" and not registry.fault(model.name))
            self._stuck.labels(model.name).set(registry.stuck(model.name))
            for state in get_args(State):
                self._state.labels(model.name, state).set(model.state == state)
            if model.bundle:
                metadata = model.bundle.metadata
                self._model_info.labels(model.name, metadata.version, metadata.precision).set(1)
