"""Usage as charts: nothing is lost between the sums and the columns."""

from __future__ import annotations

from gatewayd.admin.usage_charts import OTHERS, add_up, build_charts, group
from gatewayd.store.usage import HOUR, Usage, UsageRow

MOMENTS = [0, HOUR, 2 * HOUR]


def row(at: int, model: str | None = None, **counts: int) -> UsageRow:
    return UsageRow(at, None, model, None, Usage(**{"requests": 1, **counts}))


def test_totals_have_a_row_for_every_moment_and_a_column_for_every_kind() -> None:
    rows = [
        row(0, input_tokens=5, cache_read=7, cache_write=1, output_tokens=2, cost_nano=9),
        row(2 * HOUR, requests=4, errors=1, cancelled=1),
    ]
    tokens, requests, cost = build_charts(rows, MOMENTS, None, priced=True)
    assert [name for name, _ in tokens.columns] == ["Input", "From the cache", "Into the cache", "Output"]
    assert tokens.rows == [(0, 5, 7, 1, 2), (HOUR, 0, 0, 0, 0), (2 * HOUR, 0, 0, 0, 0)]
    assert requests.rows == [(0, 1, 0), (HOUR, 0, 0), (2 * HOUR, 2, 2)]
    assert cost.rows[0] == (0, 9)


def test_without_a_price_there_is_no_chart_of_costs() -> None:
    assert [chart.title for chart in build_charts([row(0)], MOMENTS, None, priced=False)] == ["Tokens", "Requests"]


def test_groups_beyond_what_a_chart_shows_are_summed_up_as_others() -> None:
    rows = [row(HOUR, f"m{number}", input_tokens=100 - number, cost_nano=1) for number in range(9)]
    rows.append(row(0, "m8", output_tokens=1))
    tokens, requests, cost = build_charts(rows, MOMENTS, "model", priced=True)
    assert [name for name, _ in tokens.columns] == ["m0", "m1", "m2", "m3", "m4", OTHERS]
    assert tokens.rows[1] == (HOUR, 100, 99, 98, 97, 96, 95 + 94 + 93 + 92)
    assert tokens.rows[0] == (0, 0, 0, 0, 0, 0, 1)
    assert requests.rows[1] == (HOUR, 1, 1, 1, 1, 1, 4)
    assert sum(cost.rows[1][1:]) == 9


def test_long_charts_by_group_are_two() -> None:
    moments = [number * HOUR for number in range(168)]
    assert len(build_charts([row(0, "m")], moments, "model", priced=True)) == 2
    assert len(build_charts([row(0, "m")], moments, None, priced=True)) == 3


def test_groups_are_ordered_by_their_tokens_and_bounded() -> None:
    rows = [row(at, f"m{number}", input_tokens=number) for number in range(150) for at in (0, HOUR)]
    found = group(rows, "model")
    assert (len(found.sums), found.rest) == (100, 50)
    assert found.sums[0] == ("m149", Usage(requests=2, input_tokens=298))
    assert add_up(rows).input_tokens == 2 * sum(range(150))
    assert add_up([]) == Usage()


def test_nothing_was_used() -> None:
    for by in (None, "model"):
        for chart in build_charts([], MOMENTS, by, priced=True):  # type: ignore[arg-type]  # one of the dimensions
            assert len(chart.rows) == 3
