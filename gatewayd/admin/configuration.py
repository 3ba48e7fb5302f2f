"""/config: where gateways come from, what was last applied, what is wrong with the files, and applying them now."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from sanic import HTTPResponse

from gatewayd.admin.gateways import STATUSES, find, origin_of, value_of
from gatewayd.admin.visit import Refused, Visit
from gatewayd.config.export import read_record as read_exported
from gatewayd.config.load import InvalidConfiguration
from gatewayd.config.merge import FieldChange
from gatewayd.config.patch import propose_patch, write_diff
from gatewayd.config.planned import Choice, Plan, RecordPlan
from gatewayd.config.records import Record, list_records
from gatewayd.errors import ConfigurationError, StoreUnavailable
from gatewayd.store.sources import list_sources

_MOST = 200

_RESULTS = {
    "create": ("ok", "create"),
    "update": ("info", "change"),
    "delete": ("bad", "delete"),
    "adopt": ("info", "take over"),
    "keep": ("idle", "keep"),
    "drift": ("warn", "drifted"),
    "conflict": ("bad", "conflict"),
    "detached": ("idle", "detached"),
}


class Step(NamedTuple):
    """One record of a plan. fields: name, value here, value of the file, what comes of it."""

    id: str
    result: tuple[str, str]
    where: str
    reason: str
    fields: list[tuple[str, str, str, str]]


async def show(visit: Visit) -> HTTPResponse:
    source = visit.admin.live.source
    async with visit.admin.store.read() as session:
        sources = await list_sources(session)
        all_records = await list_records(session)
    records = [record for record in all_records if record.status not in ("ui", "synced")]
    known = Counter(record.row.managed_by for record in all_records if record.row.is_active)
    found = await source.look()
    return await visit.page(
        "config/show.html",
        facts=visit.admin.facts,
        problems=source.problems,
        trouble=found.trouble,
        files=[file.name for file in found.files],
        sources=sources,
        known=sorted(known.items()),
        revision=visit.admin.live.current.revision,
        applied_at=int(visit.admin.live.applied_at * 1000) or None,
        records=[_told(record) for record in records[:_MOST]],
        more=max(len(records) - _MOST, 0),
    )


async def show_plan(visit: Visit) -> HTTPResponse:
    """What applying the files as they lie there now would do."""
    plan, problems = None, tuple[str, ...]()
    try:
        plan = await visit.admin.live.source.plan(visit.admin.store)
    except InvalidConfiguration as error:
        problems = tuple(map(str, error.problems))
    except StoreUnavailable:
        raise
    except ConfigurationError as error:
        problems = (str(error),)
    steps = [build_step(record) for record in plan.records if _says_something(record)] if plan is not None else []
    return await visit.page(
        "config/plan.html",
        facts=visit.admin.facts,
        plan=plan,
        steps=steps[:_MOST],
        more=max(len(steps) - _MOST, 0),
        counts=count_results(plan) if plan is not None else {},
        problems=problems,
    )


async def apply(visit: Visit) -> HTTPResponse:
    """force: the files win where both sides changed."""
    choice = Choice(visit.admin.live.source.drift, force=visit.field("force") == "yes")
    try:
        await visit.admin.live.source.apply_now(visit.admin.store, choice=choice, by=visit.actor)
    except InvalidConfiguration:
        return visit.redirect("/config/plan")  # where its errors are
    except StoreUnavailable:
        raise
    except ConfigurationError as error:
        raise Refused(409, "Nothing was applied", f"{error}.") from None
    await visit.admin.live.refresh()
    return visit.redirect("/config?done=applied")


async def show_proposal(visit: Visit, gateway_id: str) -> HTTPResponse:
    """The file of a gateway with its live values in it, as a patch."""
    record = await find(visit, gateway_id)
    patch, warnings, problem = "", tuple[str, ...](), ""
    try:
        patch, warnings = await _propose(visit, record)
    except ConfigurationError as error:
        problem = f"{error}."
    except ValueError:
        problem = "The record is not valid."
    return await visit.page(
        "config/proposal.html", record=record, patch=patch, warnings=warnings, problem=problem, origin=origin_of(record)
    )


async def download_proposal(visit: Visit, gateway_id: str) -> HTTPResponse:
    record = await find(visit, gateway_id)
    try:
        patch, _ = await _propose(visit, record)
    except (ConfigurationError, ValueError) as error:
        raise Refused(409, "There is no patch", f"{error}.") from None
    return visit.download(f"{gateway_id}.patch", patch, "text/x-patch; charset=utf-8")


async def _propose(visit: Visit, record: Record) -> tuple[str, tuple[str, ...]]:
    """Of files that lie in the configuration directory now, and of no others, whatever a record says."""
    row = record.row
    files = {file.name: file.content for file in (await visit.admin.live.source.look()).files}
    content = files.get(row.source_file or "")
    if not isinstance(content, bytes):
        raise ConfigurationError(f"{row.source_file or 'its file'} is not there any more")
    text = content.decode("utf-8", "replace")
    exported = read_exported(row, record.tokens) if row.is_active else None
    patched = propose_patch(text, row.id, exported.spec if exported else None, str(row.source_file))
    name = f"{visit.admin.live.source.directory.name}/{Path(str(row.source_file)).name}"
    return write_diff(name, text, patched), exported.warnings if exported else ()


def build_step(record: RecordPlan) -> Step:
    fields = [
        (change.name, value_of(change.field, change.live), value_of(change.field, change.file), _outcome(change))
        for change in record.changes
        if change.outcome != "agree"
    ]
    return Step(record.id, _RESULTS[record.result], record.where, record.reason, fields)


def count_results(plan: Plan) -> dict[str, int]:
    return {
        "to create": len(plan.of("create")),
        "to change": len(plan.of("update")) + len(plan.of("adopt")),
        "to delete": len(plan.of("delete")),
        "drifted": len(plan.drifted),
        "in conflict": len(plan.conflicts),
    }


def _says_something(record: RecordPlan) -> bool:
    return record.result != "keep" or bool(record.reason) or record.drifted or record.conflicts


def _outcome(change: FieldChange) -> str:
    return {"take": "the file's", "drift": "stays", "conflict": "stays: changed on both sides"}.get(change.outcome, "")


def _told(record: Record) -> dict[str, Any]:
    row = record.row
    return {"id": row.id, "status": STATUSES[record.status], "origin": origin_of(record), "by": row.updated_by,
            "at": row.updated_at, "deleted": not row.is_active}  # fmt: skip
