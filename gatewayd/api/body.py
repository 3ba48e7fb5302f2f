"""Reads a request's body with its limit. The token has been checked before: nobody else's bytes are read."""

from __future__ import annotations

from gatewayd.api.context import ApiRequest
from gatewayd.errors import InvalidRequest, RequestTooLarge

MAX_BODY_BYTES = 32 * 1024 * 1024  # Anthropic's own limit


async def read_body(request: ApiRequest) -> bytes:
    """Raises RequestTooLarge, by the declared length where there is one, and InvalidRequest for an encoded body."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidRequest("a compressed request body is not accepted; send it plain")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise RequestTooLarge("the request is larger than 32 MB")
    pieces = []
    size = 0
    while (piece := await request.stream.read()) is not None:  # type: ignore[union-attr]  # set for every real request
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise RequestTooLarge("the request is larger than 32 MB")
        pieces.append(piece)
    return b"".join(pieces)
