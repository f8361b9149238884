"""The newest bundle of each model: found on disk, verified, loaded and warmed on every core at once."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from models.bundle import Bundle, BundleError, Precision, read_bundle
from models.engine import Engine, Network

MakeNetwork = Callable[[Bundle], Network]

logger = logging.getLogger("medidiagnose.models")


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle and its warm network. `seconds` is what opening them took."""

    bundle: Bundle
    network: Network
    seconds: float


class Opening:
    """Opens the newest `<folder>/<name>/<version>/` of each name, in threads, from when it is made.

    It needs no event loop: the server opens its models while it still imports the web framework. `threads` is how many
    cores open bundles and later compute. `precision` `int8` opens the int8 network of each bundle that has one.
    """

    def __init__(
        self,
        folder: Path,
        names: Iterable[str],
        *,
        threads: int,
        precision: Precision = "fp32",
        make_network: MakeNetwork | None = None,
    ) -> None:
        self.folder = folder
        self.names = tuple(sorted(names))
        self.threads = threads
        self._precision = precision
        self._make_network = make_network or (lambda bundle: Engine(bundle, threads=threads))
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="open")
        found = {entry.name: entry for entry in model_folders(folder)}
        self.models: Mapping[str, Future[Opened]] = {
            name: self._executor.submit(self._open, found[name]) for name in self.names if name in found
        }
        """Each model that has a bundle; its future raises `BundleError` where the bundle must not be served."""
        for unknown in found.keys() - set(self.names):
            logger.warning("Folder %s is ignored: there is no diagnosis of that name.", found[unknown])

    def close(self) -> None:
        """Open nothing more; a bundle that is being opened ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _open(self, folder: Path) -> Opened:
        began = time.perf_counter()
        bundle = read_newest_bundle(folder, self._precision)
        network = self._make_network(bundle)
        return Opened(bundle, network, time.perf_counter() - began)


def model_folders(bundles: Path) -> list[Path]:
    """The folder of each model that has a bundle, by name; none where there is no bundles folder."""
    return sorted(entry for entry in _subfolders(bundles) if _subfolders(entry))


def read_newest_bundle(folder: Path, precision: Precision = "fp32") -> Bundle:
    """Read and verify the newest version (by PEP 440) in a model's folder; see `read_bundle`. Raises `BundleError`."""
    try:
        newest = max(_subfolders(folder), key=lambda version: Version(version.name))
    except InvalidVersion as error:
        raise BundleError(f"Bundle {folder}: {error}. Name each folder after its version, like 1.0.0.") from error
    bundle = read_bundle(newest, precision)
    if (bundle.metadata.name, bundle.metadata.version) != (folder.name, newest.name):
        raise BundleError(
            f"Bundle {newest}: metadata.json is that of {bundle.metadata.name} {bundle.metadata.version}. "
            "A bundle's folder must be <name>/<version>."
        )
    return bundle


def _subfolders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return [entry for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_"))]
