"""`Training`: what is known of how a model is made. The list of them is `training.diagnoses.TRAININGS`."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.serving.bundle import Bundle
    from training.diagnoses.picture_task import PictureTask


def default_data() -> Path:
    """The folder that holds the data sets: MEDIDIAGNOSE_DATA, or else data/."""
    return Path(os.environ.get("MEDIDIAGNOSE_DATA", "data"))


@dataclass(frozen=True)
class Job:
    """What a command asks for: `data` holds the data sets, `runs` gets what a run leaves; `options` are those of the
    training that were given, by name."""

    data: Path
    runs: Path
    resume: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """Where decoded pictures are kept, for all runs."""
        return self.runs / "cache"


@dataclass(frozen=True)
class Option:
    """An option of a command; a `kind` of bool is a flag."""

    name: str
    help: str
    kind: Callable[[str], Any] = str
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Training:
    """How a model is made. `train` leaves its networks in the run's folder, where there is anything to be learned
    before the bundle is made; `make_bundle` calibrates, exports and measures on validation; `measure_test` measures
    what was held out, once everything is chosen. `task_of` is that of a model that is measured as pictures are, `int8`
    that by which an int8 network is judged; None where there is no such thing. With `own_data` the folder has to be
    named."""

    name: str
    title: str
    version: str
    make_bundle: Callable[[Job], "Bundle"]
    train: Callable[[Job], None] | None = None
    measure_test: Callable[[Job], "Bundle"] | None = None
    task_of: Callable[[Job], "PictureTask"] | None = None
    int8: Callable[[Job], "PictureTask"] | None = None
    options: tuple[Option, ...] = ()
    own_data: bool = False

    @property
    def command(self) -> str:
        """Its name on the command line."""
        return self.name.replace("_", "-")
