"""What every training hands over: a bundle before its checksum is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

from models.preprocessing.inputs import Preprocessing
from models.serving.bundle import (
    MODEL_FILE,
    Bundle,
    DataSource,
    Estimate,
    Metadata,
    NoveltySpec,
    OperatingPoint,
    TensorSpec,
    write_bundle,
)
from training.card import Subgroups, write_card

Figures = Mapping[str, Mapping[str, Estimate]]

_NO_CHECKSUM = "0" * 64
_NOTES = Path(__file__).parent / "notes"


@dataclass(frozen=True, kw_only=True)
class BundleDraft:
    """A bundle's metadata, as `Metadata` has them, and what its card says beside: `title`, figures of `subgroups`, and
    `notes` in Markdown, which a person wrote."""

    name: str
    title: str
    version: str
    task: Literal["multiclass", "multilabel"]
    classes: tuple[str, ...]
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    licence: str
    data: tuple[DataSource, ...]
    training: dict[str, Any]
    metrics: Figures = field(default_factory=dict)
    temperature: float = 1.0
    operating_points: tuple[OperatingPoint, ...] = ()
    rhythm: tuple[OperatingPoint, ...] = ()
    novelty: NoveltySpec | None = None
    explains: tuple[str, ...] = ()
    subgroups: Subgroups = field(default_factory=dict)
    notes: str = ""

    def write(self, folder: Path, model: Path) -> Bundle:
        """Write the bundle of the network in `model` (ONNX) into `folder`, and read it back."""
        own = ("title", "subgroups", "notes")
        kept = {name: value for name, value in vars(self).items() if name not in own}
        metadata = Metadata.model_validate(
            {**kept, "created": date.today(), "precision": "fp32", "sha256": _NO_CHECKSUM}
        )
        return _write(folder, model, metadata, write_card(metadata, self.title, self.subgroups, self.notes))

    def measured(self, metrics: Figures, subgroups: Subgroups | None = None) -> "BundleDraft":
        """The same with figures."""
        return replace(self, metrics=metrics, subgroups=subgroups or {})


def record_figures(
    bundle: Bundle, title: str, metrics: Figures, *, subgroups: Subgroups | None = None, notes: str = ""
) -> Bundle:
    """Put other figures into a bundle's metadata.json and card.md."""
    complete = bundle.metadata.model_copy(update={"metrics": dict(metrics)})
    card = write_card(complete, title, subgroups or {}, notes)
    return _write(bundle.folder, bundle.folder / MODEL_FILE, complete, card)


def notes_of(name: str) -> str:
    """What a person wrote for the card of the model called `name`; empty where nobody did."""
    file = _NOTES / f"{name}.md"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _write(folder: Path, model: Path, metadata: Metadata, card: str) -> Bundle:
    return write_bundle(folder, model=model, card=card, metadata=metadata.model_dump(exclude={"sha256"}))
