"""/system: what runs, logins that can be ended, the audit trail."""

from __future__ import annotations

import csv
import io

from tests.admin.conftest import HOSTILE, USERNAME, Ui
from tests.admin.pages import told


def test_it_tells_what_runs_and_what_is_kept(ui: Ui) -> None:
    text = told(ui.get("/system"))
    for word in ("SQLite", "schema 00", "90 days", "14 days", "of failed requests", "Log queue"):
        assert word in text
    assert ui.password not in text


def test_a_login_is_listed_and_ended(ui: Ui) -> None:
    with ui.new_client() as other:
        form = {"username": USERNAME, "password": ui.password}
        other.post("/login", data=form, headers={"user-agent": f"other-browser {HOSTILE}"})
        page = ui.get("/system")
        assert "other-browser" in page.text
        assert "<script>alert" not in page.text
        assert other.cookies["gatewayd"] not in page.text
        row = next(part for part in page.text.split("<tr>") if "other-browser" in part)
        sha256 = row.split('name="login" value="')[1].split('"')[0]
        assert ui.post("/system/logins/end", login=sha256).headers["location"] == "/system?done=ended"
        assert other.get("/dashboard").status_code == 303
    assert ui.get("/dashboard").status_code == 200
    for unknown in (sha256, "", "x" * 5000, HOSTILE):
        assert ui.post("/system/logins/end", login=unknown).status_code == 404


def test_the_audit_trail_has_every_action_page_by_page(own_ui: Ui) -> None:
    for number in range(60):
        assert own_ui.post("/gateways/demo/record", count=str(number)).status_code == 303
    own_ui.anyone.post("/login", data={"username": "=1+1", "password": "a wrong one"})
    page = own_ui.get("/system")
    text = told(page)
    assert "login failed" in text
    assert "unknown@127.0.0.1" in text
    assert "=1+1" not in text
    assert text.count(" record ") >= 40
    older = page.text.split('href="?before=')[1].split('"')[0]
    following = told(own_ui.get(f"/system?before={older}"))
    assert "create" in following
    for before in ("x", "-1", "9" * 100, "0"):
        assert own_ui.get(f"/system?before={before}").status_code == 200
    rows = list(csv.DictReader(io.StringIO(own_ui.get("/system/audit.csv").text)))
    events = own_ui.get("/system/audit.json").json()["events"]
    assert len(rows) == len(events) > 60
    assert {"login", "login_failed", "record", "create"} <= {event["action"] for event in events}
    for secret in (own_ui.password, own_ui.token, "a wrong one"):
        assert secret not in str(events)
