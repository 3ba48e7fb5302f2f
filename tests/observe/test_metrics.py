"""The metrics of one process: names, labels and amounts, as a Prometheus server reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gatewayd import __version__
from gatewayd.observe.metrics import MODELS, Metrics, State
from gatewayd.relay import Record
from tests.servers import ROOT

BY_MODEL = {"gateway", "model", "upstream_model"}
NAMES = {
    "gatewayd_requests": ("counter", BY_MODEL | {"outcome", "stream"}),
    "gatewayd_request_duration_seconds": ("histogram", {"gateway", "model"}),
    "gatewayd_time_to_first_token_seconds": ("histogram", {"gateway", "model"}),
    "gatewayd_overhead_seconds": ("histogram", {"gateway"}),
    "gatewayd_tokens": ("counter", BY_MODEL | {"type"}),
    "gatewayd_cost_usd": ("counter", BY_MODEL),
    "gatewayd_upstream_responses": ("counter", {"gateway", "status_class"}),
    "gatewayd_upstream_retries": ("counter", {"gateway"}),
    "gatewayd_stream_aborts": ("counter", {"gateway", "by"}),
    "gatewayd_conversion_notes": ("counter", {"kind"}),
    "gatewayd_inflight_requests": ("gauge", set()),
    "gatewayd_log_queue_depth": ("gauge", set()),
    "gatewayd_log_dropped": ("counter", set()),
    "gatewayd_config_revision": ("gauge", set()),
    "gatewayd_config_last_apply_successful": ("gauge", set()),
    "gatewayd_config_last_apply_timestamp_seconds": ("gauge", set()),
    "gatewayd_config_drifted_records": ("gauge", set()),
    "gatewayd_config_conflicts": ("gauge", set()),
    "gatewayd_config_flaps": ("gauge", set()),
    "gatewayd_build_info": ("gauge", {"version", "python"}),
}
SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600]


def record(**fields: Any) -> Record:
    """One that has everything to count."""
    values = {
        "request_id": "req_1", "gateway": "g", "token": "laptop", "started_at": 0, "model": "claude", "stream": True,
        "upstream_model": "deepseek", "session": "a-session", "client_ip": "192.0.2.7", "user_agent": "an-agent",
        "outcome": "truncated", "status": 200, "error": "what a provider said", "ttft_ms": 300, "duration_ms": 4000,
        "input_tokens": 100, "cache_read": 20, "cache_write": 3, "output_tokens": 50, "reasoning_tokens": 7,
        "cost_nano": 1_500_000, "attempts": 3, "notes": ["a.dropped", "b.changed"], "overhead": 0.003,
        "upstream_statuses": [("g", 500), ("g", 429), ("h", 200)], "aborted_by": "upstream",
    }  # fmt: skip
    return Record(**(values | fields))


def read(text: bytes) -> dict[str, Any]:
    """By sample name and labels."""
    samples = [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]
    return {
        "{}{}".format(s.name, "".join(f" {name}={value}" for name, value in sorted(s.labels.items()))): s.value
        for s in samples
    }


def text_of(metrics: Metrics) -> bytes:
    metrics.sample()
    return metrics.render()


def test_names_types_and_labels_are_the_public_ones() -> None:
    metrics = Metrics()
    metrics.observe(record())
    found = {}
    for family in text_string_to_metric_families(text_of(metrics).decode()):
        found[family.name] = (family.type, {name for s in family.samples for name in s.labels} - {"le"})
    assert found == NAMES


def test_an_exchange_is_counted_in_each() -> None:
    metrics = Metrics()
    metrics.observe(record())
    found = read(text_of(metrics))
    model = "gateway=g model=claude"
    assert found[f"gatewayd_requests_total {model} outcome=truncated stream=true upstream_model=deepseek"] == 1
    assert found[f"gatewayd_request_duration_seconds_sum {model}"] == 4
    assert found[f"gatewayd_time_to_first_token_seconds_sum {model}"] == 0.3
    assert found["gatewayd_overhead_seconds_bucket gateway=g le=0.005"] == 1
    assert found["gatewayd_overhead_seconds_bucket gateway=g le=0.0025"] == 0
    tokens = {"input": 100, "output": 50, "cache_read": 20, "cache_write": 3, "reasoning": 7}
    for kind, amount in tokens.items():
        assert found[f"gatewayd_tokens_total {model} type={kind} upstream_model=deepseek"] == amount
    assert found[f"gatewayd_cost_usd_total {model} upstream_model=deepseek"] == pytest.approx(0.0015)
    responses = {name: value for name, value in found.items() if name.startswith("gatewayd_upstream_responses_total")}
    assert responses == {
        "gatewayd_upstream_responses_total gateway=g status_class=5xx": 1,
        "gatewayd_upstream_responses_total gateway=g status_class=4xx": 1,
        "gatewayd_upstream_responses_total gateway=h status_class=2xx": 1,
    }
    assert found["gatewayd_upstream_retries_total gateway=g"] == 2
    assert found["gatewayd_stream_aborts_total by=upstream gateway=g"] == 1
    assert found["gatewayd_conversion_notes_total kind=a.dropped"] == 1


def test_the_buckets_are_the_public_ones() -> None:
    metrics = Metrics()
    metrics.observe(record())
    found = [name for name in read(text_of(metrics)) if name.startswith("gatewayd_request_duration_seconds_bucket")]
    edges = sorted(float(name.partition("le=")[2].split()[0]) for name in found)
    assert edges == [*SECONDS, float("inf")]


def test_what_is_unknown_is_not_counted() -> None:
    metrics = Metrics()
    nothing = {"ttft_ms": None, "overhead": None, "cost_nano": None, "input_tokens": None, "upstream_statuses": []}
    metrics.observe(record(outcome="refused", attempts=0, aborted_by="", **nothing))
    found = read(text_of(metrics))
    assert found["gatewayd_time_to_first_token_seconds_count gateway=g model=claude"] == 0
    assert found["gatewayd_cost_usd_total gateway=g model=claude upstream_model=deepseek"] == 0
    assert not [name for name in found if name.startswith(("gatewayd_upstream_retries_t", "gatewayd_stream_aborts_t"))]


def test_beyond_a_hundred_model_names_all_are_other() -> None:
    metrics = Metrics()
    for number in range(MODELS + 50):
        metrics.observe(record(model=f"model-{number}", upstream_model=f"up-{number}"))
    metrics.observe(record(model="model-0", upstream_model="up-0"))
    found = {name: value for name, value in read(text_of(metrics)).items() if name.startswith("gatewayd_requests_t")}
    assert len(found) == MODELS + 1
    other = "gatewayd_requests_total gateway=g model=other outcome=truncated stream=true upstream_model=other"
    assert found[other] == 50
    assert found[other.replace("other", "model-0", 1).replace("other", "up-0")] == 2


def test_hostile_names_are_readable_and_short() -> None:
    metrics = Metrics()
    hostile = ['"} 1\n# TYPE x gauge', "\ud800", "\0", "\\", "x" * 100_000]
    for name in hostile:
        metrics.observe(record(model=name))
    models = {
        sample.labels["model"]
        for family in text_string_to_metric_families(text_of(metrics).decode())
        for sample in family.samples
        if sample.name == "gatewayd_requests_total"
    }
    assert models == {'"} 1\n# TYPE x gauge', "?", "\0", "\\", "x" * 128}


def test_no_token_session_user_address_or_text_is_in_them() -> None:
    metrics = Metrics()
    metrics.observe(record())
    text = text_of(metrics)
    for private in (b"laptop", b"a-session", b"192.0.2.7", b"an-agent", b"what a provider said", b"req_1"):
        assert private not in text


def test_what_stands_at_the_moment_is_sampled() -> None:
    states = [
        State(3, 17, 4, 41, False, 1_700_000_000.5, 2, 1, 4),
        State(1, 0, 9, 42, True, 1_700_000_001.5, 0, 0, 5),
    ]
    metrics = Metrics(lambda: states.pop(0))
    wanted = (
        "inflight_requests", "log_queue_depth", "log_dropped_total", "config_revision",
        "config_last_apply_successful", "config_last_apply_timestamp_seconds", "config_drifted_records",
        "config_conflicts", "config_flaps",
    )  # fmt: skip
    for values in ([3, 17, 4, 41, 0, 1_700_000_000.5, 2, 1, 4], [1, 0, 9, 42, 1, 1_700_000_001.5, 0, 0, 5]):
        found = read(text_of(metrics))
        assert [found[f"gatewayd_{name}"] for name in wanted] == values
    assert [value for name, value in found.items() if f"version={__version__}" in name] == [1]


_TWO_PROCESSES = """
import os, sys
from gatewayd.observe.metrics import Metrics, State
from gatewayd.observe.shared_metrics import forget_gauges, share_metrics
from tests.observe.test_metrics import record
with share_metrics() as folder:
    pids = []
    for number in (1, 2):
        pid = os.fork()
        if not pid:
            metrics = Metrics(lambda: State(inflight=number, log_dropped=number, revision=40 + number,
                                            applied_well=number == 1))
            for _ in range(number):
                metrics.observe(record())
            metrics.sample()
            os._exit(0)
        os.waitpid(pid, 0)
        pids.append(pid)
    sys.stdout.buffer.write(Metrics().render())
    forget_gauges(folder, pids[1])
    sys.stdout.write("====")
    sys.stdout.flush()
    sys.stdout.buffer.write(Metrics().render())
print("====" + str(folder))
"""


def test_several_processes_are_summed_and_the_dead_keep_their_counts_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TWO_PROCESSES], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    both, one, folder = done.stdout.split(b"====")
    requests = "gatewayd_requests_total gateway=g model=claude outcome=truncated stream=true upstream_model=deepseek"
    for text in (both, one):
        found = read(text)
        assert found[requests] == 3
        assert found["gatewayd_request_duration_seconds_count gateway=g model=claude"] == 3
        assert found["gatewayd_log_dropped_total"] == 3
    assert (read(both)["gatewayd_inflight_requests"], read(one)["gatewayd_inflight_requests"]) == (3, 1)
    assert (read(both)["gatewayd_config_revision"], read(one)["gatewayd_config_revision"]) == (42, 41)
    assert read(both)["gatewayd_config_last_apply_successful"] == 0
    assert read(one)["gatewayd_config_last_apply_successful"] == 1
    assert not Path(folder.decode().strip()).exists()
