"""OpenTelemetry traces, with the extra `otel` and where the environment names a collector. No patient data in spans.

The spans of requests are FastAPI's own; those of a prediction's stages are added here. Only the attributes in `ALLOWED`
leave the process: no path, query, header, address of a client or words of an exception, whatever records them.
"""

import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from app.version import installed_version

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace.export import SpanExporter

ALLOWED = frozenset(
    {
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "medidiagnose.model",
        "network.protocol.version",
        "url.scheme",
    }
)
LONGEST_FLUSH = 1.0
"""Seconds that the last spans have to get away when the service stops, whether the collector answers or not."""
NOT_TRACED: "TelemetryConfig" = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's telemetry switched off. By itself it would record paths, queries and the words of exceptions for any
provider that the environment configures; and asking whether one is there takes time in every request."""

log = logging.getLogger("medidiagnose.tracing")


class Tracing:
    """Traces of one app, handed to `exporter` in batches by a thread of its own."""

    def __init__(self, exporter: "SpanExporter") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        service = {"service.version": installed_version()}
        if "OTEL_SERVICE_NAME" not in os.environ:
            service["service.name"] = "medidiagnose"
        self._provider = TracerProvider(resource=Resource.create(service), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_only_allowed(exporter)))
        self._tracer = self._provider.get_tracer("medidiagnose", installed_version())

    @property
    def telemetry(self) -> "TelemetryConfig":
        """What `FastAPI(telemetry=...)` is to be given."""
        return {**NOT_TRACED, "tracing": True, "operation_spans": False, "tracer_provider": self._provider}

    def trace_id(self) -> str | None:
        """That of the request being handled, 32 hexadecimal digits; None where there is none."""
        context = trace.get_current_span().get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else None

    def stages(self, model: str, seconds: Mapping[str, float]) -> None:
        """Record the stages of a prediction that has just ended, one after the other, in the current request's span."""
        began = time.time_ns() - int(1e9 * sum(seconds.values()))
        for stage, duration in seconds.items():
            span = self._tracer.start_span(stage, attributes={"medidiagnose.model": model}, start_time=began)
            began += int(1e9 * duration)
            span.end(began)

    def close(self) -> None:
        """Send what is left, for at most `LONGEST_FLUSH` seconds."""
        flushing = threading.Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        flushing.start()
        flushing.join(LONGEST_FLUSH)


def open_tracing() -> Tracing | None:
    """Traces to the collector that the standard variables name (`OTEL_EXPORTER_OTLP_ENDPOINT` and its kin), or None."""
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} & os.environ.keys()
    if not named or _off("OTEL_SDK_DISABLED", "true") or _off("OTEL_TRACES_EXPORTER", "none"):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        log.warning("%s is set, but no traces are sent: install medidiagnose-ai[otel].", " and ".join(sorted(named)))
        return None
    log.info("Traces are sent over OTLP (http/protobuf).")
    return Tracing(OTLPSpanExporter())


def _off(variable: str, value: str) -> bool:
    return os.environ.get(variable, "").strip().lower() == value


def _only_allowed(exporter: "SpanExporter") -> "SpanExporter":
    """The exporter behind one that lets only `ALLOWED` attributes through, and no events."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace.status import Status

    class OnlyAllowed(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return exporter.export([stripped(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    def stripped(span: ReadableSpan) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes={key: value for key, value in (span.attributes or {}).items() if key in ALLOWED},
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    return OnlyAllowed()
