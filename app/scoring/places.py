"""Folders and files of this machine, or of a store such as s3://bucket/folder."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from app.errors import BodyTooLargeError

UNFINISHED = ".unfinished-"
"""What the name of a file begins with until it is whole."""


class Place:
    """A folder, or a file. `address` is the one that was given, also of what lies below it."""

    def __init__(self, address: str) -> None:
        """Raises `ValueError` where this is no address of a store that pyarrow knows."""
        self.address = address
        self.is_local = "://" not in address
        if self.is_local:
            self.system, self.path = LocalFileSystem(), str(Path(address).absolute())
        else:
            self.system, self.path = FileSystem.from_uri(address)

    def __truediv__(self, name: str) -> "Place":
        other = object.__new__(Place)
        other.address, other.is_local, other.system = self.address, self.is_local, self.system
        other.path = f"{self.path.rstrip('/')}/{name}"
        return other

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def parent(self) -> "Place":
        above = object.__new__(Place)
        above.address, above.is_local, above.system = self.address, self.is_local, self.system
        above.path = str(PurePosixPath(self.path).parent)
        return above

    @property
    def is_file(self) -> bool:
        return bool(self.system.get_file_info(self.path).type == FileType.File)

    @property
    def is_folder(self) -> bool:
        return bool(self.system.get_file_info(self.path).type == FileType.Directory)

    def files(self) -> Iterator[str]:
        """The names of the files of a folder and of those in it, below it and in order. One folder is listed at a
        time."""
        yield from self._files(self.path)

    def _files(self, folder: str) -> Iterator[str]:
        for entry in sorted(self.system.get_file_info(FileSelector(folder)), key=lambda entry: entry.base_name):
            if entry.type == FileType.Directory:
                yield from self._files(entry.path)
            elif entry.type == FileType.File:
                yield entry.path[len(self.path) :].lstrip("/")

    def names(self) -> set[str]:
        """What stands in a folder; nothing where there is none."""
        found = self.system.get_file_info(FileSelector(self.path, allow_not_found=True))
        return {entry.base_name for entry in found}

    def read(self, most: int | None = None) -> bytes:
        """What a file holds. Raises `OSError`, and `BodyTooLargeError` where that is more than `most` bytes."""
        with self.system.open_input_stream(self.path) as opened:
            content: bytes = opened.read() if most is None else opened.read(most + 1)
        if most is not None and len(content) > most:
            raise BodyTooLargeError
        return content

    def open(self) -> Any:
        """A file to read here and there."""
        return self.system.open_input_file(self.path)

    def make(self) -> None:
        """Make this folder; a store has none."""
        if self.is_local:
            Path(self.path).mkdir(parents=True, exist_ok=True)

    def write(self, content: bytes) -> None:
        """Write a file, whole or not at all: a store shows one when it is complete, here one is renamed then."""
        if not self.is_local:
            with self.system.open_output_stream(self.path) as opened:
                opened.write(content)
            return
        file = Path(self.path)
        beside = file.with_name(f"{UNFINISHED}{file.name}.{uuid4().hex}")
        try:
            with beside.open("wb") as opened_here:
                opened_here.write(content)
                opened_here.flush()
                os.fsync(opened_here.fileno())
            beside.replace(file)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise

    def tidy(self) -> None:
        """Remove from a folder what was not finished."""
        if self.is_local:
            for file in Path(self.path).glob(f"{UNFINISHED}*"):
                file.unlink(missing_ok=True)
