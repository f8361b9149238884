"""12-lead ECGs, five classes that may occur together: as the picture of a sheet, and as a record."""

from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.heart.explanation import explain_record, explain_sheet
from models.diagnoses.heart.interpretation import conclude, describe_record, describe_sheet, interpret, named, sample
from models.diagnoses.heart.knowledge import heart_knowledge
from models.diagnoses.heart.measured import prepare_record, prepare_sheet
from models.diagnoses.heart.sent import SentHeartRecord, SentSheet
from models.diagnoses.judging import judge_record, judge_sheet
from models.preprocessing.inputs import RECORD, SHEET, InputKind

HEART_IMAGE = Diagnosis(
    name="heart_image",
    path="/analyze/heart",
    health_name="heart_image",
    title="ECG sheet",
    reads=InputKind(
        SHEET.name,
        SHEET.subject,
        SHEET.dtype,
        SHEET.revision,
        prepare_sheet,
        SHEET.prove,
        largest_batch=SHEET.largest_batch,
    ),
    interpret=lambda outputs, metadata, _: interpret(outputs, metadata),
    sample=lambda _: sample(),
    judge=lambda prediction, measured: judge_sheet(prediction, measured.sheet),
    knowledge=heart_knowledge(),
    example=lambda: SentSheet(b""),
    describe=describe_sheet,
    settle=conclude,
    explain=explain_sheet,
    named=named,
)
HEART_RECORD = Diagnosis(
    name="heart_record",
    path="/analyze/heart/record",
    health_name="heart_record",
    title="ECG record",
    reads=InputKind(RECORD.name, RECORD.subject, RECORD.dtype, RECORD.revision, prepare_record, RECORD.prove),
    interpret=lambda outputs, metadata, _: interpret(outputs, metadata),
    sample=lambda _: sample(),
    judge=lambda prediction, measured: judge_record(prediction, measured.windows, measured.fault),
    knowledge=heart_knowledge(),
    example=lambda: SentHeartRecord(b"", b""),
    describe=describe_record,
    settle=conclude,
    explain=explain_record,
    named=named,
)
