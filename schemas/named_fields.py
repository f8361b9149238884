"""Forms of JSON that tell which of the fields that arrived they don't know."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError
from rapidfuzz import fuzz, process

_NEAR = 84
"""Least likeness, 0-100, of a name that is a field's with a typing error."""
_LONGEST_NAME = 64
_MOST_UNKNOWN = 100


class NamedFields(BaseModel):
    """Base of such forms. A field whose name nearly is one of the form's is refused; others are not used, and listed in
    the answer."""

    model_config = ConfigDict(frozen=True, extra="allow")

    other_names: ClassVar[Mapping[str, str]] = {}
    """Of each field, what else it is called: letters and digits in lower case, between blanks."""
    legitimate: ClassVar[Collection[str]] = ()
    """Names of other things that are spelt like a field."""

    @property
    def not_used(self) -> tuple[str, ...]:
        """Names of fields that were sent and mean nothing here, the first 64 characters of each."""
        return tuple(name[:_LONGEST_NAME] for name in self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _no_name_nearly_right(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        unknown = [name for name in data if isinstance(name, str) and name not in cls.model_fields]
        if len(unknown) > _MOST_UNKNOWN:
            raise PydanticCustomError(
                "unknown_fields", "At most {limit} fields of other names may be sent.", {"limit": _MOST_UNKNOWN}
            )
        if not all(name.isprintable() for name in unknown):
            raise PydanticCustomError("field_name", "The name of a field must be made of printable characters.")
        for name in unknown:
            if field := cls._meant(name):
                raise PydanticCustomError(
                    "unknown_field",
                    "`{name}` is no field of this form: `{field}` is, and was perhaps meant.",
                    {"name": name, "field": field},
                )
        return data

    @classmethod
    def _meant(cls, name: str) -> str | None:
        """The field that an unknown name nearly is, else None."""
        plain = _plain(name)
        if not plain or len(name) > _LONGEST_NAME or plain in cls.legitimate:
            return None
        for field, others in cls.other_names.items():
            if plain in others.split():
                return field
        fields = {field: _plain(field) for field in cls.model_fields}
        near = process.extractOne(plain, fields, scorer=fuzz.ratio, score_cutoff=_NEAR)
        return near[2] if near else None


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
