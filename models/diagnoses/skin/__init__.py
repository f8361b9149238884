"""Skin lesions, seven classes."""

from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.explaining import explain_class
from models.diagnoses.judging import judge_picture
from models.diagnoses.skin.field import DERMOSCOPY
from models.diagnoses.skin.interpretation import conclude, interpret, named, sample
from models.diagnoses.skin.knowledge import skin_knowledge
from models.preprocessing.inputs import SentPicture

SKIN = Diagnosis(
    name="skin",
    path="/analyze/skin",
    health_name="skin_cancer",
    title="Skin lesion",
    reads=DERMOSCOPY,
    interpret=lambda outputs, metadata, _: interpret(outputs, metadata),
    sample=lambda _: sample(),
    judge=lambda prediction, picture: judge_picture(
        prediction, picture, "a sharp dermoscopy picture with one lesion in its middle"
    ),
    knowledge=skin_knowledge(),
    example=lambda: SentPicture(b""),
    settle=conclude,
    explain=explain_class,
    named=named,
)
