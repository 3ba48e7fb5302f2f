"""The UI on PostgreSQL: every page, and what pages do."""

from __future__ import annotations

import re
from pathlib import Path

from gatewayd.admin.routes import ROUTES
from tests.admin.conftest import make_traffic, run_ui
from tests.admin.pages import form_of, told
from tests.databases import Cluster
from tests.servers import PROVIDER_KEY, RunningSimulator

#: the live tail does not end
PAGES = {
    re.sub(r"<gateway_id>", "demo", route.path)
    for route in ROUTES
    if route.method == "GET" and not route.open and route.path != "/logs/live"
}


def test_every_page_is_there_and_works(tmp_path: Path, shared_simulator: RunningSimulator, postgresql: Cluster) -> None:
    env = {"DATABASE_URL": postgresql.create_database(), "GATEWAYD_SECRET_KEY": "a key that lasts for long"}
    with run_ui(tmp_path, shared_simulator, env) as ui:
        make_traffic(ui)
        ui.eventually("/gateways/demo/usage", lambda response: "sim-thinking" in response.text)
        statuses = {path: ui.get(path).status_code for path in PAGES if "<" not in path}
        assert set(statuses.values()) <= {200, 303}, statuses
        assert "PostgreSQL" in told(ui.get("/system"))
        form = form_of(ui.get("/gateways/demo/edit"), "/gateways/demo/edit")
        form |= {"api_key": "stored", "provider_key": PROVIDER_KEY}
        assert ui.post("/gateways/demo/edit", **form).status_code == 303
        assert ui.post("/gateways/demo/edit", **form).status_code == 409
        assert ui.message().status_code == 200
        assert ui.post("/gateways/demo/tokens/revoke", name="tests").status_code == 303
        assert ui.message().status_code == 401
