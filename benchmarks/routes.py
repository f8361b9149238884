"""What HTTP adds on every route: the median of a request against preparing and computing the same input alone.

Both are measured in turns in one run, so that a busy machine slows them alike; the figure to compare between machines
is the ratio. Routes whose model is absent are left out.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np

from app.settings import load_settings
from benchmarks.pictures import made_up_jpeg, made_up_record, made_up_sheet
from benchmarks.report import save, table
from benchmarks.server import running_server
from benchmarks.traffic import FORMS
from models.preprocessing import ecg_record as ecg
from models.preprocessing.ecg_sheet import preparation as sheet
from models.preprocessing.picture import preprocess
from models.serving.bundle import Bundle
from models.serving.engine import Engine, Tensor
from models.serving.loading import model_folders, read_newest_bundle

WARM_UP = 5
ROUNDS = 40
ROUTES = {
    "/analyze/skin": "skin",
    "/analyze/xray": "xray",
    "/analyze/breast": "breast",
    "/analyze/heart": "heart_image",
    "/analyze/heart/record": "heart_record",
}


def main() -> None:
    settings = load_settings()
    installed = {folder.name for folder in model_folders(settings.bundles)}
    rows = []
    with running_server() as server, httpx.Client(base_url=server.url, timeout=30) as client:
        for route, name in ROUTES.items():
            if name not in installed:
                continue
            bundle = read_newest_bundle(settings.bundles / name, settings.precision)
            files = _files(name)
            engine = Engine(bundle, threads=settings.threads)

            def over_http(route: str = route, files: dict[str, bytes] = files) -> None:
                client.post(route, files=files).raise_for_status()

            rows.append([route, *_measured(over_http, bare(bundle, engine, files, settings.threads))])
        for route, form in FORMS.items():

            def ask(route: str = route, form: dict[str, Any] = form) -> None:
                client.post(route, json=form).raise_for_status()

            (times,) = take_turns(ask)
            rows.append([route, f"{1e3 * statistics.median(times):.2f}", "", ""])
    header = ["route", "HTTP ms", "alone ms", "ratio"]
    print(table(header, rows))
    save("routes", {"rows": [dict(zip(header, row, strict=True)) for row in rows]})


def bare(bundle: Bundle, engine: Engine, files: dict[str, bytes], cores: int) -> Callable[[], None]:
    """Preparing and computing one input without a service."""
    metadata = bundle.metadata
    kind = metadata.preprocessing.kind

    def tensors() -> Tensor:
        if kind == "image":
            return preprocess(files["image"], metadata.image_preprocessing, max_pixels=10**8)[np.newaxis]
        if kind == "sheet":
            return sheet.preprocess(files["image"], metadata.sheet_preprocessing, max_pixels=10**8).tensors
        return ecg.preprocess(files["header"], files["signal"], metadata.signal_preprocessing).tensors

    def call() -> None:
        engine.run(tensors(), cores=cores)

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


def _files(name: str) -> dict[str, bytes]:
    if name == "heart_record":
        header, signal = made_up_record()
        return {"header": header, "signal": signal}
    return {"image": made_up_sheet() if name == "heart_image" else made_up_jpeg()}


if __name__ == "__main__":
    main()
