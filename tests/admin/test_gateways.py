"""The pages of gateways: list, overview, form, tokens, test, history, and what their buttons do."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from playwright.async_api import expect

from tests.admin.conftest import HOSTILE, OpenPage, Ui, run_ui
from tests.admin.pages import form_of, told
from tests.servers import PROVIDER_KEY as KEY

session = pytest.mark.asyncio(loop_scope="session")


@contextmanager
def made(ui: Ui, gateway_id: str, **fields: str) -> Iterator[str]:
    """A gateway of this test alone; its address."""
    path = f"/gateways/{gateway_id}"
    form = form_of(ui.get("/gateways/new"), "/gateways/new")
    form |= {"id": gateway_id, "upstream.base_url": ui.simulator.base_url, "api_key": "stored", "provider_key": KEY}
    response = ui.post("/gateways/new", **(form | fields))
    assert (response.status_code, response.headers.get("location")) == (303, f"{path}?done=created"), told(response)
    try:
        yield path
    finally:
        page = ui.get(path)
        if f'action="{path}/delete"' in page.text:
            assert ui.post(f"{path}/delete", **form_of(page, f"{path}/delete")).status_code == 303


def test_the_list_has_every_gateway_with_its_state(ui: Ui) -> None:
    page = ui.get("/gateways")
    text = told(page)
    assert page.status_code == 200
    for word in ("demo", "Waits for its key", "no key", "no traffic", "demo.yaml:3", "more.yaml:3"):
        assert word in text
    assert "unset" in told(ui.get("/gateways?q=UNSET.example"))
    assert "Nothing found" in told(ui.get("/gateways?q=" + HOSTILE))
    assert "<script>alert" not in ui.get("/gateways?q=" + HOSTILE).text


def test_the_list_is_there_as_csv_and_json(ui: Ui) -> None:
    with made(ui, "csv-formula", name='=HYPERLINK("http://evil")'):
        response = ui.get("/gateways.csv")
        assert response.headers["content-disposition"] == 'attachment; filename="gateways.csv"'
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(response.text))}
        assert rows["csv-formula"]["name"] == '\'=HYPERLINK("http://evil")'
        listed = {each["id"]: each for each in ui.get("/gateways.json").json()["gateways"]}
        assert rows.keys() == listed.keys()
        assert listed["demo"]["managed_by"] == "file:default"


def test_an_unknown_gateway_is_a_friendly_404_everywhere(ui: Ui) -> None:
    for gateway_id in ("none", "NONE", "..%2f..", "%00", "a" * 3000, "demo%20", "'--"):
        for view in ("", "/edit", "/connect", "/usage", "/history", "/test"):
            response = ui.get(f"/gateways/{gateway_id}{view}")
            assert response.status_code == 404, (gateway_id, view)
            assert "There is no such page" in response.text
    for action in ("delete", "restore", "pause", "resume", "detach", "revert", "record", "edit", "tokens", "test"):
        response = ui.post(f"/gateways/none/{action}", generation="1", reason="r", count="1", minutes="", name="n")
        assert response.status_code == 404, action


def test_a_gateway_is_made_serves_and_is_changed(ui: Ui) -> None:
    with made(ui, "made-here", name="Made here") as path:
        made_token = ui.post(f"{path}/tokens", name="laptop")
        token = re.search(r"gwd_[\w-]{43}", made_token.text)
        assert token is not None
        assert ui.message("made-here", token[0]).status_code == 200
        form = form_of(ui.get(f"{path}/edit"), f"{path}/edit")
        form |= {"name": "Changed <b>", "limits.concurrent": "7", "models.0.price.input": "1.5"}
        assert ui.post(f"{path}/edit", **form).headers["location"] == f"{path}?done=saved"
        page = ui.get(path)
        assert "Changed &lt;b&gt;" in page.text
        assert "7 at the same time" in told(page)
        assert "$1.5" in told(page)
        history = told(ui.get(f"{path}/history"))
        for word in ("create", "update", "limits.concurrent", "admin@127.0.0.1", "create token", "laptop"):
            assert word in history
        for page in (made_token, ui.get(path), ui.get(f"{path}/history"), ui.get(f"{path}/edit")):
            assert KEY not in page.text
        assert token[0] not in ui.get(f"{path}/history").text


def test_hostile_values_of_a_record_are_text_on_every_page(ui: Ui) -> None:
    hostile = {"name": HOSTILE, "models.0.name": HOSTILE, "models.0.upstream_model": HOSTILE}
    with made(ui, "hostile", **hostile) as path:
        ui.post(f"{path}/tokens", name=HOSTILE[:39])
        ui.post(f"{path}/test", model=HOSTILE, prompt=HOSTILE)
        views = [f"{path}{view}" for view in ("", "/edit", "/connect", "/usage", "/history", "/test", "/proposal")]
        for address in [*views, "/gateways", "/dashboard", "/system", "/config", "/config/plan"]:
            page = ui.get(address)
            assert page.status_code == 200, address
            assert "<script>alert" not in page.text, address
            assert "<img src=x" not in page.text, address


def test_a_stored_key_is_kept_unless_another_is_typed(ui: Ui) -> None:
    with made(ui, "keeps-key") as path:
        page = ui.get(f"{path}/edit")
        assert f"…{KEY[-4:]}" in page.text
        assert form_of(page, f"{path}/edit")["provider_key"] == ""
        form = form_of(page, f"{path}/edit") | {"name": "x"}
        assert ui.post(f"{path}/edit", **form).status_code == 303
        assert f"…{KEY[-4:]}" in ui.get(path).text
        form = form_of(ui.get(f"{path}/edit"), f"{path}/edit") | {"provider_key": "sk-another-provider-key-wxyz"}
        assert ui.post(f"{path}/edit", **form).status_code == 303
        assert "…wxyz" in ui.get(path).text


def test_errors_stand_beside_their_fields_with_what_was_typed(ui: Ui) -> None:
    form = form_of(ui.get("/gateways/new"), "/gateways/new")
    wrong = {
        "id": "Not An Id!", "name": HOSTILE, "upstream.base_url": "http://169.254.169.254/", "limits.concurrent": "-3",
        "models.0.context_window": "big", "api_key": "stored", "provider_key": KEY,
    }  # fmt: skip
    response = ui.post("/gateways/new", **(form | wrong))
    assert response.status_code == 422
    for name in ("id", "upstream.base_url", "limits.concurrent", "models.0.context_window"):
        assert re.search(rf'name="{re.escape(name)}"[^>]*aria-invalid="true"', response.text), name
        assert f'id="e-{name}"' in response.text
    shown = form_of(response, "/gateways/new")
    assert shown["name"] == HOSTILE
    assert shown["limits.concurrent"] == "-3"
    assert shown["provider_key"] == ""
    assert KEY not in response.text
    assert "<script>alert" not in response.text
    for gateway_id in ("", "UPPER!", "-x", "a" * 64, "demo", "../x"):
        good = form | {"id": gateway_id, "upstream.base_url": "http://127.0.0.1:9"}
        assert 'id="e-id"' in ui.post("/gateways/new", **good).text
    assert ui.post("/gateways/new").status_code == 422


def test_rows_of_the_model_map_are_edited_without_saving(ui: Ui) -> None:
    form = form_of(ui.get("/gateways/new"), "/gateways/new") | {"name": "kept", "models.0.name": "first"}
    added = form_of(ui.post("/gateways/new", **form, rows="add"), "/gateways/new")
    assert (added["name"], added["models.0.name"], added["models.1.name"]) == ("kept", "first", "")
    added["models.1.name"] = "second"
    moved = form_of(ui.post("/gateways/new", **added, rows="up-1"), "/gateways/new")
    assert (moved["models.0.name"], moved["models.1.name"]) == ("second", "first")
    removed = form_of(ui.post("/gateways/new", **moved, rows="remove-0"), "/gateways/new")
    assert removed["models.0.name"] == "first"
    assert "models.1.name" not in removed


def test_a_stale_form_saves_nothing_and_shows_both_versions(ui: Ui) -> None:
    with made(ui, "twice") as path:
        stale = form_of(ui.get(f"{path}/edit"), f"{path}/edit") | {"name": "mine", "limits.concurrent": "5"}
        other = form_of(ui.get(f"{path}/edit"), f"{path}/edit") | {"name": "theirs"}
        assert ui.post(f"{path}/edit", **other).status_code == 303
        response = ui.post(f"{path}/edit", **stale)
        assert response.status_code == 409
        text = told(response)
        assert "theirs mine" in text
        assert "limits.concurrent not set 5" in text
        assert "theirs" in told(ui.get(path))
        again = form_of(response, f"{path}/edit")
        assert again["name"] == "mine"
        assert ui.post(f"{path}/edit", **again).status_code == 303
        assert "5 at the same time" in told(ui.get(path))
        gone = ui.post(f"{path}/delete", generation="1")
        assert gone.status_code == 409
        assert "has changed" in gone.text


def test_it_is_deleted_and_restored(ui: Ui) -> None:
    with made(ui, "comes-back") as path:
        token = re.search(r"gwd_[\w-]{43}", ui.post(f"{path}/tokens", name="t").text)
        assert token is not None
        assert ui.post(f"{path}/delete", **form_of(ui.get(path), f"{path}/delete")).status_code == 303
        assert "This gateway is deleted" in ui.get(path).text
        assert "comes-back" in ui.get("/gateways?state=deleted").text
        assert "comes-back" not in ui.get("/gateways").text
        assert ui.message("comes-back", token[0]).status_code == 401
        assert ui.post(f"{path}/test", model="sim-fast").status_code == 409
        assert ui.post(f"{path}/restore").headers["location"] == f"{path}?done=restored"
        assert ui.message("comes-back", token[0]).status_code == 200
        assert ui.post(f"{path}/restore").status_code == 409


def test_it_is_paused_with_a_reason_and_resumed(ui: Ui) -> None:
    with made(ui, "stops") as path:
        token = re.search(r"gwd_[\w-]{43}", ui.post(f"{path}/tokens", name="t").text)
        assert token is not None
        for minutes in ("soon", "-1", "0", "9" * 40):
            assert ui.post(f"{path}/pause", reason="r", minutes=minutes).status_code == 400
        assert ui.post(f"{path}/pause", reason="", minutes="").status_code == 400
        assert ui.post(f"{path}/pause", reason=f"Bill <unpaid> {HOSTILE}", minutes="30").status_code == 303
        page = ui.get(path)
        assert "Paused: Bill &lt;unpaid&gt;" in page.text
        assert "<script>alert" not in page.text
        assert "paused" in told(ui.get("/gateways"))
        refused = ui.message("stops", token[0])
        assert refused.status_code == 503
        assert "unpaid" in refused.json()["error"]["message"]
        assert ui.post(f"{path}/resume").status_code == 303
        assert ui.message("stops", token[0]).status_code == 200
        assert ui.post(f"{path}/resume").status_code == 409


def test_tokens_are_shown_on_demand_audited_and_revoked(ui: Ui) -> None:
    with made(ui, "has-tokens") as path:
        created = ui.post(f"{path}/tokens", name=HOSTILE[:39])
        token = re.search(r"gwd_[\w-]{43}", created.text)
        assert token is not None
        assert f"export ANTHROPIC_AUTH_TOKEN={token[0]}" in created.text
        page = ui.get(f"{path}/connect")
        assert token[0] not in page.text
        assert "<script>alert" not in page.text + created.text
        assert "already" in told(ui.post(f"{path}/tokens", name=HOSTILE[:39]))
        assert ui.post(f"{path}/tokens", name="").status_code == 422
        shown = ui.post(f"{path}/tokens/reveal", name=HOSTILE[:39])
        assert token[0] in shown.text
        assert "reveal" in told(ui.get(f"{path}/history"))
        assert ui.message("has-tokens", token[0]).status_code == 200
        ui.eventually(f"{path}/connect", lambda page: "Requests have arrived" in page.text)
        assert "not lately" not in told(ui.get(f"{path}/connect"))
        assert ui.post(f"{path}/tokens/revoke", name=HOSTILE[:39]).status_code == 303
        assert ui.message("has-tokens", token[0]).status_code == 401
        for action in ("reveal", "revoke"):
            assert ui.post(f"{path}/tokens/{action}", name="no such").status_code == 409


def test_a_test_sends_one_message_and_shows_both_formats(ui: Ui) -> None:
    response = ui.post("/gateways/demo/test", model="claude-sonnet-5", prompt=HOSTILE)
    text = told(response)
    assert response.status_code == 200
    assert "It was answered in" in text
    assert '"model": "claude-sonnet-5"' in text
    assert '"model": "sim-fast"' in text
    assert '"max_tokens"' in text
    assert "<script>alert" not in response.text
    request_id = re.search(r"req_\w{24}", text)
    assert request_id is not None
    failed = told(ui.post("/gateways/demo/test", model="sim-error-429", prompt="x"))
    assert "It failed" in failed
    assert "rate_limit_error" in failed
    for model in ("", HOSTILE, "no-such-model"):
        page = ui.post("/gateways/demo/test", model=model, prompt="")
        assert page.status_code == 200
        assert "It failed" in page.text
        assert "<script>alert" not in page.text
    assert "secret" in told(ui.post("/gateways/unset/test", model="m"))


def test_the_next_requests_are_recorded(ui: Ui) -> None:
    with made(ui, "recorded") as path:
        for count in ("", "-1", "x", "1001", "9" * 30):
            assert ui.post(f"{path}/record", count=count).status_code == 400
        assert ui.post(f"{path}/record", count="3").status_code == 303
        assert "the next 3" in told(ui.get(path))
        assert ui.post(f"{path}/record", count="0").status_code == 303
        assert "the next" not in told(ui.get(path)).replace("the next ones", "").replace("Record the next", "")


def test_a_record_of_a_file_drifts_shows_how_and_goes_back(own_ui: Ui) -> None:
    path, ui = "/gateways/demo", own_ui
    form = form_of(ui.get(f"{path}/edit"), f"{path}/edit") | {"limits.concurrent": "9", "headers.0.name": "X-Secret"}
    assert "demo.yaml:3" in ui.get(f"{path}/edit").text
    assert ui.post(f"{path}/edit", **(form | {"headers.0.value": "hidden-header-value"})).status_code == 303
    page = ui.get(path)
    text = told(page)
    assert "drifted" in text
    assert "limits.concurrent" in text
    assert "admin@127.0.0.1" in text
    assert "hidden-header-value" not in page.text + ui.get(f"{path}/history").text + ui.get(f"{path}/edit").text
    assert "drifted from their files" in told(ui.get("/dashboard"))
    one = {"field": "limits.concurrent", "generation": form_of(page, f"{path}/detach")["generation"]}
    assert ui.post(f"{path}/revert", **one).status_code == 303
    assert "9 at the same time" not in told(ui.get(path))
    rest = form_of(ui.get(path), f"{path}/detach")
    assert ui.post(f"{path}/revert", **rest).status_code == 303
    assert "as its file" in told(ui.get(path))
    assert ui.post(f"{path}/detach", **form_of(ui.get(path), f"{path}/detach")).status_code == 303
    assert "detached" in told(ui.get(path))


def test_usage_by_model_and_token(ui: Ui) -> None:
    text = told(ui.eventually("/gateways/demo/usage", lambda page: "sim-thinking" in page.text))
    assert "claude-haiku-4-5" in text
    assert "no price" in text
    assert "<script>alert" not in ui.get("/gateways/demo/usage").text


def test_a_key_that_cannot_be_stored_says_what_to_do(tmp_path: Any, simulator: Any, postgresql: Any) -> None:
    with run_ui(tmp_path, simulator, {"DATABASE_URL": postgresql.create_database()}) as ui:
        form = form_of(ui.get("/gateways/new"), "/gateways/new")
        form |= {"id": "x", "upstream.base_url": "http://127.0.0.1:9", "api_key": "stored", "provider_key": KEY}
        response = ui.post("/gateways/new", **form)
        assert response.status_code == 422
        assert "GATEWAYD_SECRET_KEY is not set" in told(response)
        assert KEY not in response.text


def test_a_record_is_exported_as_yaml_without_its_key(ui: Ui) -> None:
    with made(ui, "as-yaml", name="Exported") as path:
        response = ui.get(f"{path}/record.yaml")
        assert response.headers["content-disposition"] == 'attachment; filename="as-yaml.yaml"'
        assert yaml.safe_load(response.text)["gateways"]["as-yaml"]["name"] == "Exported"
        assert KEY not in response.text
        assert "TODO_AS_YAML_API_KEY" in response.text
    assert ui.get("/gateways/none/record.yaml").status_code == 404


@session
@pytest.mark.parametrize("scripts", [True, False])
async def test_the_whole_way_in_a_browser(ui: Ui, open_page: OpenPage, scripts: bool) -> None:
    """Make a gateway, its token, send a message with it, see it arrive and open it; edit, see the change served."""
    gateway_id = f"browser-{'with' if scripts else 'without'}-scripts"
    page = await open_page("/gateways/new", scripts=scripts)
    await page.get_by_label("Id", exact=True).fill(gateway_id)
    await page.get_by_label("Base URL").fill(ui.simulator.base_url)
    await page.get_by_label("Where it is").select_option("stored")
    await page.get_by_label("Key to store").fill(KEY)
    await page.get_by_role("button", name="Add a row").click()
    await page.get_by_label("Client's model, row 2").fill("other-*")
    await page.get_by_label("Key to store").fill(KEY)
    await page.get_by_role("button", name="Create").click()
    await page.wait_for_url(f"**/gateways/{gateway_id}?done=created")
    await page.get_by_role("link", name="Connect").first.click()
    await page.get_by_label("New token for").fill("laptop")
    await page.get_by_role("button", name="Make a token").click()
    token = await page.get_by_label("Client token", exact=True).inner_text()
    await page.goto(f"/gateways/{gateway_id}/connect")
    await page.get_by_text("Waiting for the first request").wait_for()
    log = await open_page(f"/logs?gateway={gateway_id}", scripts=scripts)
    if scripts:
        await log.get_by_role("button", name="Live").click()
    assert ui.message(gateway_id, token).status_code == 200
    if scripts:
        await page.get_by_text("Requests have arrived").wait_for()
    else:
        ui.eventually(f"/gateways/{gateway_id}/connect", lambda response: "Requests have arrived" in response.text)
        ui.eventually(f"/logs.json?gateway={gateway_id}", lambda response: len(response.json()["rows"]) == 1)
        await log.reload()
    row = log.locator("tbody tr").first
    await expect(row).to_contain_text("sim-fast")
    await expect(log.locator(".empty")).to_have_count(0)
    await row.get_by_role("link").first.click()
    await expect(log.locator("main")).to_contain_text("laptop")

    await page.goto(f"/gateways/{gateway_id}/edit")
    await page.get_by_label("Provider's model, row 1").fill("sim-thinking")
    await page.get_by_role("button", name="Save").click()
    await page.wait_for_url(f"**/gateways/{gateway_id}?done=saved")
    assert ui.message(gateway_id, token).status_code == 200
    changed = ui.eventually(f"/logs.json?gateway={gateway_id}", lambda response: len(response.json()["rows"]) == 2)
    assert changed.json()["rows"][0]["upstream_model"] == "sim-thinking"


@session
async def test_blocks_are_copied(ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/gateways/demo/connect")
    await page.get_by_role("button", name="Copy").first.click()
    assert "ANTHROPIC_BASE_URL" in await page.evaluate("navigator.clipboard.readText()")


@session
async def test_a_revocation_asks_first(ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/gateways/demo/connect")
    asked: list[str] = []

    async def refuse(dialog: Any) -> None:
        asked.append(dialog.message)
        await dialog.dismiss()

    page.on("dialog", refuse)
    await page.get_by_role("button", name="Revoke").first.click()
    assert asked == ["Revoke tests? Its clients are refused within a second."]
    assert ui.message().status_code == 200


def test_the_json_holds_no_secret(ui: Ui) -> None:
    assert ui.token not in json.dumps(ui.get("/gateways.json").json())
