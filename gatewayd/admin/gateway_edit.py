"""/gateways/new and /gateways/{id}/edit: the form of a record, with and without errors, and saving it.

A save carries the generation that its form was made of. Where the record has changed since, nothing is written and a
page (409) shows both versions; the form on it saves over the other one.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from sanic import HTTPResponse

from gatewayd.addresses import literal_address, may_be_dialled
from gatewayd.admin.gateway_form import InvalidForm, Shown, change_rows, parse_gateway, show_form, show_spec
from gatewayd.admin.gateways import find, generation, key_end, origin_of, shown_fields
from gatewayd.admin.visit import Refused, Visit
from gatewayd.config.records import InvalidField, Stale, UnknownGateway, save_record
from gatewayd.errors import ConfigurationError, StoreUnavailable
from gatewayd.gateways import GATEWAY_ID, Gateway
from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.store.gateways import GatewayRow, Spec

_SPARE_HEADERS = 2


async def show_new(visit: Visit) -> HTTPResponse:
    return await _form(visit, None, show_spec({}))


async def create(visit: Visit) -> HTTPResponse:
    return await _save(visit, None, visit.field("id").strip().lower())


async def show_edit(visit: Visit, gateway_id: str) -> HTTPResponse:
    row = (await find(visit, gateway_id)).row
    if not row.is_active:
        return visit.redirect(f"/gateways/{gateway_id}")
    return await _form(visit, row, show_spec(row.spec))


async def save(visit: Visit, gateway_id: str) -> HTTPResponse:
    row = (await find(visit, gateway_id)).row
    return await _save(visit, row, gateway_id)


async def _save(visit: Visit, row: GatewayRow | None, gateway_id: str) -> HTTPResponse:
    """row: what is stored, None for a new record."""
    shown = show_form(visit.form)
    if action := visit.field("rows"):  # one of the buttons that change the model map, nothing else
        return await _form(visit, row, Shown(shown.values, change_rows(shown.models, action), shown.headers))
    number = generation(visit) if row is not None else None
    try:
        gateway = parse_gateway(visit.form, row.spec if row else {})
        _check_network(gateway, visit.admin.facts.upstream_network)
        await save_record(
            visit.admin.store,
            gateway_id,
            gateway,
            generation=number,
            by=visit.actor,
            provider_key=visit.field("provider_key").strip() if visit.field("api_key") == "stored" else "",
            vault=visit.admin.vault,
        )
    except InvalidForm as error:
        return await _form(visit, row, shown, _id_error(gateway_id) | error.errors)
    except Stale as error:
        return await _conflict(visit, error.row, shown, gateway)
    except InvalidField as error:
        name = {"upstream.api_key": "provider_key"}.get(error.field, error.field)
        return await _form(visit, row, shown, {name: error.text})
    except UnknownGateway as error:
        raise Refused(409, "Not saved", f"{error}.") from None
    except StoreUnavailable:
        raise
    except ConfigurationError as error:  # of the key: that it cannot be stored, and what to do
        return await _form(visit, row, shown, {"provider_key": str(error)})
    await visit.admin.live.refresh()
    return visit.redirect(f"/gateways/{gateway_id}?done={'saved' if row is not None else 'created'}")


async def _form(
    visit: Visit, row: GatewayRow | None, shown: Shown, errors: dict[str, str] | None = None, **more: Any
) -> HTTPResponse:
    errors = errors or {}
    record = await find(visit, row.id) if row is not None else None
    values = shown.values | {"id": visit.field("id")}
    generation_shown = more.pop("generation", None) or visit.field("generation") or (row.generation if row else "")
    return await visit.page(
        "gateways/edit.html",
        more.pop("status", 422 if errors else 200),
        record=record,
        values=values,
        errors=errors,
        models=shown.models,
        headers=[*shown.headers, *[""] * _SPARE_HEADERS],
        dialects=sorted(DIALECTS),
        key_end=key_end(visit.admin.live.current.gateways.get(row.id)) if row else "",
        can_store=visit.admin.vault.can_store,
        origin=origin_of(record) if record else "",
        generation=generation_shown,
        conflict=more.pop("conflict", None),
    )


async def _conflict(visit: Visit, row: GatewayRow, shown: Shown, mine: Gateway) -> HTTPResponse:
    """Both versions, field by field, and the form again: now it saves over the other one."""
    differing = compare(row.spec, mine.spec_without_tokens())
    conflict = {"row": row, "fields": differing}
    return await _form(visit, row, shown, status=409, conflict=conflict, generation=row.generation)


def compare(theirs: Spec, mine: Spec) -> list[tuple[str, str, str]]:
    """Name, their value, my value, of the fields that differ; secrets are hidden."""
    one, other = shown_fields(theirs), shown_fields(mine)
    names = sorted({*one, *other})
    return [
        (name, one.get(name, "not set"), other.get(name, "not set"))
        for name in names
        if one.get(name) != other.get(name)
    ]


def _id_error(gateway_id: str) -> dict[str, str]:
    """Told beside the others; without them `save_record` finds it."""
    if re.fullmatch(GATEWAY_ID, gateway_id):
        return {}
    return {"id": "write 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit"}


def _check_network(gateway: Gateway, network: str) -> None:
    """What would be refused at every call is refused here already; names are looked up only when they are dialled."""
    host = urlsplit(gateway.upstream.base_url).hostname or ""
    local = host == "localhost" or host.endswith(".localhost")
    refused = local or (literal_address(host) is not None and not may_be_dialled(host, "public"))
    if network == "public" and refused:
        raise InvalidForm({"upstream.base_url": "GATEWAYD_UPSTREAM_NETWORK=public allows public addresses alone"})
