"""Settings come from MEDIDIAGNOSE_* variables; unsafe and absurd ones are refused with a sentence."""

from pathlib import Path

import pytest

from app.keys import hashed
from app.settings import Settings, SettingsError, load_settings

KEY = "a-key-of-sixteen-characters"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A .env of whoever runs the tests doesn't reach them."""
    monkeypatch.chdir(tmp_path)


def test_defaults_are_safe() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)
    assert (settings.max_body_bytes, settings.max_pixels) == (16 * 1024**2, 40_000_000)
    assert settings.demo_mode
    assert not settings.reject_unreliable
    assert settings.bundles.name == "bundles"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "BUNDLES": str(tmp_path),
        "DEMO_MODE": "off",
        "REJECT_UNRELIABLE": "true",
        "API_KEYS": f" {KEY} , another-{KEY} ",
        "CORS_ORIGINS": "https://a.example/, http://localhost:3000",
        "LOG_LEVEL": "DEBUG",
        "QUEUE_SIZE": "5",
    }.items():
        monkeypatch.setenv(f"MEDIDIAGNOSE_{name}", value)
    settings = load_settings()
    assert (settings.demo_mode, settings.reject_unreliable, settings.queue_size) == (False, True, 5)
    assert settings.bundles == tmp_path
    assert [key.get_secret_value() for key in settings.api_keys] == [KEY, f"another-{KEY}"]
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert settings.log_level == "debug"


def test_arguments_win_unless_they_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIDIAGNOSE_PORT", "6000")
    assert load_settings(port=7000).port == 7000
    assert load_settings(port=None).port == 6000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "http"),
        ("HOST", ""),
        ("DEMO_MODE", "perhaps"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_BODY_BYTES", "100000000000"),
        ("MAX_PIXELS", "-1"),
        ("QUEUE_SIZE", "0"),
        ("DEADLINE_SECONDS", "0"),
        ("DEADLINE_SECONDS", "nan"),
        ("DEADLINE_SECONDS", "inf"),
        ("THREADS", "0"),
        ("THREADS", "1000"),
        ("WORKERS", "0"),
        ("WORKERS", "65"),
        ("WORKERS", "two"),
        ("WORKERS", "1.5"),
        ("LOG_LEVEL", "chatty"),
        ("API_KEYS", ""),
        ("API_KEYS", " , "),
        ("API_KEYS", "short"),
        ("API_KEYS", "ein-schlüssel-mit-umlaut"),
        ("CORS_ORIGINS", "example.org"),
        ("CORS_ORIGINS", ""),
        ("METRICS_KEY", "short"),
        ("RATE_LIMIT", "often"),
        ("RATE_LIMIT", ""),
        ("ROOT_PATH", "diagnose"),
        ("ROOT_PATH", "/a b"),
        ("ROOT_PATH", "//evil.example"),
        ("ROOT_PATH", "/diagnose\n"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "proxy.example.org"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", ""),
    ],
)
def test_an_absurd_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"MEDIDIAGNOSE_{name}", value)
    with pytest.raises(SettingsError, match=f"^MEDIDIAGNOSE_{name}: "):
        load_settings()


def test_every_refused_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIDIAGNOSE_PORT", "0")
    monkeypatch.setenv("MEDIDIAGNOSE_THREADS", "0")
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert [line.split(":")[0] for line in str(refusal.value).splitlines()] == [
        "MEDIDIAGNOSE_PORT",
        "MEDIDIAGNOSE_THREADS",
    ]


@pytest.mark.parametrize("name", ["MEDIDIAGNOSE_API_KEY", "MEDIDIAGNOSE_APIKEYS", "medidiagnose_api_key"])
def test_a_misspelt_setting_is_refused_rather_than_ignored(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, KEY)
    with pytest.raises(SettingsError, match="Did you mean MEDIDIAGNOSE_API_KEYS"):
        load_settings()


@pytest.mark.parametrize("name", ["MEDIDIAGNOSE_DATA", "OTHER_API_KEY"])
def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "value")
    assert load_settings() == Settings()


def test_a_refusal_never_shows_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIDIAGNOSE_API_KEYS", f"{KEY},tooshort")
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert KEY not in str(refusal.value)
    assert "tooshort" not in str(refusal.value)


def test_settings_never_show_a_key() -> None:
    settings = load_settings(api_keys=KEY)
    assert KEY not in repr(settings)
    assert KEY not in settings.model_dump_json()


def test_an_admin_key_is_checked_like_any_other_and_is_none_of_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    for odd in ("", "short", "sha256:12"):
        monkeypatch.setenv("MEDIDIAGNOSE_ADMIN_KEY", odd)
        with pytest.raises(SettingsError, match=r"^MEDIDIAGNOSE_ADMIN_KEY: "):
            load_settings()
    monkeypatch.setenv("MEDIDIAGNOSE_ADMIN_KEY", hashed(KEY))
    assert KEY not in repr(load_settings())
    with pytest.raises(SettingsError, match="must not be one of the API keys"):
        load_settings(api_keys=KEY)


def test_the_variable_that_kubernetes_sets_is_told_from_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIDIAGNOSE_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("MEDIDIAGNOSE_SERVICE_PORT", "5000")
    monkeypatch.setenv("MEDIDIAGNOSE_PORT_5000_TCP_ADDR", "10.0.0.1")
    load_settings()
    monkeypatch.setenv("MEDIDIAGNOSE_PORT", "tcp://10.0.0.1:5000")
    with pytest.raises(SettingsError, match=r"^MEDIDIAGNOSE_PORT: Kubernetes sets this"):
        load_settings()


def test_metrics_can_not_be_open_and_closed() -> None:
    with pytest.raises(SettingsError, match="Remove metrics_open or metrics_key"):
        load_settings(metrics_open=True, metrics_key=KEY)


@pytest.mark.parametrize(("written", "meant"), [("/diagnose", "/diagnose"), ("/a/b/", "/a/b"), ("/", ""), ("", "")])
def test_a_root_path_ends_without_a_slash(written: str, meant: str) -> None:
    assert load_settings(root_path=written).root_path == meant
