"""What is learned of one model's tokenizer: how many tokens it makes of what our features call one.

A Bayesian linear regression: the estimate is the sum of the features, each times a factor; before anything is known the
factors are 1, give or take what tokenizers of several families were seen to differ. Reports of providers are weighed in
by their relative error. What was learned is a sum over reports (`Statistics`), so that what several processes learned
adds up. A report far from what is expected counts less; one beyond all reason, not at all; and none
counts much more than all before it.

Invariants: an estimate is at least 1, within a factor of LIMIT of the unlearned one (and of what templates may add),
and grows with every feature. Nothing here depends on time or chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log, sqrt
from typing import Any, NamedTuple

from gatewayd.protocol.tokens import Features

LIMIT = 4.0
_HIDDEN = 100  # tokens that a provider may add to every request without our seeing them
_MEMORY = 100.0  # beyond so many reports the past counts half
_NOISE = 0.015  # relative error of one report when all factors are right
_SURPRISE = 2.0  # standard deviations beyond which a report counts less
_TRUST = 4.0  # how much a single report may tell, by what is known of its like already; the first may be nonsense

_SIZE = len(Features._fields)
# How far a factor may be from 1, as a standard deviation.
_SPREAD = Features(
    words=0.08,
    joints=0.25,
    numbers=0.3,
    marks=0.2,
    blanks=0.5,
    han=0.3,
    kana=0.3,
    others=0.3,
    thinking=0.6,
    tools=0.2,
    tool_rules=1.0,
    messages=0.7,
    calls=1.0,
    areas=1.0,
    images=1.0,
    pages=1.0,
    preamble=6.0,
)
# What factors have in common beyond that: all text, and the languages that some vocabularies hold little of.
_TOGETHER = (
    (tuple(range(Features._fields.index("tools") + 1)), 0.12),
    (tuple(map(Features._fields.index, ("han", "kana", "others"))), 0.25),
)
_LEAST = Features._make([0.3] * 8 + [0.0] * (_SIZE - 8))
_MOST = Features._make([3.0] * 8 + [1.5, 3.0] + [10.0] * (_SIZE - 11) + [50.0])

Matrix = tuple[tuple[float, ...], ...]


class Statistics(NamedTuple):
    """A sum over reports, each with its weight. Vectors are features divided by what was then the estimate, so that a
    report that is too low pulls no harder than one that is too high.

    seen    number of reports, never reduced
    kept    how many of them are still remembered
    sums    of the vectors, each times what was reported, divided by the estimate as well
    squares of the vectors' outer products: row i from column i on
    """

    seen: int
    kept: float
    sums: tuple[float, ...]
    squares: Matrix

    def plus(self, other: Statistics) -> Statistics:
        return Statistics(
            self.seen + other.seen,
            self.kept + other.kept,
            _add(self.sums, other.sums),
            tuple(map(_add, self.squares, other.squares)),
        )

    def bounded(self) -> Statistics:
        """With the past counting half, where there is much of it: providers change."""
        if self.kept <= _MEMORY:
            return self
        return Statistics(
            self.seen,
            self.kept / 2,
            tuple(value / 2 for value in self.sums),
            tuple(tuple(value / 2 for value in row) for row in self.squares),
        )

    def to_json(self) -> dict[str, Any]:
        return {"features": list(Features._fields), **self._asdict()}


NOTHING = Statistics(0, 0.0, (0.0,) * _SIZE, tuple((0.0,) * (_SIZE - row) for row in range(_SIZE)))


def read_statistics(value: Any) -> Statistics:
    """What `to_json` gave, exactly. NOTHING for what another version or nobody has written."""
    try:
        if value["features"] != list(Features._fields):
            return NOTHING
        statistics = Statistics(
            int(value["seen"]),
            float(value["kept"]),
            tuple(map(float, value["sums"])),
            tuple(tuple(map(float, row)) for row in value["squares"]),
        )
    except (ValueError, KeyError, TypeError):
        return NOTHING
    return statistics if _is_sound(statistics) else NOTHING


class Estimator:
    """Estimates for one model, from statistics. Solved once, when first needed."""

    def __init__(self, statistics: Statistics = NOTHING) -> None:
        self.statistics = statistics
        self._factors: Sequence[float] | None = None
        self._lower: list[list[float]] = []  # of the precision matrix

    def estimate(self, features: Features) -> int:
        """Input tokens, at least 1."""
        return max(1, round(self._bounded(features)))

    def learn(self, features: Features, tokens: int) -> Statistics:
        """What a report of `tokens` for a request adds; NOTHING where it cannot be true."""
        expected = sum(features)
        if not expected / LIMIT <= tokens <= (expected + _HIDDEN) * LIMIT:
            return NOTHING
        estimate = self._bounded(features)  # solves first
        vector = [feature / estimate for feature in features]
        unknown = sum(value * value for value in _forward(self._lower, vector))
        surprise = abs(log(tokens / estimate)) / sqrt(_NOISE**2 + unknown)
        weight = min(1.0, _TRUST * _NOISE**2 / unknown, _SURPRISE / max(surprise, _SURPRISE))
        return _one(vector, tokens / estimate, weight)

    def _bounded(self, features: Features) -> float:
        expected = sum(features)
        if self._factors is None:
            self._factors, self._lower = _solve(self.statistics)
        told = sum(map(_times, self._factors, features))
        return min(max(told, expected / LIMIT), (expected + _HIDDEN) * LIMIT)


def _one(vector: Sequence[float], target: float, weight: float) -> Statistics:
    sums = tuple(weight * target * value for value in vector)
    return Statistics(1, 1.0, sums, tuple(_row(vector, i, weight) for i in range(_SIZE)))


def _row(vector: Sequence[float], index: int, weight: float) -> tuple[float, ...]:
    scale = weight * vector[index]
    return tuple(scale * value for value in vector[index:])


def _is_sound(statistics: Statistics) -> bool:
    """Of the right shape, made of finite numbers that are not negative, and with a solution."""
    values = [statistics.seen, statistics.kept, *statistics.sums, *(v for row in statistics.squares for v in row)]
    shape = [len(statistics.sums), *map(len, statistics.squares)]
    if shape != [_SIZE, *range(_SIZE, 0, -1)] or not all(isfinite(value) and value >= 0 for value in values):
        return False
    try:
        return all(map(isfinite, _solve(statistics)[0]))
    except (ValueError, ArithmeticError):
        return False


# --- algebra ---------------------------------------------------------------------------------------------------------


def _times(one: float, other: float) -> float:
    return one * other


def _add(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _solve(statistics: Statistics) -> tuple[list[float], list[list[float]]]:
    """The likeliest factors within their bounds, and the lower factor of the precision matrix."""
    scale = 1 / _NOISE**2
    matrix = [list(row) for row in _PRIOR]
    for i, row in enumerate(statistics.squares):
        for j, value in enumerate(row, start=i):
            matrix[i][j] += scale * value
            matrix[j][i] = matrix[i][j]
    right = [prior + scale * value for prior, value in zip(_PRIOR_SUMS, statistics.sums, strict=True)]
    lower = _cholesky(matrix)
    factors = _backward(lower, _forward(lower, right))
    held: dict[int, float] = {}
    while beyond := {i: _clamped(i, value) for i, value in enumerate(factors) if value != _clamped(i, value)}:
        held |= beyond
        factors = _solve_held(matrix, right, held)
    return factors, lower


def _clamped(index: int, value: float) -> float:
    return min(max(value, _LEAST[index]), _MOST[index])


def _solve_held(matrix: list[list[float]], right: list[float], held: dict[int, float]) -> list[float]:
    """The solution with some of the unknowns held at a value."""
    free = [i for i in range(_SIZE) if i not in held]
    lower = _cholesky([[matrix[i][j] for j in free] for i in free])
    rest = [right[i] - sum(matrix[i][j] * value for j, value in held.items()) for i in free]
    found: dict[int, float] = dict(zip(free, _backward(lower, _forward(lower, rest)), strict=True))
    return [held[i] if i in held else found[i] for i in range(_SIZE)]


def _cholesky(matrix: list[list[float]]) -> list[list[float]]:
    """The lower triangle L with L Lᵀ = matrix, by rows of growing length."""
    lower: list[list[float]] = []
    for i, row in enumerate(matrix):
        line: list[float] = []
        for j in range(i):
            line.append((row[j] - sum(map(_times, line, lower[j]))) / lower[j][j])
        line.append(sqrt(row[i] - sum(map(_times, line, line))))
        lower.append(line)
    return lower


def _forward(lower: list[list[float]], right: Sequence[float]) -> list[float]:
    out: list[float] = []
    for line, value in zip(lower, right, strict=True):
        out.append((value - sum(map(_times, line, out))) / line[-1])
    return out


def _backward(lower: list[list[float]], right: Sequence[float]) -> list[float]:
    out = [0.0] * len(right)
    for i in range(len(right) - 1, -1, -1):
        out[i] = (right[i] - sum(lower[j][i] * out[j] for j in range(i + 1, len(right)))) / lower[i][i]
    return out


def _prior() -> list[list[float]]:
    """The precision of the factors before anything is known: the inverse of their covariance."""
    covariance = [[0.0] * _SIZE for _ in range(_SIZE)]
    for index, spread in enumerate(_SPREAD):
        covariance[index][index] = spread**2
    for together, spread in _TOGETHER:
        for i in together:
            for j in together:
                covariance[i][j] += spread**2
    lower = _cholesky(covariance)
    return [_backward(lower, _forward(lower, [float(i == j) for j in range(_SIZE)])) for i in range(_SIZE)]


_PRIOR = _prior()
_PRIOR_SUMS = [sum(row) for row in _PRIOR]
