"""What is sent of an ECG: the picture or the record, and whose it is, as far as that is known."""

from dataclasses import dataclass

from models.preprocessing.inputs import SentPicture, SentRecord
from schemas.heart import Person

_ANYBODY = Person()


@dataclass(frozen=True, slots=True)
class SentSheet(SentPicture):
    """The picture of an ECG sheet."""

    person: Person = _ANYBODY


@dataclass(frozen=True, slots=True)
class SentHeartRecord(SentRecord):
    """The two files of a record."""

    person: Person = _ANYBODY
