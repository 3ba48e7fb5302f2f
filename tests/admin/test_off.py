"""Without the UI there is nothing of it; without the database there is a page that says so, and traffic goes on."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.admin.conftest import run_ui
from tests.databases import Cluster
from tests.servers import RunningSimulator, run_server


@pytest.mark.parametrize("way", ["--no-ui", "GATEWAYD_UI"])
def test_a_server_without_ui_has_no_route_of_it_and_needs_no_password(
    tmp_path: Path, simulator: RunningSimulator, way: str
) -> None:
    env = {"ADMIN_PASSWORD": ""} | ({way: "off"} if way == "GATEWAYD_UI" else {})
    arguments = [way] if way == "--no-ui" else []
    with (
        run_server(tmp_path, "demo", simulator.base_url, "[{name: '*'}]", env=env, arguments=arguments) as served,
        httpx.Client(base_url=served.root, trust_env=False, timeout=10) as client,
    ):
        for path in ("/", "/login", "/dashboard", "/static/app.css", "/gateways"):
            response = client.get(path)
            assert response.status_code == 404
            assert response.json()["error"]["type"] == "not_found_error"
        assert client.post("/login", data={"username": "admin", "password": ""}).status_code == 404
        assert client.get("/gateway/demo/v1/models", headers={"x-api-key": served.token}).status_code == 200


def test_with_the_database_away_pages_say_so_and_traffic_goes_on(
    tmp_path: Path, simulator: RunningSimulator, postgresql: Cluster
) -> None:
    env = {"DATABASE_URL": postgresql.create_database(), "GATEWAYD_SECRET_KEY": "a key that lasts for long"}
    with run_ui(tmp_path, simulator, env) as ui:
        assert ui.get("/dashboard").status_code == 200
        postgresql.stop()
        try:
            page = ui.get("/dashboard")
            assert page.status_code == 503
            assert "The database does not answer" in page.text
            assert postgresql.password not in page.text
            assert ui.log_in(ui.anyone).status_code == 503
            assert ui.message().status_code == 200
        finally:
            postgresql.start()
        ui.eventually("/dashboard", lambda response: response.status_code == 200)
