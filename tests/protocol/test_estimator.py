"""The estimator: learns from few requests, keeps within bounds, and its sums add up."""

from __future__ import annotations

import json
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.estimator import Estimator, Sums
from gatewayd.protocol.tokens import PARTS, Measure

_measures = st.lists(st.floats(0, 1e6), min_size=len(PARTS), max_size=len(PARTS)).map(tuple)


def mixture(dice: random.Random) -> Measure:
    """A request whose kinds of content change from one to the next."""
    share = [dice.random() ** 3 for _ in PARTS]
    size = 10 ** dice.uniform(2.5, 5)
    return tuple(size * part / sum(share) for part in share)


def hidden(dice: random.Random) -> list[float]:
    """A model's own weights: a factor for all, and a bit for each part."""
    common = dice.uniform(0.6, 1.6)
    return [common * dice.uniform(0.75, 1.3) for _ in PARTS]


def test_it_learns_from_twenty_requests() -> None:
    errors = []
    for seed in range(40):
        dice = random.Random(seed)
        weights, estimator = hidden(dice), Estimator()
        for n in range(60):
            measure = mixture(dice)
            tokens = round(sum(w * part for w, part in zip(weights, measure, strict=True)) * dice.uniform(0.99, 1.01))
            if n >= 20:
                errors.append(abs(estimator.estimate(measure) - tokens) / tokens)
            estimator.observe(measure, tokens)
    assert statistics.median(errors) < 0.03
    assert sorted(errors)[int(len(errors) * 0.95)] < 0.08


def test_one_report_moves_all_parts_by_the_common_factor() -> None:
    estimator = Estimator()
    words = tuple(1000.0 if part == "words" else 0.0 for part in PARTS)
    kana = tuple(1000.0 if part == "kana" else 0.0 for part in PARTS)
    estimator.observe(words, 1500)
    assert 1450 < estimator.estimate(words) <= 1500
    assert 1200 < estimator.estimate(kana) < 1500


@pytest.mark.parametrize("tokens", [0, -5, 1, 10**9])
def test_nonsense_is_not_learned(tokens: int) -> None:
    estimator = Estimator()
    measure = tuple(100.0 for _ in PARTS)
    before = estimator.estimate(measure)
    for _ in range(50):
        estimator.observe(measure, tokens)
    assert estimator.estimate(measure) == before


@given(
    reports=st.lists(st.tuples(_measures, st.integers(-10, 10**7)), max_size=12),
    measure=_measures,
    part=st.integers(0, len(PARTS) - 1),
)
def test_whatever_is_reported_estimates_stay_sane(
    reports: list[tuple[Measure, int]], measure: Measure, part: int
) -> None:
    estimator = Estimator()
    for earlier, tokens in reports:
        estimator.observe(earlier, tokens)
    plain, more = sum(measure), list(measure)
    more[part] += 1000
    assert 1 <= estimator.estimate(measure) <= max(1, 4 * plain + 1)
    assert estimator.estimate(measure) >= int(plain / 5)
    assert estimator.estimate(tuple(more)) >= estimator.estimate(measure)


def test_sums_of_two_processes_add_up_and_survive_json() -> None:
    dice = random.Random(3)
    weights = hidden(dice)
    requests = [mixture(dice) for _ in range(30)]
    tokens = [round(sum(w * part for w, part in zip(weights, measure, strict=True))) for measure in requests]
    alone, one, two = Estimator(), Estimator(), Estimator()
    for n, (measure, count) in enumerate(zip(requests, tokens, strict=True)):
        alone.observe(measure, count)
        (one if n % 2 else two).observe(measure, count)
    shared = Sums.from_json(json.loads(json.dumps(one.take_fresh().to_json())))
    shared.add(two.take_fresh())
    one.take_over(Sums.from_json(json.loads(json.dumps(shared.to_json()))))
    for measure in requests:
        assert one.estimate(measure) == pytest.approx(alone.estimate(measure), rel=0.001, abs=1)


def test_what_was_observed_while_sharing_is_kept() -> None:
    estimator = Estimator()
    measure = tuple(100.0 for _ in PARTS)
    estimator.observe(measure, 2000)
    fresh = estimator.take_fresh()
    estimator.observe(measure, 2000)
    estimator.take_over(fresh)
    assert (estimator.known.count, estimator.fresh.count) == (2, 1)


def test_old_observations_fade() -> None:
    dice, estimator = random.Random(1), Estimator()
    for weight in (1.0, 2.0):
        for _ in range(900):
            measure = mixture(dice)
            estimator.observe(measure, round(weight * sum(measure)))
            if estimator.fresh.count >= 50:
                shared = Sums.from_json(estimator.known.to_json())
                estimator.take_fresh()
                shared.add(Sums())
                estimator.take_over(shared)
    measure = mixture(dice)
    assert estimator.estimate(measure) == pytest.approx(2 * sum(measure), rel=0.1)


def test_sums_of_another_version_are_forgotten() -> None:
    estimator = Estimator()
    estimator.observe(tuple(100.0 for _ in PARTS), 2000)
    data = estimator.known.to_json() | {"parts": ["words"]}
    assert Sums.from_json(data).count == 0
    assert Sums.from_json({}).count == 0
