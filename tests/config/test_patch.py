"""A record changed elsewhere, written back into its file: exactly that, and nothing else touched."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.config.load import InvalidConfiguration, load_text
from gatewayd.config.patch import propose_patch, propose_patches, write_diff
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Gateway
from tests.config.yaml_files import Written, gateways, write_file

MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

CONFIGS = Path(__file__).parents[1] / "configs"
EXAMPLES = Path(__file__).parents[2] / "configs" / "examples"

FILE = """# The gateways of our team.
version: 1
gateways:
  # The cheap one.
  demo:
    name: Demo            # shown in the UI
    upstream:
      base_url: https://api.example.com/v1
      # Asked for in March.
      api_key: {env: DEMO_API_KEY}
      timeouts: {connect: 5, idle: 120}   # slow at night
    models:
      # Opus is expensive.
      - {name: "claude-*opus*", upstream_model: big}   # 1
      - name: "*"
        upstream_model: small                          # 2
        vision: false
    fallback:
    - other   # always there
    limits: {
      concurrent: 5,     # per process
      requests_per_minute: 60
    }

  # The dear one.
  other:
    upstream: {base_url: https://other.example/v1}
# The end.
"""


def spec(text: str, id_: str = "demo") -> Any:
    return load_text("a.yaml", text).gateways[id_].spec()


def patch(**changes: Any) -> str:
    """FILE with fields of `demo` set, or, with None, left out."""
    live = {name: value for name, value in {**spec(FILE), **changes}.items() if value is not None}
    patched = propose_patch(FILE, "demo", Gateway.model_validate(live).spec())
    assert spec(patched) == Gateway.model_validate(live).spec()
    assert spec(patched, "other") == spec(FILE, "other")
    return patched


def upstream(**changes: Any) -> dict[str, Any]:
    values = {**spec(FILE)["upstream"], **changes}
    return {name: value for name, value in values.items() if value is not None}


def changed(text: str) -> list[str]:
    """The lines of the diff that matter."""
    return [line for line in write_diff("a.yaml", FILE, text).splitlines()[2:] if line[0] in "+-"]


def test_a_text_is_replaced_at_its_place() -> None:
    assert changed(patch(name="New: name")) == [
        "-    name: Demo            # shown in the UI",
        '+    name: "New: name"            # shown in the UI',
    ]


def test_a_value_in_braces_is_replaced_at_its_place() -> None:
    timeouts = {**spec(FILE)["upstream"]["timeouts"], "idle": 30}
    assert changed(patch(upstream=upstream(timeouts=timeouts))) == [
        "-      timeouts: {connect: 5, idle: 120}   # slow at night",
        "+      timeouts: {connect: 5, idle: 30}   # slow at night",
    ]


def test_a_key_is_added_to_a_block_behind_the_last_one() -> None:
    assert changed(patch(upstream=upstream(headers={"X-Title": "a, b"}))) == ['+      headers: {X-Title: "a, b"}']


def test_a_key_is_added_in_braces() -> None:
    timeouts = {**spec(FILE)["upstream"]["timeouts"], "total": 600}
    assert changed(patch(upstream=upstream(timeouts=timeouts)))[1] == (
        "+      timeouts: {connect: 5, idle: 120, total: 600}   # slow at night"
    )


def test_a_key_is_removed_and_its_comment_stays() -> None:
    assert changed(patch(name=None)) == ["-    name: Demo            # shown in the UI", "+    # shown in the UI"]


def test_a_key_is_removed_from_several_lines_in_braces() -> None:
    assert changed(patch(limits={"concurrent": 5})) == [
        "-      concurrent: 5,     # per process",
        "-      requests_per_minute: 60",
        "+      concurrent: 5     # per process",
        "+",
    ]
    assert changed(patch(limits={"requests_per_minute": 60})) == [
        "-      concurrent: 5,     # per process",
        "+      # per process",
    ]


def test_a_default_that_is_written_out_is_no_difference() -> None:
    """`connect: 5` is the default, and no part of the normalised spec."""
    assert "connect" not in spec(FILE)["upstream"]["timeouts"]
    assert changed(patch(upstream=upstream(timeouts={"total": 600}))) == [
        "-      timeouts: {connect: 5, idle: 120}   # slow at night",
        "+      timeouts: {connect: 5, total: 600}   # slow at night",
    ]


def test_a_row_is_added_to_a_list() -> None:
    models = [
        *spec(FILE)["models"][:1],
        {"name": "claude-*haiku*", "upstream_model": "tiny"},
        *spec(FILE)["models"][1:],
    ]
    assert changed(patch(models=models)) == ['+      - {name: "claude-*haiku*", upstream_model: tiny}']


def test_a_row_is_removed_from_a_list() -> None:
    assert changed(patch(models=spec(FILE)["models"][1:])) == [
        '-      - {name: "claude-*opus*", upstream_model: big}   # 1',
        "+      # 1",
    ]


def test_a_row_is_changed_inside() -> None:
    models = [spec(FILE)["models"][0], {"name": "*", "upstream_model": "no"}]
    assert changed(patch(models=models)) == [
        "-        upstream_model: small                          # 2",
        "-        vision: false",
        '+        upstream_model: "no"                          # 2',
    ]


def test_an_entry_is_added_behind_the_comment_of_the_last_one() -> None:
    assert changed(patch(fallback=["other", "third"])) == ["+    - third"]


def test_a_list_that_goes_takes_its_lines_along() -> None:
    assert changed(patch(fallback=None)) == ["-    fallback:", "-    - other   # always there"]


def test_a_whole_part_is_added_in_the_form_of_an_export() -> None:
    assert changed(patch(tokens=[{"name": "a", "sha256": "1" * 64}])) == [
        "+    tokens:",
        f'+      - {{name: a, sha256: "{"1" * 64}"}}',
    ]


def test_a_record_is_added_removed_and_kept() -> None:
    new = Gateway.model_validate({"upstream": {"base_url": "http://127.0.0.1:1"}}).spec()
    assert changed(propose_patch(FILE, "third", new)) == [
        "+  third:",
        "+    upstream:",
        "+      base_url: http://127.0.0.1:1/v1",
    ]
    without = propose_patch(FILE, "demo", None)
    assert list(load_text("", without).gateways) == ["other"]
    assert "# The cheap one." in without
    assert "# The dear one." in without
    assert propose_patch(FILE, "gone", None) == FILE
    assert propose_patch(FILE, "demo", spec(FILE)) == FILE


def test_several_records_are_changed_at_once() -> None:
    other = spec(FILE, "other") | {"name": "Other"}
    patched = propose_patches(FILE, {"demo": None, "other": other, "third": other})
    assert {id_: g.spec() for id_, g in load_text("", patched).gateways.items()} == {"other": other, "third": other}


def test_a_thousand_records_are_compared_and_patched_in_seconds() -> None:
    records = "".join(f"  g{i}:\n    upstream: {{base_url: https://x.example}}  # {i}\n" for i in range(1000))
    text = f"version: 1\ngateways:\n{records}"
    live = {f"g{i}": spec(FILE, "other") for i in range(500)}
    before = time.process_time()
    assert propose_patches(text, live).count("other.example") == 500
    assert time.process_time() - before < 5


def test_the_last_record_leaves_an_empty_mapping() -> None:
    text = "version: 1\ngateways:\n  demo:\n    upstream: {base_url: https://a.example}\n# end\n"
    emptied = propose_patch(text, "demo", None)
    assert emptied == "version: 1\ngateways: {}\n# end\n"
    assert spec(propose_patch(emptied, "demo", spec(text))) == spec(text)


@pytest.mark.parametrize(
    "text", ["version: 1\n", "version: 1\ngateways:\n", "version: 1\ngateways: {}", "{version: 1}"]
)
def test_the_first_record_is_added_to_any_empty_file(text: str) -> None:
    if text.endswith("gateways:\n"):
        with pytest.raises(InvalidConfiguration):
            propose_patch(text, "demo", spec(FILE))
        return
    patched = propose_patch(text, "demo", {**spec(FILE), "fallback": []})
    assert spec(patched) == {name: value for name, value in spec(FILE).items() if name != "fallback"}


def test_line_ends_and_the_byte_order_mark_stay() -> None:
    text = "\ufeff" + FILE.replace("\n", "\r\n")
    patched = propose_patch(text, "demo", {**spec(FILE), "server_tools": "reject"})
    assert patched.startswith("\ufeff#")
    assert patched.count("\r\n") == patched.count("\n") == text.count("\n") + 1


BLOCKS = """version: 1
gateways:
  demo:
    name: # what people call it
      Demo
    upstream:
      base_url: https://a.example/v1
      headers:
        X-A: |-
          one

  # next
  other:
    upstream: {base_url: https://b.example/v1}
"""


def test_texts_over_several_lines_are_replaced_and_followed_without_a_gap() -> None:
    live = spec(BLOCKS)
    assert propose_patch(BLOCKS, "demo", live | {"name": "New"}) == BLOCKS.replace(
        "name: # what people call it\n      Demo\n", "name: New # what people call it\n"
    )
    headers = {**live["upstream"], "headers": {"X-A": "two"}}
    assert propose_patch(BLOCKS, "demo", live | {"upstream": headers}) == BLOCKS.replace("|-\n          one", "two")
    assert propose_patch(BLOCKS, "demo", live | {"server_tools": "reject"}) == BLOCKS.replace(
        "          one\n", "          one\n    server_tools: reject\n"
    )


ANCHORED = """version: 1
gateways:
  one:
    upstream: {base_url: https://a.example/v1, timeouts: &slow {idle: 600}}
  two:
    upstream: {base_url: https://b.example/v1, timeouts: *slow}
"""


def test_an_alias_is_written_out_where_its_record_changed() -> None:
    live = spec(ANCHORED, "two")
    live["upstream"]["timeouts"] = {"idle": 30.0}
    assert propose_patch(ANCHORED, "two", live) == ANCHORED.replace("*slow", "{idle: 30}")


def test_a_change_beside_an_alias_leaves_it() -> None:
    live = spec(ANCHORED, "two") | {"name": "Two"}
    assert propose_patch(ANCHORED, "two", live) == f"{ANCHORED}    name: Two\n"


def test_what_others_refer_to_is_not_changed_under_them() -> None:
    live = spec(ANCHORED, "one")
    live["upstream"]["timeouts"] = {"idle": 30.0}
    with pytest.raises(ConfigurationError, match=r"a\.yaml: the value in line 4 is used elsewhere by its anchor"):
        propose_patch(ANCHORED, "one", live, "a.yaml")
    with pytest.raises(ConfigurationError, match="cannot be written into this file by itself"):
        propose_patch(ANCHORED, "one", None, "a.yaml")


def test_a_file_with_errors_is_refused() -> None:
    with pytest.raises(InvalidConfiguration):
        propose_patch("version: 2\n", "demo", spec(FILE))


def test_a_diff_is_one_that_git_applies() -> None:
    assert write_diff("a.yaml", "version: 1", "version: 1\n") == (
        "--- a/a.yaml\n+++ b/a.yaml\n@@ -1 +1 @@\n-version: 1\n\\ No newline at end of file\n+version: 1\n"
    )
    assert write_diff("a.yaml", FILE, FILE) == ""


@MANY
@given(write_file(), st.data())
def test_any_change_of_any_file_is_exact_and_spares_comments(file: Written, data: st.DataObject) -> None:
    id_ = data.draw(st.sampled_from(sorted(file.gateways)))
    live = data.draw(gateways | st.just(file.gateways[id_]))
    patched = propose_patch(file.text, id_, live.spec())
    loaded = load_text("x", patched).gateways
    assert {name: gateway.spec() for name, gateway in loaded.items()} == {
        **{name: gateway.spec() for name, gateway in file.gateways.items()},
        id_: live.spec(),
    }
    for comment in file.comments_outside(("gateways", id_), live):
        assert re.search(rf"# {comment}\b", patched), comment
    if live.spec() == file.gateways[id_].spec():
        assert patched == file.text
    assert propose_patch(patched, id_, live.spec()) == patched


@MANY
@given(write_file(), st.data())
def test_any_record_can_go_and_the_others_keep_their_lines(file: Written, data: st.DataObject) -> None:
    id_ = data.draw(st.sampled_from(sorted(file.gateways)))
    patched = propose_patch(file.text, id_, None)
    assert set(load_text("x", patched).gateways) == set(file.gateways) - {id_}


@pytest.mark.parametrize("path", [*EXAMPLES.glob("*.yaml"), *CONFIGS.glob("*.good.yaml")], ids=lambda path: path.name)
def test_a_change_of_an_example_is_one_line(path: Path) -> None:
    text = path.read_bytes().decode()
    for id_, gateway in load_text("x", text).gateways.items():
        patched = propose_patch(text, id_, {**gateway.spec(), "server_tools": "reject"})
        assert load_text("x", patched).gateways[id_].server_tools == "reject"
        diff = write_diff("x", text, patched).splitlines()[2:]
        assert len([line for line in diff if line[0] in "+-"]) <= 2
