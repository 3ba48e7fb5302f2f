"""The gateway record: one model for YAML, form, database and JSON, and the snapshot that requests see.

Field names are the same everywhere (contract). The models are strict and frozen: unknown keys are errors, defaults are
filled in, so that two equal gateways have equal normalised specs (`Gateway.spec()`). What a field means stands below
it, and from there in the JSON Schema and the form.

`Snapshot` is the immutable in-memory state that serves requests; a change builds a new one and swaps it by one
assignment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from gatewayd.addresses import refused_host
from gatewayd.protocol.chat.dialects import DIALECTS, Dialect, dialect_for
from gatewayd.protocol.parts import Usage

GATEWAY_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
SHA256_HEX = r"^[0-9a-f]{64}$"

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Dollars = Annotated[float, Field(ge=0, le=1_000_000)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SecretRef(Model):
    """Where a secret is: an environment variable, a file, or the database (encrypted, entered in the UI; a file of YAML
    cannot say so). The secret itself is never part of a record.

    Only variables whose name says that they hold a provider's secret can be named, and never those of gatewayd itself:
    otherwise whoever may edit a record could send any variable to a server of their own.
    """

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable that holds the secret; its name ends in _API_KEY or _TOKEN."""
    file: Annotated[str, Field(min_length=1)] | None = None
    """The file that holds the secret: below /run/secrets, $CREDENTIALS_DIRECTORY or the configuration directory."""
    stored: Literal[True] | None = None
    """The secret was entered in the UI and is in the database."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_literals(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError("a secret cannot be written here; write {env: NAME} or {file: PATH}")
        return value

    @field_validator("env")
    @classmethod
    def _only_provider_secrets(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.startswith(("ADMIN_", "GATEWAYD_")):
            raise ValueError(f"{value} belongs to gatewayd itself and cannot be sent to a provider")
        if not value.endswith(("_API_KEY", "_TOKEN")):
            raise ValueError("only variables named …_API_KEY or …_TOKEN can be read; rename this one")
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretRef:
        if [self.env, self.file, self.stored].count(None) != 2:
            raise ValueError("write exactly one of {env: NAME} and {file: PATH}")
        return self


class Timeouts(Model):
    """Wall-clock limits of one upstream call, in seconds."""

    connect: Seconds = 5
    """For the connection, TLS included."""
    first_byte: Seconds = 300
    """From the request's end to the first byte of the answer. A model that is loaded first needs more."""
    idle: Seconds = 300
    """Between two pieces of an answer."""
    total: Seconds = 3600
    """For the whole call."""


def _check_header_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", name):
        raise ValueError("not a header name")
    if name.lower() in RESERVED_HEADERS:
        raise ValueError("this header is set by gatewayd and cannot be set here")
    return name


def _check_header_value(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError("has characters that a header cannot carry")
    return text


RESERVED_HEADERS = frozenset(
    "accept accept-encoding authorization api-key connection content-length content-type cookie expect host "
    "proxy-authorization te trailer transfer-encoding upgrade x-api-key".split()
)

HeaderName = Annotated[str, AfterValidator(_check_header_name)]
HeaderValue = Annotated[str, AfterValidator(_check_header_value)]


class Upstream(Model):
    """The provider endpoint of a gateway."""

    base_url: str
    """Where the Chat Completions API is, such as https://api.example.com/v1; a URL without a path gets /v1."""
    api_key: SecretRef | None = None
    """Where the provider's key is. Leave it out for a provider without one."""
    dialect: str = ""
    """How this provider departs from the reference. Left out: found by base_url's host, else generic."""
    capabilities: dict[str, Any] = Field(default_factory=dict)
    """Single habits of the dialect, overridden."""
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Sent with each request to the provider."""
    timeouts: Timeouts = Timeouts()
    """How long a call may take, in seconds."""

    @field_validator("base_url")
    @classmethod
    def _normalise_url(cls, value: str) -> str:
        try:
            url = urlsplit(value.strip())
            port = url.port
        except ValueError as error:
            raise ValueError(f"not a URL: {error}") from None
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("write an http:// or https:// URL")
        if "@" in url.netloc:
            raise ValueError("a URL with user or password is refused; use api_key")
        if refused_host(url.hostname):
            raise ValueError("link-local, metadata and multicast addresses are never called")
        if url.query or url.fragment:
            raise ValueError("a URL with a query or a fragment is refused")
        host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        origin = f"{url.scheme}://{host}" + (f":{port}" if port else "")
        return origin + (url.path.rstrip("/") or "/v1")

    @field_validator("dialect")
    @classmethod
    def _known_dialect(cls, value: str) -> str:
        if value and value not in DIALECTS:
            raise ValueError(f"{value!r} is unknown; one of {', '.join(sorted(DIALECTS))}")
        return value

    @field_validator("capabilities")
    @classmethod
    def _known_capabilities(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Checked against the row that applies, which is known only when base_url and dialect are in order."""
        if {"base_url", "dialect"} <= info.data.keys():
            _dialect_row(info.data["dialect"], info.data["base_url"]).with_capabilities(value)
        return value

    @property
    def origin(self) -> str:
        """Scheme, host and port of base_url: where a provider key may go."""
        url = urlsplit(self.base_url)
        return f"{url.scheme}://{url.netloc}"

    def resolve_dialect(self) -> Dialect:
        """The row that applies: the named one, else the base URL's host's, else generic; with `capabilities` on top."""
        return _dialect_row(self.dialect, self.base_url).with_capabilities(self.capabilities)


def _dialect_row(dialect: str, base_url: str) -> Dialect:
    return DIALECTS[dialect] if dialect else dialect_for(urlsplit(base_url).hostname or "")


class Price(Model):
    """US dollars per million tokens."""

    input: Dollars = 0
    """Input that came from no cache."""
    output: Dollars = 0
    """Output, thinking included."""
    cache_read: Dollars | None = None
    """Input that was read from a cache; left out: as input."""
    cache_write: Dollars | None = None
    """Input that was written to a cache; left out: as input."""

    def cost(self, usage: Usage) -> int:
        """In billionths of a dollar. Cached tokens without a price of their own cost what input costs."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        dollars = usage.input * self.input + usage.cache_read * read + usage.cache_write * write
        return round((dollars + usage.output * self.output) * 1000)


class ModelRoute(Model):
    """One row of the model map: the client's name (`*` matches any run of characters) and what goes upstream."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """The client's model name; `*` matches any run of characters."""
    upstream_model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """The provider's name for the model; left out: the client's name goes upstream unchanged."""
    context_window: Count | None = None
    """How many tokens input and output may have together."""
    max_output_tokens: Count | None = None
    """The most output the model gives; what a client asks beyond it is cut to it."""
    vision: bool = True
    """The model takes images; where it does not, they are replaced by a note."""
    price: Price | None = None
    """US dollars per million tokens; left out: cost is unknown."""


class ClientToken(Model):
    """A client token by its SHA-256; the token itself is never stored."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """What the token is called in log and limits."""
    sha256: Annotated[str, Field(pattern=SHA256_HEX)]
    """The token's SHA-256: printf %s TOKEN | sha256sum"""


class Limits(Model):
    """What may be used; None: as much as there is. Tokens are all that a provider counts, cached ones too."""

    requests_per_minute: Count | None = None
    """Messages that are let through."""
    tokens_per_minute: Count | None = None
    """Input and output, cached input too."""
    concurrent: Count | None = None
    """Messages that are being answered, per process."""


class LoggingPolicy(Model):
    """What of this gateway's messages is kept in the log."""

    bodies: Literal["none", "errors", "all"] | None = None
    """Of which requests bodies are stored; left out: as GATEWAYD_LOG_BODIES says."""


class Gateway(Model):
    """What a record holds besides its id. limits: for all of its tokens together; token_limits: for each by itself."""

    name: Annotated[str, Field(max_length=200)] = ""
    """What people call it."""
    upstream: Upstream
    """The provider."""
    models: tuple[ModelRoute, ...] = (ModelRoute(name="*"),)
    """The model map: the first row that matches the client's model name decides."""
    fallback: tuple[Annotated[str, Field(pattern=GATEWAY_ID)], ...] = ()
    """Gateways that are tried in turn when this provider fails before its first content."""
    tokens: tuple[ClientToken, ...] = ()
    """Client tokens, by hash. Where there is none, declared or stored, one is generated."""
    limits: Limits = Limits()
    """What all of its client tokens together may use."""
    token_limits: Limits = Limits()
    """What each of its client tokens may use by itself."""
    logging: LoggingPolicy = LoggingPolicy()
    """What of its messages is kept in the log."""
    server_tools: Literal["drop", "reject"] = "drop"
    """What becomes of Anthropic's server-side tools, such as web search, which a provider does not have."""

    @field_validator("tokens")
    @classmethod
    def _distinct_tokens(cls, value: tuple[ClientToken, ...]) -> tuple[ClientToken, ...]:
        names = [token.name for token in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two tokens are named {name!r}")
        return value

    def spec(self) -> dict[str, Any]:
        """The normalised spec: defaults left out, JSON types only. Equal gateways have equal specs."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def spec_without_tokens(self) -> dict[str, Any]:
        """The normalised spec as the database holds it live: tokens are rows of their own."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"tokens"})

    def route(self, model: str) -> ModelRoute | None:
        """The first row of the model map that matches the client's model name, or None."""
        for row in self.models:
            if _pattern(row.name).fullmatch(model):
                return row
        return None


@lru_cache(maxsize=4096)
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in name.split("*")), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator's word that a gateway is not to be used. until: UTC epoch seconds; None: until it is resumed."""

    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class ActiveGateway:
    """A gateway as requests see it: the record with its references resolved.

    api_key          the provider's key, or None where the record names none
    missing_secret   the name of the variable or file that could not be read, or None; such a gateway answers 503
    token_hashes     SHA-256 digests (32 bytes) of its client tokens -> their names
    dialect          the resolved row
    pause            such a gateway answers 503 until it is over
    """

    id: str
    gateway: Gateway
    dialect: Dialect
    api_key: str | None = field(default=None, repr=False)
    missing_secret: str | None = None
    token_hashes: Mapping[bytes, str] = field(default_factory=dict, repr=False)
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All gateways at one revision of the configuration. Immutable; swapped whole.

    drifted   how many records were changed since their file was applied
    conflicts how many their files contradict
    flaps     how often the content of files came back that another host had replaced shortly before
    applied_at  when files were last applied, by whomever: UTC epoch seconds; 0: never
    complete  False while the database has not been read: there may be more gateways and tokens than these
    """

    gateways: Mapping[str, ActiveGateway] = field(default_factory=dict)
    revision: int = 0
    drifted: int = 0
    conflicts: int = 0
    flaps: int = 0
    applied_at: float = 0
    complete: bool = True
