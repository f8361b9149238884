"""Loading: the newest version of each model, with neither an event loop nor the web framework."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.serving.bundle import BundleError
from models.serving.loading import (
    BundleLoader,
    active_version,
    model_entries,
    read_newest_bundle,
    read_pins,
    versions,
    why_unreadable,
    write_pins,
)
from tests.fake_bundle import make_bundle

PATIENCE = 5.0


def test_bundles_load_without_an_event_loop(bundles: Path) -> None:
    loader = BundleLoader(bundles, ("skin", "breast"), threads=2)
    loaded = loader.models["skin"].result(PATIENCE)
    assert loaded.bundle.metadata.name == "skin"
    assert loaded.seconds > 0
    assert loader.names == ("breast", "skin")
    assert loader.models.keys() == {"skin"}
    loader.close()


def test_a_bad_bundle_fails_its_own_future(tmp_path: Path) -> None:
    make_bundle(tmp_path, "xray")
    make_bundle(tmp_path, "skin").model_path.unlink()
    loader = BundleLoader(tmp_path, ("skin", "xray"), threads=2)
    assert isinstance(loader.models["skin"].exception(PATIENCE), BundleError)
    assert loader.models["xray"].result(PATIENCE).bundle.metadata.name == "xray"
    loader.close()


def test_whatever_is_there_loads_until_it_is_said_what_is_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("skin", "xray"):
        make_bundle(tmp_path, name)
    (tmp_path / "breast").symlink_to(tmp_path / "nowhere")
    loader = BundleLoader(tmp_path, threads=2)
    skin = loader.models["skin"]
    assert loader.models.keys() == {"skin", "xray"}
    loader.expect(("skin", "breast", "disease"))
    assert loader.models.keys() == {"skin", "breast"}
    assert loader.models["skin"] is skin
    assert isinstance(loader.models["breast"].exception(PATIENCE), BundleError)
    assert loader.names == ("breast", "disease", "skin")
    assert [record.args for record in caplog.records] == [(tmp_path / "xray",)]
    loader.close()


def test_models_load_before_the_diagnoses_and_the_web_framework_are_imported() -> None:
    later = ("fastapi", "uvicorn", "models.diagnoses.catalogue")
    program = f"import sys, app.cli, app.loading; sys.exit(any(name in sys.modules for name in {later}))"
    result = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert result.returncode == 0


@pytest.mark.parametrize("names", [(), ("disease",)])
def test_a_model_without_bundle_is_not_loaded(bundles: Path, names: tuple[str, ...]) -> None:
    loader = BundleLoader(bundles, names, threads=1)
    assert not loader.models
    loader.close()


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["0.9.0", "0.10.0"], "0.10.0"),
        (["1.0.0", "1.0.0-rc.1", "1.0.0-alpha"], "1.0.0"),
        (["2.0.0rc1", "1.9.9"], "2.0.0rc1"),
        (["1.0", "1.0.1"], "1.0.1"),
    ],
)
def test_the_newest_version_is_served(tmp_path: Path, versions: list[str], newest: str) -> None:
    for version in versions:
        make_bundle(tmp_path, "skin", version)
    (tmp_path / "skin" / ".cache").mkdir()
    (tmp_path / "skin" / "__pycache__").mkdir()
    (tmp_path / "skin" / "notes.txt").write_text("not a version")
    assert read_newest_bundle(tmp_path / "skin").metadata.version == newest


def test_a_folder_named_unlike_a_version_is_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin").folder.rename(tmp_path / "skin" / "latest")
    with pytest.raises(BundleError, match=r"Name each folder after its version, like 1\.0\.0"):
        read_newest_bundle(tmp_path / "skin")


def test_a_bundle_in_the_folder_of_another_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "skin")
    path = bundle.folder / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": "3.0.0"}))
    with pytest.raises(BundleError, match=r"metadata.json is that of skin 3\.0\.0"):
        read_newest_bundle(tmp_path / "skin")


def _link_to_nothing(model: Path) -> None:
    model.symlink_to(model.parent / "gone")


def _link_to_itself(model: Path) -> None:
    model.symlink_to(model)


def _file(model: Path) -> None:
    model.write_text("a file")


def _empty(model: Path) -> None:
    model.mkdir()


def _odd_version(model: Path) -> None:
    (model / "latest").mkdir(parents=True)


def _files_only(model: Path) -> None:
    model.mkdir()
    (model / ".DS_Store").write_text("")
    (model / "notes.txt").write_text("")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_link_to_nothing, "it is a link to a folder that is not there"),
        (_link_to_itself, "it can't be read"),
        (_file, "it is not a folder"),
        (_empty, "there is no version in it"),
        (_odd_version, "latest is no version"),
        (_files_only, "there is no version in it"),
    ],
)
def test_one_model_that_cannot_be_read_does_not_stop_the_others(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    make_bundle(tmp_path, "xray")
    spoil(tmp_path / "skin")
    for stray in (".DS_Store", "README.md"):
        (tmp_path / stray).write_text("")
    (tmp_path / "lost+found").mkdir()
    loader = BundleLoader(tmp_path, ("skin", "xray", "breast"), threads=1)
    failure = loader.models["skin"].exception(PATIENCE)
    assert isinstance(failure, BundleError)
    assert reason in str(failure)
    assert loader.models["xray"].result(PATIENCE).bundle.metadata.name == "xray"
    assert loader.models.keys() == {"skin", "xray"}
    loader.close()


def test_a_folder_without_permission_fails_its_own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the system's refusal is put in its place."""
    for name in ("skin", "xray"):
        make_bundle(tmp_path, name)
    (tmp_path / "lost+found").mkdir()

    def refuse(self: Path) -> Any:
        if self.name in ("skin", "lost+found"):
            raise PermissionError(13, "Permission denied", str(self))
        return listed(self)

    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", refuse)
    loader = BundleLoader(tmp_path, ("skin", "xray"), threads=1)
    with pytest.raises(BundleError, match=r"it can't be read \(Permission denied\)"):
        loader.models["skin"].result(PATIENCE)
    assert loader.models["xray"].result(PATIENCE).seconds > 0
    loader.close()


def test_a_whole_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert why_unreadable(tmp_path, ["skin"]) == f"the folder {tmp_path} can't be read (Permission denied)."
    assert model_entries(tmp_path) == []


def test_a_pinned_version_is_served_and_else_the_newest(tmp_path: Path) -> None:
    for version in ("1.0.0", "1.1.0", "1.10.0"):
        make_bundle(tmp_path, "skin", version)
    (tmp_path / "skin" / "old copy").mkdir()
    folder = tmp_path / "skin"
    assert [entry.name for entry in versions(folder)] == ["1.10.0", "1.1.0", "1.0.0"]
    assert active_version(folder, {}).name == "1.10.0"
    assert active_version(folder, {"skin": "1.1.0", "xray": "9"}).name == "1.1.0"
    with pytest.raises(BundleError, match=r"version 2\.0 is to be active and is not there; 1\.10\.0, 1\.1\.0"):
        active_version(folder, {"skin": "2.0"})


def test_the_file_of_active_versions_is_read_wherever_it_is(tmp_path: Path) -> None:
    for version in ("1.0.0", "1.1.0"):
        make_bundle(tmp_path / "bundles", "skin", version)
    elsewhere = tmp_path / "pins.json"
    assert read_pins(elsewhere) == {}
    write_pins(elsewhere, {"skin": "1.0.0"})
    assert read_pins(elsewhere) == {"skin": "1.0.0"}
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["pins.json"]
    for active, served in ((elsewhere, "1.0.0"), (None, "1.1.0")):
        loader = BundleLoader(tmp_path / "bundles", ("skin",), threads=1, active=active)
        assert loader.models["skin"].result(PATIENCE).bundle.metadata.version == served
        loader.close()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"skin": 1}', b"\xff"])
def test_a_damaged_file_of_active_versions_chooses_nothing(tmp_path: Path, content: bytes) -> None:
    make_bundle(tmp_path, "skin")
    (tmp_path / "active.json").write_bytes(content)
    loader = BundleLoader(tmp_path, ("skin",), threads=1)
    with pytest.raises(BundleError, match=r"active\.json does not say which versions are active"):
        loader.models["skin"].result(PATIENCE)
    loader.close()
