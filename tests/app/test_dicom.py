"""DICOM through HTTP: the answers of the same pictures and records in other files, and refusals with a sentence."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.cli import main
from models.diagnoses.breast import BREAST
from tests.dicoms import PATIENT, dicom, item, waveform
from tests.fake_bundle import make_bundle
from tests.pictures import encode, noise
from tests.records import ecg, record_files
from tests.service import serving, upload
from tests.sheets import sheet

pytestmark = pytest.mark.anyio

ECG = ecg(10, 100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("skin", "xray", "breast", "heart_image", "heart_record"):
        make_bundle(folder, name)
    return folder


@pytest.fixture(scope="module")
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(bundles=folder) as client:
        yield client


async def _answer(client: httpx.AsyncClient, path: str, files: Any) -> dict[str, Any]:
    answer = await client.post(path, files=files)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    del body["request_id"]
    return body


@pytest.mark.parametrize(
    ("path", "modality"),
    [("/analyze/skin", "DMS"), ("/analyze/xray", "DX"), ("/analyze/breast", "US"), ("/analyze/heart", "OT")],
)
async def test_a_dicom_made_of_a_png_gets_the_answer_of_the_png(
    client: httpx.AsyncClient, path: str, modality: str
) -> None:
    picture = sheet() if path == "/analyze/heart" else noise(400, 300)
    if modality == "DX":
        picture = picture.convert("L")
    made = dicom(np.asarray(picture), modality=modality)
    assert await _answer(client, path, upload(made)) == await _answer(client, path, upload(encode(picture)))


async def test_an_ultrasound_with_a_frame_around_it_gets_the_answer_of_what_is_in_it(client: httpx.AsyncClient) -> None:
    framed = Image.new("RGB", (640, 480), "white")
    framed.paste(noise(400, 300), (100, 60))
    edges = zip(("MinX0", "MinY0", "MaxX1", "MaxY1"), (100, 60, 499, 359), strict=True)
    region = item(RegionSpatialFormat=1, RegionDataType=1, **{f"RegionLocation{name}": edge for name, edge in edges})
    made = dicom(np.asarray(framed), modality="US", SequenceOfUltrasoundRegions=[region])
    cut = await _answer(client, BREAST.path, upload(made))
    assert cut == await _answer(client, BREAST.path, upload(encode(noise(400, 300))))
    assert cut != await _answer(client, BREAST.path, upload(encode(framed)))


@pytest.mark.parametrize(
    ("path", "modality", "sentence"),
    [
        ("/analyze/xray", "CT", "The DICOM file is a computed tomogram"),
        ("/analyze/breast", "MG", "The DICOM file is a mammogram"),
        ("/analyze/skin", "DX", "The DICOM file is a digital radiograph"),
        ("/analyze/heart", "US", "The DICOM file is an ultrasound picture"),
    ],
)
async def test_another_modality_is_refused_with_a_sentence(
    client: httpx.AsyncClient, path: str, modality: str, sentence: str
) -> None:
    answer = await client.post(path, files=upload(dicom(np.asarray(noise()), modality=modality)))
    assert (answer.status_code, answer.json()["error"]) == (422, "Unusable image")
    assert answer.json()["detail"].startswith(sentence)


async def test_so_it_is_in_demo_mode(tmp_path: Path) -> None:
    async with serving(bundles=tmp_path) as client:
        wrong = await client.post("/analyze/xray", files=upload(dicom(np.asarray(noise()), modality="CT")))
        assert wrong.status_code == 422
        right = await client.post("/analyze/xray", files=upload(dicom(np.asarray(noise()), modality="DX")))
        assert right.json()["demo_mode"]
        record = await client.post("/analyze/heart/record", files=upload(waveform(ECG, rate=100), part="dicom"))
        assert record.json()["demo_mode"]


async def test_a_dicom_ecg_gets_the_answer_of_its_wfdb_record(client: httpx.AsyncClient) -> None:
    path = "/analyze/heart/record"
    made = await _answer(client, path, upload(waveform(ECG, rate=100), part="dicom"))
    assert made == await _answer(client, path, record_files())
    assert made["record"]["seconds"] == 10


async def test_a_record_is_sent_one_way_or_the_other(client: httpx.AsyncClient) -> None:
    path, made = "/analyze/heart/record", upload(waveform(ECG, rate=100), part="dicom")
    both = await client.post(path, files={**made, **record_files()})
    assert both.status_code == 422
    assert "Send either dicom, or header and signal." in both.json()["detail"]
    half = await client.post(path, files={"header": record_files()["header"]})
    assert (half.status_code, half.json()["error"]) == (400, "No record provided")
    assert "or a DICOM ECG" in half.json()["detail"]
    picture = await client.post(path, files=upload(dicom(np.asarray(noise())), part="dicom"))
    assert (picture.status_code, picture.json()["error"]) == (422, "Unusable record")
    garbage = await client.post(path, files=upload(b"hello", part="dicom"))
    assert (garbage.status_code, garbage.json()["error"]) == (400, "Cannot read record")
    swapped = await client.post("/analyze/heart", files=upload(waveform(ECG, rate=100)))
    assert "/analyze/heart/record" in swapped.json()["detail"]


async def test_nothing_of_the_patient_is_answered_or_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for modality in ("DX", "CT", PATIENT[:16]):
            answer = await client.post("/analyze/xray", files=upload(dicom(np.asarray(noise()), modality=modality)))
            assert "Muster" not in answer.text
        answer = await client.post("/analyze/heart/record", files=upload(waveform(ECG, rate=100), part="dicom"))
        assert "Muster" not in answer.text
    assert caplog.records
    assert "Muster" not in caplog.text
    assert "4711" not in caplog.text


def test_predict_reads_dicom_files(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "film.dcm").write_bytes(dicom(np.asarray(noise()), modality="DX"))
    (tmp_path / "wrong.dcm").write_bytes(dicom(np.asarray(noise()), modality="CT"))
    assert main(["predict", "xray", str(tmp_path), "--json", "--bundles", str(folder)]) == 1
    film, wrong = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert film["success"]
    assert "computed tomogram" in wrong["error"]
    (tmp_path / "ecg.dcm").write_bytes(waveform(ECG, rate=100))
    assert main(["predict", "heart_record", str(tmp_path / "ecg.dcm"), "--json", "--bundles", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)["record"]["seconds"] == 10
