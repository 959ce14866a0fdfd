"""Every setting of the product, read once from the environment (and `.env`) and validated.

Owns the names, defaults and allowed values; the README table is checked against this class by a test. Each
field's ``description`` is the end of the sentence "X is ..., but it must be ...", so keep it readable that way.
"""

import ipaddress
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runlane.errors import StartRefused
from runlane.predecessor import DATABASE, refuse_old_settings

_SECRET_BEARING = frozenset({"REDIS_URL", "DATABASE_URL"})


class LogSettings(BaseSettings):
    """How a process writes its log; separate, so that it can be read when another setting is refused."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    log_level: str = Field(
        "INFO",
        alias="RUNLANE_LOG_LEVEL",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR",
    )
    log_format: str = Field("text", alias="RUNLANE_LOG_FORMAT", pattern="^(text|json)$", description="text or json")


class Settings(LogSettings):
    """One process's settings. Attributes carry their unit; environment names are the aliases, in capitals."""

    host: str = Field("127.0.0.1", alias="HOST", min_length=1, description="an address to listen on")
    port: int = Field(8000, alias="PORT", ge=1, le=65535, description="a whole number from 1 to 65535")
    redis_url: str | None = Field(
        None,
        alias="REDIS_URL",
        pattern=r"^(redis|rediss|unix|redis\+sentinel|rediss\+sentinel)://",
        description="a redis://, rediss://, unix:// or redis+sentinel://host:port,host:port/service address",
    )
    database_url: str | None = Field(
        None,
        alias="DATABASE_URL",
        pattern=r"^(sqlite:///|postgres(ql)?://).+",
        description="a SQLite address such as sqlite:////srv/runlane.db, or a PostgreSQL address such as "
        "postgresql://user:password@host:5432/runlane",
    )
    jobs: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        alias="RUNLANE_JOBS",
        description="a comma-separated list of modules such as my_jobs or shop.jobs, without .py",
    )
    data_dir: Path = Field(Path(".data"), alias="RUNLANE_DATA_DIR", description="a folder to keep data in")
    concurrency: int = Field(5, alias="RUNLANE_CONCURRENCY", ge=1, le=1000, description="a whole number from 1 to 1000")
    trust_network: bool = Field(False, alias="RUNLANE_TRUST_NETWORK", description="true or false")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        alias="RUNLANE_ALLOWED_ORIGINS",
        description="a comma-separated list of origins such as https://jobs.example.com",
    )
    environment: str = Field(
        "", alias="RUNLANE_ENVIRONMENT", max_length=30, description="a name of at most 30 characters, such as staging"
    )
    webhooks_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        alias="RUNLANE_WEBHOOKS_ALLOW",
        description="a comma-separated list of networks such as 10.0.0.0/8 or 192.168.1.5",
    )
    user_header: str | None = Field(
        None,
        alias="RUNLANE_USER_HEADER",
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,99}$",
        description="the name of a request header such as X-Forwarded-User",
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        alias="RUNLANE_TRUSTED_PROXIES",
        description="a comma-separated list of networks such as 10.0.0.0/8 or 192.168.1.5",
    )
    retry_base_s: float = Field(
        1.0, alias="RUNLANE_RETRY_BASE_S", ge=0.01, le=3600, description="a number of seconds from 0.01 to 3600"
    )
    cancel_grace_s: float = Field(
        10.0, alias="RUNLANE_CANCEL_GRACE_S", ge=0.1, le=3600, description="a number of seconds from 0.1 to 3600"
    )
    stop_grace_s: float = Field(
        20.0, alias="RUNLANE_STOP_GRACE_S", ge=0, le=86_400, description="a number of seconds from 0 to 86400"
    )
    lease_s: float = Field(10.0, alias="RUNLANE_LEASE_S", ge=1, le=600, description="a number of seconds from 1 to 600")
    worker_slots: int | None = Field(
        None, alias="RUNLANE_WORKER_SLOTS", ge=1, le=1000, description="a whole number from 1 to 1000"
    )
    worker_tags: Annotated[tuple[str, ...], NoDecode] = Field(
        (), alias="RUNLANE_WORKER_TAGS", description="a comma-separated list of tags such as browser,gpu"
    )
    max_per_address: int = Field(
        4000, alias="RUNLANE_MAX_PER_ADDRESS", ge=10, le=100_000, description="a whole number from 10 to 100000"
    )
    max_params_bytes: int = Field(
        256_000,
        alias="RUNLANE_MAX_PARAMS_BYTES",
        ge=1_000,
        le=10_000_000,
        description="a number of bytes from 1000 to 10000000",
    )
    max_batch_bytes: int = Field(
        16_000_000,
        alias="RUNLANE_MAX_BATCH_BYTES",
        ge=100_000,
        le=100_000_000,
        description="a number of bytes from 100000 to 100000000",
    )
    max_result_bytes: int = Field(
        10_000_000,
        alias="RUNLANE_MAX_RESULT_BYTES",
        ge=1_000,
        le=100_000_000,
        description="a number of bytes from 1000 to 100000000",
    )

    @field_validator("database_url")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("sqlite:"):
            parts = urlsplit(value)
            if not parts.path.strip("/") or parts.port == 0:  # a port that is not a number raises
                raise ValueError("an address of a server names a database")
        return value

    @field_validator("jobs", "worker_tags", "allowed_origins", "webhooks_allow", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("jobs")
    @classmethod
    def _check_modules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(name.endswith(".py") or not all(map(str.isidentifier, name.split("."))) for name in value):
            raise ValueError("that is no name of a module")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        origins = tuple(origin.rstrip("/") for origin in value)
        if any(not origin.startswith(("http://", "https://")) for origin in origins):
            raise ValueError("an origin starts with http:// or https://")
        return origins

    @property
    def resolved_database_url(self) -> str:
        """The database address to use: ``DATABASE_URL``, else ``runlane.db`` in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / DATABASE}"

    @property
    def resolved_redis_url(self) -> str:
        """The Redis address to use when no launcher provides one."""
        return self.redis_url or "redis://127.0.0.1:6379"


def read_settings(**overrides: Any) -> Settings:
    """Settings from the environment; keyword arguments (by field name) win over it.

    Raises:
        StartRefused: a variable has a value that is not allowed, or still has its old name. The message is one sentence
            with the variable's name, its value and what is allowed.
    """
    aliases = [field.alias for field in Settings.model_fields.values() if field.alias]
    refuse_old_settings(aliases, overrides.get("_env_file", Settings.model_config.get("env_file")))
    try:
        return Settings(**overrides)
    except ValidationError as exc:
        raise StartRefused(_explain(exc)) from exc


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_network(config: Settings) -> None:
    """Check that everybody who can reach the server may do everything with it, for there is no login yet.

    Raises:
        StartRefused: other machines can, and no setting allows it.
    """
    if not is_loopback(config.host) and not config.trust_network:
        raise StartRefused(
            f"HOST is {config.host!r}, which other machines can reach, and there is no login yet: whoever reaches the "
            "server can do everything with it. Set RUNLANE_TRUST_NETWORK=true if that is meant, or HOST=127.0.0.1."
        )


def log_format() -> str:
    """The format of this process's log, even when something else is wrong with the settings."""
    try:
        return LogSettings().log_format
    except ValidationError:
        return "text"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """This process's settings, read on first use."""
    return read_settings()


def _explain(exc: ValidationError) -> str:
    problem = exc.errors()[0]
    key = str(problem["loc"][0])
    fields = Settings.model_fields
    field = next((f for name, f in fields.items() if key in (name, f.alias)), None)
    if field is None or field.alias is None:
        return f"The setting {key} is not valid: {problem['msg']}."
    value = "set to something else" if field.alias in _SECRET_BEARING else repr(problem["input"])
    return f"{field.alias} is {value}, but it must be {field.description}."
