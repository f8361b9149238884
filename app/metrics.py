"""What the service counts and times, for Prometheus. One instance an app, so that two apps never share figures."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from models.registry import ModelRegistry

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The collectors of one app."""

    def __init__(self) -> None:
        self._collectors = collectors = CollectorRegistry()
        ProcessCollector(registry=collectors)
        self._requests = Counter(
            "medidiagnose_requests", "Requests answered.", ["method", "route", "status"], registry=collectors
        )
        self._request_seconds = Histogram(
            "medidiagnose_request_seconds",
            "Time from the first byte of a request to the last byte of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=collectors,
        )
        self._stage_seconds = Histogram(
            "medidiagnose_stage_seconds",
            "Time in a stage of a prediction, waiting included: `prepare` decodes, `compute` runs the network.",
            ["model", "stage"],
            buckets=_SECONDS,
            registry=collectors,
        )
        self._readings = Counter(
            "medidiagnose_readings",
            "Readings made, by whether the input resembled the training data.",
            ["model", "accepted"],
            registry=collectors,
        )
        self._demo_readings = Counter(
            "medidiagnose_demo_readings", "Fixed samples answered for want of a model.", ["model"], registry=collectors
        )
        self._under_way = Gauge(
            "medidiagnose_under_way", "Requests waiting for a model or using it.", ["model"], registry=collectors
        )
        self._ready = Gauge(
            "medidiagnose_model_ready", "1 where the model is loaded and warmed.", ["model"], registry=collectors
        )

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def read(self, model: str, *, accepted: bool, seconds: Mapping[str, float]) -> None:
        """Count a reading and time its stages."""
        self._readings.labels(model, str(accepted).lower()).inc()
        for stage, duration in seconds.items():
            self._stage_seconds.labels(model, stage).observe(duration)

    def sampled(self, model: str) -> None:
        """Count a demo reading."""
        self._demo_readings.labels(model).inc()

    def render(self, registry: ModelRegistry) -> bytes:
        """Everything in the Prometheus text format, with the registry's state of this moment."""
        for model in registry.models:
            self._under_way.labels(model.name).set(registry.under_way(model.name))
            self._ready.labels(model.name).set(model.state == "ready")
        return generate_latest(self._collectors)
