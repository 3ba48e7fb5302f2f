"""Gateways: the list, one's overview and history, and the buttons that change one without its form."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sanic import HTTPResponse

from gatewayd.admin.dashboard import status_of
from gatewayd.admin.figures import Total, by_hour, hours_until, requests_chart, tokens_chart, total
from gatewayd.admin.visit import NoSuchPage, Refused, Visit
from gatewayd.config.export import read_record as read_exported
from gatewayd.config.export import write_records
from gatewayd.config.masking import mask
from gatewayd.config.merge import ABSENT, read_fields
from gatewayd.config.records import (
    InvalidField,
    Record,
    Stale,
    UnknownGateway,
    delete_record,
    detach_record,
    list_records,
    pause_gateway,
    read_record,
    restore_record,
    resume_gateway,
    revert_fields,
)
from gatewayd.errors import ConfigurationError, StoreUnavailable
from gatewayd.gateways import ActiveGateway, Gateway
from gatewayd.store.audit import AuditEvent, add_events, list_events
from gatewayd.store.captures import list_captures, save_capture
from gatewayd.store.latencies import list_latencies
from gatewayd.store.usage import list_usage

PAGE = 100
_HISTORY = 50
_MOST_RECORDED = 1000
_SHOWN_OF_KEY = 4
_LONG_ENOUGH = 16  # of which four characters tell nothing

#: What a record's status is called, and how it is told. Those of the UI alone say nothing.
STATUSES = {
    "ui": ("idle", "of the UI"),
    "synced": ("ok", "as its file"),
    "out_of_sync": ("warn", "file not applied"),
    "drifted": ("warn", "drifted"),
    "conflict": ("bad", "conflict"),
    "detached": ("idle", "detached"),
    "pending_delete": ("warn", "gone from its file"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One gateway of a list. status: its kind and its words."""

    record: Record
    name: str
    base_url: str
    models: int
    status: tuple[str, str]
    total: Total

    @property
    def origin(self) -> str:
        return origin_of(self.record)


async def list_(visit: Visit) -> HTTPResponse:
    """A page of them, by id; `q` is found in id, name or base URL, `state` is `active` or `deleted`."""
    wanted, state = visit.argument("q"), visit.argument("state") or "active"
    lines = [line for line in await _lines(visit) if line.record.row.state == state and _has(line, wanted)]
    start = int(visit.argument("from")) if visit.argument("from").isdecimal() else 0
    deleted = state == "deleted"
    return await visit.page(
        "gateways/list.html", lines=lines[start : start + PAGE], count=len(lines), start=start, page=PAGE,
        wanted=wanted, deleted=deleted, statuses=STATUSES,
    )  # fmt: skip


async def list_csv(visit: Visit) -> HTTPResponse:
    lines = [_told(visit, line) for line in await _lines(visit)]
    header = list(lines[0]) if lines else ["id"]
    return visit.csv("gateways", header, [list(line.values()) for line in lines])


async def list_json(visit: Visit) -> HTTPResponse:
    return visit.json({"gateways": [_told(visit, line) for line in await _lines(visit)]})


async def show(visit: Visit, gateway_id: str) -> HTTPResponse:
    now = time.time_ns() // 1_000_000
    record = await find(visit, gateway_id)
    async with visit.admin.store.read() as session:
        rows = await list_usage(session, hours_until(now)[0], now + 1, gateway=gateway_id)
        sizes = await list_latencies(session, hours_until(now)[0], now + 1, gateway_id)
        recording = (await list_captures(session)).get(gateway_id, 0)
    its = total(rows, sizes.get(gateway_id))
    active = visit.admin.live.current.gateways.get(gateway_id)
    gateway, problem = valid(record)
    return await visit.page(
        "gateways/show.html",
        record=record,
        gateway=gateway,
        problem=problem,
        active=active,
        key_end=key_end(active),
        status=_status(record, active, its),
        sync=STATUSES[record.status],
        differences=[_difference(each) for each in record.differences],
        total=its,
        recording=recording,
        facts=visit.admin.facts,
        origin=origin_of(record),
    )


async def show_usage(visit: Visit, gateway_id: str) -> HTTPResponse:
    now = time.time_ns() // 1_000_000
    record, hours = await find(visit, gateway_id), hours_until(now, 72)
    async with visit.admin.store.read() as session:
        rows = await list_usage(session, hours[0], now + 1, gateway=gateway_id)
        models = await list_usage(session, hours[0], now + 1, step="all", by=["model"], gateway=gateway_id)
        tokens = await list_usage(session, hours[0], now + 1, step="all", by=["token"], gateway=gateway_id)
        sizes = await list_latencies(session, hours[0], now + 1, gateway_id)
    usages = by_hour(rows, hours)
    return await visit.page(
        "gateways/usage.html",
        record=record,
        total=total(rows, sizes.get(gateway_id)),
        requests=requests_chart(usages, hours),
        tokens=tokens_chart(usages, hours),
        models=_busiest([(row.model or "", total([row])) for row in models]),
        clients=_busiest([(row.token or "", total([row])) for row in tokens]),
    )


async def show_history(visit: Visit, gateway_id: str) -> HTTPResponse:
    record = await find(visit, gateway_id)
    before = visit.argument("before")
    async with visit.admin.store.read() as session:
        events = await list_events(
            session, f"gateway:{gateway_id}", before=int(before) if before.isdecimal() else None, limit=_HISTORY + 1
        )
    more = events[_HISTORY - 1].at if len(events) > _HISTORY else None
    return await visit.page("gateways/history.html", record=record, events=events[:_HISTORY], more=more, before=before)


async def show_yaml(visit: Visit, gateway_id: str) -> HTTPResponse:
    """The record as a file of configuration would hold it; without its stored key."""
    record = await find(visit, gateway_id)
    try:
        exported = read_exported(record.row, record.tokens)
    except ValueError:
        raise Refused(409, "There is no YAML of it", "The record is not valid.") from None
    notes = "".join(f"# {warning}\n" for warning in exported.warnings)
    text = notes + write_records([exported], None)
    return visit.download(f"{record.row.id}.yaml", text, "application/yaml; charset=utf-8")


async def delete(visit: Visit, gateway_id: str) -> HTTPResponse:
    return await _change(visit, gateway_id, "deleted", delete_record, generation=generation(visit))


async def restore(visit: Visit, gateway_id: str) -> HTTPResponse:
    return await _change(visit, gateway_id, "restored", restore_record)


async def detach(visit: Visit, gateway_id: str) -> HTTPResponse:
    return await _change(visit, gateway_id, "detached", detach_record, generation=generation(visit))


async def revert(visit: Visit, gateway_id: str) -> HTTPResponse:
    """The named field, or all that differ."""
    names = list(visit.form.get("field", ())) or None
    return await _change(visit, gateway_id, "reverted", revert_fields, names=names, generation=generation(visit))


async def pause(visit: Visit, gateway_id: str) -> HTTPResponse:
    minutes = visit.field("minutes").strip()
    if minutes and not (minutes.isdecimal() and 0 < int(minutes[:9]) <= 527_040):
        raise Refused(400, "Not paused", "Minutes: write a whole number, or nothing for until it is resumed.")
    until = time.time_ns() // 1_000_000 + int(minutes) * 60_000 if minutes else None
    return await _change(visit, gateway_id, "paused", pause_gateway, reason=visit.field("reason"), until=until)


async def resume(visit: Visit, gateway_id: str) -> HTTPResponse:
    return await _change(visit, gateway_id, "resumed", resume_gateway)


async def record_next(visit: Visit, gateway_id: str) -> HTTPResponse:
    """Bodies of the next N requests are stored, whatever the policy; 0 ends it."""
    await find(visit, gateway_id)
    count = visit.field("count").strip()
    if not count.isdecimal() or int(count[:9]) > _MOST_RECORDED:
        raise Refused(400, "Nothing is recorded", f"Write a number from 0 to {_MOST_RECORDED}.")
    async with visit.admin.store.write_lock() as session:
        await save_capture(session, gateway_id, int(count))
        event = AuditEvent(visit.actor, "record", f"gateway:{gateway_id}", {"requests": int(count)})
        await add_events(session, [event])
    return visit.redirect(f"/gateways/{gateway_id}?done=recording")


async def find(visit: Visit, gateway_id: str) -> Record:
    try:
        async with visit.admin.store.read() as session:
            return await read_record(session, gateway_id)
    except UnknownGateway:
        raise NoSuchPage(f"There is no gateway {gateway_id[:80]!r}.") from None


def valid(record: Record) -> tuple[Gateway | None, str]:
    """The record as a gateway, or why it is none."""
    try:
        return Gateway.model_validate(record.row.spec), ""
    except ValueError:
        return None, "The record is not valid, so it is not served. Edit it to see what is wrong."


def origin_of(record: Record) -> str:
    """`configs/a.yaml:7`, or "" for what belongs to no file."""
    row = record.row
    return f"{row.source_file}:{row.source_line}" if row.source_file and row.managed_by != "ui" else ""


def key_end(active: ActiveGateway | None) -> str:
    """The last characters of the provider's key: enough to know it by, and no more."""
    key = active.api_key if active is not None else None
    return key[-_SHOWN_OF_KEY:] if key and len(key) >= _LONG_ENOUGH else ""


def generation(visit: Visit) -> int:
    """The record's that the form was made for."""
    number = visit.field("generation")
    if not number.isdecimal() or len(number) > 18:
        raise Refused(400, "This form is incomplete", "Open the page again and try once more.")
    return int(number)


async def _change(visit: Visit, gateway_id: str, done: str, action: Any, **arguments: Any) -> HTTPResponse:
    """Does it, serves it, and shows the record."""
    try:
        await action(visit.admin.store, gateway_id, by=visit.actor, **arguments)
    except StoreUnavailable:
        raise
    except Stale as error:
        text = f"{error.row.updated_by} changed it meanwhile. Look at it as it is now, and decide again."
        raise Refused(409, "The gateway has changed", text) from None
    except UnknownGateway:
        await find(visit, gateway_id)
        raise Refused(409, "Nothing was changed", "The gateway is no longer in the state that this is for.") from None
    except InvalidField as error:
        raise Refused(400, "Nothing was changed", f"{error.field}: {error.text}.") from None
    except ConfigurationError as error:
        raise Refused(400, "Nothing was changed", f"{error}.") from None
    await visit.admin.live.refresh()
    return visit.redirect(f"/gateways/{gateway_id}?done={done}")


async def _lines(visit: Visit) -> list[Line]:
    now = time.time_ns() // 1_000_000
    async with visit.admin.store.read() as session:
        records = await list_records(session)
        rows = await list_usage(session, hours_until(now)[0], now + 1, step="all", by=["gateway"])
    totals = {row.gateway: total([row]) for row in rows}
    current = visit.admin.live.current.gateways
    return [_line(record, current.get(record.row.id), totals.get(record.row.id) or total(())) for record in records]


def _line(record: Record, active: ActiveGateway | None, its: Total) -> Line:
    spec = record.row.spec
    upstream, models = spec.get("upstream"), spec.get("models")
    base_url = upstream.get("base_url", "") if isinstance(upstream, dict) else ""
    count = len(models) if isinstance(models, (list, tuple)) else 1
    return Line(record, str(spec.get("name") or ""), str(base_url), count, _status(record, active, its), its)


def _status(record: Record, active: ActiveGateway | None, its: Total) -> tuple[str, str]:
    if not record.row.is_active:
        return "idle", "deleted"
    return status_of(active, its) if active is not None else ("bad", "not served")


def _has(line: Line, wanted: str) -> bool:
    return any(wanted.lower() in text.lower() for text in (line.record.row.id, line.name, line.base_url))


def _told(visit: Visit, line: Line) -> dict[str, Any]:
    row, usage = line.record.row, line.total.usage
    return {
        "id": row.id, "name": line.name, "url": f"{visit.base_url}/gateway/{row.id}", "base_url": line.base_url,
        "state": row.state, "status": line.status[1], "managed_by": row.managed_by, "origin": line.origin,
        "sync": line.record.status, "generation": row.generation, "updated_at": row.updated_at,
        "updated_by": row.updated_by, "requests_24h": usage.requests, "failed_24h": line.total.failed,
    }  # fmt: skip


def _difference(difference: Any) -> dict[str, Any]:
    change = difference.change
    values = {name: value_of(change.field, getattr(change, name)) for name in ("last", "file", "live")}
    told = {"name": change.name, "outcome": change.outcome, "by": difference.changed_by, "at": difference.changed_at}
    return values | told


def value_of(field: tuple[str, ...], value: Any) -> str:
    """As it may be shown."""
    return "not set" if value is ABSENT else shown_value(mask(field, value))


def shown_value(value: Any) -> str:
    """A value of a record in one line."""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def shown_fields(spec: dict[str, Any]) -> dict[str, str]:
    """By their names, secrets hidden."""
    return {".".join(name): value_of(name, value) for name, value in read_fields(spec).items()}


def _busiest(lines: Sequence[tuple[str, Total]]) -> list[tuple[str, Total]]:
    return sorted(lines, key=lambda line: (-line[1].usage.requests, line[0]))[:PAGE]
