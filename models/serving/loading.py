"""The active bundle of each model: found on disk, verified, loaded and warmed on every core at once.

Versions lie side by side as `<folder>/<name>/<version>/`. The active one is the one that a file pins, else the newest
by PEP 440. That file is `active.json` in the bundles folder, or wherever the settings say: a container whose file
system is read-only keeps it on a volume of its own, and what is changed there holds from the next reload on, which an
environment variable would not.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version
from pydantic import TypeAdapter, ValidationError

from models.serving.bundle import Bundle, BundleError, Precision, read_bundle, unreadable
from models.serving.engine import Engine, Network

MakeNetwork = Callable[[Bundle], Network]
Find = Callable[[Path], Iterable[str]]
"""Names models of a bundles folder."""

ACTIVE_FILE = "active.json"
_LONGEST_ACTIVE_FILE = 65536
_PINS = TypeAdapter(dict[str, str])
_NOT_MODELS = (".", "_", "lost+found")

logger = logging.getLogger("medidiagnose.models")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A bundle and its warm network. `seconds` is what loading them took."""

    bundle: Bundle
    network: Network
    seconds: float


class BundleLoader:
    """Loads the active `<folder>/<name>/<version>/` of each model, in threads, from when it is made.

    It needs no event loop: the server loads its models while it still imports the diagnoses and the web framework.
    Without `names` it loads whatever the folder holds until `expect` says what is wanted. `threads` is how many cores
    load bundles and later compute. `precision` `int8` loads the int8 network of each bundle that has one. `active` is
    the file that pins versions. `versions`, where they are still there, go before it until the first reload: what the
    other workers serve.
    """

    def __init__(
        self,
        folder: Path,
        names: Iterable[str] | None = None,
        *,
        threads: int,
        precision: Precision = "fp32",
        active: Path | None = None,
        make_network: MakeNetwork | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.names: tuple[str, ...] = ()
        self.threads = threads
        self._find: Find = _nothing
        self._active = active or folder / ACTIVE_FILE
        self._precision = precision
        self._versions = versions or {}
        self._make_network = make_network or (lambda bundle: Engine(bundle, threads=threads))
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="load")
        self.models: dict[str, Future[LoadedModel]] = {}
        """Each model that has a folder; its future raises `BundleError` where none of its bundles can be served.
        Whoever takes it over removes it from here."""
        if names is None:
            self._begin(entry.name for entry in model_folders(folder))
        else:
            self.expect(names)

    def expect(self, names: Iterable[str], find: Find | None = None) -> None:
        """Load the models of these names, and those that `find` names of the folder, now and at each reload; let go
        what else was begun."""
        self._find = find or _nothing
        self.names = tuple(sorted({*names, *self._find(self.folder)}))
        for unknown in sorted({*self.models} - {*self.names}):
            self.models.pop(unknown).cancel()
        self._begin(name for name in self.names if name not in self.models and self.has(name))
        for entry in sorted(_subfolders_or_none(self.folder), key=lambda entry: entry.name):
            if entry.name not in self.names:
                logger.warning("Folder %s is ignored: there is no diagnosis of that name.", entry)

    def _begin(self, names: Iterable[str]) -> None:
        self.models |= {name: self._executor.submit(self._load, name) for name in names}

    def find(self) -> list[str]:
        """The names that have come since. To be called in a thread."""
        new = sorted(set(self._find(self.folder)) - set(self.names))
        self.names = (*self.names, *new)
        return new

    def has(self, name: str) -> bool:
        """Whether there is anything of that name in the folder, be it a link to nothing."""
        return os.path.lexists(self.folder / name)

    def load_again(self, name: str, serving: Bundle | None) -> LoadedModel | None:
        """Load the active bundle of a model again; None where it is the one that is `serving`. To be called in a
        thread. Raises `BundleError`."""
        began = time.perf_counter()
        bundle = self._read(name)
        if serving and serving.fingerprint == bundle.fingerprint:
            return None
        return self._loaded(bundle, began)

    def close(self) -> None:
        """Load nothing more; a bundle that is being loaded ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _load(self, name: str) -> LoadedModel:
        began = time.perf_counter()
        version = self._versions.get(name)
        served = self.folder / name / version if version else None
        bundle = read_version(served, self._precision) if served and served.is_dir() else self._read(name)
        return self._loaded(bundle, began)

    def _read(self, name: str) -> Bundle:
        return read_version(active_version(self.folder / name, read_pins(self._active)), self._precision)

    def _loaded(self, bundle: Bundle, began: float) -> LoadedModel:
        network = self._make_network(bundle)
        return LoadedModel(bundle, network, time.perf_counter() - began)


def _nothing(_: Path) -> Iterable[str]:
    return ()


def why_unreadable(bundles: Path, names: Iterable[str]) -> str | None:
    """Why no model of these names can be read from a folder, a sentence; None where there is at least something."""
    try:
        found = {entry.name for entry in bundles.iterdir()}
    except FileNotFoundError:
        is_link = bundles.is_symlink()
        return f"{bundles} is a link to a folder that is not there." if is_link else f"there is no folder {bundles}."
    except NotADirectoryError:
        return f"{bundles} is not a folder."
    except OSError as error:
        return f"the folder {bundles} can't be read ({error.strerror})."
    return None if found & set(names) else f"the folder {bundles} holds none of {', '.join(sorted(names))}."


def model_entries(bundles: Path) -> list[Path]:
    """Whatever stands where a model would in a folder, by name; none where it can't be read."""
    try:
        entries = [entry for entry in bundles.iterdir() if not entry.name.startswith(_NOT_MODELS)]
    except OSError:
        return []
    return sorted(entry for entry in entries if not _is_file(entry))


def model_folders(bundles: Path) -> list[Path]:
    """The folder of each model that has a bundle, by name; none where there is no bundles folder."""
    return sorted(entry for entry in _subfolders_or_none(bundles) if _subfolders_or_none(entry))


def versions(folder: Path) -> list[Path]:
    """The version folders of a model, newest first by PEP 440. Raises `BundleError` where there is none."""
    try:
        found = _subfolders(folder)
    except OSError as error:
        raise _not_a_folder(folder, error) from error
    if not found:
        raise BundleError(f"Bundle {folder}: there is no version in it. A bundle is a folder <name>/<version>.")
    named = {entry: _version(entry.name) for entry in found}
    ordered = sorted(((version, entry) for entry, version in named.items() if version is not None), reverse=True)
    odd = sorted(entry.name for entry, version in named.items() if version is None)
    if not ordered:
        raise BundleError(
            f"Bundle {folder}: {', '.join(odd)} is no version. Name each folder after its version, like 1.0.0."
        )
    if odd:
        logger.warning("In %s is ignored what is not named after a version, like 1.0.0: %s.", folder, ", ".join(odd))
    return [entry for _, entry in ordered]


def active_version(folder: Path, pins: Mapping[str, str]) -> Path:
    """The version folder that a model is served from: the pinned one, else the newest. Raises `BundleError`."""
    found = versions(folder)
    if folder.name not in pins:
        return found[0]
    pinned = pins[folder.name]
    for entry in found:
        if entry.name == pinned:
            return entry
    raise BundleError(
        f"Bundle {folder}: version {pinned} is to be active and is not there; "
        f"{', '.join(entry.name for entry in found)} is. `medidiagnose models activate` chooses another."
    )


def read_version(folder: Path, precision: Precision = "fp32") -> Bundle:
    """Read and verify the bundle in a version's folder; see `read_bundle`. Raises `BundleError`."""
    bundle = read_bundle(folder, precision)
    if (bundle.metadata.name, bundle.metadata.version) != (folder.parent.name, folder.name):
        raise BundleError(
            f"Bundle {folder}: metadata.json is that of {bundle.metadata.name} {bundle.metadata.version}. "
            "A bundle's folder must be <name>/<version>."
        )
    return bundle


def read_newest_bundle(folder: Path, precision: Precision = "fp32") -> Bundle:
    """Read and verify the newest version in a model's folder; see `read_version`. Raises `BundleError`."""
    return read_version(versions(folder)[0], precision)


def read_pins(file: Path) -> dict[str, str]:
    """The version that is pinned for each model in a file of JSON, `{"skin": "1.0.0"}`; none where there is no file.

    Raises `BundleError` where it can't be read.
    """
    try:
        with file.open("rb") as opened:
            return _PINS.validate_json(opened.read(_LONGEST_ACTIVE_FILE))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BundleError(f"{file.name}: it can't be read ({error.strerror}).") from error
    except ValidationError as error:
        raise BundleError(f'{file.name} does not say which versions are active, like {{"skin": "1.0.0"}}.') from error


def write_pins(file: Path, pins: Mapping[str, str]) -> None:
    """Write that file, whole or not at all. Raises `OSError`."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(dict(sorted(pins.items())), indent=2) + "\n", encoding="utf-8")
        beside.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _version(name: str) -> Version | None:
    try:
        return Version(name)
    except InvalidVersion:
        return None


def _not_a_folder(folder: Path, error: OSError) -> BundleError:
    if folder.is_symlink() and isinstance(error, FileNotFoundError):
        return BundleError(f"Bundle {folder}: it is a link to a folder that is not there.")
    if isinstance(error, NotADirectoryError):
        return BundleError(f"Bundle {folder}: it is not a folder. A bundle is a folder <name>/<version>.")
    return unreadable(folder, error)


def _subfolders(parent: Path) -> list[Path]:
    """Raises `OSError`. What can't be looked at itself is left out."""
    return [entry for entry in parent.iterdir() if not entry.name.startswith(_NOT_MODELS) and _is_folder(entry)]


def _subfolders_or_none(parent: Path) -> list[Path]:
    try:
        return _subfolders(parent)
    except OSError:
        return []


def _is_file(entry: Path) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_folder(entry: Path) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
