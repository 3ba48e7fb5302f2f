"""Learns how a model counts tokens: weighs the parts of a measure by what the provider reported for earlier requests.

A Bayesian linear fit: each part's weight is 1 before anything is known, all of them may be off by a common factor, each
by a little of its own. Observations count relative to their size. What has been observed is kept as sums, so that the
sums of several processes add up. Weights stay within bounds, so that no report can make an estimate absurd.
"""

from __future__ import annotations

from typing import Any

from gatewayd.protocol.tokens import PARTS, Measure

_N = len(PARTS)
_COMMON, _OWN, _NOISE = 0.6, 0.3, 0.02  # deviations: of the common factor, of a part's own, of a count
_LEAST, _MOST = 0.2, 4.0  # a part's weight
_HALVE_AT = 400  # observations; from then on older ones fade
_NONSENSE = 5.0  # a report so many times above or below the estimate is none

Matrix = list[list[float]]


def _prior() -> Matrix:
    """The inverse of the covariance `own² I + common² 1 1ᵀ` (Sherman-Morrison)."""
    own, common = 1 / _OWN**2, _COMMON**2
    shrink = common * own * own / (1 + common * own * _N)
    return [[(own if row == column else 0.0) - shrink for column in range(_N)] for row in range(_N)]


_PRIOR = _prior()


class Sums:
    """What observations add up to: matrix and vector of the normal equations, and their number."""

    __slots__ = ("count", "matrix", "vector")

    def __init__(self) -> None:
        self.count = 0.0
        self.matrix: Matrix = [[0.0] * _N for _ in range(_N)]
        self.vector = [0.0] * _N

    def observe(self, measure: Measure, tokens: int) -> None:
        scaled = [part / tokens / _NOISE for part in measure]
        for row, factor in enumerate(scaled):
            if factor:
                line = self.matrix[row]
                for column, other in enumerate(scaled):
                    line[column] += factor * other
                self.vector[row] += factor / _NOISE
        self.count += 1

    def add(self, other: Sums) -> None:
        for row in range(_N):
            self.vector[row] += other.vector[row]
            for column in range(_N):
                self.matrix[row][column] += other.matrix[row][column]
        self.count += other.count
        if self.count > _HALVE_AT:
            self._fade()

    def _fade(self) -> None:
        self.count /= 2
        self.vector = [value / 2 for value in self.vector]
        self.matrix = [[value / 2 for value in line] for line in self.matrix]

    def weights(self) -> list[float]:
        """The fitted weight of each part."""
        lines = [
            [_PRIOR[row][column] + self.matrix[row][column] for column in range(_N)]
            + [sum(_PRIOR[row]) + self.vector[row]]
            for row in range(_N)
        ]
        return [min(max(weight, _LEAST), _MOST) for weight in _solve(lines)]

    def to_json(self) -> dict[str, Any]:
        """The matrix is symmetric: its lower half says all."""
        lower = [self.matrix[row][column] for row in range(_N) for column in range(row + 1)]
        return {"parts": list(PARTS), "count": self.count, "matrix": lower, "vector": self.vector}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Sums:
        """Empty sums for what another version of PARTS has written."""
        sums = cls()
        if data.get("parts") == list(PARTS):
            values = iter(data["matrix"])
            for row in range(_N):
                for column in range(row + 1):
                    sums.matrix[row][column] = sums.matrix[column][row] = next(values)
            sums.vector, sums.count = list(data["vector"]), data["count"]
        return sums


class Estimator:
    """One model's. known: what was observed so far, anywhere; fresh: what this process observed and has not shared."""

    __slots__ = ("_weights", "fresh", "known")

    def __init__(self, known: Sums | None = None) -> None:
        self.known = known or Sums()
        self.fresh = Sums()
        self._weights: list[float] | None = None

    def estimate(self, measure: Measure) -> int:
        """Input tokens, at least 1."""
        if self._weights is None:
            self._weights = self.known.weights() if self.known.count else [1.0] * _N
        return max(1, round(sum(weight * part for weight, part in zip(self._weights, measure, strict=True))))

    def observe(self, measure: Measure, tokens: int) -> None:
        """The provider counted so many. Nonsense (nothing, or far from any tokenizer) is not learned."""
        plain = sum(measure)
        if not 0 < plain / _NONSENSE <= tokens <= plain * _NONSENSE:
            return
        self.known.observe(measure, tokens)
        self.fresh.observe(measure, tokens)
        self._weights = None

    def take_fresh(self) -> Sums:
        """What is to be shared now; it stays part of what is known."""
        fresh, self.fresh = self.fresh, Sums()
        return fresh

    def take_over(self, shared: Sums) -> None:
        """What all processes have shared so far; what this one observed since then is added."""
        shared.add(self.fresh)
        self.known, self._weights = shared, None


def _solve(lines: Matrix) -> list[float]:
    """Gaussian elimination of a symmetric positive definite system with its right side as last column."""
    for pivot in range(_N):
        head = lines[pivot]
        for line in lines[pivot + 1 :]:
            factor = line[pivot] / head[pivot]
            for column in range(pivot, _N + 1):
                line[column] -= factor * head[column]
    solution = [0.0] * _N
    for row in range(_N - 1, -1, -1):
        known = sum(lines[row][column] * solution[column] for column in range(row + 1, _N))
        solution[row] = (lines[row][_N] - known) / lines[row][row]
    return solution
