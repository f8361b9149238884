"""Traces of requests: what they tell, that they tell nothing of a patient, and that they are off unless asked for."""

import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.loading import start_loading
from app.main import create_app
from app.settings import Settings
from app.tracing import ALLOWED, LONGEST_FLUSH, Tracing, open_tracing
from tests.service import client_of, until, upload, with_state

pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytestmark = pytest.mark.anyio

PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"
JANE = {
    "traceparent": f"00-{PARENT}-00f067aa0ba902b7-01",
    "User-Agent": "jane",
    "Cookie": "jane",
    "baggage": "who=jane",
}


@pytest.fixture(autouse=True)
def _no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def traced(bundles: Path, exporter: SpanExporter) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service whose spans reach the exporter at its end."""
    settings = Settings(bundles=bundles)
    app = create_app(settings, loader=start_loading(settings), tracing=Tracing(exporter))
    async with app.router.lifespan_context(app) as state, client_of(with_state(app, dict(state or {}))) as client:

        async def ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(ready)
        yield client


def told(span: ReadableSpan) -> str:
    """All that the span tells, as text."""
    text: str = span.to_json(indent=None)
    return text


def trace_of(span: ReadableSpan) -> str:
    assert span.context
    return f"{span.context.trace_id:032x}"


async def test_a_request_is_a_span_with_its_stages_and_nothing_of_the_patient(
    bundles: Path, picture: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = InMemorySpanExporter()
    with caplog.at_level(logging.INFO, "medidiagnose.access"):
        async with traced(bundles, exporter) as client:
            answer = await client.post(
                "/analyze/skin?explain=false&jane=doe", headers=JANE, files=upload(picture, name="jane.jpg")
            )
            await client.get("/jane/doe?jane", headers=JANE)
            await client.post("/predict-disease", json={"symptoms": ["jane"]}, headers=JANE)
    spans = [
        span for span in exporter.get_finished_spans() if span.context and span.context.trace_id == int(PARENT, 16)
    ]
    assert [(span.name, (span.attributes or {}).get("http.response.status_code")) for span in spans] == [
        ("prepare", None),
        ("compute", None),
        ("POST /analyze/skin", 200),
        ("GET", 404),
        ("POST /predict-disease", 422),
    ]
    prepare, compute, request, *_ = spans
    assert request.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/analyze/skin",
        "network.protocol.version": "1.1",
        "url.scheme": "http",
    }
    for stage in (prepare, compute):
        assert stage.attributes == {"medidiagnose.model": "skin"}
        assert stage.parent
        assert request.context
        assert stage.parent.span_id == request.context.span_id
    assert request.start_time
    assert prepare.start_time
    assert prepare.end_time == compute.start_time
    assert request.start_time <= prepare.start_time
    assert not [told(span) for span in spans if "jane" in told(span).lower()]
    assert answer.headers["X-Request-ID"] == PARENT
    assert {record.args["trace_id"] for record in caplog.records[-3:] if isinstance(record.args, dict)} == {PARENT}


async def test_without_a_parent_the_log_names_the_trace_that_was_begun(
    bundles: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = InMemorySpanExporter()
    async with traced(bundles, exporter) as client:
        with caplog.at_level(logging.INFO, "medidiagnose.access"):
            answer = await client.get("/health", headers={"X-Request-ID": "mine"})
    (record,) = [record for record in caplog.records if record.name == "medidiagnose.access"]
    (span,) = [span for span in exporter.get_finished_spans() if span.name == "GET /health"]
    assert isinstance(record.args, dict)
    assert record.args["trace_id"] == trace_of(span)
    assert answer.headers["X-Request-ID"] == "mine"


async def test_a_fault_goes_without_its_words(bundles: Path, monkeypatch: pytest.MonkeyPatch, picture: bytes) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("jane doe")

    monkeypatch.setattr("models.diagnoses.judging._by_novelty", fail)
    exporter = InMemorySpanExporter()
    async with traced(bundles, exporter) as client:
        assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 500
    (span,) = [span for span in exporter.get_finished_spans() if span.name == "POST /analyze/skin"]
    assert not span.status.is_ok
    assert "jane" not in told(span)
    assert set(span.attributes or {}) <= ALLOWED


async def test_a_collector_that_hangs_does_not_hold_up_the_end(bundles: Path) -> None:
    class Hangs(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            time.sleep(2 * LONGEST_FLUSH)
            return SpanExportResult.FAILURE

    async with traced(bundles, Hangs()):
        began = time.monotonic()
    assert time.monotonic() - began < 1.5 * LONGEST_FLUSH


def test_without_a_collector_nothing_is_traced() -> None:
    assert open_tracing() is None


@pytest.mark.parametrize(("switch", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
def test_the_standard_switches_turn_it_off(monkeypatch: pytest.MonkeyPatch, switch: str, value: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(switch, value)
    assert open_tracing() is None


def test_a_collector_turns_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracing = open_tracing()
    assert tracing is not None
    tracing.close()


def test_a_collector_without_the_extra_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert open_tracing() is None
    assert "install medidiagnose-ai[otel]" in caplog.text
