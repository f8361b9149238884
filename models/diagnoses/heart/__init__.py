"""12-lead ECGs, five classes that may occur together: as the picture of a sheet, and as a record."""

from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.heart.interpretation import describe_record, describe_sheet, interpret, sample
from models.diagnoses.heart.knowledge import heart_knowledge
from models.diagnoses.judging import judge_record, judge_sheet
from models.preprocessing.inputs import RECORD, SHEET, SentPicture, SentRecord

HEART_IMAGE = Diagnosis(
    name="heart_image",
    path="/analyze/heart",
    health_name="heart_image",
    title="ECG sheet",
    reads=SHEET,
    interpret=lambda outputs, metadata, _: interpret(outputs, metadata),
    sample=lambda _: sample(),
    judge=judge_sheet,
    knowledge=heart_knowledge(),
    example=lambda: SentPicture(b""),
    describe=describe_sheet,
)
HEART_RECORD = Diagnosis(
    name="heart_record",
    path="/analyze/heart/record",
    health_name="heart_record",
    title="ECG record",
    reads=RECORD,
    interpret=lambda outputs, metadata, _: interpret(outputs, metadata),
    sample=lambda _: sample(),
    judge=judge_record,
    knowledge=heart_knowledge(),
    example=lambda: SentRecord(b"", b""),
    describe=describe_record,
)
