"""The settings of the service, from MEDIDIAGNOSE_* environment variables; unsafe or absurd values are refused."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

import models
from app.keys import KeyRing
from models.bundle import Precision

PREFIX = "MEDIDIAGNOSE_"
MEBIBYTE = 1024**2

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


class SettingsError(ValueError):
    """Settings that the service refuses to start with; the message has a line for each."""


class Settings(BaseSettings):
    """Every setting with its default. Lists are separated by commas."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=5000, ge=1, le=65535, description="Port to listen on.")
    bundles: Path = Field(default=Path(models.__file__).parent / "bundles", description="Folder of the trained models.")
    demo_mode: bool = Field(default=True, description="Answer a fixed sample where a model's bundle is absent, or 503.")
    reject_unreliable: bool = Field(default=False, description="Answer 422 to a picture unlike the training data.")
    max_body_bytes: int = Field(default=16 * MEBIBYTE, ge=1024, le=256 * MEBIBYTE, description="Largest request body.")
    max_json_bytes: int = Field(default=100_000, ge=1024, le=MEBIBYTE, description="Largest JSON body.")
    max_pixels: int = Field(default=40_000_000, ge=1024, le=200_000_000, description="Largest picture, in pixels.")
    queue_size: int = Field(default=128, ge=1, le=4096, description="Requests under way for one model; more get 503.")
    deadline_seconds: float = Field(
        default=30, gt=0, le=600, description="Longest wait for a body, and for an answer; then 504."
    )
    threads: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, 8),
        ge=1,
        le=64,
        description="Cores that decode pictures and compute.",
    )
    precision: Precision = Field(
        default="int8", description="Use `int8` networks where a bundle has one, or always `fp32`."
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="Keys of clients, hashed or plain; with none the service is open."
    )
    admin_key: SecretStr | None = Field(
        default=None, description="Key of POST /admin/reload, hashed or plain; without one there is no such path."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("*",), description="Origins whose pages may call the service."
    )
    log_level: LogLevel = Field(default="info", description="Least severe messages to log.")
    log_format: LogFormat = Field(default="text", description="Lines of text, or JSON objects, one a line.")

    @field_validator("api_keys", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        items = [item.strip() for item in value.split(",") if item.strip()]
        if not items:
            raise ValueError("it is set but empty. Give it a value or remove it.")
        return items

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _refuse_bad_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        key_ring("Api", *keys)
        return keys

    @field_validator("admin_key")
    @classmethod
    def _refuse_bad_key(cls, key: SecretStr | None) -> SecretStr | None:
        key_ring("Admin", key)
        return key

    @field_validator("cors_origins")
    @classmethod
    def _refuse_odd_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not origin.startswith(("http://", "https://")):
                raise ValueError(f"{origin!r} is no origin; write it like https://example.org.")
        return tuple(origin.rstrip("/") for origin in origins)

    @model_validator(mode="after")
    def _refuse_an_admin_key_of_clients(self) -> Self:
        if key_ring("Admin", self.admin_key).shares_a_key_with(key_ring("Api", *self.api_keys)):
            raise ValueError("the admin key must not be one of the API keys.")
        return self

    @model_validator(mode="after")
    def _refuse_missing_bundles(self) -> Self:
        if not self.demo_mode and not self.bundles.is_dir():
            raise ValueError(f"demo mode is off, but there is no folder {self.bundles} with trained models.")
        return self


def key_ring(kind: str, *keys: SecretStr | None) -> KeyRing:
    """The keys that these settings hold, None counting for no key. Raises ValueError where one is no key."""
    return KeyRing(kind, [key.get_secret_value() for key in keys if key is not None])


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment; `overrides` that are not None win. Raises `SettingsError`."""
    _refuse_misspelt_names(os.environ)
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem) for problem in error.errors())) from error


def _refuse_misspelt_names(names: Iterable[str]) -> None:
    """A misspelt MEDIDIAGNOSE_API_KEYS would leave the service open without a word."""
    known = [field.upper() for field in Settings.model_fields]
    for name in names:
        setting = name.upper().removeprefix(PREFIX)
        if name.upper().startswith(PREFIX) and setting not in known:
            for meant in get_close_matches(setting, known, n=1, cutoff=0.7):
                raise SettingsError(f"{name} is not a setting. Did you mean {PREFIX}{meant}?")


def _sentence(problem: ErrorDetails) -> str:
    """The problem without the value, which may be a key."""
    message = problem["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{str(problem['loc'][0]).upper()}: {message}" if problem["loc"] else f"Settings: {message}"
