"""Settings from .env and TOML beside the environment: which wins, what is refused, and that a refusal says where."""

import json
from pathlib import Path

import pytest

from app.cli import main
from app.keys import hashed
from app.settings import Settings, SettingsError, load_settings, read_settings

KEY = "a-key-of-sixteen-characters"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The working folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_each_source_yields_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    _write("medidiagnose.toml", 'host = "0.0.0.0"\nport = 1001\nthreads = 1\nqueue_size = 11\n')
    _write(".env", "MEDIDIAGNOSE_PORT=1002\nMEDIDIAGNOSE_THREADS=2\nMEDIDIAGNOSE_QUEUE_SIZE=12\n")
    monkeypatch.setenv("MEDIDIAGNOSE_THREADS", "3")
    monkeypatch.setenv("MEDIDIAGNOSE_QUEUE_SIZE", "13")
    settings, found = read_settings(queue_size=14)
    assert (settings.host, settings.port, settings.threads, settings.queue_size) == ("0.0.0.0", 1002, 3, 14)  # noqa: S104
    names = ("host", "port", "threads", "queue_size", "log_level")
    assert [found.origin_of(name) for name in names] == [
        "medidiagnose.toml",
        ".env",
        "environment",
        "command line",
        "default",
    ]


def test_a_toml_file_has_lists_and_types_and_text() -> None:
    _write(
        "medidiagnose.toml",
        f'api_keys = ["{hashed(KEY, "ward3")}", "{KEY}x"]\ncors_origins = "https://a.example, https://b.example"\n'
        "demo_mode = true\ndeadline_seconds = 2.5\n",
    )
    settings = load_settings()
    assert [key.get_secret_value() for key in settings.api_keys] == [hashed(KEY, "ward3"), f"{KEY}x"]
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.deadline_seconds == 2.5


@pytest.mark.parametrize("how", ["argument", "environment", ".env"])
def test_the_file_can_be_named(how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _write("medidiagnose.toml", "port = 1001\n")
    named = tmp_path / "elsewhere.toml"
    named.write_text("port = 1002\n")
    if how == "environment":
        monkeypatch.setenv("MEDIDIAGNOSE_CONFIG", str(named))
    elif how == ".env":
        _write(".env", f"MEDIDIAGNOSE_CONFIG={named}\n")
    settings, found = read_settings(config=str(named) if how == "argument" else None)
    assert settings.port == 1002
    assert found.origin_of("port") == str(named)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingsError, match="there is no such file of settings"):
            load_settings(config=str(path))
    Path("medidiagnose.toml").mkdir()
    with pytest.raises(SettingsError, match=r"^medidiagnose.toml: there is no such file"):
        load_settings()


def test_names_of_others_in_env_do_not_stop_the_start() -> None:
    _write(
        ".env",
        "# MEDIDIAGNOSE_PORT\nDATABASE_URL=postgres://db\nAPI_KEY=abc\nempty\nodd: line\nMEDIDIAGNOSE_DATA=/data\n"
        'export MEDIDIAGNOSE_PORT="1002" # ours\n',
    )
    assert load_settings().port == 1002


@pytest.mark.parametrize(
    "line", ["MEDIDIAGNOSE_API_KEYS", "MEDIDIAGNOSE_API_KEYS: x", "export MEDIDIAGNOSE_API_KEYS\n"]
)
def test_a_line_of_ours_that_sets_nothing_is_refused(line: str) -> None:
    _write(".env", f"OTHER=1\n{line}\n")
    with pytest.raises(SettingsError, match=r"^MEDIDIAGNOSE_API_KEYS in .env has no value"):
        load_settings()


@pytest.mark.parametrize("name", ["MEDIDIAGNOSE_API_KEY", "medidiagnose_apikeys", "MEDIDIAGNOSE_API-KEYS"])
def test_a_misspelt_name_in_env_is_refused(name: str) -> None:
    _write(".env", f"{name}={KEY}\n")
    with pytest.raises(
        SettingsError, match=r"in .env is not a setting. Did you mean MEDIDIAGNOSE_API_KEYS\?"
    ) as refusal:
        load_settings()
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f'api_key = "{KEY}"', "Did you mean api_keys?"),
        ("Port = 1", "Did you mean port?"),
        ("max-pixels = 1", "Did you mean max_pixels?"),
        ("MEDIDIAGNOSE_PORT = 1", "Did you mean port?"),
        ("config = 'other.toml'", ""),
        ("[server]\nport = 1", "`medidiagnose settings` lists them."),
        ("colour = 'red'", "`medidiagnose settings` lists them."),
    ],
)
def test_any_unknown_name_in_a_file_of_ours_is_refused(text: str, hint: str) -> None:
    _write("medidiagnose.toml", text)
    with pytest.raises(SettingsError, match=r" in medidiagnose.toml is not a setting. ") as refusal:
        load_settings()
    assert str(refusal.value).endswith(hint)
    assert KEY not in str(refusal.value)


def test_a_refused_value_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    _write("medidiagnose.toml", f'port = 0\napi_keys = ["{KEY}", "short"]\n')
    _write(".env", "MEDIDIAGNOSE_THREADS=0\n")
    monkeypatch.setenv("MEDIDIAGNOSE_QUEUE_SIZE", "0")
    with pytest.raises(SettingsError) as refusal:
        load_settings(max_pixels=0)
    places = {line.split(":")[0] for line in str(refusal.value).splitlines()}
    assert places == {
        "port in medidiagnose.toml",
        "api_keys in medidiagnose.toml",
        "MEDIDIAGNOSE_THREADS in .env",
        "MEDIDIAGNOSE_QUEUE_SIZE",
        "--max-pixels",
    }
    assert KEY not in str(refusal.value)
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("medidiagnose.toml", b"port = \nhost = 'x'", "not valid TOML: .*line 1"),
        ("medidiagnose.toml", b"host = '\xff'", "not UTF-8"),
        (".env", b"A=\xff\n", "not UTF-8"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(name: str, content: bytes, reason: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(SettingsError, match=rf"^{name}: it is {reason}"):
        load_settings()


def test_a_folder_called_env_is_somebodys_virtual_environment() -> None:
    Path(".env").mkdir()
    assert load_settings() == Settings()


def test_settings_shows_each_with_its_source_and_no_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _write("medidiagnose.toml", f'metrics_key = "{KEY}m"\nroot_path = "/diagnose"\n')
    monkeypatch.setenv("MEDIDIAGNOSE_API_KEYS", f"{KEY},{hashed(KEY + 'x', 'ward3')}")
    assert main(["settings", "--bundles", "elsewhere"]) == 0
    shown = capsys.readouterr().out
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.splitlines()}
    assert set(lines) == set(Settings.model_fields)
    assert lines["api_keys"] == "key-1 (hidden), ward3 (hidden) environment"
    assert lines["metrics_key"] == "hidden medidiagnose.toml"
    assert lines["admin_key"] == "none default"
    assert lines["root_path"] == "/diagnose medidiagnose.toml"
    assert lines["bundles"] == "elsewhere command line"
    assert lines["port"] == "5000 default"
    assert main(["settings", "--json"]) == 0
    document = capsys.readouterr().out
    assert json.loads(document)["root_path"] == {"value": "/diagnose", "origin": "medidiagnose.toml"}
    assert set(json.loads(document)) == set(Settings.model_fields)
    for secret in (KEY, hashed(KEY)[7:], hashed(KEY + "x")[7:]):
        assert secret not in shown + document


def test_settings_that_are_refused_are_refused_here_too(capsys: pytest.CaptureFixture[str]) -> None:
    _write("named.toml", "port = 0\n")
    assert main(["settings", "--config", "named.toml"]) == 2
    assert capsys.readouterr().err.startswith("port in named.toml: ")


def test_the_table_in_the_documentation_is_that_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--markdown"]) == 0
    page = (Path(__file__).parents[2] / "docs/settings.md").read_text(encoding="utf-8")
    for line in capsys.readouterr().out.splitlines():
        assert line in page, "put what `medidiagnose settings --markdown` prints into docs/settings.md"
    assert page.count("| `MEDIDIAGNOSE_") == len(Settings.model_fields)
