"""The relay: one exchange from a client's request to the end of its answer."""

from gatewayd.relay.exchange import Exchange, Relay, Reply
from gatewayd.relay.limits import Limiter
from gatewayd.relay.record import Record
from gatewayd.relay.timing import Timing

__all__ = ["Exchange", "Limiter", "Record", "Relay", "Reply", "Timing"]
