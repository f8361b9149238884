"""Breast ultrasound: the BI-RADS category and the probability of malignancy."""

from dataclasses import dataclass

from models.diagnoses.breast.interpretation import interpret, sample
from models.diagnoses.breast.knowledge import breast_knowledge
from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.judging import judge_picture
from models.preprocessing.inputs import PICTURE, SentPicture
from models.preprocessing.picture import ReadPicture
from schemas.breast import BreastReading


@dataclass(frozen=True, slots=True)
class SentUltrasound(SentPicture):
    """A breast ultrasound, and whether a biopsy has proven cancer."""

    biopsy_proven: bool = False


BREAST: Diagnosis[SentUltrasound, ReadPicture, BreastReading] = Diagnosis(
    name="breast",
    path="/analyze/breast",
    health_name="breast_cancer",
    title="Breast ultrasound",
    reads=PICTURE,
    interpret=lambda outputs, metadata, sent: interpret(outputs, metadata, biopsy_proven=sent.biopsy_proven),
    sample=lambda sent: sample(biopsy_proven=sent.biopsy_proven),
    judge=judge_picture,
    knowledge=breast_knowledge(),
    example=lambda: SentUltrasound(b""),
)
