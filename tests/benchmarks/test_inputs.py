"""The hostile inputs are what they say, and the same each time."""

import asyncio
import io
import warnings
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from benchmarks.client import Answer, Client, NoAnswerError, raw
from benchmarks.figures import as_table
from benchmarks.hostile import PICTURE_ROUTES, catalogue, chosen
from benchmarks.inputs import dicom, jpeg, mutations, records
from benchmarks.inputs.bombs import bomb, png, tiff
from benchmarks.report import Bar, judge
from benchmarks.wrk import Request


def _opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def test_hand_made_pictures_are_pictures() -> None:
    for data in (jpeg.baseline(40, 24, components=3), jpeg.progressive(200, 160, 5), jpeg.progressive(64, 48, 7)):
        with warnings.catch_warnings(action="error"):
            picture = _opened(data)
        assert np.ptp(np.asarray(picture)) == 0
    assert jpeg.progressive(64, 48, 7).count(b"\xff\xda") == 8
    assert _opened(png(30, 20, depth=16, colour=0)).size == (30, 20)
    assert _opened(png(30, 20, interlaced=True)).size == (30, 20)
    assert _opened(tiff(30, 20, bytes(600), compression=1)).size == (30, 20)


def test_runs_cover_every_block() -> None:
    assert len(jpeg.runs(1)) == 2
    assert jpeg.runs(jpeg.LARGEST_RUN) == b"\x7f\xff\x00"


def test_bombs_are_small() -> None:
    assert len(bomb("TIFF tile 46000 lzw")) < 200
    assert len(bomb("JPEG 20000 scans")) < 1_400_000
    assert bomb("JPEG 20000 scans").count(b"\xff\xda") == 20_001


def test_whole_files_can_be_read() -> None:
    for data in mutations.whole_files():
        assert _opened(data).size == (160, 120)


def test_dicom_objects_are_what_they_say() -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
    whole = pydicom.dcmread(io.BytesIO(dicom.picture(bytes(range(256)) * 16)))
    assert whole.pixel_array.max() == 255
    assert pydicom.dcmread(io.BytesIO(dicom.record(200))).waveform_array(0).shape == (200, 12)
    assert len(dicom.PICTURES["DICOM deflated 60 MB"]()) < 100_000


def test_a_seed_gives_the_same_inputs_each_time() -> None:
    assert [chosen(1, number) for number in range(40)] == [chosen(1, number) for number in range(40)]
    assert chosen(1, 0) != chosen(2, 0)


def test_every_small_named_input_is_a_request() -> None:
    for name, make in catalogue(PICTURE_ROUTES[:1]).items():
        if not any(word in name for word in ("MB", "40 MP", "million", "limit")):
            assert make().sent, name
    assert len(records.HOSTILE["all invalid"]()[1]) == 24_000


def test_a_missed_bar_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert judge("made up", [Bar("a", 1.0, most=1), Bar("b", 2.0, least=2)]) == 0
    assert judge("made up", [Bar("a", 1.0, most=1), Bar("b", float("inf"), most=2)]) == 1


def test_an_error_must_be_a_problem_with_both_fields() -> None:
    kind = {"content-type": "application/problem+json"}
    assert Answer(400, kind, b'{"success": false, "error": "x", "status": 400}', 0).is_problem
    assert not Answer(400, kind, b'{"error": "x", "status": 400}', 0).is_problem
    assert not Answer(400, kind, b'{"success": false, "error": "x", "status": 404}', 0).is_problem
    assert not Answer(400, {}, b'{"success": false, "error": "x", "status": 400}', 0).is_problem


async def _answered(*answers: bytes) -> list[Answer]:
    """What the client makes of a server that sends these, each on a connection of its own."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        heard = []
        for _ in answers:
            client = Client(f"http://127.0.0.1:{port}")
            heard.append(await client.send(raw(Request("/", method="GET"))))
            client.close()
        return heard


@pytest.mark.anyio
async def test_the_client_reads_answers_of_every_length() -> None:
    answers = await _answered(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhi",
    )
    assert [answer.body for answer in answers] == [b"hi"] * 3


@pytest.mark.anyio
async def test_half_an_answer_is_none() -> None:
    with pytest.raises(NoAnswerError):
        await _answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")


def test_figures_become_rows() -> None:
    bar = Bar("slowest answer", 2.5, "s", most=2)
    assert as_table({"slowest answer": {**asdict(bar), "holds": False}}).splitlines()[-1] == (
        "| slowest answer | 2.5 s **missed** | at most 2 |"
    )
