"""POST /analyze/heart/record with a model: records are read window by window, in memory, and hostile ones refused."""

import builtins
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS
from models.serving.bundle import BundleError, Metadata
from schemas.common import Problem
from schemas.heart import HeartAnswer
from tests.contract import HEART, type_departures
from tests.ecgs import made_up
from tests.fake_bundle import check_metadata, make_bundle, make_metadata
from tests.records import counts_of, ecg, header_of, record, record_files, signal_of
from tests.service import serving

pytestmark = pytest.mark.anyio

PATH = "/analyze/heart/record"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose only bundle is a made-up record model."""
    folder = tmp_path_factory.mktemp("bundles")
    make_bundle(folder, "heart_record")
    return folder


@pytest.fixture(scope="module")
async def service(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(bundles=folder) as client:
        yield client


async def analyze(service: httpx.AsyncClient, sent: tuple[bytes, bytes]) -> dict[str, Any]:
    answer = await service.post(PATH, files=record_files(sent))
    assert answer.status_code == 200, answer.text
    HeartAnswer.model_validate_json(answer.content)
    body: dict[str, Any] = answer.json()
    return body


async def refused(service: httpx.AsyncClient, sent: tuple[bytes, bytes], status: int, error: str) -> str:
    answer = await service.post(PATH, files=record_files(sent))
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    return Problem.model_validate_json(answer.content).detail


async def test_every_field_of_the_contract_is_answered(service: httpx.AsyncClient) -> None:
    body = await analyze(service, record())
    assert type_departures(HEART, body) == []
    assert [each["code"] for each in body["probabilities"]] == ["NORM", "MI", "STTC", "CD", "HYP"]
    assert body["model"] == {"name": "heart_record", "version": "1.0.0", "precision": "fp32"}
    assert (body["demo_mode"], body["reliability"]) == (False, {"accepted": True, "reason": None})
    assert body["record"] == {
        "rate": 100,
        "seconds": 10,
        "windows": 1,
        "derived_leads": [],
        "flat_leads": [],
        "calibrated": True,
    }


async def test_the_order_of_the_leads_and_the_format_change_nothing(service: httpx.AsyncClient) -> None:
    plain = await analyze(service, record())
    counts = counts_of(ecg())[:, ::-1]
    header = header_of(counts, names=[f"lead {lead.lower()}" for lead in LEADS[::-1]], storage=160)
    other = await analyze(service, (header, (counts + 32768).astype("<u2").tobytes()))
    assert other["probabilities"] == plain["probabilities"]


async def test_a_record_at_500_hz_is_read_as_at_100_hz(service: httpx.AsyncClient) -> None:
    counts = counts_of(ecg(rate=500))
    body = await analyze(service, (header_of(counts, rate=500), signal_of(counts)))
    expected = await analyze(service, record())
    assert body["record"]["rate"] == 500
    for found, wanted in zip(body["probabilities"], expected["probabilities"], strict=True):
        assert found["probability"] == pytest.approx(wanted["probability"], abs=0.05)


async def test_the_answer_to_a_longer_record_is_the_mean_of_its_windows(service: httpx.AsyncClient) -> None:
    pieces = [ecg() * scale for scale in (0.5, 1, 1.5)]
    alone = [
        await analyze(service, (header_of(counts), signal_of(counts)))
        for counts in (counts_of(each) for each in pieces)
    ]
    counts = counts_of(np.concatenate(pieces))
    together = await analyze(service, (header_of(counts), signal_of(counts)))
    assert (together["record"]["windows"], together["record"]["seconds"]) == (3, 30)
    for index in range(5):
        mean = np.mean([body["probabilities"][index]["probability"] for body in alone])
        assert together["probabilities"][index]["probability"] == pytest.approx(mean, abs=1e-4)


async def test_one_window_unlike_the_training_data_is_enough_to_doubt_a_record(service: httpx.AsyncClient) -> None:
    counts = counts_of(np.concatenate([ecg(), ecg() * 3.5]))
    body = await analyze(service, (header_of(counts), signal_of(counts)))
    assert body["reliability"]["accepted"] is False
    assert body["reliability"]["reason"].startswith("The record is unlike")


async def test_derived_leads_and_a_missing_gain_are_stated(service: httpx.AsyncClient) -> None:
    kept = [n for n, lead in enumerate(LEADS) if not lead.startswith("a")]
    counts = counts_of(ecg()[:, kept] / 5)
    header = header_of(counts, names=[LEADS[n] for n in kept], gain="0")
    body = await analyze(service, (header, signal_of(counts)))
    assert body["record"]["derived_leads"] == ["aVR", "aVL", "aVF"]
    assert body["record"]["calibrated"] is False
    assert any("ST levels and other voltages" in each for each in body["not_assessed"])


async def test_a_flat_lead_is_named_and_the_reading_not_accepted(folder: Path) -> None:
    signal = ecg()
    signal[:, LEADS.index("V4")] = 0
    sent = header_of(counts_of(signal)), signal_of(counts_of(signal))
    async with serving(bundles=folder) as service:
        body = await analyze(service, sent)
    assert body["record"]["flat_leads"] == ["V4"]
    assert body["reliability"]["accepted"] is False
    assert "No signal in V4" in body["reliability"]["reason"]
    async with serving(bundles=folder, reject_unreliable=True) as service:
        assert "V4" in await refused(service, sent, 422, "Unreliable record")
        await analyze(service, record())


COUNTS = counts_of(ecg())
SIGNAL = signal_of(COUNTS)
HOSTILE = [
    (header_of(COUNTS), SIGNAL[:-1], 400, "Cannot read record", "truncated"),
    (header_of(COUNTS), b"", 400, "Cannot read record", "empty|truncated"),
    (header_of(COUNTS, samples=10**9), SIGNAL, 400, "Cannot read record", "truncated"),
    (header_of(COUNTS, file="../../etc/passwd"), SIGNAL, 400, "Cannot read record", "plain file name"),
    (header_of(COUNTS, gain="nan(0)/mV"), SIGNAL, 400, "Cannot read record", "gain"),
    (header_of(COUNTS, gain="-200(0)/mV"), SIGNAL, 400, "Cannot read record", "gain"),
    (header_of(COUNTS), SIGNAL[2:] + SIGNAL[:2], 400, "Cannot read record", "checksum"),
    (b"", SIGNAL, 400, "Cannot read record", "header is empty"),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), SIGNAL, 400, "Cannot read record", "header"),
    (header_of(COUNTS, gain="1000/furlong"), SIGNAL, 422, "Unusable record", "unknown units"),
    (header_of(COUNTS[:, :1], names=["II"]), SIGNAL, 422, "Unusable record", "no 12-lead ECG"),
    (header_of(COUNTS[:500]), SIGNAL, 422, "Unusable record", "5 seconds long; at least 10"),
    (header_of(COUNTS, storage=310), SIGNAL, 422, "Unusable record", "format 310"),
    (header_of(COUNTS, rate=7), SIGNAL, 422, "Unusable record", "50 to 10000 Hz"),
    (header_of(np.zeros((1000, 33), np.int64), names=["II"] * 33), SIGNAL, 413, "Record too large", "at most 32"),
    (b"#" * 70_000, SIGNAL, 413, "Record too large", "at most 65536"),
]


@pytest.mark.parametrize(("header", "signal", "status", "error", "detail"), HOSTILE)
async def test_a_record_that_is_not_read_says_why(
    service: httpx.AsyncClient, header: bytes, signal: bytes, status: int, error: str, detail: str
) -> None:
    said = await refused(service, (header, signal), status, error)
    assert any(words in said for words in detail.split("|")), said
    assert said.endswith(".")
    assert "passwd" not in said


async def test_in_demo_mode_a_record_must_be_one_too(tmp_path: Path) -> None:
    async with serving(bundles=tmp_path) as service:
        await refused(service, (header_of(COUNTS), SIGNAL[:-1]), 400, "Cannot read record")
        body = await analyze(service, record())
        assert (body["demo_mode"], body["record"]) == (True, None)


async def test_no_file_is_opened_for_a_record(service: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    opening = builtins.open

    def refuse(file: Any, *args: Any, **kwargs: Any) -> Any:
        if str(file).startswith("/proc/self/"):  # how much memory the process holds, whatever is asked
            return opening(file, *args, **kwargs)
        opened.append(file)
        raise PermissionError(f"a request opened {file!r}")

    with monkeypatch.context() as patch:
        for module, name in ((builtins, "open"), (io, "open"), (os, "open"), (np, "fromfile"), (np, "memmap")):
            patch.setattr(module, name, refuse)
        for file in ("00001.dat", "pyproject.toml", "/etc/passwd", "~", "-"):
            sent = record_files((header_of(COUNTS, file=file), SIGNAL))
            assert (await service.post(PATH, files=sent)).status_code in (200, 400)
        big = counts_of(ecg(120, 500))
        assert (await service.post(PATH, files=record_files((header_of(big, rate=500), signal_of(big))))).is_success
    assert opened == []


async def test_health_and_models_name_it(service: httpx.AsyncClient) -> None:
    assert (await service.get("/health")).json()["models"]["heart_record"] is True
    assert [model["name"] for model in (await service.get("/models")).json()["models"]] == ["heart_record"]


def _metadata(name: str, **changes: Any) -> Metadata:
    return Metadata.model_validate({**make_metadata(name, **changes), "sha256": "0" * 64})


def test_a_bundle_that_prepares_another_kind_of_input_is_refused() -> None:
    check_metadata(_metadata("heart_record"))
    for name, preprocessing in (
        ("heart_record", {"size": 224, "framing": "squash"}),
        ("skin", {"kind": "signal"}),
    ):
        with pytest.raises(BundleError, match=f"Bundle {name}: this diagnosis does not read"):
            check_metadata(_metadata(name, preprocessing=preprocessing))


def _elevated() -> tuple[bytes, bytes]:
    counts = counts_of(made_up("gaussian", st={"V2": 0.22, "V3": 0.22}, noise=0.01).signal)
    return header_of(counts, rate=500), signal_of(counts)


async def test_st_elevation_is_told_whatever_the_model_says(service: httpx.AsyncClient) -> None:
    body = await analyze(service, _elevated())
    (alert,) = body["alerts"]
    assert (alert["name"], alert["urgency"]["color"]) == ("ST elevation", "red")
    assert "V2 +0.2" in alert["evidence"]
    assert alert["source"].startswith("Thygesen")
    assert (body["urgency"], body["severity"] != "healthy") == (alert["urgency"], True)
    assert body["urgency_from"] in ("ST elevation", "Myocardial Infarction")


@pytest.mark.parametrize(
    ("said", "alerts"),
    [({"sex": "female"}, 1), ({"age": "61", "sex": "1"}, 0), ({"age": "30", "sex": "Male"}, 0), ({"age": " "}, 1)],
)
async def test_age_and_sex_move_the_limits_of_v2_and_v3(
    service: httpx.AsyncClient, said: dict[str, str], alerts: int
) -> None:
    counts = counts_of(made_up("ramps", st={"V2": 0.19, "V3": 0.19}, noise=0.005).signal)
    sent = record_files((header_of(counts, rate=500), signal_of(counts)))
    answer = await service.post(PATH, files=sent, data=said)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["alerts"]) == alerts


@pytest.mark.parametrize(
    ("said", "field"), [({"age": "old"}, "age"), ({"age": "nan"}, "age"), ({"age": "-1"}, "age"), ({"sex": "2"}, "sex")]
)
async def test_an_age_or_a_sex_that_is_none_is_refused(
    service: httpx.AsyncClient, said: dict[str, str], field: str
) -> None:
    answer = await service.post(PATH, files=record_files(), data=said)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert field in answer.json()["detail"].lower()


async def test_every_measurement_has_a_value_a_unit_and_a_reason(service: httpx.AsyncClient) -> None:
    counts = counts_of(made_up("gaussian", rate=66, noise=0.01).signal)
    measurements = (await analyze(service, (header_of(counts, rate=500), signal_of(counts))))["measurements"]
    assert all({"value", "unit", "reason"} <= figure.keys() for figure in measurements.values())
    assert measurements["rate"]["value"] == pytest.approx(66, abs=2)
    assert measurements["st_j"]["value"].keys() == measurements["r"]["value"].keys() == set(LEADS)
    assert measurements["rhythm"]["value"] is None
    spikes = (await analyze(service, record()))["measurements"]
    assert (spikes["qt"]["value"], spikes["qt"]["reason"] is not None) == (None, True)


async def test_a_gain_that_no_heart_has_and_noise_are_told(service: httpx.AsyncClient) -> None:
    signal = made_up("gaussian", noise=0.01).signal
    large = await analyze(service, (header_of(counts_of(5 * signal), rate=500), signal_of(counts_of(5 * signal))))
    assert "check gain and units" in large["reliability"]["reason"]
    assert (large["reliability"]["accepted"], large["prediction"]["settled"]) == (False, False)
    noisy = counts_of(signal + np.random.default_rng(0).normal(0, 0.3, signal.shape))
    shaken = await analyze(service, (header_of(noisy, rate=500), signal_of(noisy)))
    assert "Noise" in shaken["reliability"]["reason"]
    assert shaken["reliability"]["accepted"] is False


async def test_st_elevation_in_one_window_of_a_long_record_is_told(service: httpx.AsyncClient) -> None:
    calm = [made_up("gaussian", seed=seed, noise=0.01).signal for seed in range(2)]
    counts = counts_of(np.concatenate([*calm, made_up("gaussian", st={"II": 0.3, "aVF": 0.3}).signal]))
    body = await analyze(service, (header_of(counts, rate=500), signal_of(counts)))
    assert [alert["name"] for alert in body["alerts"]] == ["ST elevation"]


async def test_a_piece_of_a_record_in_two_files_is_read_and_not_relied_upon(service: httpx.AsyncClient) -> None:
    counts = counts_of(np.hstack([ecg(), ecg()[:, :3]]))
    lines = header_of(counts, names=[*LEADS, "vx", "vy", "vz"]).decode().splitlines()
    header = "\n".join([*lines[:13], *(line.replace("00001.dat", "00001.xyz") for line in lines[13:])]).encode()
    body = await analyze(service, (header, signal_of(counts[:900, :12])))
    assert body["reliability"]["accepted"] is False
    assert "only 9 seconds" in body["reliability"]["reason"]
