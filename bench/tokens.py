"""How far the estimate of input tokens is off, with the real tokenizers of four model families and one held out.

    python -m bench.tokens [--streams N] [--probes N]

A stream of requests is learned from, one by one; after 0, 1, 5, 20 and 50 of them the estimate is held against the
truth on other sessions of each kind, of an installation with another system prompt and other tools. `switch` learns
from sessions of one main kind and asks about the others. `small`: requests without tools, as for titles, of a few
hundred tokens; `all` leaves them out.
Needs the packages of bench/requirements.txt.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from bench.materials import KINDS
from bench.sessions import Setup, session, stream
from bench.tokenizers import Model, load_models
from gatewayd.gateways import Upstream
from gatewayd.protocol.chat.request import build_request
from gatewayd.protocol.estimator import Estimator
from gatewayd.protocol.notes import Notes
from gatewayd.protocol.tokens import Features, read_features

SEEN = (0, 1, 5, 20, 50)
SMALL = "small"
Errors = dict[tuple[str, int], list[float]]
_DIALECT = Upstream(base_url="http://127.0.0.1").resolve_dialect()


class Case(NamedTuple):
    kind: str
    features: Features
    body: dict[str, Any]


def build_case(kind: str, request: dict[str, Any]) -> Case:
    body = build_request(request, upstream_model="m", dialect=_DIALECT, notes=Notes()).body
    return Case(kind if request.get("tools") else SMALL, read_features(request), body)


def learned(cases: Sequence[Case], model: Model) -> Iterator[tuple[int, Estimator]]:
    """(reports seen, the estimator then), for each of SEEN."""
    estimator = Estimator()
    for seen in range(len(cases) + 1):
        if seen in SEEN:
            yield seen, estimator
        if seen < len(cases):
            report = estimator.learn(cases[seen].features, model.prompt_tokens(cases[seen].body))
            estimator = Estimator(estimator.statistics.plus(report).bounded())


def errors(estimator: Estimator, probes: Sequence[Case], model: Model) -> Iterator[tuple[str, float]]:
    for probe in probes:
        truth = model.prompt_tokens(probe.body)
        yield probe.kind, abs(estimator.estimate(probe.features) / truth - 1)


def build_probes(rng: random.Random, count: int) -> list[Case]:
    """Requests of fresh sessions, `count` for each kind, some way into them."""
    setup, out = Setup(rng), []
    for kind in KINDS:
        for _ in range(count):
            asked = list(session(rng, setup, kind))
            out.append(build_case(*rng.choice(asked)))
    return out


def measure(models: dict[str, Model], streams: int, count: int) -> dict[str, Errors]:
    """By model, and for `NAME, switch`."""
    out: dict[str, Errors] = defaultdict(lambda: defaultdict(list))
    for seed in range(streams):
        probes = build_probes(random.Random(1000 + seed), count)
        mixed = [build_case(*asked) for asked in islice(stream(random.Random(seed)), SEEN[-1])]
        only = KINDS[seed % len(KINDS)]
        single = [build_case(*asked) for asked in islice(stream(random.Random(seed), (only,)), SEEN[-1])]
        for name, model in models.items():
            for seen, estimator in learned(mixed, model):
                for kind, error in errors(estimator, probes, model):
                    out[name][kind, seen].append(error)
            for seen, estimator in learned(single, model):
                for kind, error in errors(estimator, [probe for probe in probes if probe.kind != only], model):
                    out[f"{name}, switch"][kind, seen].append(error)
    return out


def percentile(values: Sequence[float], share: float) -> float:
    """0 where there is none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def print_table(found: dict[str, Errors]) -> None:
    print("errors in %, median / 95th percentile, by requests seen")
    print(f"{'':24}{'':10}" + "".join(f"{seen:>14}" for seen in SEEN))
    overall: dict[str, Errors] = {"mixed": defaultdict(list), "switch": defaultdict(list)}
    for name, by_kind in found.items():
        for seen in SEEN:
            by_kind["all", seen] = [error for kind in KINDS for error in by_kind[kind, seen]]
            overall["switch" if name.endswith("switch") else "mixed"]["all", seen] += by_kind["all", seen]
        for kind in (*KINDS, SMALL, "all"):
            _print_row(name, kind, by_kind)
    for label, errors_of_all in overall.items():
        _print_row(f"all models, {label}", "all", errors_of_all)


def _print_row(name: str, kind: str, found: Errors) -> None:
    cells = [(percentile(found[kind, seen], 0.5), percentile(found[kind, seen], 0.95)) for seen in SEEN]
    print(f"{name:24}{kind:10}" + "".join(f"{100 * median:>8.1f} /{100 * most:>4.1f}" for median, most in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--streams", type=int, default=12)
    parser.add_argument("--probes", type=int, default=4)
    arguments = parser.parse_args()
    print_table(measure(load_models(), arguments.streams, arguments.probes))


if __name__ == "__main__":
    main()
