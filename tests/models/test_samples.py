"""The samples: each is what its diagnosis reads, the same every time, and says that it is artificial."""

import io
import json

import pytest
from PIL import Image

from models.diagnoses.catalogue import BY_NAME, DIAGNOSES
from models.samples import FILES, FORM, SAMPLES, SYMPTOMS, Sample
from schemas.disease import DiseaseRequest
from schemas.heart_risk import HeartRiskRequest


def test_every_diagnosis_has_one() -> None:
    assert len(SAMPLES) == len(DIAGNOSES)
    assert {sample.diagnosis: sample.path for sample in SAMPLES} == {each.name: each.path for each in DIAGNOSES}
    assert len(FILES) == sum(len(sample.files) for sample in SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_its_files_are_what_its_kind_of_input_asks_for(sample: Sample) -> None:
    fields = [file.field for file in sample.files]
    match BY_NAME[sample.diagnosis].reads.name:
        case "image" | "sheet":
            assert fields == ["image"]
            with Image.open(io.BytesIO(sample.files[0].content())) as picture:
                assert Image.MIME[str(picture.format)] == sample.files[0].media_type
        case "signal":
            assert fields == ["header", "signal"]
        case _:
            assert fields == [None]
            assert json.loads(sample.files[0].content())
    assert all(len(file.content()) < 130_000 for file in sample.files)


def test_each_file_is_the_same_every_time() -> None:
    assert all(file.make() == file.content() for file in FILES.values())


def test_the_forms_are_complete() -> None:
    assert DiseaseRequest.model_validate(SYMPTOMS).text
    assert HeartRiskRequest.model_validate(FORM).hdl_cholesterol
