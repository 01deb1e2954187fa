"""Raising and clearing alerts by what is wrong now, and what people do with them. Each is one use case."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Max

from alerts import rules
from alerts.endings import ending_of
from alerts.finders import EVERYTHING, Found, find_all, of_blindness
from alerts.findings import Finding, World, read_world
from alerts.kinds import SPECS, Kind, Severity
from alerts.models import Alert, AlertRule, Look
from brands.models import Brand
from brands.services import audit, check_version
from budget_system.db import use_case
from budget_system.errors import Conflict, NotFound, Refused

RULE_INPUTS = ("on", "limits", "severity")
REFRESHED = ("title", "text", "figures", "next_step")
MOST_LIMITS = 8


def look(now: datetime) -> dict[str, int]:
    """Look at the present: raise what is new, clear what is over. Gives how many. Doing it again changes nothing.

    A finder that fails keeps no other from its findings, and ends nothing that it might have found. Where what all of
    them look at cannot be read, administrators are told, nothing ends, and the error is raised.
    """
    number = Look.objects.get_or_create(pk=1)[0].number
    try:
        world = read_world(now)
    except Exception as error:  # whatever it is: it is told of, and raised again
        _raise([*of_blindness(error, rules.read(), now)], now)
        raise
    seen = find_all(world, EVERYTHING)
    counts = _sync(seen, number, world)
    return {**counts, "failed": len(seen.failed)} if seen.failed else counts


@use_case
def _sync(seen: Found, number: int, world: World) -> dict[str, int]:
    """What was read counts only if nobody else has looked meanwhile: an older view must not undo a newer one."""
    found = seen.findings
    now = world.now
    if not Look.objects.filter(pk=1, number=number).update(number=F("number") + 1, at=now):
        return {"skipped": 1}
    standing = {alert.key: alert for alert in Alert.objects.filter(cleared_at=None)}
    raised = _raise(_not_told_before([one for key, one in found.items() if key not in standing]), now)
    gone = [alert.pk for key, alert in standing.items() if key not in found and alert.kind not in seen.unsure]
    over = list(_lock(gone))  # as they are now: a person may be resolving one of them
    _clear(over, found.values(), world)
    refreshed = _refresh(standing, found)
    return {"raised": raised, "cleared": len(over), "refreshed": refreshed}


def _not_told_before(new: Sequence[Finding]) -> list[Finding]:
    """Without thresholds that were passed before in the same period of the same budget."""
    series = {one.series for one in new if one.series}
    told = dict(
        Alert.objects.filter(series__in=series).order_by().values_list("series").annotate(top=Max("level"))
        if series
        else ()
    )
    return [one for one in new if one.level > told.get(one.series, -1) or not one.series]


def _raise(new: Sequence[Finding], now: datetime) -> int:
    rows = [
        Alert(
            kind=one.kind, key=one.key, series=one.series, level=one.level, brand_id=one.brand_id,
            campaign_id=one.campaign_id, severity=one.severity, title=_cut(one.title), text=one.text,
            figures=[list(pair) for pair in one.figures], next_step=one.next_step, link=one.link, since=one.since,
            raised_at=now,
        )
        for one in new
    ]  # fmt: skip
    Alert.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    return len(rows)


def _clear(over: Sequence[Alert], found: Iterable[Finding], world: World) -> None:
    """What gives way to another issue of the same kind with the same thing ends silently: its budget is not free."""
    same = {(one.kind, one.brand_id, one.campaign_id) for one in found}
    for alert in over:
        kind = Kind(alert.kind)
        alert.cleared_at = world.now
        if alert.ended_at is not None:
            continue
        alert.ended_at = world.now
        if SPECS[kind].tells_end and (kind, alert.brand_id, alert.campaign_id) not in same:
            alert.ending = ending_of(alert)
    Alert.objects.bulk_update(over, ["cleared_at", "ended_at", "ending"], batch_size=500)


def _refresh(standing: Mapping[str, Alert], found: Mapping[str, Finding]) -> int:
    """Figures as they are now, so that the page tells the present."""
    changed = []
    for key, alert in standing.items():
        one = found.get(key)
        if one is None or alert.ended_at is not None:
            continue
        now_told = (_cut(one.title), one.text, [list(pair) for pair in one.figures], one.next_step)
        if tuple(getattr(alert, name) for name in REFRESHED) != now_told:
            for name, value in zip(REFRESHED, now_told, strict=True):
                setattr(alert, name, value)
            changed.append(alert)
    Alert.objects.bulk_update(changed, list(REFRESHED), batch_size=500)
    return len(changed)


def _cut(text: str) -> str:
    return text if len(text) <= 600 else f"{text[:599]}…"


KEPT = timedelta(days=365)


def tidy(now: datetime) -> int:
    """Delete alerts that are over for a year, some at a time. What people did with them is on the audit record."""
    old = Alert.objects.filter(cleared_at__lt=now - KEPT, ended_at__lt=now - KEPT).order_by("ended_at")
    return (
        Alert.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:5_000])).delete()[1].get("alerts.Alert", 0)
    )


# --- What people do --------------------------------------------------------------------------------------------------


@use_case
def mark_read(alert_ids: Iterable[UUID], *, actor: str, now: datetime) -> int:
    """Say that a person has read these. Gives how many had not been."""
    unread = _lock(alert_ids).filter(read_at=None)
    rows = list(unread)
    for alert in rows:
        audit(alert, "read alert", brand_id=alert.brand_id, actor=actor, now=now)
    Alert.objects.filter(pk__in=[alert.pk for alert in rows]).update(read_at=now, read_by=actor)
    return len(rows)


@use_case
def resolve(alert_ids: Iterable[UUID], *, actor: str, now: datetime) -> int:
    """A person has dealt with these. Nothing more is told of them, and none is raised again until it was gone once."""
    rows = list(_lock(alert_ids).filter(ended_at=None))
    for alert in rows:
        audit(alert, "resolve alert", brand_id=alert.brand_id, actor=actor, now=now)
    chosen = Alert.objects.filter(pk__in=[alert.pk for alert in rows])
    chosen.filter(read_at=None).update(read_at=now, read_by=actor)
    chosen.update(resolved_at=now, resolved_by=actor, ended_at=now)
    return len(rows)


def _lock(alert_ids: Iterable[UUID]) -> Any:
    return Alert.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=list(alert_ids)).order_by("pk")


# --- Rules -----------------------------------------------------------------------------------------------------------


@use_case
def add_rule(brand_id: UUID | None, kind: str, inputs: Mapping[str, object], *, actor: str, now: datetime) -> AlertRule:
    """A rule for a kind of alert, for one brand or (None) for all that have none of their own."""
    if kind not in set(Kind):
        raise Refused("Choose what it is about.", field="kind")
    brand = None
    if brand_id is not None:
        brand = Brand.objects.filter(pk=brand_id, archived_at=None).first()
        if brand is None:
            raise NotFound("There is no such brand.", field="brand")
    cleaned = _clean(Kind(kind), inputs)
    try:
        with transaction.atomic():
            rule = AlertRule.objects.create(brand=brand, kind=kind, created_at=now, updated_at=now, **cleaned)
    except IntegrityError as error:
        raise Conflict("There is a rule for this already. Change that one.", field="kind") from error
    audit(rule, "add alert rule", brand_id=brand_id, actor=actor, now=now, after=cleaned)
    return rule


@use_case
def change_rule(
    rule_id: UUID, changes: Mapping[str, object], *, actor: str, now: datetime, expected_version: int | None = None
) -> AlertRule:
    rule = AlertRule.objects.select_for_update(of=("self",), no_key=True).filter(pk=rule_id).first()
    if rule is None:
        raise NotFound("There is no such rule.")
    check_version(rule, expected_version)
    wanted = _clean(Kind(rule.kind), changes)
    cleaned = {name: value for name, value in wanted.items() if getattr(rule, name) != value}
    if cleaned:
        before = {name: getattr(rule, name) for name in cleaned}
        for name, value in cleaned.items():
            setattr(rule, name, value)
        rule.version += 1
        rule.updated_at = now
        rule.save(update_fields=[*cleaned, "version", "updated_at"])
        audit(
            rule, "change alert rule", brand_id=rule.brand_id, actor=actor, now=now, before=before, after=cleaned
        )  # fmt: skip
    return rule


def _clean(kind: Kind, inputs: Mapping[str, object]) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for field, value in inputs.items():
        if field == "on":
            cleaned[field] = bool(value)
        elif field == "limits":
            cleaned[field] = _clean_limits(kind, value)
        elif field == "severity":
            if value not in (None, "") and str(value) not in {str(one.value) for one in Severity}:
                raise Refused("There is no such severity.", field=field)
            cleaned[field] = int(str(value)) if value not in (None, "") else None
        else:
            raise Refused(f"A rule has no input called {field}.", field=field)
    return cleaned


def _clean_limits(kind: Kind, value: object) -> list[int]:
    """Whole numbers, each once, the smallest first. Empty: those of the system."""
    given = list(value) if isinstance(value, list | tuple) else str(value or "").replace(",", " ").split()
    limits = SPECS[kind].limits
    if not given:
        return []
    if limits is None:
        raise Refused("This kind of alert has no limits; leave it empty.", field="limits")
    numbers = []
    for one in map(str, given):
        if not (one.isascii() and one.isdigit() and len(one) <= 6 and limits.least <= int(one) <= limits.most):
            raise Refused(
                f"Write whole numbers from {limits.least} to {limits.most}: {limits.unit}.", field="limits"
            )  # fmt: skip
        numbers.append(int(one))
    numbers = sorted(set(numbers))
    if len(numbers) > (MOST_LIMITS if limits.many else 1):
        most = f"At most {MOST_LIMITS} numbers" if limits.many else "One number"
        raise Refused(f"{most}: {limits.unit}.", field="limits")
    return numbers
