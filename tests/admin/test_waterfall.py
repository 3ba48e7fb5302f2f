"""A timeline as bars and attempts: each stands where it belongs, whatever the marks are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.admin.waterfall import WIDTH, build_bars, read_attempts
from gatewayd.relay.timeline import Mark, parse_timeline
from tests.store.rows import log_row

STREAM = parse_timeline(
    "attempt:g@0 status:200@300 first@400 open:thinking@400 close@1000 ping:3@1200 open:tool_use@1500 close@1600"
    " open:text@1600 close@2000 silence:500@1500"
)


def test_a_stream_is_a_wait_blocks_and_what_happened_between_them() -> None:
    bars = build_bars(STREAM, 2000)
    assert [(bar.title, bar.kind, bar.begins, bar.took, bar.x, bar.width) for bar in bars] == [
        ("Waiting for the provider", "wait", 0, 400, 0, 200),
        ("Thinking", "thinking", 400, 600, 200, 300),
        ("Longest silence of the provider", "silence", 1000, 500, 500, 250),
        ("Ping, 3 times", "ping", 1200, 0, 600, 3),
        ("Tool call", "tool", 1500, 100, 750, 50),
        ("Text", "block", 1600, 400, 800, 200),
    ]


def test_what_was_cut_lasts_to_the_end() -> None:
    assert [(bar.title, bar.begins, bar.took) for bar in build_bars(parse_timeline("attempt:g@0"), 900)] == [
        ("Waiting for the provider", 0, 900)
    ]
    cut = build_bars(parse_timeline("attempt:g@0 first@10 open:text@20"), 900)
    assert (cut[-1].title, cut[-1].took) == ("Text", 880)


def test_attempts_tell_where_they_went_and_how_they_failed() -> None:
    marks = parse_timeline("attempt:g@0 status:503@20 failed:overloaded_error@25 attempt:h@30 status:200@90 first@95")
    assert [tuple(each) for each in read_attempts(marks, log_row(duration_ms=1000))] == [
        ("g", 0, 25, "503", "overloaded_error"),
        ("h", 30, 970, "200", ""),
    ]
    failed = build_bars(marks, 1000)[0]
    assert (failed.title, failed.took) == ("Failed attempt: overloaded_error", 25)


MARKS = st.builds(
    Mark,
    st.sampled_from(["attempt", "status", "first", "failed", "open", "close", "ping", "silence", "more", "new"]),
    st.integers(0, 10**12),
    st.sampled_from(["", "1", "700", "text", "tool_use", "99999999"]),
)


@given(st.lists(MARKS), st.integers(0, 10**12))
def test_no_bar_leaves_its_track(marks: list[Mark], duration: int) -> None:
    for bar in build_bars(sorted(marks, key=lambda mark: mark.at), duration):
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert bar.width >= 1
        assert bar.took >= 0
    read_attempts(marks, log_row(duration_ms=duration))
