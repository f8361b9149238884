"""What HTTP adds to one picture: the median of a request against that of decoding and computing alone.

Both are measured in turns in one run, so that a busy machine slows them alike; the figure to compare between machines
is the ratio.
"""

import io
import statistics
import sys
import time
from collections.abc import Callable

import httpx
import numpy as np
from PIL import Image

from app.settings import load_settings
from benchmarks.report import Figure, report
from benchmarks.server import running_server
from models.engine import Engine
from models.preprocessing.image import preprocess
from models.registry import read_newest_bundle

ROUTE = "/analyze/skin"
WARM_UP = 10
ROUNDS = 100


def main() -> None:
    picture = made_up_jpeg(600, 450)
    settings = load_settings()
    bundle = read_newest_bundle(settings.bundles / "skin")
    engine = Engine(bundle, threads=settings.threads)

    with running_server() as server, httpx.Client(base_url=server.url, timeout=30) as client:

        def over_http() -> None:
            answer = client.post(ROUTE, files={"image": picture}).raise_for_status()
            if answer.json()["demo_mode"]:
                sys.exit(f"{ROUTE} answers in demo mode: there is no model to measure")

        spec = bundle.metadata.image_preprocessing

        def bare() -> None:
            engine.run(preprocess(picture, spec, max_pixels=settings.max_pixels)[np.newaxis])

        http_times, bare_times = take_turns(over_http, bare)

    http, alone = statistics.median(http_times) * 1e3, statistics.median(bare_times) * 1e3
    report(
        "single_picture",
        [
            Figure("HTTP request, median", http, "ms"),
            Figure("decode and compute, median", alone, "ms"),
            Figure("ratio", http / alone, ""),
        ],
    )


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


def made_up_jpeg(width: int, height: int) -> bytes:
    """A JPEG the size of a HAM10000 picture with a lesion-like blot and grain, the same each time."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    blot = 90 * np.exp(-6 * (rows**2 + columns**2))[..., np.newaxis]
    grain = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    pixels = np.array([205, 160, 145]) - blot + grain
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
