"""Percentiles of how long first pieces took, without a look at the log."""

from __future__ import annotations

import pytest

from gatewayd.store import Store
from gatewayd.store.latencies import added_up, list_latencies, percentile, size_of
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.usage import HOUR
from tests.store.rows import log_row

NOW = 1_700_000_000_000 // HOUR * HOUR


@pytest.mark.parametrize("ms", [1, 2, 3, 10, 99, 480, 1000, 12_345, 600_000])
def test_a_value_is_told_within_a_tenth(ms: int) -> None:
    told = percentile({size_of(ms): 7}, 0.5)
    assert told is not None
    assert abs(told - ms) <= max(0.1 * ms, 1)


def test_sizes_grow_with_the_values_and_have_an_end() -> None:
    sizes = [size_of(ms) for ms in (0, 1, 2, 5, 100, 10**6, 10**12, 2**63)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == sizes[-2]


def test_percentiles_are_those_of_the_values() -> None:
    sizes = added_up([{size_of(ms): 1} for ms in range(1, 1001)])
    for share, value in ((0.5, 500), (0.95, 950), (0.01, 10)):
        told = percentile(sizes, share)
        assert told is not None
        assert abs(told - value) <= 0.2 * value
    assert percentile({}, 0.5) is None


async def test_the_log_writer_counts_them_by_hour_and_gateway(store: Store) -> None:
    writer = LogWriter(store)
    for number, (gateway, ttft) in enumerate([("a", 100), ("a", 105), ("b", 3000), ("a", None)]):
        writer.put(log_row(number, ended_at=NOW + number, gateway=gateway, ttft_ms=ttft))
    await writer.flush()
    writer.put(log_row(9, ended_at=NOW + 9, gateway="a", ttft_ms=100))
    await writer.flush()
    async with store.read() as session:
        found = await list_latencies(session, NOW, NOW + HOUR)
        assert found == {"a": {size_of(100): 3}, "b": {size_of(3000): 1}}
        assert await list_latencies(session, NOW, NOW + HOUR, "b") == {"b": {size_of(3000): 1}}
        assert await list_latencies(session, NOW + HOUR, NOW + 2 * HOUR) == {}
