"""Hosts that are never dialled, in whatever form they are written."""

from __future__ import annotations

import pytest

from gatewayd.addresses import literal_address, refused_host


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.1",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "::ffff:169.254.169.254",
        "2002:a9fe:a9fe::1",
        "64:ff9b::a9fe:a9fe",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "0.0.0.0",
        "0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
    ],
)
def test_these_are_refused_in_any_mode(host: str) -> None:
    assert refused_host(host)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "::1", "10.0.0.1", "192.168.1.5", "fd12::1", "100.64.0.1", "8.8.8.8", "api.openai.com"],
)
def test_public_private_and_loopback_hosts_are_allowed(host: str) -> None:
    assert not refused_host(host)


def test_a_name_is_no_address() -> None:
    assert literal_address("api.openai.com") is None
    assert literal_address("") is None
    assert str(literal_address("127.1")) == "127.0.0.1"
