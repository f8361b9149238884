"""The settings of the service; unsafe or absurd values are refused. Their sources are in `app.sources`."""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

import models
from app.keys import KeyRing
from app.rates import parse_rate
from app.sources import Found, find
from app.sources import SettingsError as SettingsError
from models.serving.bundle import Precision

PREFIX = "MEDIDIAGNOSE_"
MEBIBYTE = 1024**2
MOST_WORKERS = 64
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


class Settings(BaseSettings):
    """Every setting with its default. Lists are separated by commas."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=5000, ge=1, le=65535, description="port to listen on")
    root_path: str = Field(
        default="",
        description="prefix under which a proxy shows the service, such as `/diagnose`; the proxy takes it off",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="addresses or networks of the proxies whose `X-Forwarded-For` and `-Proto` are believed, separated "
        "by commas",
    )
    bundles: Path = Field(
        default=Path(models.__file__).parent / "bundles",
        description="folder of the trained models",
        json_schema_extra={"shown": "the ones installed"},
    )
    active_models: Path | None = Field(
        default=None,
        description="file that says which version of a model is active, where it isn't the newest; "
        "`medidiagnose models activate` writes it",
        json_schema_extra={"shown": "`active.json` beside the models"},
    )
    demo_mode: bool = Field(
        default=True, description="without a model: answer a fixed sample (`true`) or 503 (`false`)"
    )
    reject_unreliable: bool = Field(default=False, description="answer 422 to a picture unlike the training data")
    tensors: bool = Field(
        default=False,
        description="answer raw tensors at `/v2` (Open Inference Protocol), past preprocessing, checks and refusals",
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="keys of clients, hashed or plain, separated by commas; with none the service is open to all",
    )
    metrics_key: SecretStr | None = Field(
        default=None, description="key of `/metrics` instead of those of clients, hashed or plain"
    )
    metrics_open: bool = Field(default=False, description="show `/metrics` without a key where keys are set")
    admin_key: SecretStr | None = Field(
        default=None,
        description="key of `POST /admin/reload`, hashed or plain, none of the clients'; without one there is no such "
        "path",
    )
    rate_limit: str | None = Field(
        default=None,
        description="requests that a key, or an address where no keys are set, may send: `60/minute`, or "
        "`10/second burst 20`; more get 429",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("*",), description="origins whose pages may call the service, separated by commas"
    )
    cors_headers: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("Authorization", "baggage", "sentry-trace", "traceparent", "tracestate"),
        description="headers that those pages may send, beside `Content-Type`, `X-API-Key` and `X-Request-ID`",
    )
    cors_private_network: bool = Field(
        default=False, description="let pages of the public network call a service in a private one"
    )
    max_body_bytes: int = Field(
        default=16 * MEBIBYTE,
        ge=1024,
        le=256 * MEBIBYTE,
        description="largest request body",
        json_schema_extra={"shown": "16 MiB"},
    )
    max_json_bytes: int = Field(default=100_000, ge=1024, le=MEBIBYTE, description="largest JSON body, in bytes")
    max_bodies_bytes: int = Field(
        default=128 * MEBIBYTE,
        ge=1024,
        le=64 * 1024 * MEBIBYTE,
        description="all request bodies in memory; where they would be more the slowest gives way, else 503",
        json_schema_extra={"shown": "128 MiB"},
    )
    max_header_bytes: int = Field(
        default=16 * 1024,
        ge=1024,
        le=MEBIBYTE,
        description="largest head of a request",
        json_schema_extra={"shown": "16 KiB"},
    )
    max_connections: int = Field(
        default=1000, ge=8, le=100_000, description="open connections; a further one takes the place of an idle one"
    )
    header_seconds: float = Field(default=10, gt=0, le=600, description="longest wait for the head of a request")
    idle_seconds: float = Field(
        default=10, gt=0, le=600, description="longest silence of a connection between requests, or within a body"
    )
    drain_seconds: float = Field(
        default=1, ge=0, le=600, description="told to stop: time for which only `/health/ready` says so, with 503"
    )
    stop_seconds: float = Field(
        default=8,
        gt=0,
        le=600,
        description="then: longest wait for requests under way before the process ends, with status 0",
    )
    max_pixels: int = Field(
        default=40_000_000,
        ge=1024,
        le=200_000_000,
        description="largest picture, checked before it is decoded",
    )
    queue_size: int = Field(default=128, ge=1, le=4096, description="requests under way for one model; more get 503")
    deadline_seconds: float = Field(
        default=30, gt=0, le=600, description="longest wait for a body, and for an answer; then 504"
    )
    threads: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, 8),
        ge=1,
        le=64,
        description="cores that decode pictures and compute",
        json_schema_extra={"shown": "the cores, at most 8"},
    )
    workers: Literal["auto"] | int = Field(
        default=1,
        description="processes that share the port, each with its part of the threads, connections, queues and memory "
        "for bodies; `auto`: as many as cores and memory allow",
    )
    precision: Precision = Field(
        default="int8",
        description="the int8 network of each bundle that has one (`skin`); `fp32` never does",
    )
    log_level: LogLevel = Field(default="info", description="`debug`, `info`, `warning` or `error`")
    log_format: LogFormat = Field(default="text", description="`text`, or `json`: one object a line")
    audit_log: Path | None = Field(
        default=None,
        description="file to which a JSON line is added for each request that sent something: time, request id, route, "
        "version and outcome, never what was sent or found",
    )

    @field_validator("api_keys", "cors_origins", "cors_headers", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        items = [item.strip() for item in value.split(",") if item.strip()]
        if not items:
            raise ValueError("it is set but empty. Give it a value or remove it.")
        return items

    @field_validator("port", mode="before")
    @classmethod
    def _name_kubernetes(cls, port: object) -> object:
        if isinstance(port, str) and port.startswith("tcp://"):
            raise ValueError(
                "Kubernetes sets this for a Service of that name. Give the pod `enableServiceLinks: false`, or set the "
                "variable in its `env`."
            )
        return port

    @field_validator("workers", mode="before")
    @classmethod
    def _refuse_odd_workers(cls, workers: object) -> object:
        text = str(workers).strip().lower()
        if text == "auto":
            return text
        if not (text.isdecimal() and 1 <= int(text) <= MOST_WORKERS):
            raise ValueError(f"write a number from 1 to {MOST_WORKERS}, or auto.")
        return int(text)

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _refuse_bad_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        key_ring("Api", *keys)
        return keys

    @field_validator("admin_key", "metrics_key")
    @classmethod
    def _refuse_bad_key(cls, key: SecretStr | None) -> SecretStr | None:
        key_ring("", key)
        return key

    @field_validator("rate_limit")
    @classmethod
    def _refuse_odd_rates(cls, rate: str | None) -> str | None:
        if rate is not None:
            parse_rate(rate)
        return rate

    @field_validator("cors_headers")
    @classmethod
    def _refuse_odd_headers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header.")
        return names

    @field_validator("root_path")
    @classmethod
    def _refuse_odd_root_paths(cls, path: str) -> str:
        path = path.rstrip("/")
        if not _ROOT_PATH.fullmatch(path):
            raise ValueError("write it like /diagnose: a slash, then letters, digits, dots, dashes or underscores.")
        return path

    @field_validator("trusted_proxies")
    @classmethod
    def _refuse_odd_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError(
                    f"{proxy!r} is no address or network; write it like 10.0.0.5 or 10.0.0.0/24."
                ) from None
        return proxies

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
    def _refuse_open_metrics_with_a_key(self) -> Self:
        if self.metrics_open and self.metrics_key:
            raise ValueError("metrics are to be open and to have a key. Remove metrics_open or metrics_key.")
        return self

    @model_validator(mode="after")
    def _refuse_room_for_no_body(self) -> Self:
        if self.max_bodies_bytes < self.max_body_bytes:
            raise ValueError(f"{PREFIX}MAX_BODIES_BYTES has no room for one body of {PREFIX}MAX_BODY_BYTES.")
        return self


def key_ring(kind: str, *keys: SecretStr | None) -> KeyRing:
    """The keys that these settings hold, None counting for no key. Raises ValueError where one is no key."""
    return KeyRing(kind, [key.get_secret_value() for key in keys if key is not None])


def load_settings(**given: Any) -> Settings:
    """The settings of all sources; `given` that are not None win. Raises `SettingsError`."""
    return read_settings(**given)[0]


def read_settings(**given: Any) -> tuple[Settings, Found]:
    """The settings, and where each was found. `config` names the TOML file. Raises `SettingsError`."""
    found = find(Settings, PREFIX, {name: value for name, value in given.items() if value is not None})
    try:
        return Settings(**found.values), found
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem, found) for problem in error.errors())) from None


def _sentence(problem: ErrorDetails, found: Found) -> str:
    """The problem without the value, which may be a key."""
    message = problem["msg"].removeprefix("Value error, ")
    place = found.place_of(str(problem["loc"][0]), PREFIX) if problem["loc"] else "Settings"
    return f"{place}: {message}"
