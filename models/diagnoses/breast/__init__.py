"""Breast ultrasound: the BI-RADS category and the probability of malignancy."""

from dataclasses import dataclass

from models.diagnoses.breast.explanation import explain
from models.diagnoses.breast.interpretation import conclude, interpret, sample
from models.diagnoses.breast.knowledge import breast_knowledge
from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.judging import judge_picture
from models.preprocessing.dicom.modalities import BREAST_ULTRASOUND
from models.preprocessing.inputs import SentPicture, pictures_of
from models.preprocessing.picture import ReadPicture
from schemas.breast import BreastReading, Setting


@dataclass(frozen=True, slots=True)
class SentUltrasound(SentPicture):
    """A breast ultrasound, whether a biopsy has proven cancer, and whether it was taken for screening."""

    biopsy_proven: bool = False
    setting: Setting = "diagnostic"


BREAST: Diagnosis[SentUltrasound, ReadPicture, BreastReading] = Diagnosis(
    name="breast",
    path="/analyze/breast",
    health_name="breast_cancer",
    title="Breast ultrasound",
    reads=pictures_of(BREAST_ULTRASOUND),
    interpret=lambda outputs, metadata, sent: interpret(
        outputs, metadata, biopsy_proven=sent.biopsy_proven, setting=sent.setting
    ),
    sample=lambda sent: sample(biopsy_proven=sent.biopsy_proven, setting=sent.setting),
    judge=lambda prediction, picture: judge_picture(
        prediction, picture, "one B-mode ultrasound picture of a breast, without colour, as the machine stores it"
    ),
    knowledge=breast_knowledge(),
    example=lambda: SentUltrasound(b""),
    settle=conclude,
    explain=explain,
)
