"""Where settings come from. The command line wins over the environment, that over `.env`, that over a TOML file."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

ENV_FILE = Path(".env")
CONFIG_FILE = Path("medidiagnose.toml")
CONFIG = "config"
"""Names the TOML file. No setting itself, since it can't stand in that file."""

COMMAND_LINE, ENVIRONMENT, DEFAULT = "command line", "environment", "default"


class SettingsError(ValueError):
    """Settings that the service refuses to start with; the message has a line for each."""


@dataclass(frozen=True, slots=True)
class Found:
    """Values as they stand in their sources, and for each the source that won: one of the names above, or a path."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]

    def origin_of(self, name: str) -> str:
        """Where the value of a setting comes from."""
        return self.origins.get(name, DEFAULT)

    def place_of(self, name: str, prefix: str) -> str:
        """A setting as its source spells it, and where that is."""
        match self.origin_of(name):
            case "command line":
                return f"--{name.replace('_', '-')}"
            case "environment" | "default":
                return f"{prefix}{name.upper()}"
            case file if Path(file) == ENV_FILE:
                return f"{prefix}{name.upper()} in {file}"
            case file:
                return f"{name} in {file}"


def find(settings: type[BaseSettings], prefix: str, given: Mapping[str, Any]) -> Found:
    """What stands in every source; `given` is the command line's.

    Raises `SettingsError` for a name that looks misspelt, for any unknown name in the TOML file, which is ours alone,
    and for a file that can't be read. Other names in the environment and in `.env` belong to others and are left alone.
    """
    known = settings.model_fields.keys()
    environment = EnvSettingsSource(settings)
    with _readable(ENV_FILE):
        env_file = DotEnvSettingsSource(settings, env_file=ENV_FILE, env_file_encoding="utf-8")
        _refuse_lines_without_value(prefix, env_file.env_vars)
    _refuse_misspelt_variables(os.environ, prefix, known)
    _refuse_misspelt_variables(env_file.env_vars, prefix, known, f" in {ENV_FILE}")

    variable = f"{prefix}{CONFIG}".lower()
    config = given.get(CONFIG) or environment.env_vars.get(variable) or env_file.env_vars.get(variable)
    path = _config_file(config)
    with _readable(path):
        toml = TomlConfigSettingsSource(settings, toml_file=path)
    _refuse_unknown_names(toml.toml_data, path, prefix, known)

    sources: dict[str, PydanticBaseSettingsSource] = {
        str(path): toml,
        str(ENV_FILE): env_file,
        ENVIRONMENT: environment,
        COMMAND_LINE: InitSettingsSource(settings, {name: value for name, value in given.items() if name != CONFIG}),
    }
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, source in sources.items():
        found = {name: value for name, value in source().items() if name in known}
        values |= found
        origins |= dict.fromkeys(found, origin)
    return Found(values, origins)


def _config_file(config: str | None) -> Path:
    path = Path(config or CONFIG_FILE).expanduser()
    if (config or path.exists()) and not path.is_file():
        raise SettingsError(f"{path}: there is no such file of settings.")
    return path


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Says which file can't be read and why, without its content."""
    try:
        yield
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: it is not UTF-8 text.") from None
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from None
    except SettingsError:
        raise
    except ValueError as error:  # of tomllib, which names line and column
        raise SettingsError(f"{path}: it is not valid TOML: {error}.") from None


def _refuse_lines_without_value(prefix: str, read: Mapping[str, str | None]) -> None:
    """A line that the parser skips, such as `NAME: value`, would leave its setting at the default without a word."""
    if not ENV_FILE.is_file():
        return
    text = ENV_FILE.read_text(encoding="utf-8-sig")
    for name in re.findall(rf"^[^\S\n]*(?:export\s+)?['\"]?({prefix}[^\s=:'\"#]+)", text, re.IGNORECASE | re.MULTILINE):
        if read.get(name.lower()) is None:
            raise SettingsError(f"{name} in {ENV_FILE} has no value. Write {name}=value.")


def _refuse_misspelt_variables(names: Iterable[str], prefix: str, known: Collection[str], where: str = "") -> None:
    """A misspelt MEDIDIAGNOSE_API_KEYS would leave the service open without a word."""
    spelt = {*known, CONFIG}
    for name in names:
        setting = name.lower().removeprefix(prefix.lower())
        if name.lower().startswith(prefix.lower()) and setting not in spelt:
            for meant in get_close_matches(setting, spelt, n=1, cutoff=0.7):
                spelling = name.upper() if where else name
                raise SettingsError(f"{spelling}{where} is not a setting. Did you mean {prefix}{meant.upper()}?")


def _refuse_unknown_names(names: Iterable[str], path: Path, prefix: str, known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name.lower().removeprefix(prefix.lower()), known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "`medidiagnose settings` lists them."
            raise SettingsError(f"{name} in {path} is not a setting. {hint}")
