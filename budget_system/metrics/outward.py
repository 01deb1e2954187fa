"""What leaves the system: alerts, messages to receivers, and changes at ad platforms; from the database."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Max, Min, Q, Sum
from prometheus_client.core import Metric

from alerts.models import Alert, Look
from budget_system.metrics.families import counter, gauge, one, today
from delivery.models import Delivery, DeliveryState, Endpoint, EndpointState
from delivery.severity import Severity
from platforms.drift import at_risk_now
from platforms.models import Account, AccountState, Act, ActKind, RemoteState
from platforms.services import outgoing


def alerts(now: datetime) -> Iterator[Metric]:
    open_ones = dict(Alert.objects.open().order_by().values_list("severity").annotate(Count("pk")))
    by_name = [((severity.code,), open_ones.get(severity.value, 0)) for severity in Severity]
    yield gauge("budget_alerts_open", "Alerts that stand and nobody has resolved.", ("severity",), by_name)
    looked = Look.objects.values_list("at", flat=True).first()
    age = now - looked if looked else None
    yield one("budget_alert_look_age_seconds", "Since alerts were last looked for.", age)


def messages(now: datetime) -> Iterator[Metric]:
    kind = ("kind",)
    here = Delivery.objects.filter(endpoint__off_at=None).order_by()
    for name, says, state in (
        ("budget_messages_waiting", "Messages that have not arrived yet.", DeliveryState.PENDING),
        ("budget_messages_parked", "Messages that are not tried any more.", DeliveryState.PARKED),
    ):
        rows = here.filter(state=state).values_list("endpoint__kind").annotate(Count("pk"))
        yield gauge(name, says, kind, [((one_kind,), count) for one_kind, count in rows])
    not_left = Q(endpoint__leave_until=None) | Q(endpoint__leave_until__lte=now)
    due = here.first_of_their_order().filter(not_left, next_at__lte=now)
    oldest = due.values_list("endpoint__kind").annotate(Min("next_at"))
    overdue = [((one_kind,), (now - next_at).total_seconds()) for one_kind, next_at in oldest]
    yield gauge("budget_message_overdue_seconds", "How long the oldest has been due to be sent.", kind, overdue)
    states = [
        ((one_kind, state.value), count)
        for state in EndpointState
        for one_kind, count in Endpoint.objects.in_state(state).order_by().values_list("kind").annotate(Count("pk"))
    ]
    yield gauge("budget_endpoints", "Webhooks and receivers.", ("kind", "state"), states)


def platforms(now: datetime) -> Iterator[Metric]:
    platform = ("platform",)
    rows = RemoteState.objects.current().order_by()
    steps = rows.values_list("account__platform", "step").annotate(Count("pk"))
    yield gauge(
        "budget_platform_campaigns", "Campaigns at their platforms, by what is next.", ("platform", "step"),
        [((name, step.lower()), count) for name, step, count in steps],
    )  # fmt: skip
    at_risk = rows.filter(at_risk_now()).values_list("account__platform").annotate(Count("pk"))
    yield gauge(
        "budget_platform_at_risk", "Campaigns that run there though a budget, breaker or emergency stop holds them.",
        platform, [((name,), count) for name, count in at_risk],
    )  # fmt: skip
    accounts = Account.objects.filter(brand__archived_at=None).order_by()
    states = [
        ((name, state.value), count)
        for state in AccountState
        for name, count in accounts.in_state(state).values_list("platform").annotate(Count("pk"))
    ]
    yield gauge("budget_platform_accounts", "Accounts at platforms.", ("platform", "state"), states)
    asked = accounts.filter(off_at=None, by_file=False, needs_person=False).values_list("platform")
    for field, name, says in (
        ("looked_at", "budget_platform_look_age_seconds", "Since the statuses of an account were last read, at most."),
        ("pulled_at", "budget_platform_spend_age_seconds", "Since the spend of an account was last read, at most."),
    ):
        oldest = asked.filter(**{f"{field}__isnull": False}).annotate(Min(field))
        yield gauge(name, says, platform, [((of,), (now - at).total_seconds()) for of, at in oldest])
    pauses = today(Act, "at", now).filter(kind=ActKind.CONFIRMED, seconds__isnull=False, asked="PAUSED").order_by()
    figures = list(
        pauses.values_list("account__platform").annotate(count=Count("pk"), whole=Sum("seconds"), most=Max("seconds"))
    )
    yield counter(
        "budget_platform_pauses_total", "Pauses seen at platforms since 00:00 UTC.", platform,
        [((name,), count) for name, count, _, _ in figures],
    )  # fmt: skip
    yield counter(
        "budget_platform_pause_seconds_total", "How long they took, from our decision until they were seen there.",
        platform, [((name,), whole) for name, _, whole, _ in figures],
    )  # fmt: skip
    yield gauge(
        "budget_platform_pause_longest_seconds", "The longest of them.", platform,
        [((name,), most) for name, _, _, most in figures],
    )  # fmt: skip
    yield one("budget_outgoing_stopped", "1: the kill switch is on.", outgoing().stopped_at is not None)
