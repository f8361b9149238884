"""A bundle is read back as written; a damaged, incomplete or outdated one is named and refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.preprocessing import ecg_record as ecg
from models.preprocessing import form as tabular
from models.preprocessing import picture as image
from models.preprocessing.ecg_record import SignalPreprocessing
from models.serving.bundle import (
    INT8_FILE,
    LONGEST_TEXT,
    MEASURED_FILE,
    Bundle,
    BundleError,
    Estimate,
    NoveltySpec,
    file_sha256,
    read_bundle,
)
from tests.fake_bundle import make_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path, "skin")


def _edit(bundle: Bundle, change: Callable[[dict[str, Any]], None]) -> None:
    path = bundle.folder / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    change(metadata)
    path.write_text(json.dumps(metadata), encoding="utf-8")


def test_a_written_bundle_reads_back(bundle: Bundle) -> None:
    again = read_bundle(bundle.folder)
    assert again == bundle
    assert again.metadata.sha256 == file_sha256(again.model_path)
    assert again.card.startswith("# skin 1.0.0")


def test_a_tampered_network_is_refused(bundle: Bundle) -> None:
    with bundle.model_path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BundleError, match=f"{bundle.folder}: model.onnx has checksum"):
        read_bundle(bundle.folder)


def test_a_half_copied_network_is_refused(bundle: Bundle) -> None:
    bundle.model_path.write_bytes(bundle.model_path.read_bytes()[:-10])
    with pytest.raises(BundleError, match="The file is incomplete or was changed"):
        read_bundle(bundle.folder)


def test_a_bundle_knows_what_it_reads(tmp_path: Path, bundle: Bundle) -> None:
    assert bundle.metadata.image_preprocessing.size > 0
    with pytest.raises(BundleError, match=r"skin 1\.0\.0: reads no rows of values"):
        _ = bundle.metadata.tabular_preprocessing
    form = make_bundle(tmp_path, "heart_risk").metadata
    assert form.tabular_preprocessing.names[0] == "age"
    with pytest.raises(BundleError, match=r"heart_risk 1\.0\.0: reads no pictures"):
        _ = form.image_preprocessing
    with pytest.raises(BundleError, match=r"heart_risk 1\.0\.0: reads no signals"):
        _ = form.signal_preprocessing


@pytest.mark.parametrize("name", ["model.onnx", "metadata.json", "card.md"])
def test_a_missing_file_is_named(bundle: Bundle, name: str) -> None:
    (bundle.folder / name).unlink()
    with pytest.raises(BundleError, match=f"{bundle.folder}: {name} missing"):
        read_bundle(bundle.folder)


def test_a_folder_that_is_not_there_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx, metadata\.json, card\.md missing"):
        read_bundle(tmp_path / "nothing")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"name": "skin"}'])
def test_malformed_metadata_is_refused(bundle: Bundle, content: str) -> None:
    (bundle.folder / "metadata.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match=f"{bundle.folder}: metadata.json is not valid"):
        read_bundle(bundle.folder)


def test_metadata_that_is_not_text_is_refused(bundle: Bundle) -> None:
    (bundle.folder / "metadata.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BundleError, match=r"metadata.json is not valid"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [("sha256", "abc"), ("temperature", 0), ("precision", "fp8"), ("format", 2), ("surprise", 1), ("classes", "nv")],
)
def test_a_field_out_of_place_is_refused_by_name(bundle: Bundle, field: str, value: object) -> None:
    _edit(bundle, lambda metadata: metadata.update({field: value}))
    with pytest.raises(BundleError, match=field):
        read_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("name", "revision"), [("skin", image.REVISION), ("heart_record", ecg.REVISION), ("heart_risk", tabular.REVISION)]
)
def test_another_preprocessing_revision_is_refused(tmp_path: Path, name: str, revision: int) -> None:
    bundle = make_bundle(tmp_path, name)
    _edit(bundle, lambda metadata: metadata["preprocessing"].update(revision=revision + 1))
    with pytest.raises(BundleError, match=f"preprocessing revision {revision + 1}, this installation has {revision}"):
        read_bundle(bundle.folder)


def test_a_bundle_reads_pictures_or_signals_and_says_which(tmp_path: Path) -> None:
    pictures, signals = (make_bundle(tmp_path, name).metadata for name in ("skin", "heart_record"))
    assert pictures.image_preprocessing.size == 224
    assert signals.signal_preprocessing == SignalPreprocessing()
    with pytest.raises(BundleError, match="reads no signals"):
        pictures.signal_preprocessing  # noqa: B018
    with pytest.raises(BundleError, match="reads no pictures"):
        signals.image_preprocessing  # noqa: B018


def _add_int8(bundle: Bundle, content: bytes = b"an int8 network") -> None:
    file = bundle.folder / INT8_FILE
    file.write_bytes(content)
    novelty = {"threshold": 4.5, "false_alarms": 0.01}
    int8 = {"sha256": file_sha256(file), "loss": {"macro_auroc": 0.001}, "novelty": novelty}
    _edit(bundle, lambda metadata: metadata.update(int8=int8))


def test_the_int8_network_is_used_where_asked_for_and_there(bundle: Bundle) -> None:
    assert read_bundle(bundle.folder, "int8") == bundle
    _add_int8(bundle)
    assert read_bundle(bundle.folder).metadata.precision == "fp32"
    quantised = read_bundle(bundle.folder, "int8")
    assert quantised.metadata.precision == "int8"
    assert quantised.model_path == bundle.folder / INT8_FILE
    assert quantised.metadata.sha256 == file_sha256(quantised.model_path)
    assert quantised.metadata.novelty == NoveltySpec(threshold=4.5, false_alarms=0.01)
    assert read_bundle(bundle.folder).metadata.novelty == bundle.metadata.novelty


def test_a_missing_or_changed_int8_network_is_refused(bundle: Bundle) -> None:
    _add_int8(bundle)
    (bundle.folder / INT8_FILE).write_bytes(b"another")
    with pytest.raises(BundleError, match=r"model\.int8\.onnx has checksum"):
        read_bundle(bundle.folder, "int8")
    (bundle.folder / INT8_FILE).unlink()
    with pytest.raises(BundleError, match=r"model\.int8\.onnx missing"):
        read_bundle(bundle.folder, "int8")
    assert read_bundle(bundle.folder).metadata.int8


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"classes": 3}', '{"preprocessing": {"kind": "sound"}}', "[" * 100_000]
)
def test_what_is_wrong_with_metadata_is_said_in_plain_words(bundle: Bundle, content: str) -> None:
    (bundle.folder / "metadata.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError) as refusal:
        read_bundle(bundle.folder)
    said = str(refusal.value)
    assert len(said) < 400
    for internal in ("pydantic", "Metadata", "type=", "input_value", "http", "\n"):
        assert internal not in said


def test_a_field_that_is_wrong_is_named_with_what_it_should_be(bundle: Bundle) -> None:
    _edit(bundle, lambda metadata: metadata.update(temperature=-1, precision="fp8"))
    with pytest.raises(BundleError, match=r"`precision` should be 'fp32' or 'int8'\. `temperature` should be greater"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("name", ["card.md", "metadata.json"])
def test_text_that_is_not_utf_8_is_refused(bundle: Bundle, name: str) -> None:
    with (bundle.folder / name).open("ab") as file:
        file.write(b"M\xfcller")
    with pytest.raises(BundleError, match=f"{name} is not valid: it is not UTF-8 text"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("name", ["card.md", "metadata.json"])
def test_text_without_end_is_refused(bundle: Bundle, name: str) -> None:
    with (bundle.folder / name).open("ab") as file:
        file.write(b" " * LONGEST_TEXT)
    with pytest.raises(BundleError, match=f"{name} is longer than 1,048,576 bytes"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("name", ["card.md", "metadata.json", "model.onnx"])
def test_a_file_that_cannot_be_read_is_a_bundle_error(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == name:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    opened = Path.open
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BundleError, match=rf"{bundle.folder}: it can't be read \(Permission denied\)"):
        read_bundle(bundle.folder)


def test_bundles_are_told_apart_by_every_file(bundle: Bundle) -> None:
    assert read_bundle(bundle.folder).fingerprint == bundle.fingerprint
    (bundle.folder / "card.md").write_text("# Another card", encoding="utf-8")
    assert read_bundle(bundle.folder).fingerprint != bundle.fingerprint
    assert read_bundle(bundle.folder).card == "# Another card"


def test_what_was_measured_is_known_of_the_network_that_is_used_alone(bundle: Bundle) -> None:
    assert bundle.measured is None
    figure = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    document = {"sha256": bundle.metadata.sha256, "measured": "2026-11-27", "sets": {"a set": {"refused": figure}}}
    file = bundle.folder / MEASURED_FILE
    file.write_text(json.dumps(document))
    measured = read_bundle(bundle.folder).measured
    assert measured is not None
    assert measured.sets["a set"]["refused"] == Estimate(**figure)
    assert read_bundle(bundle.folder).fingerprint != bundle.fingerprint
    file.write_text(json.dumps({**document, "sha256": "0" * 64}))
    assert read_bundle(bundle.folder).measured is None
    file.write_text(json.dumps({**document, "sets": {"a set": {"refused": 0.5}}}))
    with pytest.raises(BundleError, match=r"measured\.json is not valid"):
        read_bundle(bundle.folder)
