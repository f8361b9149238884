"""A folder of models that was asked for is there and holds models, or the service does not start."""

import logging
import logging.config
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.cli import main
from app.loading import start_loading
from app.settings import Settings, SettingsError
from tests.fake_bundle import make_bundle
from tests.service import serving, until, upload

pytestmark = pytest.mark.anyio


@pytest.fixture
def unchanged_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets up the logs of its process, which here is that of all tests."""
    monkeypatch.setattr(logging.config, "dictConfig", lambda _: None)
    monkeypatch.setattr(logging, "captureWarnings", lambda capture: None)


def _nothing(folder: Path) -> None:
    pass


def _link_to_nothing(folder: Path) -> None:
    folder.symlink_to("gone")


def _file(folder: Path) -> None:
    folder.write_text("")


def _empty(folder: Path) -> None:
    (folder / "lost+found").mkdir(parents=True)


def _of_others(folder: Path) -> None:
    make_bundle(folder, "skin").folder.parent.rename(folder / "knee")


SPOILT = pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_nothing, "there is no folder"),
        (_link_to_nothing, "is a link to a folder that is not there"),
        (_file, "is not a folder"),
        (_empty, "holds none of breast, disease"),
        (_of_others, "holds none of breast, disease"),
    ],
)


@pytest.mark.usefixtures("unchanged_logging")
@SPOILT
def test_a_folder_that_was_asked_for_and_serves_nothing_stops_the_start(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bundles"
    spoil(folder)
    assert main(["serve", "--bundles", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "MEDIDIAGNOSE_BUNDLES: " in error
    assert reason in error
    assert "MEDIDIAGNOSE_DEMO_MODE=true" in error
    assert "Traceback" not in error


@pytest.mark.usefixtures("unchanged_logging")
def test_so_it_does_where_the_environment_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIDIAGNOSE_BUNDLES", str(tmp_path / "unmounted"))
    assert main(["serve"]) == 2


@SPOILT
def test_without_demo_mode_there_must_be_models_wherever(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    folder = tmp_path / "bundles"
    spoil(folder)
    with pytest.raises(SettingsError, match=reason):
        start_loading(Settings(bundles=folder, demo_mode=False))


async def test_demo_mode_by_name_needs_none_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "medidiagnose.models"):
        async with serving(bundles=tmp_path / "none", demo_mode=True) as client:
            answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert {(each["state"], each["demo"]) for each in answer.json()["models"].values()} == {("demo", True)}
    said = [message for message in caplog.messages if "has no bundle" in message]
    assert "Model skin has no bundle: its requests are answered with a fixed sample in demo mode." in said
    assert len(said) == len(answer.json()["models"])


async def test_a_model_that_is_absent_without_demo_mode_is_shown_as_that(bundles: Path) -> None:
    async with serving(bundles=bundles, demo_mode=False) as client:
        models = (await client.get("/health/ready")).json()["models"]
    assert (models["breast"]["state"], models["breast"]["demo"]) == ("absent", False)
    assert (models["skin"]["state"], models["skin"]["demo"]) == ("ready", False)


async def test_a_model_that_cannot_be_read_never_answers_a_sample(tmp_path: Path, picture: bytes) -> None:
    make_bundle(tmp_path, "xray")
    (tmp_path / "skin").symlink_to(tmp_path / "unmounted")

    async def is_loaded() -> bool:
        return await _state(client, "xray") == "ready" and await _state(client, "skin") == "failed"

    async with serving(bundles=tmp_path, wait_until_ready=False) as client:
        await until(is_loaded)
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["models"]["skin"]["detail"] == "Bundle skin: it is a link to a folder that is not there."
        assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 503
        assert (await client.post("/analyze/xray", files=upload(picture))).status_code == 200


async def _state(client: httpx.AsyncClient, name: str) -> str:
    state: str = (await client.get("/health/ready")).json()["models"][name]["state"]
    return state


async def test_a_card_is_the_one_that_was_loaded_whatever_became_of_the_file(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "skin")
    async with serving(bundles=tmp_path) as client:
        (bundle.folder / "card.md").write_bytes(b"M\xfcller")
        answer = await client.get("/models/skin/card")
    assert (answer.status_code, answer.text) == (200, bundle.card)
