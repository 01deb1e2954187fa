"""A pacer over some campaigns at one moment: their rows are read once, decided on in memory, written back by `save`.

Whoever saves holds the locks of the campaigns' brands; without saving, looking needs none. What follows from the
pacer's state is written with it: the breakers as lists show them, their record, alerts, what the decision must know.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import connection

from brands.models import Brand
from budget_pacer import AlertType, BudgetPacer, CircuitBreakerState, InvalidConfiguration, PacerConfig, PacingAlert
from budget_pacer.breaker import Breaker, reopens_at
from budget_pacer.history import History
from budget_pacer.serialize import dump_state, load_state
from budget_pacer.store import CampaignState, Hold
from budget_system import money
from budget_system.db import fetch, param
from budget_system.errors import Conflict, Refused
from budget_system.rows import Columns
from campaigns.models import Campaign
from pacing import learning
from pacing.channels import channel_of
from pacing.models import AlertKind, BreakerChange, BreakerState, ChannelBudget, PaceAlert, PacedCampaign
from scheduling.windows import week_from_text

_PACED: Final = Columns(PacedCampaign, "campaign", "settings", "automatic", "state", "version")
_CAMPAIGN: Final = Columns(
    Campaign, "id", "brand", "name", "platform", "week", "paced", "breaker_until", "breaker_reason", "stopped_channels"
)
_BRAND: Final = Columns(Brand, "id", "name", "timezone", "currency")
_BUDGET: Final = Columns(
    ChannelBudget,
    "id", "campaign", "channel", "daily_budget", "strategy", "settings", "stopped_at", "stop_reason", "stopped_by",
    "breaker", "breaker_reason", "breaker_until", "version",
)  # fmt: skip
"""What is read: the rows are wide, and this is asked for before every amount."""
OFF: Final = "off"
"""A setting without a value that has a default: None would say that it is not set."""
SYSTEM: Final = "pacer"
"""Who opened a breaker, where no person did."""


class Desk:
    """The paced ones among these campaigns, at `now`. `pacer` is asked by the campaign's id as text."""

    def __init__(self, campaign_ids: Collection[UUID], now: datetime) -> None:
        self.now = now
        self._rows = {str(row.pk): row for row in _read_campaigns(campaign_ids)}
        self.budgets: dict[str, dict[str, ChannelBudget]] = {key: {} for key in self._rows}
        for budget in _read_budgets([row.pk for row in self._rows.values()]):
            self.budgets[str(budget.campaign_id)][budget.channel] = budget
        self._raised: dict[tuple[str, str, str], PacingAlert] = {}
        self._store = _Rows(self._rows)
        self.pacer = BudgetPacer(
            clock=lambda: now,
            store=self._store,
            alert_callback=self._note,
            settings_of=self._settings_of,
            history_of=self._history_of,
            extra_channels=sorted({name for names in self.budgets.values() for name in names}),
        )
        for key, row in self._rows.items():
            self._keep_calendar(key, row.campaign)

    def __contains__(self, campaign_id: UUID) -> bool:
        return str(campaign_id) in self._rows

    @property
    def campaigns(self) -> Sequence[PacedCampaign]:
        return list(self._rows.values())

    def channel_of(self, campaign_id: UUID, text: str) -> str | None:
        """The channel with a budget that spend of this campaign under this name belongs to."""
        key = str(campaign_id)
        return channel_of(text, self._rows[key].campaign.platform, self.budgets[key])

    def breaker(self, budget: ChannelBudget) -> Breaker:
        return self.pacer.breaker(str(budget.campaign_id), budget.channel)

    def save(self, actor: str = SYSTEM, *, all_of_them: bool = False) -> set[UUID]:
        """Write what changed. Says which campaigns are to be decided on again. Raises Conflict.

        With `all_of_them` what follows with time alone is written too: an open breaker that may probe now.
        """
        changed = [self._rows[key] for key in self._store.written]
        for row in changed:
            state = self._store.load(str(row.pk))
            read, row.version = row.version, row.version + 1
            row.state = None if state is None else dump_state(state)
            with connection.cursor() as cursor:
                cursor.execute(_WRITE, [json.dumps(row.state), row.version, param(row.pk), read])
                if not cursor.rowcount:
                    raise Conflict("The pacing of this campaign was changed meanwhile. Try again.")
        self._store.written.clear()
        followed = self._rows.values() if all_of_them else changed
        concerned = {row.campaign_id for row in followed if self._follow(row, actor)}
        with_news = [row.pk for row in changed if self._store.issues_changed(str(row.pk))]
        if with_news:
            self._write_alerts(with_news)
        return concerned

    # What the pacer asks for

    def _settings_of(self, campaign_id: str, channel: str) -> PacerConfig:
        budget = self.budgets[campaign_id].get(channel)
        return config_of(self._rows[campaign_id].settings, {} if budget is None else budget.settings)

    def _history_of(self, campaign_id: str, channel: str) -> History | None:
        row = self._rows[campaign_id]
        return learning.history_of(row.campaign, channel, self.budgets[campaign_id], self.now)

    def _note(self, alert: PacingAlert) -> None:
        self._raised[alert.campaign_id, str(alert.channel), alert.alert_type] = alert

    def _keep_calendar(self, key: str, campaign: Campaign) -> None:
        """The brand's zone and currency and the campaign's schedule may have changed since the pacer last looked."""
        state = self._store.load(key)
        zone, week, unit = calendar_of(campaign)
        if state is None or (state.zone, state.week, state.unit) != (zone, week, money.to_micros(unit)):
            self.pacer.set_campaign(key, timezone=zone, open_hours=week, smallest_unit=unit)

    # What follows from the state

    def _follow(self, row: PacedCampaign, actor: str) -> bool:
        """Bring the breakers' columns up to date, and the campaign's; whether the decision may be another one now."""
        budgets = self.budgets[str(row.pk)]
        for budget in budgets.values():
            self._follow_channel(budget, actor)
        open_ones = [budget for budget in budgets.values() if budget.breaker == BreakerState.OPEN]
        until, reason = None, ""
        if budgets and len(open_ones) == len(budgets):
            first = min(open_ones, key=lambda budget: (budget.breaker_until or self.now, budget.channel))
            until, reason = first.breaker_until, "; ".join(f"{one.channel}: {one.breaker_reason}" for one in open_ones)
        stopped = ",".join(sorted(budget.channel for budget in budgets.values() if budget.stopped_at is not None))
        campaign = row.campaign
        told = (bool(budgets), until, reason, stopped)
        if told == (campaign.paced, campaign.breaker_until, campaign.breaker_reason, campaign.stopped_channels):
            return False
        campaign.paced, campaign.breaker_until, campaign.breaker_reason, campaign.stopped_channels = told
        campaign.save(update_fields=["paced", "breaker_until", "breaker_reason", "stopped_channels"])
        return True

    def _follow_channel(self, budget: ChannelBudget, actor: str) -> None:
        breaker = self.breaker(budget)
        is_open = breaker.state is CircuitBreakerState.OPEN
        config = self._settings_of(str(budget.campaign_id), budget.channel)
        until = datetime.fromtimestamp(reopens_at(breaker, config), self.now.tzinfo) if is_open else None
        shown = (breaker.state.value, breaker.reason, until)
        before = budget.breaker
        if shown == (before, budget.breaker_reason, budget.breaker_until):
            return
        budget.breaker, budget.breaker_reason, budget.breaker_until = shown
        budget.save(update_fields=["breaker", "breaker_reason", "breaker_until"])
        if before != budget.breaker or is_open:
            BreakerChange.objects.create(
                campaign_id=budget.campaign_id, channel=budget.channel, at=self.now, from_state=before,
                to_state=budget.breaker, reason=breaker.reason, actor=actor,
            )  # fmt: skip

    def _write_alerts(self, ids: Collection[UUID]) -> None:
        """Record the issues that stand and were not on record; close those on record that stand no longer."""
        on_record = {
            (str(alert.campaign_id), alert.channel, alert.kind): alert
            for alert in PaceAlert.objects.filter(campaign__in=ids, cleared_at=None)
        }
        stand = {
            (key, name, issue.value)
            for key in map(str, ids)
            if (state := self._store.load(key)) is not None
            for name, channel in state.channels.items()
            for issue in channel.issues
        }
        over = [alert.pk for found, alert in on_record.items() if found not in stand]
        PaceAlert.objects.filter(pk__in=over).update(cleared_at=self.now)
        PaceAlert.objects.bulk_create(
            [self._alert(*found) for found in sorted(stand) if found not in on_record and found in self._raised]
        )

    def _alert(self, key: str, channel: str, kind: str) -> PaceAlert:
        alert = self._raised[key, channel, kind]
        said = alert.message.removeprefix(f"{key}, {channel}: ").removeprefix(f"{kind.replace('_', ' ')}: ")
        return PaceAlert(
            campaign_id=UUID(key), channel=channel, kind=AlertKind(kind), severity=alert.severity, message=said,
            action=alert.recommended_action, pace=alert.pace_ratio, raised_at=self.now,
        )  # fmt: skip


_WRITE: Final = "UPDATE pacing_pacedcampaign SET state = %s, version = %s WHERE campaign_id = %s AND version = %s"


def _read_campaigns(ids: Collection[UUID]) -> Iterator[PacedCampaign]:
    columns = f"{_PACED.sql('p')}, {_CAMPAIGN.sql('c')}, {_BRAND.sql('b')}"
    joined = "JOIN campaigns_campaign c ON c.id = p.campaign_id JOIN brands_brand b ON b.id = c.brand_id"
    for row in _read(f"SELECT {columns} FROM pacing_pacedcampaign p {joined} WHERE p.campaign_id", ids):  # noqa: S608 - no input
        paced = _PACED.read(row[: len(_PACED)])
        paced.campaign = _CAMPAIGN.read(row[len(_PACED) : -len(_BRAND)])
        paced.campaign.brand = _BRAND.read(row[-len(_BRAND) :])
        yield paced


def _read_budgets(ids: Collection[UUID]) -> Iterator[ChannelBudget]:
    select = f"SELECT {_BUDGET.sql('b')} FROM pacing_channelbudget b WHERE b.campaign_id"  # noqa: S608 - no input
    return map(_BUDGET.read, _read(select, ids, " ORDER BY b.campaign_id, b.channel"))


def _read(select: str, ids: Collection[UUID], order: str = "") -> list[tuple[Any, ...]]:
    if not ids:
        return []
    with connection.cursor() as cursor:
        return fetch(cursor, f"{select} IN ({','.join(['%s'] * len(ids))}){order}", [param(one) for one in ids])


class _Rows:
    """The states of some campaigns, read before; what is swapped in is written by the desk. See budget_pacer.Store."""

    def __init__(self, rows: dict[str, PacedCampaign]) -> None:
        self._states: dict[str, CampaignState] = {
            key: load_state(row.state, row.version) for key, row in rows.items() if row.state
        }
        self._read = dict(self._states)
        self.written: set[str] = set()

    def issues_changed(self, campaign_id: str) -> bool:
        """Whether other issues stand, or of other channels, than when the state was read."""
        before, now = self._read.get(campaign_id), self._states.get(campaign_id)
        return _issues(before) != _issues(now)

    def load(self, campaign_id: str) -> CampaignState | None:
        return self._states.get(campaign_id)

    def swap(
        self, campaign_id: str, expected: CampaignState | None, new: CampaignState, holds: Sequence[Hold] = ()
    ) -> bool:
        if self._states.get(campaign_id) is not expected or holds:
            return False
        self._states[campaign_id] = new
        self.written.add(campaign_id)
        return True

    def hold(self, hold_id: str) -> Hold | None:
        return None  # reservations are kept by the ledger; the pacer counts their sum

    def lapsed(self, campaign_id: str, at_s: float) -> Sequence[Hold]:
        return ()

    def campaign_ids(self) -> Iterable[str]:
        return list(self._states)


def _issues(state: CampaignState | None) -> dict[str, frozenset[AlertType]]:
    return {} if state is None else {name: channel.issues for name, channel in state.channels.items()}


def calendar_of(campaign: Campaign) -> tuple[str, tuple[tuple[int, int], ...] | None, Decimal]:
    """Its brand's zone, its open week (None: always open) and the smallest unit of its currency."""
    brand: Brand = campaign.brand
    return brand.zone.key, week_from_text(campaign.week), Decimal(1).scaleb(-money.decimals(brand.currency))


_NAMES: Final = frozenset(asdict(PacerConfig())) - {"extra_channels", "reservation_ttl_s"}
"""What can be set by campaign and channel. Reservations have their own time to live."""


def config_of(*settings: dict[str, object]) -> PacerConfig:
    """The pacer's settings with these in the place of its defaults, the later ones before the former.

    Raises Refused for one that cannot be meant.
    """
    given = {name: value for some in settings for name, value in some.items()}
    return _config(tuple(sorted(given.items())))


@lru_cache(maxsize=4096)
def _config(settings: tuple[tuple[str, object], ...]) -> PacerConfig:
    given = dict(settings)
    if unknown := sorted(set(given) - _NAMES):
        raise Refused(
            f"There is no setting {', '.join(unknown)}. Settings: {', '.join(sorted(_NAMES))}.", field="settings"
        )
    kinds = {name: _value(value) for name, value in given.items()}
    try:
        return PacerConfig(**kinds)  # type: ignore[arg-type]  # its own check of every value follows
    except (InvalidConfiguration, ArithmeticError) as error:
        raise Refused(str(error), field="settings") from error


def _value(given: object) -> object:
    if given == OFF:
        return None
    return Decimal(str(given)) if isinstance(given, str | float) else given
