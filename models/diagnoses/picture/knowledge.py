"""The texts of a diagnosis that is made of a bundle alone: the knowledge.yaml inside the bundle."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from models.diagnoses.knowledge import Document, Sourced
from schemas.common import Part, Severity, Urgency

Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$")]
Words = Annotated[str, Field(min_length=1, max_length=1000)]


class PictureClass(Part):
    """One class: its code is that of the bundle's metadata."""

    code: Code
    name: Words
    severity: Severity
    urgency: Sourced[Urgency]
    recommendations: Sourced[Annotated[tuple[Words, ...], Field(min_length=1)]]


class PictureKnowledge(Document):
    """knowledge.yaml of a bundle, classes in index order. `title` is what people call the diagnosis."""

    title: Words
    not_assessed: tuple[Words, ...] = ()
    classes: Annotated[tuple[PictureClass, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        codes = [known.code for known in self.classes]
        if len(set(codes)) != len(codes):
            raise ValueError("two classes have the same code.")
        return self
