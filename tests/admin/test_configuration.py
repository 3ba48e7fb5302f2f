"""/config: sources, errors with their places, the plan, applying it; a change as a patch of its file."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.admin.conftest import HOSTILE, Ui
from tests.admin.pages import form_of, told

MORE = "version: 1\ngateways:\n  added: {upstream: {base_url: 'http://127.0.0.1:9'}}\n"


def test_it_says_what_was_applied_from_where(ui: Ui) -> None:
    text = told(ui.get("/config"))
    for word in ("default", "3 gateways", "demo.yaml", "more.yaml", "sync", "keep"):
        assert word in text
    plan = told(ui.get("/config/plan"))
    assert "Nothing to do" in plan


def test_errors_are_told_with_file_and_line_and_nothing_is_applied(own_ui: Ui) -> None:
    broken = own_ui.folder / "configs" / "x.yaml"
    broken.write_text(f"version: 1\ngateways:\n  x: {{upstream: {{base_url: 'ftp://x'}}, name: 7}}\n# {HOSTILE}\n")
    page = own_ui.eventually("/config", lambda response: "files have errors" in response.text)
    assert told(page).count(f"{broken}:3:") == 2
    assert "cannot be applied" in told(own_ui.get("/config/plan"))
    assert own_ui.post("/config/apply").headers["location"] == "/config/plan"
    assert own_ui.message().status_code == 200
    broken.unlink()
    own_ui.eventually("/config", lambda response: "files have errors" not in response.text)


def test_what_is_pending_is_shown_and_applied(tmp_path: Path, own_ui_off: Ui) -> None:
    ui = own_ui_off
    text = told(ui.get("/config/plan"))
    assert "demo" in text
    assert "create" in text
    assert ui.get("/gateways/demo").status_code == 404
    assert ui.post("/config/apply").headers["location"] == "/config?done=applied"
    assert "The configuration files were applied" in told(ui.get("/config?done=applied"))
    assert ui.get("/gateways/demo").status_code == 200
    audit = told(ui.get("/system"))
    assert "admin@127.0.0.1" in audit


def test_a_conflict_is_shown_with_all_values_and_the_file_wins_when_told_so(own_ui: Ui) -> None:
    ui, file = own_ui, own_ui.folder / "configs" / "demo.yaml"
    form = form_of(ui.get("/gateways/demo/edit"), "/gateways/demo/edit") | {"limits.concurrent": "9"}
    assert ui.post("/gateways/demo/edit", **form).status_code == 303
    file.write_text(file.read_text().replace("limits: {}", "limits: {concurrent: 4}"))
    ui.eventually("/config", lambda response: "<span>conflict</span>" in response.text)
    text = told(ui.get("/gateways/demo"))
    assert "changed on both sides" in text
    assert "limits.concurrent" in text
    plan = told(ui.get("/config/plan"))
    assert "limits.concurrent 9 4" in plan
    assert "in conflict with" in told(ui.get("/dashboard"))
    assert ui.post("/config/apply").status_code == 303
    assert "9 at the same time" in told(ui.get("/gateways/demo"))
    assert ui.post("/config/apply", force="yes").status_code == 303
    assert "4 at the same time" in told(ui.get("/gateways/demo"))


def test_a_change_is_proposed_as_a_patch_of_its_file(own_ui: Ui) -> None:
    ui, file = own_ui, own_ui.folder / "configs" / "demo.yaml"
    assert "Nothing to propose" in told(ui.get("/gateways/demo/proposal"))
    before = file.read_text()
    form = form_of(ui.get("/gateways/demo/edit"), "/gateways/demo/edit") | {"limits.concurrent": "9"}
    assert ui.post("/gateways/demo/edit", **form).status_code == 303
    assert "concurrent" in told(ui.get("/gateways/demo/proposal"))
    patch = ui.get("/gateways/demo/proposal.patch")
    assert patch.headers["content-disposition"] == 'attachment; filename="demo.patch"'
    assert "--- a/configs/demo.yaml" in patch.text
    done = subprocess.run(["git", "apply"], cwd=ui.folder, input=patch.content, capture_output=True, check=False)
    assert done.returncode == 0, done
    assert file.read_text() != before
    ui.eventually("/gateways/demo", lambda response: "as its file" in told(response))
    ui.eventually("/gateways/demo/proposal", lambda response: "Nothing to propose" in response.text)


def test_there_is_no_patch_for_what_no_file_has(own_ui: Ui) -> None:
    form = form_of(own_ui.get("/gateways/new"), "/gateways/new")
    made = form | {"id": "of-ui", "upstream.base_url": "http://127.0.0.1:9"}
    assert own_ui.post("/gateways/new", **made).status_code == 303
    assert "There is no patch" in told(own_ui.get("/gateways/of-ui/proposal"))
    assert own_ui.get("/gateways/of-ui/proposal.patch").status_code == 409
    assert own_ui.get("/gateways/none/proposal").status_code == 404


def test_a_directory_that_is_gone_is_told(own_ui: Ui) -> None:
    (own_ui.folder / "configs").rename(own_ui.folder / "elsewhere")
    assert "does not exist" in told(own_ui.get("/config"))
    assert "does not exist" in told(own_ui.get("/config/plan"))
    assert own_ui.post("/config/apply").status_code == 409
    assert own_ui.message().status_code == 200
