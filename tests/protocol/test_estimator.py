"""What the estimator may never do, whatever a provider reports; and that it learns."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.protocol.estimator import LIMIT, NOTHING, Estimator, Statistics, read_statistics
from gatewayd.protocol.tokens import Features, read_features

_TOKENS = st.one_of(st.just(0.0), st.floats(0.1, 1e6))
FEATURES = st.builds(Features, *[_TOKENS] * (len(Features._fields) - 1), st.just(12.0))
REPORTS = st.lists(st.tuples(FEATURES, st.one_of(st.integers(-10, 10**7), st.sampled_from([0, 10**18]))), max_size=12)


def learned(reports: list[tuple[Features, int]]) -> Estimator:
    estimator = Estimator()
    for features, tokens in reports:
        estimator = Estimator(estimator.statistics.plus(estimator.learn(features, tokens)).bounded())
    return estimator


@settings(max_examples=100, deadline=None)
@given(REPORTS, FEATURES)
def test_no_report_pushes_an_estimate_beyond_its_limits(
    reports: list[tuple[Features, int]], features: Features
) -> None:
    estimate = learned(reports).estimate(features)
    assert estimate >= 1
    assert sum(features) / LIMIT - 1 <= estimate <= (sum(features) + 100) * LIMIT + 1


@settings(max_examples=100, deadline=None)
@given(REPORTS, FEATURES, FEATURES)
def test_more_content_never_lowers_the_estimate(
    reports: list[tuple[Features, int]], features: Features, more: Features
) -> None:
    estimator = learned(reports)
    both = Features._make(a + b for a, b in zip(features, more, strict=True))
    assert estimator.estimate(both) >= estimator.estimate(features)


@given(st.text(max_size=300), st.text(max_size=300))
def test_adding_text_never_lowers_the_estimate(first: str, then: str) -> None:
    def estimate(*texts: str) -> int:
        content = [{"type": "text", "text": text.encode(errors="replace").decode()} for text in texts]
        return Estimator().estimate(read_features({"messages": [{"role": "user", "content": content}]}))

    assert estimate(first + then) >= estimate(first) > 0
    assert estimate(first, then) >= estimate(first)


@settings(max_examples=100, deadline=None)
@given(REPORTS)
def test_what_was_learned_is_restored_exactly(reports: list[tuple[Features, int]]) -> None:
    statistics = learned(reports).statistics
    assert read_statistics(json.loads(json.dumps(statistics.to_json()))) == statistics


def test_its_written_form_stays_small() -> None:
    assert len(json.dumps(learned(_reports(400)).statistics.to_json())) < 6000


def test_what_is_no_state_of_this_version_is_nothing() -> None:
    written = json.dumps(NOTHING.to_json())
    for text in (
        "null",
        "[]",
        "{}",
        '{"features":["words"],"seen":1,"kept":1,"sums":[1],"squares":[[1]]}',
        written.replace('"kept": 0.0', '"kept": NaN'),
        written.replace('"kept": 0.0', '"kept": -1'),
        written.replace('"squares": [[0.0, 0.0', '"squares": [[0.0, 1e9'),
        written.replace('"squares": [[0.0, ', '"squares": [['),
    ):
        assert text != written
        assert read_statistics(json.loads(text)) == NOTHING


def test_what_two_processes_learned_adds_up() -> None:
    reports = _reports(20)
    estimator = Estimator()
    parts = [estimator.learn(*report) for report in reports]
    left, right, whole = _sum(parts[:7]), _sum(parts[7:]), _sum(parts)
    assert right.plus(left).seen == whole.seen == 20
    for features, _tokens in reports:
        assert Estimator(right.plus(left)).estimate(features) == Estimator(whole).estimate(features)


@pytest.mark.parametrize("reported", [0, 1, -5, 10**12])
def test_a_report_beyond_reason_teaches_nothing(reported: int) -> None:
    features, _ = _reports(1)[0]
    assert Estimator().learn(features, reported) is NOTHING


def test_it_learns_the_factors_of_each_kind() -> None:
    reports = _reports(80)
    estimator = learned(reports[:20])
    errors = sorted(abs(estimator.estimate(features) / tokens - 1) for features, tokens in reports[20:])
    assert errors[len(errors) // 2] < 0.02
    assert errors[-3] < 0.15


def test_counts_that_leave_cached_tokens_out_now_and_then_do_little_harm() -> None:
    reports = _reports(80)
    wrong = [(f, tokens * 4 // 10) if n % 5 == 4 else (f, tokens) for n, (f, tokens) in enumerate(reports[:40])]
    estimator = learned(wrong)
    errors = sorted(abs(estimator.estimate(features) / tokens - 1) for features, tokens in reports[40:])
    assert errors[len(errors) // 2] < 0.06


def test_a_nonsense_report_at_first_is_outweighed() -> None:
    reports = _reports(60)
    estimator = learned([(reports[0][0], reports[0][1] * 3), *reports[1:40]])
    errors = sorted(abs(estimator.estimate(features) / tokens - 1) for features, tokens in reports[40:])
    assert errors[len(errors) // 2] < 0.04


def test_it_follows_a_provider_that_changes() -> None:
    reports = [(features, tokens) for features, tokens in _reports(500)]
    changed = [(features, tokens * 13 // 10) for features, tokens in _reports(900)[500:]]
    estimator = learned(reports + changed)
    errors = sorted(abs(estimator.estimate(features) / tokens - 1) for features, tokens in changed[-40:])
    assert errors[len(errors) // 2] < 0.05


def test_the_written_form_names_the_features_in_order() -> None:
    assert NOTHING.to_json()["features"] == list(Features._fields)


def _sum(parts: list[Statistics]) -> Statistics:
    total = NOTHING
    for part in parts:
        total = total.plus(part)
    return total


_HIDDEN = Features(0.9, 1.2, 1.4, 1.1, 0.6, 0.8, 0.7, 1.1, 0, 0.8, 1.5, 0.9, 0.5, 1, 1, 1, 3)


def _reports(count: int) -> list[tuple[Features, int]]:
    """Requests of ever other mixtures, and what a tokenizer with other factors makes of them."""
    rng = random.Random(3)
    out = []
    for _ in range(count):
        features = Features._make(rng.paretovariate(1.2) * size for size in _SIZES)._replace(
            areas=0, images=0, pages=0, preamble=12, tool_rules=60
        )
        tokens = sum(a * b for a, b in zip(features, _HIDDEN, strict=True)) * rng.uniform(0.99, 1.01)
        out.append((features, round(tokens)))
    return out


_SIZES = (3000, 300, 400, 900, 300, 300, 200, 30, 100, 4000, 60, 60, 100, 0, 0, 0, 12)


def test_a_growing_long_request_never_falls_by_more_than_the_noise_of_sampling() -> None:
    """Beyond what is counted in full, a request is sampled anew each time."""
    rng = random.Random(5)
    words = ["call(value)", "the", "request", "1024", "\n    return", "{'a': 1}", "snake_case_name", "今天天气很好"]
    content: list[dict[str, str]] = []
    before = 0
    for _ in range(60):
        content.append({"type": "text", "text": " ".join(rng.choices(words, k=600))})
        estimate = Estimator().estimate(read_features({"messages": [{"role": "user", "content": content}]}))
        assert estimate > before * 0.98
        before = estimate
