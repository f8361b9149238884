"""What the answers say: names, severities, urgency and advice, read from a knowledge.yaml beside each diagnosis.

Every block names its source, a key of the file's own `sources`. A file is read once and checked whole: a malformed one
raises `KnowledgeError`, which names the file, when the diagnosis that uses it is imported.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import as_file, files
from typing import Any, Generic, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from models.diagnoses.parsed_before import parse_file, parse_yaml
from schemas.common import Part

T = TypeVar("T")
DocumentT = TypeVar("DocumentT", bound="Document")


class KnowledgeError(ValueError):
    """A knowledge file that can't be used; the message names the file and what is wrong with it."""


class Sourced(Part, Generic[T]):
    """A text, a figure or a table, and the keys of its sources, separated by commas."""

    source: str
    value: T


class Document(Part):
    """A knowledge file. `sources` maps a key to a citation; every key is used and every used key is there."""

    sources: dict[str, str] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _cited(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("sources"), Mapping):
            used, listed = set(_citations(data)), set(data["sources"])
            if used != listed:
                raise ValueError(f"cited but not in `sources`, or never cited: {', '.join(sorted(used ^ listed))}")
        return data


class ExplanationTexts(Part):
    """What each kind of explanation does not show."""

    map_limits: Sourced[str]
    weights_limits: Sourced[str]
    overlay_limits: Sourced[str]
    leads_limits: Sourced[str]


class PredictionSetTexts(Part):
    """Prediction sets in words; templates of `names` and, as a percentage, `missed`."""

    several: Sourced[str]
    one: Sourced[str]
    every: Sourced[str]
    none: Sourced[str]
    unread: Sourced[str]
    known: Sourced[str]


class Common(Document):
    """common.yaml: what every answer carries."""

    disclaimer: Sourced[str]
    explanation: ExplanationTexts
    prediction_set: PredictionSetTexts


@cache
def common_knowledge() -> Common:
    """What every answer carries. Raises `KnowledgeError`."""
    return load(__name__, "common.yaml", Common)


def load(module: str, name: str, document: type[DocumentT]) -> DocumentT:
    """The file `name` beside `module`, checked against `document`. Raises `KnowledgeError`."""
    package = module.rpartition(".")[0]
    with as_file(files(package).joinpath(name)) as file:
        return _checked(f"{package.rpartition('.')[2]}/{name}", lambda: parse_file(file), document)


def parse(name: str, content: bytes, document: type[DocumentT]) -> DocumentT:
    """Check the YAML `content` of the file `name` against `document`. Raises `KnowledgeError`."""
    return _checked(name, lambda: parse_yaml(content), document)


def _checked(name: str, said: Callable[[], Any], document: type[DocumentT]) -> DocumentT:
    try:
        return document.model_validate(said())
    except (yaml.YAMLError, ValidationError) as error:
        raise KnowledgeError(f"Knowledge file {name} is not valid: {error}") from error


def _citations(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(source := node.get("source"), str):
            yield from source.split(", ")
        node = node.values()
    for child in node:
        if isinstance(child, (dict, list)):
            yield from _citations(child)
