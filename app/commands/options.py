"""What several commands share: the options that are settings, and reading them."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from app.settings import Settings, load_settings
from app.sources import CONFIG

_SETTINGS = frozenset({CONFIG, *Settings.model_fields})


def add_config(parser: ArgumentParser) -> None:
    """Let the command choose the file of settings."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file of settings (./medidiagnose.toml where there is one)"
    )


def add_bundles(parser: ArgumentParser) -> None:
    """Let the command choose the folder of the models, and the file of settings."""
    add_config(parser)
    parser.add_argument("--bundles", type=Path, metavar="FOLDER", help="folder of the trained models")


def chosen(options: Namespace) -> dict[str, Any]:
    """The settings among a command's options; each option is named after its setting."""
    return {name: value for name, value in vars(options).items() if name in _SETTINGS}


def settings_of(options: Namespace) -> Settings:
    """The settings of this command. Raises `SettingsError`."""
    return load_settings(**chosen(options))
