"""Secrets at rest: nothing readable is stored, keys are rotated, and a lost key is told when the program starts."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gatewayd.config.live import Live
from gatewayd.config.provider_keys import STORED, forget_unused_provider_keys, store_provider_key
from gatewayd.config.tokens import NewToken, add_client_token, reveal_client_token
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Upstream
from gatewayd.store import Store
from gatewayd.store.gateways import GatewayRow, add_gateway, save_gateway
from gatewayd.store.keys import SecretKeys, Vault, build_vault, load_secret_keys
from gatewayd.store.migrations import upgrade
from gatewayd.store.secrets import forget_secrets, list_secrets, renew_secrets
from gatewayd.store.state import bump_revision, read_revision
from gatewayd.store.tokens import list_tokens
from gatewayd.store.urls import parse_database_url

OLD, NEW, OTHER = (f"{name}-key-of-an-installation" for name in ("old", "new", "other"))
PROVIDER_KEY = "sk-typed-into-the-form-0123456789"
UPSTREAM = Upstream(base_url="https://api.example.com/v1")
SPEC = {"upstream": {"base_url": "https://api.example.com/v1", "api_key": STORED}}


def vault(*keys: str) -> Vault:
    return Vault([key.encode() for key in keys])


@pytest_asyncio.fixture
async def laptop(store: Store) -> AsyncIterator[NewToken]:
    """The gateway `demo` has a stored provider key and a token, both by the key OLD."""
    async with store.write_lock() as session:
        await add_gateway(session, GatewayRow("demo", SPEC, "ui", 1, "admin"))
        await store_provider_key(session, vault(OLD), "demo", UPSTREAM, f" {PROVIDER_KEY}\n")
        await bump_revision(session)
    yield await add_client_token(store, "demo", "laptop", vault(OLD))


def live(store: Store, tmp_path: Path, *keys: str) -> Live:
    return Live(store, environ={}, config_dir=tmp_path, vault=vault(*keys), mode="off")


async def texts(store: Store) -> str:
    """Every row that may hold a secret, as it lies there."""
    async with store.read() as session:
        return str([await session.fetch_all(f"SELECT * FROM {table}") for table in ("gateway", "token", "secret")])


async def test_a_stored_provider_key_serves_and_is_nowhere_readable(
    store: Store, laptop: NewToken, tmp_path: Path
) -> None:
    serving = live(store, tmp_path, OLD)
    await serving.start()
    demo = serving.current.gateways["demo"]
    assert (demo.api_key, demo.missing_secret) == (PROVIDER_KEY, None)
    stored = await texts(store)
    assert PROVIDER_KEY not in stored
    assert laptop.token not in stored
    assert PROVIDER_KEY not in repr(demo)
    async with store.read() as session:
        assert "gAAAA" not in repr(await list_secrets(session)) + repr(await list_tokens(session))


async def test_a_token_is_shown_again(store: Store, laptop: NewToken) -> None:
    assert await reveal_client_token(store, "demo", "laptop", vault(OLD)) == laptop.token
    with pytest.raises(ConfigurationError, match="does not read token 'laptop'"):
        await reveal_client_token(store, "demo", "laptop", vault(OTHER))


async def test_without_a_key_a_token_is_stored_by_its_hash_alone(store: Store, laptop: NewToken) -> None:
    new = await add_client_token(store, "demo", "phone")
    async with store.read() as session:
        phone = next(row for row in await list_tokens(session) if row.name == "phone")
    assert (phone.sha256, phone.ciphertext) == (new.sha256, None)
    with pytest.raises(ConfigurationError, match="known by its hash alone; make another one"):
        await reveal_client_token(store, "demo", "phone", vault(OLD))


async def test_without_a_key_no_provider_key_is_stored_and_it_is_told_what_to_type(store: Store) -> None:
    async with store.write_lock() as session:
        await add_gateway(session, GatewayRow("demo", SPEC, "ui", 1, "admin"))
    with pytest.raises(ConfigurationError, match='run: export GATEWAYD_SECRET_KEY="') as error:
        async with store.write_lock() as session:
            await store_provider_key(session, Vault(), "demo", UPSTREAM, PROVIDER_KEY)
    assert PROVIDER_KEY not in str(error.value)


@pytest.mark.parametrize("key", ["", "  ", "sk-\x00", "sk-schlüssel", "x" * 65_537])
async def test_a_provider_key_that_no_header_carries_is_refused_without_repeating_it(
    store: Store, laptop: NewToken, key: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        async with store.write_lock() as session:
            await store_provider_key(session, vault(OLD), "demo", UPSTREAM, key)
    assert "\n" not in str(error.value)
    assert not key.strip() or key not in str(error.value)


async def test_a_new_provider_key_takes_the_place_of_the_old_one_and_is_served(
    store: Store, laptop: NewToken, tmp_path: Path
) -> None:
    serving = live(store, tmp_path, OLD)
    await serving.start()
    begun = serving.current
    async with store.write_lock() as session:
        await store_provider_key(session, vault(OLD), "demo", UPSTREAM, "sk-second")
    await serving.refresh()
    assert serving.current.gateways["demo"].api_key == "sk-second"
    assert begun.gateways["demo"].api_key == PROVIDER_KEY


@pytest.mark.parametrize(
    "base_url", ["https://evil.example/v1", "http://api.example.com/v1", "https://api.example.com:1"]
)
async def test_a_stored_key_never_goes_to_another_origin_than_it_was_entered_for(
    store: Store, laptop: NewToken, tmp_path: Path, base_url: str
) -> None:
    async with store.write_lock() as session:
        moved = {"upstream": {"base_url": base_url, "api_key": STORED}}
        await save_gateway(session, GatewayRow("demo", moved, "ui", 2, "admin"))
    serving = live(store, tmp_path, OLD)
    await serving.start()
    demo = serving.current.gateways["demo"]
    assert demo.api_key is None
    assert (demo.missing_secret or "").startswith("stored for https://api.example.com (base_url is now at ")


async def test_another_path_of_the_same_origin_keeps_the_key(store: Store, laptop: NewToken, tmp_path: Path) -> None:
    async with store.write_lock() as session:
        moved = {"upstream": {"base_url": "https://api.example.com/v2", "api_key": STORED}}
        await save_gateway(session, GatewayRow("demo", moved, "ui", 2, "admin"))
    serving = live(store, tmp_path, OLD)
    await serving.start()
    assert serving.current.gateways["demo"].api_key == PROVIDER_KEY


async def test_a_key_that_the_record_no_longer_refers_to_is_forgotten(store: Store, laptop: NewToken) -> None:
    async with store.write_lock() as session:
        await forget_unused_provider_keys(session)
        assert len(await list_secrets(session)) == 1
        elsewhere = {"upstream": {"base_url": "https://api.example.com/v1", "api_key": {"env": "X_API_KEY"}}}
        await save_gateway(session, GatewayRow("demo", elsewhere, "ui", 2, "admin"))
        await forget_unused_provider_keys(session)
        assert await list_secrets(session) == []


@pytest.mark.parametrize(
    ("keys", "says"), [([OTHER], "the key does not read what is stored"), ([], "GATEWAYD_SECRET_KEY is not set")]
)
async def test_a_start_with_a_lost_key_is_refused_in_one_line_and_changes_nothing(
    store: Store, laptop: NewToken, tmp_path: Path, keys: list[str], says: str
) -> None:
    before = await texts(store)
    with pytest.raises(ConfigurationError) as error:
        await live(store, tmp_path, *keys).start()
    told = str(error.value)
    assert told.startswith(f"{says}: 1 provider keys and 1 client tokens are encrypted by another one")
    assert "gatewayd db forget-secrets" in told
    assert ("restore the key file" in told) == (store.address.engine == "sqlite")
    assert "\n" not in told
    assert await texts(store) == before


async def test_a_wrong_key_stores_nothing_beside_what_it_cannot_read(store: Store, laptop: NewToken) -> None:
    with pytest.raises(ConfigurationError, match="the key does not read what is stored"):
        await add_client_token(store, "demo", "phone", vault(OTHER))


async def test_the_first_key_makes_anew_what_an_older_one_made(store: Store, laptop: NewToken, tmp_path: Path) -> None:
    async with store.read() as session:
        revision = await read_revision(session)
    assert (await live(store, tmp_path, NEW, OLD).start()).renewed == 2
    assert (await live(store, tmp_path, NEW, OLD).start()).renewed == 0
    serving = live(store, tmp_path, NEW)
    await serving.start()
    assert serving.current.gateways["demo"].api_key == PROVIDER_KEY
    assert serving.current.revision == revision  # it is the same configuration
    assert await reveal_client_token(store, "demo", "laptop", vault(NEW)) == laptop.token


async def test_an_added_key_in_second_place_reads_and_renews_nothing(store: Store, laptop: NewToken) -> None:
    before = await texts(store)
    assert await renew_secrets(store, vault(OLD, NEW)) == 0
    assert await texts(store) == before


async def test_what_no_key_reads_can_be_given_up_and_the_rest_stays(
    store: Store, laptop: NewToken, tmp_path: Path
) -> None:
    assert await forget_secrets(store, vault(OLD)) == (0, 0)
    assert await forget_secrets(store, vault(OTHER)) == (1, 1)
    serving = live(store, tmp_path, OTHER)
    await serving.start()
    demo = serving.current.gateways["demo"]
    assert demo.missing_secret is not None
    assert demo.token_hashes == {bytes.fromhex(laptop.sha256): "laptop"}


def test_sqlite_has_a_key_file_for_its_owner_alone(tmp_path: Path) -> None:
    address = parse_database_url(f"sqlite:///{tmp_path}/x.db")
    keys = load_secret_keys(None, address)
    assert keys.lasting
    assert stat.S_IMODE(os.stat(f"{tmp_path}/x.db.key").st_mode) == 0o600
    assert load_secret_keys(None, address) == keys


def test_a_key_that_is_set_later_goes_first_and_the_key_file_goes_on_reading(tmp_path: Path) -> None:
    address = parse_database_url(f"sqlite:///{tmp_path}/x.db")
    generated = load_secret_keys(None, address)
    assert load_secret_keys(NEW, address).keys == (NEW.encode(), *generated.keys)


def test_a_set_key_makes_no_key_file(tmp_path: Path) -> None:
    address = parse_database_url(f"sqlite:///{tmp_path}/x.db")
    assert load_secret_keys(f"{NEW}, {OLD}", address) == SecretKeys((NEW.encode(), OLD.encode()))
    assert list(tmp_path.iterdir()) == []


def test_postgresql_without_a_key_makes_one_that_stores_nothing() -> None:
    keys = load_secret_keys(None, parse_database_url("postgresql://u@h/d"))
    assert not keys.lasting
    assert not build_vault(keys).can_store
    assert build_vault(load_secret_keys(NEW, parse_database_url("postgresql://u@h/d"))).can_store


def test_a_short_key_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="fewer than 16 characters; run: export") as error:
        load_secret_keys(f"{NEW},hunter2", parse_database_url(f"sqlite:///{tmp_path}/x.db"))
    assert "hunter2" not in str(error.value)


async def test_a_secret_leaves_no_trace_in_the_files_of_sqlite(tmp_path: Path) -> None:
    """Not in the database, the write-ahead log, nor a backup; the free pages are looked at too."""
    async with Store(f"sqlite:///{tmp_path}/x.db") as store:
        await upgrade(store)
        async with store.write_lock() as session:
            await add_gateway(session, GatewayRow("demo", SPEC, "ui", 1, "admin"))
            await store_provider_key(session, vault(OLD), "demo", UPSTREAM, PROVIDER_KEY)
        new = await add_client_token(store, "demo", "laptop", vault(OLD))
        written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert new.sha256.encode() in written
    assert PROVIDER_KEY.encode() not in written
    assert new.token.encode() not in written
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert PROVIDER_KEY not in "".join(connection.iterdump())
