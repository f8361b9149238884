"""Skin lesions, seven classes."""

from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.judging import judge_picture
from models.diagnoses.skin.interpretation import interpret, sample
from models.diagnoses.skin.knowledge import skin_knowledge
from models.preprocessing.inputs import PICTURE, SentPicture

SKIN = Diagnosis(
    name="skin",
    path="/analyze/skin",
    health_name="skin_cancer",
    title="Skin lesion",
    reads=PICTURE,
    interpret=lambda outputs, metadata, _: interpret(outputs, metadata),
    sample=lambda _: sample(),
    judge=judge_picture,
    knowledge=skin_knowledge(),
    example=lambda: SentPicture(b""),
)
