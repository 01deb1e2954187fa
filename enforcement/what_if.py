"""What if? The facts of a campaign with some of them replaced, for the decision to be asked about. Pure.

There is no second rule here: whoever asks hands the facts to `decide`, `causes_at` and `runs_next`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from campaigns.holds import Hold, in_order
from enforcement.decision import Budget, Facts, OverrideFact, Scope
from scheduling.windows import Week

Key = tuple[Hold, Scope]
"""Names a budget: of which period, and whose."""

KEYS: Final[tuple[Key, ...]] = (
    (Hold.LIFETIME_BUDGET_EXCEEDED, Scope.CAMPAIGN),
    (Hold.MONTHLY_BUDGET_EXCEEDED, Scope.BRAND),
    (Hold.MONTHLY_BUDGET_EXCEEDED, Scope.CAMPAIGN),
    (Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND),
    (Hold.DAILY_BUDGET_EXCEEDED, Scope.CAMPAIGN),
)
"""Every budget that may hold a campaign, in the order in which facts name them."""


class Otherwise(NamedTuple):
    """What is otherwise than it is. Money is micros, as in the facts."""

    limits: Mapping[Key, int | None] = {}
    """Other budgets; None is no limit. A budget that is not named stays as it is."""
    more: int = 0
    """So much more is spent by the campaign on the day of the facts; less than 0: so much less."""
    other_week: bool = False
    week: Week | None = None
    """The week in the place of the campaign's, if `other_week`; None is around the clock."""


def otherwise(facts: Facts, counted: Mapping[Key, int], what: Otherwise) -> Facts:
    """The facts with those replaced that are otherwise. `counted` has what counts where the facts have no budget."""
    present = {(budget.hold, budget.scope): budget for budget in facts.budgets}
    budgets = []
    for key in KEYS:
        old = present.get(key)
        limit = what.limits.get(key, old.limit if old else None)
        if limit is not None:
            used = old.used if old else counted.get(key, 0)
            budgets.append(Budget(*key, limit, used + what.more, old.reserved if old else 0))
    override = facts.override
    return facts._replace(
        budgets=tuple(budgets),
        week=what.week if what.other_week else facts.week,
        override=override and override._replace(spent=override.spent + what.more),
    )


def paused(facts: Facts, until: datetime | None) -> Facts:
    """The facts if a person paused the campaign by hand."""
    return facts._replace(manual=True, manual_until=until)


def activated(facts: Facts) -> Facts:
    """The facts if a person ended the pause by hand."""
    return facts._replace(manual=False, manual_until=None)


def overridden(facts: Facts, lifts: Iterable[Hold], ends_at: datetime, extra: int | None, now: datetime) -> Facts:
    """The facts if a person made an override now."""
    return facts._replace(override=OverrideFact(in_order(lifts), now, ends_at, extra, 0))
