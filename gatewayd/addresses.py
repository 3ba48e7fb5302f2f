"""Which hosts no upstream may have, in any mode: link-local and metadata services, `this network`, multicast. Pure.

Address literals are read as the resolver of the system reads them (decimal, hexadecimal, short forms), so that what is
checked is what would be dialled. Names are only known when dialled: `is_never_allowed` is for there, too.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

Address = IPv4Address | IPv6Address
Network = Literal["local", "public"]

_NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "ff00::/8",
        "fd00:ec2::254/128",
    )
)
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})


def refused_host(host: str) -> bool:
    """Whether a URL's host is one that is never dialled, as far as its text alone can say."""
    name = host.rstrip(".").lower()
    address = literal_address(name)
    return name in _METADATA_NAMES or (address is not None and is_never_allowed(address))


def is_never_allowed(address: Address) -> bool:
    inner = _embedded(address)
    return any(inner.version == network.version and inner in network for network in _NEVER)


def may_be_dialled(host: str, network: Network) -> bool:
    """Whether an address, as a resolver or a URL gives it, is allowed: `local`: any but the ones never allowed;
    `public`: only addresses that the whole Internet can route to. False for a name."""
    address = literal_address(host)
    if address is None or is_never_allowed(address):
        return False
    return network == "local" or _embedded(address).is_global


def literal_address(host: str) -> Address | None:
    """`127.1`, `0x7f000001`, `2130706433`, `::1` -> the address; None for a name."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _embedded(address: Address) -> Address:
    """The IPv4 address inside a mapped, 6to4 or NAT64 one."""
    if isinstance(address, IPv4Address):
        return address
    if address in ip_network("64:ff9b::/96"):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
