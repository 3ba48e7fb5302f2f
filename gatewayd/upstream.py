"""The HTTP client: opens a call to a provider, yields the answer's bytes, maps foreign errors. Only it sees httpx.

Rules: one connection pool per gateway, so that no answer can reach another gateway; no cookies, no redirects, no
proxies from the environment; the key only in its header, to its own record's origin; an address is checked when it is
dialled, a pooled connection before it is reused; closing happens in a task of its own, because the caller may be
cancelled at any moment. Time limits are the caller's, except for connecting.

    httpx or aiohttp error                        becomes
    DNS, TLS                                      UpstreamFailed, should_retry False
    refused, reset, closed without an answer      ConnectionFailed
    not HTTP, cut                                 UpstreamFailed
    connecting took too long                      TimedOut
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from httpx_aiohttp import AiohttpTransport

from gatewayd import __version__
from gatewayd.addresses import Network, literal_address, may_be_dialled
from gatewayd.errors import ApiError, ConfigurationError, ConnectionFailed, TimedOut, UpstreamFailed
from gatewayd.gateways import ActiveGateway

KEEPALIVE_SECONDS = 30  # below the idle limits of the usual load balancers (60 s and more)
_DRAIN_SECONDS = 0.5  # for the end of a body whose last event has come
_MAX_ERROR_BYTES = 1024 * 1024  # of an error's body; the rest tells nothing


class Call:
    """An answer whose status and headers have come."""

    def __init__(self, response: httpx.Response, closing: set[asyncio.Task[None]]) -> None:
        self._response = response
        self._closing = closing
        self._pieces = self._read()
        self._closed = False

    @property
    def status(self) -> int:
        return self._response.status_code

    def header(self, name: str) -> str | None:
        value: str | None = self._response.headers.get(name)
        return value

    @property
    def retry_after(self) -> str | None:
        """Seconds to wait, as the provider told them in one of three forms: seconds, milliseconds, a date."""
        told, milliseconds = self.header("retry-after"), self.header("retry-after-ms")
        if told is None and milliseconds is not None and milliseconds.isdigit():
            return str(int(milliseconds[:12]) / 1000)
        if told is not None and "," in told:
            with contextlib.suppress(ValueError):
                return str(max(0.0, round(parsedate_to_datetime(told).timestamp() - time.time(), 3)))
        return told

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, once. Raises UpstreamFailed when it is cut or encoded."""
        return self._pieces

    async def read_error(self) -> bytes:
        """The body of an error answer, as far as it tells something."""
        body = b""
        with contextlib.suppress(UpstreamFailed):
            async for piece in self._pieces:
                body += piece
                if len(body) > _MAX_ERROR_BYTES:
                    break
        return body

    def close(self, *, whole: bool) -> None:
        """Gives the connection back where the answer is `whole` and its end follows at once, else closes it."""
        if not self._closed:
            self._closed = True
            task = asyncio.get_running_loop().create_task(self._close(whole))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _read(self) -> AsyncGenerator[bytes, None]:
        encoding = self.header("content-encoding")
        if encoding and encoding.lower() != "identity":  # identity was asked for; a decoder could be made to burst
            raise UpstreamFailed("the provider sent an encoded answer although none was asked for")
        stream = self._response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        with _mapped_errors():
            async for piece in stream:
                yield piece

    async def _close(self, whole: bool) -> None:
        with contextlib.suppress(ApiError, TimeoutError):
            if whole:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await anext(self._pieces, None)
        with contextlib.suppress(Exception):  # whatever state the connection is in, it is given up here
            await self._pieces.aclose()
            assert isinstance(self._response.stream, httpx.AsyncByteStream)
            await self._response.stream.aclose()


def load_trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Whose certificates are accepted: those of SSL_CERT_FILE or SSL_CERT_DIR where one is set, as elsewhere, otherwise
    the usual authorities'. ConfigurationError where they cannot be read. Takes about 20 ms."""
    for name, argument in (("SSL_CERT_FILE", "cafile"), ("SSL_CERT_DIR", "capath")):
        if path := environ.get(name):
            try:
                os.listdir(path) if argument == "capath" else os.stat(path)
                return ssl.create_default_context(**{argument: path})  # type: ignore[arg-type]  # one of two names
            except OSError as error:
                reason = "no PEM certificates are in it" if isinstance(error, ssl.SSLError) else error.strerror
                raise ConfigurationError(f"{name}={path}: {reason}; correct it, or type: unset {name}") from None
    return httpx.create_ssl_context(trust_env=False)


class Upstreams:
    """The connection pools of all gateways."""

    def __init__(self, network: Network = "local", trust: ssl.SSLContext | None = None) -> None:
        self._network: Network = network
        self._transports: dict[str, AiohttpTransport] = {}
        self._tls = trust
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self, gateway: ActiveGateway, body: bytes) -> Call:
        """POSTs a Chat Completions body (JSON); -> the answer once its headers have come."""
        upstream = gateway.gateway.upstream
        host = urlsplit(upstream.base_url).hostname or ""
        if literal_address(host) is not None and not may_be_dialled(host, self._network):
            raise _mapped(AddressRefused(host))  # no resolver is asked about a literal
        url = upstream.base_url + "/chat/completions"
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"gatewayd/{__version__}",
            **upstream.headers,
        }
        if gateway.api_key is not None:
            name = gateway.dialect.key_header
            headers[name] = f"Bearer {gateway.api_key}" if name == "authorization" else gateway.api_key
        timeout = {"connect": upstream.timeouts.connect, "read": None, "write": None, "pool": None}
        request = httpx.Request("POST", url, headers=headers, content=body, extensions={"timeout": timeout})
        with _mapped_errors():
            response = await self._transport(gateway.id).handle_async_request(request)
        return Call(response, self._closing)

    async def close(self) -> None:
        if self._closing:
            await asyncio.wait(self._closing, timeout=1)
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()

    def in_use(self) -> int:
        """How many connections carry an exchange now."""
        sessions = (transport.client for transport in self._transports.values())
        connectors = (session.connector for session in sessions if isinstance(session, aiohttp.ClientSession))
        return sum(len(connector._acquired) for connector in connectors if connector is not None)

    def _transport(self, gateway_id: str) -> AiohttpTransport:
        transport = self._transports.get(gateway_id)
        if transport is None:
            if self._tls is None:
                self._tls = load_trust({})
            transport = AiohttpTransport(verify=self._tls, trust_env=False, client=self._session)
            self._transports[gateway_id] = transport
        return transport

    def _session(self) -> aiohttp.ClientSession:
        assert self._tls is not None
        connector = CheckedConnector(
            limit=0,  # streams are long: a limit would queue them behind each other
            keepalive_timeout=KEEPALIVE_SECONDS,
            ssl=self._tls,
            resolver=PolicyResolver(self._network),
            use_dns_cache=False,  # a name is resolved and checked for each new connection
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent",),
        )


class PolicyResolver(aiohttp.abc.AbstractResolver):
    """Resolves names and keeps only the addresses that may be dialled: what is checked is what is dialled."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [result for result in found if may_be_dialled(result["host"], self._network)]
        if not allowed:
            raise AddressRefused(host)
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


class AddressRefused(OSError):
    """All addresses of a host are ones that are never dialled, or not in this network mode."""


class CheckedConnector(aiohttp.TCPConnector):
    """Looks at an idle connection before it is reused: one that has bytes waiting holds somebody's unasked answer (or
    its end), and reading it as the answer to the next request would hand that to the wrong client. `_get` is private:
    the exact aiohttp version is pinned, and tests/test_upstream.py plants such answers."""

    async def _get(self, key: Any, traces: Any) -> Any:
        connections = self._conns.get(key)
        if connections:
            for connection, _ in list(connections):
                if connection.should_close or _readable(connection.transport):
                    connection.close()  # the base class drops closed ones
        return await super()._get(key, traces)


def _readable(transport: asyncio.Transport | None) -> bool:
    """Has bytes, or its end, waiting unread."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


@contextlib.contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _mapped(error.__cause__ or error) from error
    except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
        raise _mapped(error) from error


def _mapped(error: BaseException) -> ApiError:
    """By aiohttp's class: the transport's names mislead (a refused connection arrives as a timeout)."""
    if isinstance(error, AddressRefused) or isinstance(getattr(error, "os_error", None), AddressRefused):
        return UpstreamFailed("the provider's address is one that this gateway never calls", should_retry=False)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UpstreamFailed(f"the provider's host {error.host} cannot be resolved", should_retry=False)
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch | ssl.SSLError):
        return UpstreamFailed("the provider's TLS certificate or handshake was not accepted", should_retry=False)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TimedOut("connecting to the provider took too long")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectionFailed(f"the provider at {error.host}:{error.port} cannot be reached")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return ConnectionFailed("the provider closed the connection without an answer")
    if isinstance(error, aiohttp.ClientPayloadError):
        return UpstreamFailed("the provider's answer was cut off")
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError | ValueError):
        return UpstreamFailed("the provider's answer is not valid HTTP")
    return ConnectionFailed("the connection to the provider was lost")
