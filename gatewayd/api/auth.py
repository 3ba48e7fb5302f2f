"""Client tokens: one function extracts the credential, one looks it up. Unknown gateway and wrong token look alike."""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from gatewayd.api.context import ApiRequest
from gatewayd.errors import AuthenticationFailed, Unavailable
from gatewayd.gateways import ActiveGateway, Snapshot

_MAX_TOKEN_BYTES = 4096


class Caller(NamedTuple):
    """The gateway that a request's token is for, and the token's name."""

    gateway: ActiveGateway
    token: str


def authenticate(request: ApiRequest, snapshot: Snapshot, gateway_id: str) -> Caller:
    """Raises AuthenticationFailed, always with the same words; Unavailable while nobody can know who is right."""
    token = read_token(request)
    gateway = snapshot.gateways.get(gateway_id)
    # the same work for a known and an unknown gateway
    digest = hashlib.sha256(token or b"").digest()
    known = gateway.token_hashes if gateway is not None else {b"\0" * 32: ""}
    found = False
    for candidate in known:
        found |= hmac.compare_digest(candidate, digest)
    if gateway is None or not token or not found:
        if token and not snapshot.complete:
            raise Unavailable("the database has not been reached yet, and may know this token", retry_after=5)
        raise AuthenticationFailed("the gateway token is missing or not valid here", should_retry=False)
    return Caller(gateway, gateway.token_hashes[digest])


def read_token(request: ApiRequest) -> bytes | None:
    """`Authorization: Bearer T` or `x-api-key: T`; where both are sent they must agree (the SDKs send both)."""
    tokens = set()
    for value in request.headers.getall("authorization", []):
        scheme, _, token = value.partition(" ")
        tokens.add(token.strip() if scheme.lower() == "bearer" else "")
    tokens.update(value.strip() for value in request.headers.getall("x-api-key", []))
    if len(tokens) != 1:
        return None
    token = tokens.pop().encode("utf-8", "surrogateescape")
    return token if 0 < len(token) <= _MAX_TOKEN_BYTES else None
