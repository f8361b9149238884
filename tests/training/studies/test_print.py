"""The studies of how print on sheets is read, as the text asks for them, of a made-up record each."""

from pathlib import Path

import pytest

from tests.documents import written
from tests.training.made_up_sets import write_ptbxl, write_typefaces
from training.studies import lead_names, printed_scale


@pytest.fixture
def here(tmp_path: Path) -> dict[str, object]:
    write_ptbxl(tmp_path / "ptb-xl", 1)
    return {"/path/to/data": tmp_path, "/usr/share/fonts": write_typefaces(tmp_path / "fonts")}


def test_names_of_leads(
    here: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = written("python -m training.studies.lead_names --data /path/to/data --fonts /usr/share/fonts", here)
    monkeypatch.setattr(lead_names, "KINDS", lead_names.KINDS[:1])
    monkeypatch.setattr("sys.argv", ["lead_names", *asked, "--count", "1"])
    lead_names.main()
    said = capsys.readouterr().out
    assert "right of those reported" in said
    assert said.count("twelve leads") == 2


def test_printed_scales(
    here: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = written("python -m training.studies.printed_scale --data /path/to/data --fonts /usr/share/fonts", here)
    monkeypatch.setattr("sys.argv", ["printed_scale", *asked, "--count", "1"])
    printed_scale.main()
    assert capsys.readouterr().out.count("both read") == 2
