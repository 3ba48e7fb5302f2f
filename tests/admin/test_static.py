"""What browsers load: vendored files as they were published, one style sheet, one script."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256

from gatewayd.admin.static import load_static
from gatewayd.paths import ui_folder
from tests.admin.conftest import Ui

VENDOR = ui_folder() / "static" / "vendor"


def test_vendored_files_are_those_that_were_pinned() -> None:
    pinned = {
        name: digest
        for each in json.loads((VENDOR / "vendored.json").read_text())
        for name, digest in each["files"].items()
    }
    assert {path.name for path in VENDOR.iterdir()} == {*pinned, "vendored.json"}
    for name, digest in pinned.items():
        assert sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_each_vendored_library_tells_its_version_and_licence() -> None:
    for each in json.loads((VENDOR / "vendored.json").read_text()):
        assert each["license"] == "MIT"
        assert "Permission is hereby granted" in (VENDOR / each["license_file"]).read_text()
        assert any(each["version"] in (VENDOR / name).read_text()[:300] for name in each["files"])


def test_the_own_script_is_small() -> None:
    assert len((ui_folder() / "static" / "app.js").read_bytes()) < 12_000


def test_names_change_with_the_content() -> None:
    static = load_static(ui_folder() / "static")
    for name, file in static.files.items():
        assert sha256(file.content).hexdigest()[:16] in name
        assert gzip.decompress(file.packed) == file.content


def test_files_are_kept_for_ever_and_sent_packed(ui: Ui) -> None:
    page = ui.get("/dashboard").text
    for name in load_static(ui_folder() / "static").files:
        assert f"/static/{name}" in page
        response = ui.anyone.get(f"/static/{name}")
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["content-encoding"] == "gzip"
        plain = ui.anyone.get(f"/static/{name}", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == response.content


def test_nothing_but_those_two_is_served(ui: Ui) -> None:
    for name in (
        "app.css",
        "../templates/base.html",
        "..%2f..%2fsetup.cfg",
        "vendor/pico.min.css",
        "%00",
        ".",
        "a" * 3000,
    ):
        response = ui.anyone.get(f"/static/{name}")
        assert response.status_code in (404, 400), name
        assert "jinja" not in response.text
