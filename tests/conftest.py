"""What every test may use, and the list of what could not be tested, printed last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import PROVIDER_KEY, RunningGateway, RunningSimulator, run_gateway, run_simulator
from tests.tools import REASONS

pytest_plugins = ["tests.databases"]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REASONS] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if missing := config.stash[REASONS]:
        terminalreporter.section("not tested, because a tool is missing")
        for reason, tests in sorted(missing.items()):
            terminalreporter.line(f"{reason} ({len(tests)} tests)")


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[RunningSimulator]:
    with run_simulator(api_key=PROVIDER_KEY) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def shared_gateway(
    tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator
) -> Iterator[RunningGateway]:
    with run_gateway(tmp_path_factory.mktemp("gateway"), shared_simulator) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: RunningGateway) -> RunningGateway:
    """A served gateway `demo` in front of the simulated provider, whose list of requests begins empty."""
    shared_gateway.simulator.forget()
    return shared_gateway


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """A simulated provider of this test alone."""
    with run_simulator() as running:
        yield running
