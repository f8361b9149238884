"""What a process of a run does: read the rows of a block, and write what became of each."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.from_files import NoModelError, Reader, ReadFile, open_reader
from app.loading import loading_one
from app.rows import row_of
from app.scoring.inputs import Inputs
from app.scoring.places import Place
from app.scoring.plan import Block, Plan, part_name, table_place
from app.settings import Settings
from models.serving.loading import MakeNetwork

SCHEMA = pa.schema(
    [
        ("input", pa.string()),
        ("table", pa.string()),
        ("row", pa.int64()),
        ("accepted", pa.bool_()),
        ("code", pa.string()),
        ("name", pa.string()),
        ("probability", pa.float64()),
        ("settled", pa.bool_()),
        ("color", pa.string()),
        ("timeline", pa.string()),
        ("alerts", pa.list_(pa.string())),
        ("reason", pa.string()),
        ("model", pa.string()),
        ("version", pa.string()),
        ("error_code", pa.string()),
        ("error", pa.string()),
        ("answer", pa.string()),
    ]
)
"""A row an input. `answer` is the whole answer of the service as JSON; where there is none, `error_code` is the kind of
the error, as in the `type` of the service's problems, and `error` says what it is."""

OpenReader = Callable[[str, Settings, Mapping[str, str]], AbstractAsyncContextManager[Reader]]
"""Opens what reads; tests and benchmarks may put in one with a network of their own, such as one that only sleeps:
`functools.partial(open_model, make_network=...)`."""


@asynccontextmanager
async def open_model(
    name: str, settings: Settings, said: Mapping[str, str], make_network: MakeNetwork | None = None
) -> AsyncIterator[Reader]:
    """A reader by the diagnosis of that name. Raises as `open_reader` does."""
    with loading_one(settings, name, make_network) as loader:
        async with open_reader(loader, settings, said) as reader:
            yield reader


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of rows: of all `rows`, so many could not be read and so many were not accepted."""

    rows: int = 0
    errors: int = 0
    not_accepted: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.rows + other.rows, self.errors + other.errors, self.not_accepted + other.not_accepted)


class Scorer:
    """Scores blocks, one after the other. Ray Data makes one in each process."""

    def __init__(self, plan: Plan, output: str, settings: Settings, opening: OpenReader = open_model) -> None:
        """Raises `NoModelError` where this machine has no such model, or another than the plan names."""
        self._plan = plan
        self._output = Place(output)
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        reader = opening(plan.asked.diagnosis, settings, plan.asked.said)
        self._reader = self._runner.run(_awaited(self._open.enter_async_context(reader)))
        if fingerprint_of(self._reader) != plan.asked.model:
            raise NoModelError(f"The model {plan.asked.diagnosis} is not the one that this output was begun with.")

    def __call__(self, row: Mapping[str, Any]) -> dict[str, int]:
        """Write the part of a block; what became of its rows."""
        block = Block(**row)
        rows = self._runner.run(self._rows(block))
        tally = Tally(
            len(rows),
            sum(row["error_code"] is not None for row in rows),
            sum(row["accepted"] is False for row in rows),
        )
        sink = pa.BufferOutputStream()
        told = SCHEMA.with_metadata({"medidiagnose": json.dumps(asdict(tally))})
        pq.write_table(pa.Table.from_pylist(rows, told), sink, compression="zstd")
        (self._output / part_name(block.number)).write(sink.getvalue().to_pybytes())
        return asdict(tally)

    async def _rows(self, block: Block) -> list[dict[str, Any]]:
        given, table = Place(self._plan.given), table_place(self._plan, self._output, block.table)
        inputs = Inputs(self._reader, table, given if given.is_folder else given.parent)
        rows: list[dict[str, Any]] = []
        async for read in self._reader.read_each(inputs.of(block)):
            rows.append(_row(read, block, block.start + len(rows)))
        return rows


async def _awaited(opening: Any) -> Any:
    return await opening


def _row(read: ReadFile, block: Block, number: int) -> dict[str, Any]:
    return {
        "input": read.name,
        "table": block.table,
        "row": number,
        **row_of(read),
        "error_code": read.error.kind if read.error else None,
        "answer": None if read.answer is None else json.dumps(read.answer, ensure_ascii=False),
    }


def fingerprint_of(reader: Reader) -> str:
    """Which bundle, in which precision, a reader reads with."""
    bundle = reader.registry.model(reader.diagnosis.name).bundle
    return f"{bundle.fingerprint}-{bundle.model_path.name}" if bundle else ""


def tally_of(part: Place) -> Tally:
    """What a finished part says of its rows."""
    with part.open() as opened:
        told = pq.read_schema(opened).metadata[b"medidiagnose"]
    return Tally(**json.loads(told))
