"""What is sent of an ECG: the picture or the record, and whose it is, as far as that is known."""

from dataclasses import dataclass

from models.preprocessing.inputs import SentPicture, SentRecord
from schemas.heart import Person, PrintedScales

_ANYBODY = Person()
_UNKNOWN = PrintedScales()


@dataclass(frozen=True, slots=True)
class SentSheet(SentPicture):
    """The picture of an ECG sheet, and what its sender says is printed on it."""

    person: Person = _ANYBODY
    printed: PrintedScales = _UNKNOWN


@dataclass(frozen=True, slots=True)
class SentHeartRecord(SentRecord):
    """The two files of a record."""

    person: Person = _ANYBODY
