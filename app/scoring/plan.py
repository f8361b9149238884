"""What is read, cut into blocks: made once and kept in the output, so that a run that goes on reads the same."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.parquet as pq

from app.from_files import SUFFIXES
from app.scoring.places import Place

PLAN, LISTED = "_plan.json", "_inputs.parquet"
"""In the output; readers of Parquet folders pass over names that begin so."""
PATH = "path"
_AT_ONCE = 10_000


class PlanError(ValueError):
    """There is nothing to read, or the output holds something else; a sentence."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run answers. Two runs that write into one folder must ask the same: `model` is the fingerprint of the
    bundle, `said` what is said beside each input, `rows` how many a block has."""

    diagnosis: str
    version: str
    model: str
    input: str
    said: Mapping[str, str]
    rows: int


@dataclass(frozen=True, slots=True)
class Table:
    """A Parquet file: its name below `Asked.input`, or `LISTED`."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a table from `start` until before `stop`."""

    number: int
    table: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked, the tables that hold it, and the address of the input with its keys, which is not kept."""

    asked: Asked
    tables: Sequence[Table]
    given: str

    def blocks(self) -> Iterator[Block]:
        """In their order."""
        number = 0
        for table in self.tables:
            for start in range(0, table.rows, self.asked.rows):
                yield Block(number, table.name, start, min(start + self.asked.rows, table.rows))
                number += 1

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def without_keys(address: str) -> str:
    """The address of a place without what opens it, to be written down."""
    parts = urlsplit(address)
    if not parts.scheme:
        return address
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def part_name(number: int) -> str:
    """The file that a block makes."""
    return f"part-{number:06d}.parquet"


def plan_of(asked: Asked, given: str, output: Place, subject: str) -> Plan:
    """The plan that the output holds, else a new one, which is written there. `given` is the address of the input,
    `subject` what the diagnosis reads.

    Raises `PlanError`, and `OSError`.
    """
    kept = output / PLAN
    if kept.is_file:
        return _kept(json.loads(kept.read()), asked, given)
    if others := sorted(name for name in output.names() if name.startswith("part-")):
        raise PlanError(f"{output.address} holds {others[0]}, which is not of this command. Choose another folder.")
    output.make()
    plan = Plan(asked, _tables(Place(given), output, subject), given)
    if not plan.rows:
        raise PlanError(f"There is nothing to read in {asked.input}.")
    kept.write(json.dumps({"asked": asdict(asked), "tables": [asdict(table) for table in plan.tables]}).encode())
    return plan


def table_place(plan: Plan, output: Place, name: str) -> Place:
    """Where a table lies."""
    if name == LISTED:
        return output / LISTED
    given = Place(plan.given)
    return given / name if given.is_folder else given


def _kept(found: Mapping[str, Any], asked: Asked, given: str) -> Plan:
    before = Asked(**found["asked"])
    if before != asked:
        name = next(name for name, value in asdict(asked).items() if getattr(before, name) != value)
        raise PlanError(
            f"The output was begun with another {name} ({getattr(before, name)}, now {getattr(asked, name)}). Go on "
            "with that, or choose another folder."
        )
    return Plan(asked, [Table(**each) for each in found["tables"]], given)


def _tables(given: Place, output: Place, subject: str) -> list[Table]:
    if given.is_file:
        if not given.name.endswith(".parquet"):
            raise PlanError(f"{given.address} is no folder, and no Parquet file.")
        return [_table(given, given.name)]
    if not given.is_folder:
        raise PlanError(f"There is no {given.address}.")
    tables = [_table(given / name, name) for name in given.files() if name.endswith(".parquet")]
    listed = _list(given, output / LISTED, SUFFIXES[subject])
    return [*([Table(LISTED, listed)] if listed else []), *tables]


def _table(place: Place, name: str) -> Table:
    try:
        with place.open() as opened:
            return Table(name, pq.ParquetFile(opened).metadata.num_rows)
    except pa.ArrowInvalid as error:
        raise PlanError(f"{name} is no Parquet file.") from error


def _list(given: Place, listed: Place, suffixes: frozenset[str]) -> int:
    """Write the names of the files of a folder as a table; how many they are."""
    names = (name for name in given.files() if PurePosixPath(name).suffix.lower() in suffixes)
    schema, count = pa.schema([(PATH, pa.string())]), 0
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema) as writer:
        while some := list(islice(names, _AT_ONCE)):
            writer.write_table(pa.table({PATH: some}, schema))
            count += len(some)
    if count:
        listed.write(sink.getvalue().to_pybytes())
    return count
