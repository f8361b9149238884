"""The rows of a table as inputs.

A row names a file below the table's folder as `path`, or holds what the service's form holds, under the same names: the
bytes of an `image`, of a `dicom` object, or of a `header` and its `signal`. A row of a diagnosis of forms holds the
form's fields. What else a form says, such as `age`, may stand in the row too. `id` is what the row is called.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from app.errors import BodyTooLargeError, InvalidRequestError, NoImageError, NoRecordError
from app.from_files import Reader, Source
from app.scoring.places import Place
from app.scoring.plan import PATH, Block

AT_ONCE = 16
"""Rows that are read together."""
_ID = "id"
_READ_AHEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Inputs:
    """Makes inputs of the rows of tables. The paths in `table` lead on from `folder`."""

    reader: Reader
    table: Place
    folder: Place

    def of(self, block: Block) -> Iterator[Source]:
        """The inputs of a block, in order."""
        for number, row in rows_of(self.table, block):
            name = next((row[key] for key in (_ID, PATH) if row.get(key) is not None), number)
            yield str(name), partial(self._sent, row)

    def _sent(self, row: Mapping[str, Any]) -> Any:
        """Raises `ServiceError`, `OSError` and `ValidationError`."""
        if (path := row.get(PATH)) is not None:
            return self.reader.sent_file(path, self._fetch)
        said = {key: value for key, value in row.items() if value is not None}
        if self.reader.diagnosis.reads.subject == "form":
            said.pop(_ID, None)
            return self.reader.sent(json.dumps(said, default=str).encode())
        name = self.reader.diagnosis.name
        content = _bytes(said, "header", "dicom") if name == "heart_record" else _bytes(said, "image")
        if content is None:
            raise NoRecordError if name == "heart_record" else NoImageError
        signal = _bytes(said, "signal")
        if len(content) + len(signal or b"") > self.reader.settings.max_body_bytes:
            raise BodyTooLargeError
        return self.reader.sent(content, signal, said)

    def _fetch(self, path: str) -> bytes:
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts:
            raise InvalidRequestError("The path leads out of the folder.")
        return (self.folder / path).read(self.reader.settings.max_body_bytes)


def rows_of(table: Place, block: Block) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a block with their numbers in the table, read a few at a time."""
    with table.open() as opened:
        file = pq.ParquetFile(opened, buffer_size=_READ_AHEAD, pre_buffer=False)
        groups: list[int] = []
        first = begins = 0
        for group in range(file.num_row_groups):
            ends = begins + file.metadata.row_group(group).num_rows
            if begins < block.stop and ends > block.start:
                first = first if groups else begins
                groups.append(group)
            begins = ends
        numbers = count(first)
        for batch in file.iter_batches(AT_ONCE, groups):
            start = next(numbers)
            skipped = min(max(block.start - start, 0), len(batch))
            wanted = batch.slice(skipped, max(block.stop - start - skipped, 0))
            yield from enumerate(wanted.to_pylist(), start + skipped)
            numbers = count(start + len(batch))
            if start + len(batch) >= block.stop:
                return


def _bytes(row: Mapping[str, Any], *names: str) -> bytes | None:
    """The first of these columns, which may also be a picture as Hugging Face's data sets hold it."""
    for name in names:
        value = row.get(name)
        if isinstance(value, Mapping):
            value = value.get("bytes")
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            return value.encode()
    return None
