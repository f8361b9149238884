"""What HTTP adds on every route: the median of a request against preparing and computing the same input alone.

Both are measured in turns in one run, so that a busy machine slows them alike; the figure to compare between machines
is the ratio. Routes whose model is absent are left out.
"""

import statistics
import time
from collections.abc import Callable

import httpx

from app.settings import load_settings
from benchmarks.report import save, table
from benchmarks.server import running_server
from benchmarks.traffic import files_of, request_of
from benchmarks.wrk import Request
from models.diagnoses.catalogue import DIAGNOSES
from models.diagnoses.diagnosis import AnyDiagnosis
from models.preprocessing.inputs import Limits
from models.serving.bundle import Bundle
from models.serving.engine import Engine
from models.serving.loading import model_folders, read_newest_bundle

WARM_UP = 5
ROUNDS = 40
LIMITS = Limits(max_pixels=10**8)


def main() -> None:
    settings = load_settings()
    installed = {folder.name for folder in model_folders(settings.bundles)}
    rows = []
    with running_server() as server, httpx.Client(base_url=server.url, timeout=30) as client:
        for diagnosis in DIAGNOSES:
            if diagnosis.name not in installed:
                continue
            request = request_of(diagnosis)

            def over_http(request: Request = request) -> None:
                client.post(request.path, content=request.body, headers=_headers(request)).raise_for_status()

            if diagnosis.reads.immediate:
                (times,) = take_turns(over_http)
                rows.append([diagnosis.path, f"{1e3 * statistics.median(times):.2f}", "", ""])
                continue
            bundle = read_newest_bundle(settings.bundles / diagnosis.name, settings.precision)
            alone = bare(diagnosis, bundle, Engine(bundle, threads=settings.threads), settings.threads)
            rows.append([diagnosis.path, *_measured(over_http, alone)])
    header = ["route", "HTTP ms", "alone ms", "ratio"]
    print(table(header, rows))
    save("routes", {"rows": [dict(zip(header, row, strict=True)) for row in rows]})


def bare(diagnosis: AnyDiagnosis, bundle: Bundle, engine: Engine, cores: int) -> Callable[[], None]:
    """Preparing and computing one input without a service."""
    sent = type(diagnosis.example())(**files_of(diagnosis))

    def call() -> None:
        engine.run(diagnosis.reads.prepare(sent, bundle.metadata.preprocessing, LIMITS).tensors, cores=cores)

    return call


def take_turns(*calls: Callable[[], None]) -> tuple[list[float], ...]:
    """Call each in turn, `WARM_UP` rounds unmeasured and `ROUNDS` measured; the seconds of each."""
    seconds: tuple[list[float], ...] = tuple([] for _ in calls)
    for round_number in range(WARM_UP + ROUNDS):
        for call, measured in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            if round_number >= WARM_UP:
                measured.append(time.perf_counter() - start)
    return seconds


def _measured(over_http: Callable[[], None], alone: Callable[[], None]) -> list[str]:
    http, bare_call = (1e3 * statistics.median(times) for times in take_turns(over_http, alone))
    return [f"{http:.2f}", f"{bare_call:.2f}", f"{http / bare_call:.2f}"]


def _headers(request: Request) -> dict[str, str]:
    return {"Content-Type": request.content_type}


if __name__ == "__main__":
    main()
