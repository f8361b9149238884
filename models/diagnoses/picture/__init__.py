"""Picture diagnoses of one's own, made of bundles alone: classes and texts are the bundle's."""

import re
from collections.abc import Collection, Mapping

from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.explaining import explain_class
from models.diagnoses.judging import judge_picture
from models.diagnoses.knowledge import KnowledgeError, parse
from models.diagnoses.picture.interpretation import interpret
from models.diagnoses.picture.knowledge import PictureKnowledge
from models.preprocessing.inputs import PICTURE, SentPicture
from models.preprocessing.picture import ReadPicture
from models.serving.bundle import KNOWLEDGE_FILE, Bundle, BundleError, Metadata
from models.serving.engine import Outputs
from schemas.picture import PictureReading

PictureDiagnosis = Diagnosis[SentPicture, ReadPicture, PictureReading]

_NAME = re.compile(r"[a-z0-9_]{1,40}")


class OwnPictures:
    """The picture diagnoses that bundles describe, as they are put in service. Names in `taken` are refused."""

    def __init__(self, taken: Collection[str]) -> None:
        self._taken = frozenset(taken)
        self._texts: dict[tuple[str, str, str], PictureKnowledge] = {}
        self._diagnoses: dict[str, PictureDiagnosis] = {}

    @property
    def diagnoses(self) -> Mapping[str, PictureDiagnosis]:
        """Those in service, by name."""
        return self._diagnoses

    def add(self, bundle: Bundle) -> None:
        """Make a diagnosis of a bundle. Raises `BundleError`, which says what it would have to have."""
        name = bundle.metadata.name
        if why := why_not(name, self._taken):
            raise BundleError(f"Bundle {name}: {why}")
        texts = read_texts(bundle)
        diagnosis = self._diagnosis(name, texts)
        self._texts[_key(bundle.metadata)] = texts
        diagnosis.check(bundle.metadata)
        self._diagnoses[name] = diagnosis

    def _diagnosis(self, name: str, texts: PictureKnowledge) -> PictureDiagnosis:
        def read(outputs: Outputs, metadata: Metadata, _: SentPicture) -> PictureReading:
            """By the texts of the bundle that computed, whichever serves meanwhile."""
            return interpret(self._texts[_key(metadata)], outputs, metadata)

        return Diagnosis(
            name=name,
            path=f"/analyze/{name}",
            health_name=name,
            title=texts.title,
            reads=PICTURE,
            interpret=read,
            sample=None,
            judge=judge_picture,
            knowledge=texts,
            example=lambda: SentPicture(b""),
            explain=explain_class,
        )


def why_not(name: str, taken: Collection[str]) -> str | None:
    """Why a diagnosis of one's own can't have that name, a sentence; None where it can."""
    if name in taken:
        return "the name is that of a diagnosis of the contract, or of its path. Choose another."
    if not _NAME.fullmatch(name):
        return "a name of one's own has 1 to 40 of the letters a-z, digits and _."
    return None


def read_texts(bundle: Bundle) -> PictureKnowledge:
    """The texts of a bundle. Raises `BundleError`."""
    name = bundle.metadata.name
    if bundle.knowledge is None:
        raise BundleError(f"Bundle {name}: there is no diagnosis of that name, and no {KNOWLEDGE_FILE} to make one of.")
    try:
        return parse(f"{name}/{KNOWLEDGE_FILE}", bundle.knowledge, PictureKnowledge)
    except KnowledgeError as error:
        raise BundleError(f"Bundle {name}: {error}") from error


def _key(metadata: Metadata) -> tuple[str, str, str]:
    return metadata.name, metadata.version, metadata.sha256
