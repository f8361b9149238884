"""A run: the blocks that have no part yet, streamed through the processes by Ray Data."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from app.scoring.places import Place
from app.scoring.plan import Asked, part_name, plan_of, without_keys
from app.scoring.worker import OpenReader, Scorer, Tally, fingerprint_of, open_model, tally_of
from app.settings import Settings

_TASKS = 2_000
"""Tasks at most; beyond that one takes several blocks, so that what Ray keeps of each does not grow with the input."""
_STORE_BYTES = 100 << 20
"""Of Ray's shared memory here: nothing but numbers of rows travels."""


class UnfinishedError(RuntimeError):
    """The run ended before every input had its row; a sentence."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to score, into which folder, by how many processes: None for one a core."""

    diagnosis: str
    input: str
    output: str
    said: Mapping[str, str]
    rows: int
    workers: int | None = None


def score(
    job: Job,
    settings: Settings,
    progress: Callable[[int, int], None] = lambda done, rows: None,
    opening: OpenReader = open_model,
) -> Tally:
    """Score what has no row yet. `progress` is told how many of how many rows there are.

    Raises `NoModelError`, `PlanError`, `ValueError`, `OSError` and `UnfinishedError`.
    """
    keyless = {"api_keys": (), "metrics_key": None, "admin_key": None}
    alone = settings.model_copy(update={"threads": 1, "bundles": settings.bundles.absolute(), **keyless})
    output = Place(job.output)
    asked, subject = asyncio.run(_asked(job, alone, opening))
    plan = plan_of(asked, job.input, output, subject)
    there = output.names()
    done = Tally()
    blocks = []
    for block in plan.blocks():
        if part_name(block.number) in there:
            done += tally_of(output / part_name(block.number))
        else:
            blocks.append(asdict(block))
    progress(done.rows, plan.rows)
    if blocks:
        with _ray(job.workers or settings.threads) as cores:
            pool = min(job.workers or cores, len(blocks))
            actors = {"min_size": min(pool, cores), "max_size": pool}
            for tally in _through(actors, blocks, (plan, job.output, alone, opening)):
                done += tally
                progress(done.rows, plan.rows)
        output.tidy()
    return done


async def _asked(job: Job, settings: Settings, opening: OpenReader) -> tuple[Asked, str]:
    async with opening(job.diagnosis, settings, job.said) as reader:
        bundle = reader.registry.model(job.diagnosis).bundle
        version = bundle.metadata.version if bundle else ""
        asked = Asked(job.diagnosis, version, fingerprint_of(reader), without_keys(job.input), dict(job.said), job.rows)
        return asked, reader.diagnosis.reads.subject


@contextmanager
def _ray(workers: int) -> Iterator[int]:
    """Ray, as it is where there is one, at RAY_ADDRESS, else in processes of this machine; its cores. It reports to
    nobody."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an exception
    import ray

    begun = not ray.is_initialized()
    if begun:
        here = {
            "address": "local",
            "num_cpus": workers,
            "object_store_memory": _STORE_BYTES,
            "include_dashboard": False,
        }
        ray.init(logging_level="ERROR", log_to_driver=False, **({} if os.environ.get("RAY_ADDRESS") else here))
    try:
        yield int(ray.cluster_resources()["CPU"])
    finally:
        if begun:
            ray.shutdown()


def _through(actors: Mapping[str, int], blocks: list[dict[str, object]], arguments: tuple[Any, ...]) -> Iterable[Tally]:
    """What becomes of blocks that go through a pool of `actors`, each a `Scorer` with these arguments."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    rows = ray.data.from_items(blocks, override_num_blocks=min(len(blocks), _TASKS)).map(
        Scorer,
        fn_constructor_args=arguments,
        compute=ray.data.ActorPoolStrategy(**actors),
        num_cpus=1,
    )
    try:
        for row in rows.iter_rows():
            yield Tally(**row)
    except ray.exceptions.RayError as error:
        raise UnfinishedError(
            f"A process ended with: {str(error).strip().splitlines()[-1]} What has its row keeps it: the same command "
            "goes on."
        ) from error
