"""Opening: the newest version of each model, with neither an event loop nor the web framework."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.bundle import BundleError
from models.opening import Opening, read_newest_bundle
from tests.fake_bundle import make_bundle

PATIENCE = 5.0


def test_bundles_open_without_an_event_loop(bundles: Path) -> None:
    opening = Opening(bundles, ("skin", "breast"), threads=2)
    opened = opening.models["skin"].result(PATIENCE)
    assert opened.bundle.metadata.name == "skin"
    assert opened.seconds > 0
    assert opening.names == ("breast", "skin")
    assert opening.models.keys() == {"skin"}
    opening.close()


def test_a_bad_bundle_fails_its_own_future(tmp_path: Path) -> None:
    make_bundle(tmp_path, "xray")
    make_bundle(tmp_path, "skin").model_path.unlink()
    opening = Opening(tmp_path, ("skin", "xray"), threads=2)
    assert isinstance(opening.models["skin"].exception(PATIENCE), BundleError)
    assert opening.models["xray"].result(PATIENCE).bundle.metadata.name == "xray"
    opening.close()


def test_models_open_before_the_web_framework_is_imported() -> None:
    program = "import sys, app.cli, app.opening; sys.exit(any(name in sys.modules for name in ('fastapi', 'uvicorn')))"
    result = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert result.returncode == 0


@pytest.mark.parametrize("names", [(), ("disease",)])
def test_a_model_without_bundle_is_not_opened(bundles: Path, names: tuple[str, ...]) -> None:
    opening = Opening(bundles, names, threads=1)
    assert not opening.models
    opening.close()


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
