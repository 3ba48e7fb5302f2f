"""`gatewayd healthcheck` against a server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.cli.conftest import Run


class Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


class Sick(Health):
    status = 503


@pytest.fixture(params=[Health])
def port(request: pytest.FixtureRequest) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), request.param)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield str(server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_healthy_server_is_exit_0(port: str, run: Run, host: str) -> None:
    assert run("healthcheck", HOST=host, PORT=port).returncode == 0


def test_no_proxy_is_asked(port: str, run: Run) -> None:
    proxy = "http://127.0.0.1:1"
    assert run("healthcheck", PORT=port, http_proxy=proxy, HTTP_PROXY=proxy, all_proxy=proxy).returncode == 0


@pytest.mark.parametrize("port", [Sick], indirect=True)
def test_another_status_is_exit_1(port: str, run: Run) -> None:
    assert run("healthcheck", PORT=port).returncode == 1


def test_no_server_is_exit_1_and_one_line(run: Run, unused_tcp_port: int) -> None:
    done = run("healthcheck", PORT=str(unused_tcp_port))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
