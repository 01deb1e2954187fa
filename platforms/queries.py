"""What the lists of accounts and of campaigns there show, for all doors."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from platforms.drift import at_risk_now
from platforms.models import Account, RemoteState, Steering
from platforms.steps import Mode, Step


class Standing(NamedTuple):
    """Of an account: how many of its campaigns are at which step, and how many run there and must not."""

    steps: Mapping[str, int]
    at_risk: int
    mode: str
    """Its brand's."""


def standings(accounts: Iterable[Account]) -> dict[UUID, Standing]:
    """Of each of these, in three queries."""
    rows = list(accounts)
    steps: dict[UUID, dict[str, int]] = {}
    found = RemoteState.objects.current().filter(account__in=rows).order_by()
    for account_id, step, count in found.values_list("account", "step").annotate(count=Count("pk")):
        steps.setdefault(account_id, {})[step] = count
    at_risk = dict(found.filter(at_risk_now()).values_list("account").annotate(count=Count("pk")))
    modes = dict(Steering.objects.filter(brand__in=[row.brand_id for row in rows]).values_list("brand", "mode"))
    return {
        row.pk: Standing(
            steps.get(row.pk, {}), at_risk.get(row.pk, 0), modes.get(row.brand_id, Mode.OBSERVE.value)
        )
        for row in rows
    }  # fmt: skip


_RANK = Case(
    When(at_risk_now() & ~Q(step=Step.SEND), then=Value(0)),
    When(step__in=[Step.DRIFT, Step.WAITING], then=Value(1)),
    When(step__in=[Step.SEND, Step.BROKEN, Step.STOPPED], then=Value(2)),
    When(step__in=[Step.OBSERVED, Step.LEFT], then=Value(3)),
    default=Value(4),
    output_field=IntegerField(),
)
URGENCY = (_RANK.asc(), "step_since", "pk")
"""Money at risk first, then what waits for a person, then what does not arrive."""


def by_urgency(states: QuerySet[RemoteState]) -> QuerySet[RemoteState]:
    return states.order_by(*URGENCY)
