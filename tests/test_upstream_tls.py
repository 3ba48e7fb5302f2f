"""TLS to a provider: what is not trusted is never called, nor tried again; a private authority can be named."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from gatewayd.errors import ConfigurationError
from gatewayd.upstream import load_trust
from tests.relay.conftest import serve
from tests.relay.provider import Exchange, Provider, completion
from tests.tools import cannot_be_had

_THEN = datetime(2020, 1, 1, tzinfo=UTC)
_LATER = datetime(2020, 2, 1, tzinfo=UTC)


class TlsProvider(Provider):
    """Counts the connections that were tried."""

    tried = 0

    @asynccontextmanager
    async def behind(self, certificate: trustme.LeafCert) -> AsyncIterator[str]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        inner = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)

        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.tried += 1
            there_reader, there = await asyncio.open_connection(*inner.sockets[0].getsockname())
            await asyncio.gather(_pump(reader, there), _pump(there_reader, writer))

        outer = await asyncio.start_server(count, "127.0.0.1", 0)
        try:
            yield f"https://localhost:{outer.sockets[0].getsockname()[1]}/v1"
        finally:
            outer.close()
            inner.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def subject_hash(certificate: Path) -> str:
    """How a file in a directory of authorities is found."""
    if (openssl := shutil.which("openssl")) is None:
        cannot_be_had("openssl", "not installed; type: apt-get install openssl")
    command = [openssl, "x509", "-hash", "-noout", "-in", str(certificate)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


async def answer(exchange: Exchange) -> None:
    await exchange.json(completion())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ["self-signed", "wrong-name", "expired"])
async def test_a_tls(authority: trustme.CA, name: str, stream: bool, tmp_path: Path) -> None:
    """a-tls: 502 at once, without a second try, and a client that need not try either."""
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    certificate = {
        "self-signed": lambda: trustme.CA().issue_cert("localhost"),
        "wrong-name": lambda: authority.issue_cert("elsewhere.example"),
        "expired": lambda: authority.issue_cert("localhost", not_before=_THEN, not_after=_LATER),
    }[name]()
    provider = TlsProvider(answer)
    async with provider.behind(certificate) as url, serve(answer, base_url=url) as served:
        served.app.ctx.relay.means.upstreams._tls = load_trust({"SSL_CERT_FILE": str(trusted)})
        response = await served.post(stream=stream)
        assert response.status_code == 502
        assert response.headers["x-should-retry"] == "false"
        assert response.json()["error"] == {
            "type": "api_error",
            "message": "the provider's TLS certificate or handshake was not accepted",
        }
        assert provider.tried == 1
        assert provider.exchanges == []
        assert (await served.record()).attempts == 1


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", ""])
async def test_a_private_authority_is_trusted_where_it_is_named(
    authority: trustme.CA, variable: str, tmp_path: Path
) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    file = certificates / "authority.pem"
    authority.cert_pem.write_to_path(file)
    (certificates / f"{subject_hash(file)}.0").symlink_to(file)
    environ = {"SSL_CERT_FILE": {"SSL_CERT_FILE": str(file)}, "SSL_CERT_DIR": {"SSL_CERT_DIR": str(certificates)}}
    provider = TlsProvider(answer)
    async with provider.behind(authority.issue_cert("localhost")) as url, serve(answer, base_url=url) as served:
        served.app.ctx.relay.means.upstreams._tls = load_trust(environ.get(variable, {}))
        assert (await served.post()).status_code == (200 if variable else 502)


def test_authorities_that_cannot_be_read_are_told_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for variable, path, reason in (
        ("SSL_CERT_FILE", tmp_path / "away.pem", "No such file or directory"),
        ("SSL_CERT_FILE", empty, "no PEM certificates are in it"),
        ("SSL_CERT_DIR", tmp_path / "away", "No such file or directory"),
        ("SSL_CERT_DIR", empty, "Not a directory"),
    ):
        with pytest.raises(ConfigurationError) as told:
            load_trust({variable: str(path)})
        assert str(told.value) == f"{variable}={path}: {reason}; correct it, or type: unset {variable}"
