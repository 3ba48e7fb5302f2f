"""Process settings. Imported by `cli` and `app` only; everything else gets what it needs passed in.

One field per variable of the environment. An empty variable counts as unset. Each secret may also come as `NAME_FILE`,
the path of a file that holds it; a file that cannot be read is an error, never a silent default. Secrets are
`SecretStr`, and no error text repeats a value of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasGenerator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gatewayd.errors import ConfigurationError

_UNPREFIXED = frozenset({"admin_username", "admin_password", "database_url", "host", "port"})
_MINIMUM_PASSWORD = 12
_HOW_TO_SET_IT = 'export ADMIN_PASSWORD="$(openssl rand -base64 18)"'


def _variable(field: str) -> str:
    return field.upper() if field in _UNPREFIXED else f"GATEWAYD_{field.upper()}"


def _lowered(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Lowered = BeforeValidator(_lowered)
Days = Annotated[int, Field(ge=0, le=36_500)]


class Settings(BaseSettings):
    """What the environment says. Durations are in seconds unless the name says days."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=_variable),
        populate_by_name=True,
        extra="ignore",
        frozen=True,
    )

    admin_username: Annotated[str, Field(min_length=1, max_length=200)] = "admin"
    admin_password: SecretStr | None = None
    allow_weak_password: bool = False
    database_url: SecretStr = SecretStr("sqlite:///./gatewayd.db")
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    secret_key: SecretStr | None = None
    config_dir: Path = Path("configs")
    config_mode: Annotated[Literal["sync", "seed", "off"], Lowered] = "sync"
    config_drift: Annotated[Literal["keep", "revert"], Lowered] = "keep"
    config_poll_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 5
    ui: bool = True
    public_url: str | None = None
    upstream_network: Annotated[Literal["local", "public"], Lowered] = "local"
    log_bodies: Annotated[Literal["none", "errors", "all"], Lowered] = "errors"
    log_retention_days: Days = 90
    body_retention_days: Days = 14
    drain_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 110
    log_format: Annotated[Literal["text", "json"] | None, Lowered] = None
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Lowered] = "info"
    metrics_token: SecretStr | None = None
    rate_limit_storage: SecretStr = SecretStr("memory")

    @classmethod
    def settings_customise_sources(  # the signature is pydantic-settings'
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` hands over, so that a test sees exactly the environment it wrote."""
        return (init_settings,)

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            url = urlsplit(value)
            usable = url.scheme in ("http", "https") and bool(url.hostname) and not url.query and not url.fragment
        except ValueError:
            usable = False
        if not usable or "@" in value:
            raise ValueError("write the http:// or https:// address that clients use, such as https://llm.example.com")
        return value.rstrip("/")

    @field_validator("rate_limit_storage")
    @classmethod
    def _check_rate_limit_storage(cls, value: SecretStr) -> SecretStr:
        scheme = value.get_secret_value().partition("://")[0]
        if scheme not in ("memory", "redis", "rediss", "valkey", "valkeys"):
            raise ValueError("write memory, or a redis:// or valkey:// URL")
        return value

    def check_admin_password(self) -> None:
        """Called by what serves the UI. ConfigurationError when its login would be missing or weak."""
        if not self.ui:
            return
        if self.admin_password is None:
            raise ConfigurationError(
                'ADMIN_PASSWORD is not set; run: export ADMIN_PASSWORD="$(openssl rand -base64 18)"'
            )
        if len(self.admin_password.get_secret_value()) < _MINIMUM_PASSWORD and not self.allow_weak_password:
            raise ConfigurationError(
                f"ADMIN_PASSWORD has fewer than {_MINIMUM_PASSWORD} characters; run: {_HOW_TO_SET_IT} "
                "(or accept it: export GATEWAYD_ALLOW_WEAK_PASSWORD=1)"
            )

    def base_url(self) -> str:
        """Where clients reach this installation, no slash at the end: the public URL, else the listening address."""
        return self.public_url or self.listening_url()

    def listening_url(self) -> str:
        """Where this machine reaches the server: an address that means all interfaces becomes the loopback one."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


SECRETS = frozenset(name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings that `environ` gives. ConfigurationError holds one line per bad variable."""
    values: dict[str, str] = {}
    problems: list[str] = []
    for name in Settings.model_fields:
        try:
            value = _read(environ, _variable(name), may_be_file=name in SECRETS)
        except ConfigurationError as error:
            problems.append(str(error))
            continue
        if value is not None:
            values[_variable(name)] = value
    try:
        settings = Settings(**values)  # type: ignore[arg-type]  # texts by alias: pydantic converts them
    except ValidationError as error:
        problems += [_wording(item) for item in error.errors(include_url=False)]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return settings


def _read(environ: Mapping[str, str], variable: str, *, may_be_file: bool) -> str | None:
    value = environ.get(variable, "").strip() or None
    path = environ.get(f"{variable}_FILE", "").strip() or None if may_be_file else None
    if path is None:
        return value
    if value is not None:
        raise ConfigurationError(f"{variable} and {variable}_FILE are both set; unset one of them")
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = (error.strerror or "cannot be read") if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{variable}_FILE: cannot read {path}: {reason}") from None
    if not text:
        raise ConfigurationError(f"{variable}_FILE: {path} is empty")
    return text


def _wording(item: Any) -> str:
    """One pydantic error as one line. Values are shown only where the variable is no secret."""
    variable, context = str(item["loc"][0]), item.get("ctx", {})
    wanted = {
        "literal_error": f"write one of {str(context.get('expected', '')).replace(' or ', ', ')}",
        "bool_parsing": "write on or off",
        "int_parsing": "write a whole number",
        "float_parsing": "write a number",
        "value_error": str(context.get("error", "")),
    }.get(item["type"], str(item["msg"]).replace("Input should", "it should"))
    shown = (
        "" if variable.removeprefix("GATEWAYD_").lower() in SECRETS else f"{str(item['input'])[:80]!r} cannot be used: "
    )
    return f"{variable}: {shown}{wanted}"
