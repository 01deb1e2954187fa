"""May it run, may it spend? The one place in which that is decided. Pure: the standard library and pure calendars only.

`causes_at` has the rule of every hold; `decide` makes the verdict of its causes; `runs_next` asks when the campaign
will run again if nothing else changes; `authorise` asks whether an amount may still be spent. Money is integer micros
here.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from brands.periods import day_starts_at, local_date, month_start, next_midnight, next_month
from campaigns.holds import Hold, Verdict, in_order
from scheduling.windows import Opening, Week, opening


class Scope(StrEnum):
    BRAND = "brand"
    CAMPAIGN = "campaign"
    CHANNEL = "channel"


class Budget(NamedTuple):
    """A budget that exists, and what counts against it in the period that contains the facts' day."""

    hold: Hold
    scope: Scope
    limit: int
    used: int
    reserved: int = 0
    """Set aside and not settled yet. It limits what else may be set aside, and holds nothing."""


class OverrideFact(NamedTuple):
    """A person's permission: the holds it lifts, until when, and how much of its extra money is spent.

    `reserved` is what the campaign has set aside in all.
    """

    lifts: tuple[Hold, ...]
    starts_at: datetime
    ends_at: datetime
    extra: int | None
    spent: int
    reserved: int = 0


class Facts(NamedTuple):
    """All that decides about one campaign. `day` is the brand's local day that the budgets' `used` belongs to."""

    zone: ZoneInfo
    day: date
    stopped: tuple[Scope, ...] = ()
    manual: bool = False
    manual_until: datetime | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    budgets: tuple[Budget, ...] = ()
    breaker_until: datetime | None = None
    week: Week | None = None
    override: OverrideFact | None = None


class Cause(NamedTuple):
    """One reason why the campaign may not run. `until`: when it may end by itself; None: not without a person."""

    hold: Hold
    scope: Scope
    until: datetime | None
    limit: int | None = None
    used: int | None = None
    reserved: int | None = None
    lifted: bool = False


def reached(limit: int, used: int) -> bool:
    """Whether a budget is used up: spend equal to the budget has reached it."""
    return used >= limit


def decide(facts: Facts, now: datetime) -> Verdict:
    """The verdict at `now`: the holds, and the next moment at which time alone may change them."""
    window = opening(facts.week, facts.zone, now)
    causes = _causes(facts, window, now)
    holds = in_order([cause.hold for cause in causes if not cause.lifted]) if causes else ()
    return Verdict(holds, _next_check(facts, window, now))


def causes_at(facts: Facts, now: datetime) -> list[Cause]:
    """Every cause that stands at `now`, in order of precedence; those an override lifts are marked."""
    return _causes(facts, opening(facts.week, facts.zone, now), now)


def _causes(facts: Facts, window: Opening, now: datetime) -> list[Cause]:
    causes = [Cause(Hold.EMERGENCY_STOP, scope, None) for scope in facts.stopped] if facts.stopped else []
    if facts.manual and (facts.manual_until is None or now < facts.manual_until):
        causes.append(Cause(Hold.MANUAL, Scope.CAMPAIGN, facts.manual_until))
    if facts.starts_on is not None or facts.ends_on is not None:
        _add_flight(causes, facts, now)
    if facts.budgets:
        _add_budgets(causes, facts, now)
    if facts.breaker_until is not None and now < facts.breaker_until:
        causes.append(Cause(Hold.CIRCUIT_BREAKER, Scope.CAMPAIGN, facts.breaker_until))
    if not window.has_active:
        causes.append(Cause(Hold.NO_SCHEDULE, Scope.CAMPAIGN, None))
    elif not window.open:
        causes.append(Cause(Hold.OUTSIDE_SCHEDULE, Scope.CAMPAIGN, window.changes_at))
    override = facts.override
    if causes and override is not None and override_stands(override, now):
        return [cause._replace(lifted=cause.hold in override.lifts) for cause in causes]
    return causes


def _add_flight(causes: list[Cause], facts: Facts, now: datetime) -> None:
    today = local_date(facts.zone, now)
    if facts.ends_on is not None and today > facts.ends_on:
        causes.append(Cause(Hold.ENDED, Scope.CAMPAIGN, None))
    if facts.starts_on is not None and today < facts.starts_on:
        causes.append(Cause(Hold.NOT_STARTED, Scope.CAMPAIGN, day_starts_at(facts.zone, facts.starts_on)))


def _add_budgets(causes: list[Cause], facts: Facts, now: datetime) -> None:
    today = local_date(facts.zone, now)
    for budget in facts.budgets:
        used = budget.used if today == facts.day else _on(today, budget, facts.day, budget.used)
        if reached(budget.limit, used):
            until = _budget_until(budget, facts.zone, now)
            reserved = _on(today, budget, facts.day, budget.reserved)
            causes.append(Cause(budget.hold, budget.scope, until, budget.limit, used, reserved))


def _on(today: date, budget: Budget, day: date, amount: int) -> int:
    """What counts today of an amount that counts on `day`: nothing of another day's or month's."""
    if today == day or budget.hold is Hold.LIFETIME_BUDGET_EXCEEDED:
        return amount
    if budget.hold is Hold.MONTHLY_BUDGET_EXCEEDED and month_start(today) == month_start(day):
        return amount
    return 0


def _budget_until(budget: Budget, zone: ZoneInfo, now: datetime) -> datetime | None:
    """When the period turns. A budget of 0 stays used up in every period."""
    if budget.hold is Hold.LIFETIME_BUDGET_EXCEEDED or budget.limit == 0:
        return None
    return next_midnight(zone, now) if budget.hold is Hold.DAILY_BUDGET_EXCEEDED else next_month(zone, now)


def override_stands(override: OverrideFact, now: datetime) -> bool:
    """Whether an override is in force: begun, not over, and its extra money not used up."""
    return override.starts_at <= now < override.ends_at and (
        override.extra is None or not reached(override.extra, override.spent)
    )


def _next_check(facts: Facts, window: Opening, now: datetime) -> datetime:
    """The next moment at which time alone may change the verdict: never later than the next local midnight."""
    soonest = next_midnight(facts.zone, now)
    if window.changes_at is not None and window.changes_at < soonest:
        soonest = window.changes_at
    if facts.manual and facts.manual_until is not None and now < facts.manual_until < soonest:
        soonest = facts.manual_until
    if facts.breaker_until is not None and now < facts.breaker_until < soonest:
        soonest = facts.breaker_until
    if facts.override is not None:
        for moment in (facts.override.starts_at, facts.override.ends_at):
            if now < moment < soonest:
                soonest = moment
    return soonest


MAX_STEPS = 1000


def runs_next(facts: Facts, now: datetime) -> datetime | None:
    """When the campaign will run if nothing else changes: `now` if it runs, None if not without a person.

    Goes from moment to moment: to the first at which all the causes of the last one may have ended.
    """
    at = now
    for _ in range(MAX_STEPS):
        ends = [cause.until for cause in causes_at(facts, at) if not cause.lifted]
        if not ends:
            return at
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            return None
        at = max(known)
    return None


# --- May it spend? ---------------------------------------------------------------------------------------------------


class Code(StrEnum):
    """The answer to a request for money, where it is not the hold that refuses it."""

    GRANTED = "GRANTED"
    LIFETIME_BUDGET_INSUFFICIENT = "LIFETIME_BUDGET_INSUFFICIENT"
    MONTHLY_BUDGET_INSUFFICIENT = "MONTHLY_BUDGET_INSUFFICIENT"
    DAILY_BUDGET_INSUFFICIENT = "DAILY_BUDGET_INSUFFICIENT"
    OVERRIDE_INSUFFICIENT = "OVERRIDE_INSUFFICIENT"
    PACING = "PACING"
    """The pacer: a channel's budget, its hour, its velocity or its breaker."""


class Authorisation(NamedTuple):
    """Whether an amount may be spent, and the figures that this rests on.

    `remaining` is what may still be set aside: after a grant, without what it took; None where nothing limits it.
    `code` is a Code or the code of `hold`. `scope`, `limit`, `used` and `reserved` are those of the budget (or of the
    override's extra money) that leaves the least, after a grant with what it took; or of the budget that is used up.
    After a grant `limited_by` names it: the code that a larger amount would be refused with.
    """

    granted: bool
    code: str
    remaining: int | None
    hold: Hold | None = None
    scope: Scope | None = None
    limit: int | None = None
    used: int | None = None
    reserved: int | None = None
    limited_by: Code | None = None


class _Limit(NamedTuple):
    """Something that limits what may be set aside, and what it leaves: less than nothing when it was cut since."""

    left: int
    code: Code
    scope: Scope
    limit: int
    used: int
    reserved: int


_INSUFFICIENT = {
    Hold.LIFETIME_BUDGET_EXCEEDED: Code.LIFETIME_BUDGET_INSUFFICIENT,
    Hold.MONTHLY_BUDGET_EXCEEDED: Code.MONTHLY_BUDGET_INSUFFICIENT,
    Hold.DAILY_BUDGET_EXCEEDED: Code.DAILY_BUDGET_INSUFFICIENT,
}


def authorise(facts: Facts, amount: int, now: datetime) -> Authorisation:
    """Whether `amount` (more than 0) may be set aside at `now`. To land exactly on a budget is allowed.

    What holds the campaign refuses everything. Money that is set aside and not settled counts as if it were spent,
    here and nowhere else: it holds no campaign.
    """
    tightest = _tightest(facts, now)
    remaining = None if tightest is None else max(tightest.left, 0)
    standing = [cause for cause in causes_at(facts, now) if not cause.lifted]
    if standing:
        hold = in_order([cause.hold for cause in standing])[0]
        cause = next(cause for cause in standing if cause.hold is hold)
        if cause.limit is None:
            return Authorisation(False, hold, remaining, hold, cause.scope)
        return Authorisation(False, hold, 0, hold, cause.scope, cause.limit, cause.used, cause.reserved)
    if tightest is not None and amount > tightest.left:
        _, code, scope, limit, used, reserved = tightest
        return Authorisation(False, code, remaining, None, scope, limit, used, reserved)
    return _granted(tightest, amount)


def as_granted(facts: Facts, now: datetime) -> Authorisation:
    """The answer to a request that was granted before, with what remains now."""
    return _granted(_tightest(facts, now), 0)


def _granted(tightest: _Limit | None, amount: int) -> Authorisation:
    if tightest is None:
        return Authorisation(True, Code.GRANTED, None)
    left, code, scope, limit, used, reserved = tightest
    return Authorisation(
        True, Code.GRANTED, max(left - amount, 0), None, scope, limit, used, reserved + amount, code
    )  # fmt: skip


def _tightest(facts: Facts, now: datetime) -> _Limit | None:
    """The limit that leaves the least; of several, that of the longest period. None: nothing limits it."""
    override = facts.override
    standing = override if override is not None and override_stands(override, now) else None
    today = local_date(facts.zone, now)
    limits = []
    for budget in facts.budgets:
        if standing is None or budget.hold not in standing.lifts:
            used = _on(today, budget, facts.day, budget.used)
            reserved = _on(today, budget, facts.day, budget.reserved)
            left = budget.limit - used - reserved
            limits.append(_Limit(left, _INSUFFICIENT[budget.hold], budget.scope, budget.limit, used, reserved))
    if standing is not None and standing.extra is not None:
        left = standing.extra - standing.spent - standing.reserved
        limits.append(
            _Limit(
                left, Code.OVERRIDE_INSUFFICIENT, Scope.CAMPAIGN, standing.extra, standing.spent, standing.reserved
            )
        )  # fmt: skip
    return min(limits, key=_by_what_is_left, default=None)


_RANK = {code: rank for rank, code in enumerate(Code)}


def _by_what_is_left(limit: _Limit) -> tuple[int, int]:
    return limit.left, _RANK[limit.code]
