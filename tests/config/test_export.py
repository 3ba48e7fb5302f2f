"""Stored records as files: canonical, and applying them again changes nothing."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.config.apply import apply
from gatewayd.config.export import build_export, write_all, write_files
from gatewayd.config.load import Desired, SourceFile, load_files, load_text
from gatewayd.config.plan import plan_sync
from gatewayd.config.secrets import SecretReader
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Gateway
from gatewayd.store import Store
from gatewayd.store.gateways import GatewayRow, list_gateways
from gatewayd.store.tokens import TokenRow, list_tokens
from tests.config.yaml_files import raw_gateways

MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ONE, TWO = "1" * 64, "2" * 64


def load(files: dict[str, str], directory: Path = Path("configs")) -> Desired:
    read = [SourceFile(name, text.encode()) for name, text in files.items()]
    return load_files(read, SecretReader({}, directory))


def row(id_: str, owner: str = "file:default", **values: Any) -> GatewayRow:
    gateway = Gateway.model_validate({"upstream": {"base_url": "https://x.example"}, **values})
    applied = gateway.spec() if owner != "ui" else None
    return GatewayRow(id_, gateway.spec_without_tokens(), owner, 1, owner, applied=applied)


def token(id_: str, name: str, sha256: str = ONE, owner: str = "file:default") -> TokenRow:
    return TokenRow(id_, name, sha256, owner, 1)


def exported(rows: list[GatewayRow], tokens: list[TokenRow] | None = None, owner: str = "all") -> str:
    return write_all(build_export(rows, tokens or [], owner))


def placed(rows: list[GatewayRow], desired: Desired) -> list[GatewayRow]:
    """As they are once the files were moved to where the export puts them."""
    places = {id_: (record.file, record.line) for id_, record in desired.gateways.items()}
    return [replace(r, source_file=places[r.id][0], source_line=places[r.id][1]) for r in rows]


async def test_export_then_plan_is_empty_and_another_database_gets_the_same(store: Store) -> None:
    """Through the database, where numbers and orders may change."""
    text = """version: 1
source: team
gateways:
  zeta:
    name: "no"
    upstream:
      base_url: https://api.deepseek.com
      headers: {X-B: "1", X-A: "2"}
      capabilities: {max_stop: 2, extra_body: {t: 1.0, a: null}}
      timeouts: {connect: 2.5, total: 60}
    models: [{name: "*", price: {input: 1, output: 0.42}}, {name: b, vision: true}]
    tokens: [{name: z, sha256: "%s"}, {name: a, sha256: "%s"}]
    fallback: [alpha]
    limits: {concurrent: 3}
  alpha:
    upstream: {base_url: http://127.0.0.1:1, api_key: {file: /run/secrets/a}}
    tokens: [{name: t, sha256: "%s"}]
""" % (ONE, TWO, ONE)  # noqa: UP031 - braces all over
    await apply(store, load({"a.yaml": text}), mode="sync", generate_tokens=True)
    async with store.read() as session:
        rows, tokens = await list_gateways(session), await list_tokens(session)
    files = write_files(build_export(rows, tokens))
    assert list(files) == ["team.yaml"]
    desired = load(dict(files))
    assert desired.owner == "file:team"
    assert plan_sync(desired, placed(rows, desired), tokens).is_empty
    created = plan_sync(desired, [], []).records
    created_rows = [record.row for record in created if record.row]
    assert {r.id: r.spec for r in created_rows} == {r.id: r.spec for r in rows}
    assert write_files(build_export(created_rows, [t for record in created for t in record.added_tokens])) == files


@MANY
@given(st.dictionaries(st.sampled_from(["a", "b", "f1", "f2", "f3"]), raw_gateways, max_size=4), st.randoms())
def test_any_records_are_exported_byte_for_byte_the_same_and_planned_as_no_change(
    raw: dict[str, Any], random: random.Random
) -> None:
    rows = [row(id_, **values) for id_, values in raw.items()]
    tokens = [token(id_, t["name"], t["sha256"]) for id_, values in raw.items() for t in values.get("tokens", ())]
    text = exported(rows, tokens)
    random.shuffle(rows)
    random.shuffle(tokens)
    assert exported(rows, tokens) == text
    desired = Desired("default", {})
    loaded = load_text("x", text).gateways
    assert {id_: gateway.spec() for id_, gateway in loaded.items()} == {r.id: r.applied for r in rows}
    assert list(loaded) == sorted(raw)
    if all(name in raw and name != id_ for id_, values in raw.items() for name in values.get("fallback", ())):
        desired = load({"default.yaml": text})
        assert plan_sync(desired, placed(rows, desired), tokens).is_empty


def test_what_is_live_is_exported_not_what_the_file_said() -> None:
    record = row("demo", name="File")
    text = exported([replace(record, spec={**record.spec, "name": "Live"})])
    assert "name: Live" in text


def test_names_that_people_choose_are_written_by_alphabet() -> None:
    free = [{"headers": {"X-A": "1", "X-B": "2"}, "capabilities": {"images": True, "max_stop": 1}}]
    free.append({name: dict(reversed(value.items())) for name, value in free[0].items()})
    first, second = (row("demo", upstream={"base_url": "https://x.example", **values}) for values in free)
    assert exported([first]) == exported([second])
    assert "{X-A:" in exported([second])


def test_deleted_records_are_not_exported() -> None:
    assert exported([replace(row("demo"), state="deleted")]) == "version: 1\ngateways: {}\n"


def test_a_stored_key_becomes_a_variable_that_may_be_named_with_a_warning() -> None:
    record = row("my-demo", "ui", upstream={"base_url": "https://x.example", "api_key": {"stored": True}})
    export = build_export([record], [])
    assert "api_key: {env: TODO_MY_DEMO_API_KEY}" in write_all(export)
    load({"a.yaml": write_all(export)})
    assert export.warnings == (
        "gateway my-demo: its provider key is stored and not exported; set TODO_MY_DEMO_API_KEY, or name another",
    )


def test_tokens_of_a_record_of_the_ui_are_exported_by_hash() -> None:
    assert f'{{name: laptop, sha256: "{ONE}"}}' in exported([row("demo", "ui")], [token("demo", "laptop", owner="ui")])


def test_a_token_that_was_made_for_a_record_of_a_file_is_not_made_part_of_the_file() -> None:
    rows, tokens = [row("demo")], [token("demo", "generated", owner="ui")]
    export = build_export(rows, tokens)
    assert "generated" not in write_all(export)
    assert export.warnings == ("gateway demo: tokens that are not the file's are not exported: generated",)
    desired = load({"default.yaml": write_all(export)})
    assert plan_sync(desired, placed(rows, desired), tokens).is_empty


def test_one_owner_may_be_chosen_and_a_missing_fallback_is_told() -> None:
    rows = [row("a", fallback=["b"]), row("b", "ui"), row("c", "file:team")]
    export = build_export(rows, [], "file:default")
    assert [record.id for record in export.records] == ["a"]
    assert export.warnings == ("gateway a: its fallback b is not part of this export",)
    assert build_export(rows, []).warnings == ()
    assert write_all(build_export(rows, [], "file:team")).startswith("version: 1\nsource: team\n")
    with pytest.raises(
        ConfigurationError, match="file:nobody has no gateway; owners of gateways: file:default, file:team"
    ):
        build_export(rows, [], "file:nobody")


def test_a_directory_gets_one_file_per_owner_and_stays_one_source() -> None:
    files = write_files(build_export([row("a", "file:team"), row("b", "ui", fallback=["a"])], []))
    assert list(files) == ["team.yaml", "ui.yaml"]
    assert load(dict(files)).owner == "file:team"


def test_several_sources_get_directories_of_their_own() -> None:
    rows = [row("a"), row("b", "file:team"), row("c", "ui")]
    files = write_files(build_export(rows, []))
    assert list(files) == ["default/default.yaml", "team/team.yaml", "ui/ui.yaml"]
    assert load({"x": files["team/team.yaml"]}).source == "team"


def test_a_record_that_is_not_valid_is_left_out_and_told() -> None:
    export = build_export([replace(row("bad"), spec={"upstream": {}}), row("good")], [])
    assert [record.id for record in export.records] == ["good"]
    assert export.warnings[0].startswith("gateway bad is left out")


def test_a_thousand_records_take_less_than_a_second_of_processor_time() -> None:
    rows = [row(f"g{i}", models=[{"name": "a*", "upstream_model": "b"}], fallback=["g0"][: i > 0]) for i in range(1000)]
    tokens = [token(r.id, "t") for r in rows]
    before = time.process_time()
    text = exported(rows, tokens)
    assert time.process_time() - before < 1
    assert len(load({"a.yaml": text}).gateways) == 1000
