"""The list of the diagnoses: a new one is a line here, a folder beside this file, a schema, a router and a bundle."""

from collections.abc import Mapping
from pathlib import Path

from models.diagnoses.breast import BREAST
from models.diagnoses.diagnosis import AnyDiagnosis
from models.diagnoses.disease import DISEASE
from models.diagnoses.heart import HEART_IMAGE, HEART_RECORD
from models.diagnoses.heart_risk import HEART_RISK
from models.diagnoses.picture import OwnPictures, PictureDiagnosis, why_not
from models.diagnoses.skin import SKIN
from models.diagnoses.xray import XRAY
from models.serving.bundle import KNOWLEDGE_FILE, Bundle
from models.serving.loading import model_folders

DIAGNOSES: tuple[AnyDiagnosis, ...] = (SKIN, HEART_IMAGE, HEART_RECORD, BREAST, XRAY, DISEASE, HEART_RISK)
"""In the order of /health."""

BY_NAME: Mapping[str, AnyDiagnosis] = {diagnosis.name: diagnosis for diagnosis in DIAGNOSES}


TAKEN = frozenset(
    {diagnosis.name for diagnosis in DIAGNOSES}
    | {diagnosis.health_name for diagnosis in DIAGNOSES}
    | {step for diagnosis in DIAGNOSES for step in diagnosis.path.split("/")}
)
"""Names that a diagnosis of one's own can't have."""


class Catalogue:
    """The diagnoses that are served: the list, and those of one's own that bundles describe."""

    def __init__(self) -> None:
        self._own = OwnPictures(TAKEN)

    @property
    def own(self) -> Mapping[str, PictureDiagnosis]:
        """The picture diagnoses of one's own, by name."""
        return self._own.diagnoses

    @property
    def all(self) -> tuple[AnyDiagnosis, ...]:
        """The list, then one's own."""
        return (*DIAGNOSES, *self.own.values())

    def check(self, bundle: Bundle) -> None:
        """Raises `BundleError` where no diagnosis can interpret what the bundle answers."""
        known = BY_NAME.get(bundle.metadata.name)
        if known:
            known.check(bundle.metadata)
        else:
            self._own.add(bundle)


def own_names(bundles: Path) -> tuple[str, ...]:
    """The names in a bundles folder that diagnoses of one's own may have, and that hold texts for one."""
    return tuple(
        folder.name
        for folder in model_folders(bundles)
        if not why_not(folder.name, TAKEN) and any(folder.glob(f"*/{KNOWLEDGE_FILE}"))
    )
