"""`BudgetPacer`: reads the clock, loads a campaign's state, has pure functions decide, swaps the result in.

Nothing is decided in this module; see `plan`, `meter`, `booking`, `breaker`, `check`, `reallocation`, `steering`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Lock
from typing import Any, Final, Generic, TypeVar, Unpack, cast, overload
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from budget_pacer import booking
from budget_pacer import breaker as breakers
from budget_pacer.advice import BidAdvice, advise_bids
from budget_pacer.alerts import AlertCallback, Delivery, write_alert
from budget_pacer.booking import GRANTED, Outcome, hour_statuses
from budget_pacer.breaker import Breaker
from budget_pacer.check import NOT_ASKED, checked, usual_of, worth_asking
from budget_pacer.clock import Clock, system_clock
from budget_pacer.config import InvalidConfiguration, PacerConfig, Settings
from budget_pacer.day import Day, OpenWeek, check_week, day_at, is_open, local_day, open_elapsed
from budget_pacer.history import Forecast
from budget_pacer.learned import HistoryOf, Learned
from budget_pacer.meter import limits_of, moved, new_meter, slot_of
from budget_pacer.money import InvalidAmount, from_micros, money_text, to_micros, to_positive_micros
from budget_pacer.pace import pace_ratio, pace_text
from budget_pacer.plan import Plan, hourly_allocations, lay_out, planned_share
from budget_pacer.reallocation import (
    ChannelFacts,
    Reallocation,
    check_transfers,
    reallocate,
    share_by_price,
)
from budget_pacer.steering import Advice, TrafficHour
from budget_pacer.store import CampaignState, ChannelState, Hold, HoldStatus, MemoryStore, Store
from budget_pacer.values import (
    AlertType,
    Channel,
    ChannelType,
    CircuitBreakerState,
    HourlyAllocation,
    HourStatus,
    PacingAlert,
    PacingStrategy,
    Performance,
    SpendTransaction,
    as_channel,
)

SettingsOf = Callable[[str, str], PacerConfig]
"""The settings of a campaign's channel, by campaign id and channel."""

T = TypeVar("T")
_TRIES: Final = 10_000
"""A swap is lost only to another caller's success; so many in a row mean a store that never lets anybody win."""
_CENT: Final = Decimal("0.01")


class UnknownBudget(LookupError):
    """No budget has been set for this campaign and channel."""


class UnknownReservation(LookupError):
    """No reservation has this id, or it was closed long ago."""


class ReservationRefused(ValueError):
    """A reservation cannot be closed in the way that was asked for."""


class UnableToSwap(RuntimeError):
    """The store refused every attempt to write."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The answer to `reserve`. Spend only when `granted`; then `settle` or `void` it by its id."""

    reservation_id: str
    granted: bool
    reason: str
    amount: Decimal


class _Setting(Generic[T]):
    """A setting as an attribute of the pacer: reading gives its value, writing checks it and takes effect at once."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, pacer: None, owner: type) -> _Setting[T]: ...
    @overload
    def __get__(self, pacer: BudgetPacer, owner: type) -> T: ...
    def __get__(self, pacer: BudgetPacer | None, owner: type) -> _Setting[T] | T:
        if pacer is None:
            return self
        return cast(T, getattr(pacer.config, self._name))

    def __set__(self, pacer: BudgetPacer, value: T) -> None:
        pacer.configure(cast(PacerConfig, _with(pacer.config, self._name, value)))


def _with(config: PacerConfig, name: str, value: object) -> object:
    changes: dict[str, Any] = {name: value}
    return replace(config, **changes)


class BudgetPacer:
    """Paces daily budgets of campaigns, channel by channel. Safe for concurrent callers; every setting has a default.

    Money is `Decimal`, moments are aware datetimes. `clock` returns now; `store` keeps what must not be lost;
    `alert_callback` gets each new alert and may be a coroutine function; `timezone` is that of campaigns for which
    `set_campaign` gave no other. Settings: see `PacerConfig`; each is an attribute too.

    `settings_of` gives each channel of each campaign its own settings; it is asked whenever they are needed, and the
    attributes then hold for no channel (`extra_channels` stay those of the pacer). `history_of` gives what was learned
    elsewhere; it is asked once for each channel, and the pacer adds to a copy.
    """

    max_hourly_spend_pct = _Setting[Decimal]()
    frontload_protection_hours = _Setting[int]()
    frontload_share = _Setting[Decimal]()
    emergency_stop_threshold = _Setting[Decimal]()
    emergency_lead = _Setting[Decimal]()
    pace_warning_threshold = _Setting[Decimal]()
    pace_critical_threshold = _Setting[Decimal]()
    pace_under_threshold = _Setting[Decimal]()
    velocity_window_s = _Setting[int]()
    velocity_factor = _Setting[Decimal]()
    velocity_trip = _Setting[Decimal]()
    overspends_to_trip = _Setting[int]()
    breaches_to_trip = _Setting[int]()
    cooldown_s = _Setting[int]()
    probe_pct = _Setting[Decimal]()
    clean_to_close = _Setting[int]()
    min_conversion_rate = _Setting[Decimal | None]()
    max_cost_per_click = _Setting[Decimal | None]()
    target_roas = _Setting[Decimal | None]()
    performance_min_clicks = _Setting[int]()
    anomaly_z = _Setting[Decimal | None]()
    reallocation_threshold = _Setting[Decimal]()
    reservation_ttl_s = _Setting[int]()
    extra_channels = _Setting[Sequence[str]]()

    def __init__(
        self,
        *,
        clock: Clock = system_clock,
        store: Store | None = None,
        alert_callback: AlertCallback | None = None,
        timezone: str = "UTC",
        settings_of: SettingsOf | None = None,
        history_of: HistoryOf | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        self.config = _config(settings)
        self._settings_of = settings_of
        self.store: Store = MemoryStore() if store is None else store
        self._clock = clock
        self._delivery = Delivery(alert_callback)
        self._zone = _zone(timezone)
        self._learned = Learned(history_of)
        self._lock = Lock()
        """Over the alerts that were not asked for yet."""
        self._days: dict[str, tuple[tuple[str, OpenWeek | None], Day]] = {}
        self._pending: dict[tuple[str, str], dict[AlertType, PacingAlert]] = {}
        self._reallocations: dict[str, Reallocation] = {}
        self._channels = self._known_channels()

    # Settings

    def configure(self, config: PacerConfig) -> None:
        """Take other settings; today's limits follow at once, and what is counted stays."""
        self.config = config
        self._channels = self._known_channels()
        for campaign_id in self.store.campaign_ids():
            self.relimit(campaign_id)

    def relimit(self, campaign_id: str) -> None:
        """Let today's limits follow what `settings_of` gives now. Raises UnknownBudget."""
        self._update(campaign_id, lambda state, _at_s, day: (self._relimited(campaign_id, state, day), None))

    def _config_of(self, campaign_id: str, name: str) -> PacerConfig:
        return self.config if self._settings_of is None else self._settings_of(campaign_id, name)

    def set_campaign(
        self,
        campaign_id: str,
        *,
        timezone: str | None = None,
        open_hours: OpenWeek | None = None,
        smallest_unit: Decimal = _CENT,
    ) -> None:
        """Say where a campaign's days begin, when it is open, and which unit its money is split in.

        `open_hours` are sorted [start, end) in seconds since local Monday 00:00 (`open_daily` makes them); None is
        always open. Call it before budgets are set; later it takes effect at once, and today's plans are laid anew.
        """
        if not campaign_id:
            raise InvalidConfiguration("campaign_id is empty")
        zone = self._zone.key if timezone is None else _zone(timezone).key
        week = None if open_hours is None else check_week(tuple(open_hours))
        unit = to_positive_micros(smallest_unit)
        while not self._try_set_campaign(campaign_id, zone, week, unit):
            pass

    def _try_set_campaign(self, campaign_id: str, zone: str, week: OpenWeek | None, unit: int) -> bool:
        state = self.store.load(campaign_id)
        if state is None:
            return self.store.swap(campaign_id, None, CampaignState(zone, week, unit, {}, 0))
        if (state.zone, state.week, state.unit) == (zone, week, unit):
            return True
        at_s = self._now_s()
        found = self._today(campaign_id, at_s)  # under the old calendar first: a former day's spend must not be kept
        state = state if found is None else found[0]
        day = day_at(ZoneInfo(zone), week, at_s)
        before = day if found is None else found[1]
        channels = {
            name: self._replanned(campaign_id, name, channel, before, day) for name, channel in state.channels.items()
        }
        ordinal = day.date.toordinal()
        return self.store.swap(
            campaign_id, state, CampaignState(zone, week, unit, channels, ordinal, state.stopped, state.version)
        )

    def _replanned(self, campaign_id: str, name: str, channel: ChannelState, before: Day, day: Day) -> ChannelState:
        """Another calendar: what was counted today stays."""
        plan = self._plan(campaign_id, name, channel.strategy, day)
        meter = moved(channel.meter, before, day)
        limits = limits_of(channel.limits.budget, plan, day, self._config_of(campaign_id, name))
        return channel._replace(plan=plan, limits=limits, meter=meter)

    def _relimited(self, campaign_id: str, state: CampaignState, day: Day) -> CampaignState:
        channels = {}
        for name, channel in state.channels.items():
            limits = limits_of(channel.limits.budget, channel.plan, day, self._config_of(campaign_id, name))
            channels[name] = channel._replace(limits=limits)
        return state if channels == state.channels else state._replace(channels=channels)

    # Plans

    def allocate_hourly_budget(
        self,
        campaign_id: str,
        channel: Channel,
        daily_budget: Decimal,
        strategy: PacingStrategy = PacingStrategy.ADAPTIVE_HYBRID,
    ) -> list[HourlyAllocation]:
        """Set a channel's daily budget and lay out today's plan: 24 entries whose amounts add up to it exactly.

        What is spent and held today stays counted, and an emergency stop or an open breaker stays as it is. The budget
        holds for the following days too; each day's plan is laid when it begins. Raises InvalidAmount and
        InvalidConfiguration.
        """
        name, strategy, budget = self._name(channel), PacingStrategy(strategy), _budget(daily_budget)
        if self.store.load(campaign_id) is None:
            self.set_campaign(campaign_id)

        def change(state: CampaignState, _at_s: float, day: Day) -> tuple[CampaignState, list[HourlyAllocation]]:
            new = self._budgeted(campaign_id, name, state.channels.get(name), budget, strategy, day)
            forecasts = self._forecasts(campaign_id, name, day)
            return _put(state, name, new), hourly_allocations(new.plan, day, budget, state.unit, forecasts)

        return self._update(campaign_id, change)

    def set_budgets(
        self,
        campaign_id: str,
        budgets: Mapping[str, tuple[Decimal, PacingStrategy]] | Mapping[ChannelType, tuple[Decimal, PacingStrategy]],
    ) -> bool:
        """Set daily budget and strategy of several channels in one step; channels that are not named stay.

        When none of them differs from what is set, nothing changes, not even what reallocation made of it, and the
        answer is False. Otherwise all that are named start from what is given, as `allocate_hourly_budget` does.
        """
        given = {
            self._name(channel): (_budget(budget), PacingStrategy(strategy))
            for channel, (budget, strategy) in budgets.items()
        }
        if self.store.load(campaign_id) is None:
            self.set_campaign(campaign_id)

        def change(state: CampaignState, _at_s: float, day: Day) -> tuple[CampaignState, bool]:
            channels = dict(state.channels)
            known = {name: (channel.original, channel.strategy) for name, channel in channels.items()}
            if known == {**known, **given}:
                return state, False
            for name, (budget, strategy) in given.items():
                channels[name] = self._budgeted(campaign_id, name, channels.get(name), budget, strategy, day)
            return state._replace(channels=channels), True

        return self._update(campaign_id, change)

    def remove_channel(self, campaign_id: str, channel: Channel) -> bool:
        """Take a channel's budget away, with all that is counted today; whether there was one. Reservations of it can
        be closed, and count no more. To keep the count, set a budget of 0 instead."""
        name = self._name(channel)
        if self.store.load(campaign_id) is None:
            return False

        def change(state: CampaignState, _at_s: float, _day: Day) -> tuple[CampaignState, bool]:
            if name not in state.channels:
                return state, False
            return state._replace(channels={k: v for k, v in state.channels.items() if k != name}), True

        return self._update(campaign_id, change)

    def _budgeted(
        self,
        campaign_id: str,
        name: str,
        known: ChannelState | None,
        budget: int,
        strategy: PacingStrategy,
        day: Day,
    ) -> ChannelState:
        plan = self._plan(campaign_id, name, strategy, day)
        limits = limits_of(budget, plan, day, self._config_of(campaign_id, name))
        if known is None:
            return ChannelState(strategy, budget, plan, limits, new_meter(len(day.slots)))
        return known._replace(strategy=strategy, original=budget, plan=plan, limits=limits)

    def plan(self, campaign_id: str, channel: Channel) -> list[HourlyAllocation]:
        """Today's plan as it stands, for today's budget after reallocations."""
        state, known, day, _ = self._look(campaign_id, channel)
        forecasts = self._forecasts(campaign_id, self._name(channel), day)
        return hourly_allocations(known.plan, day, known.limits.budget, state.unit, forecasts)

    def plan_detail(self, campaign_id: str, channel: Channel) -> list[HourStatus]:
        """Today by hour: plan against actual, in the order in which the hours come. Raises UnknownBudget."""
        state, known, day, _ = self._look(campaign_id, channel)
        return hour_statuses(known, day, state.unit)

    def _plan(self, campaign_id: str, name: str, strategy: PacingStrategy, day: Day) -> Plan:
        hours = self._learned.history(campaign_id, name, lambda history: history.data_hours)
        forecasts = self._forecasts(campaign_id, name, day)
        return lay_out(strategy, day, forecasts, hours, self._config_of(campaign_id, name).max_hourly_spend_pct)

    def _forecasts(self, campaign_id: str, name: str, day: Day) -> list[Forecast]:
        return self._learned.history(campaign_id, name, lambda history: history.forecasts(day.date.weekday()))

    # Pace

    def check_pace(self, campaign_id: str, channel: Channel) -> tuple[float, PacingAlert | None]:
        """Spent share of today's budget over the share planned for the open time so far, and the gravest alert that is
        new since this was last asked; None when there is none. Raises UnknownBudget.

        It also evaluates performance, opens the breaker where that is due, and gives back reservations that lapsed.
        """
        name = self._name(channel)
        self._look(campaign_id, channel)
        self._sweep(campaign_id)
        config = self._config_of(campaign_id, name)

        def change(
            state: CampaignState, at_s: float, day: Day
        ) -> tuple[CampaignState, tuple[float, list[PacingAlert]]]:
            known = state.channels[name]
            usual = NOT_ASKED
            if worth_asking(known, config):
                usual = self._learned.history(campaign_id, name, lambda history: usual_of(history, known, day, at_s))
            new, breach = checked(known, day, at_s, bool(state.stopped), usual, config)
            planned = planned_share(known.plan, day, at_s)
            ratio = pace_ratio(known.meter.spent, known.limits.budget, planned)
            details = {
                AlertType.PERFORMANCE_DEGRADATION: breach,
                AlertType.CIRCUIT_BREAKER_OPEN: state.stopped or new.breaker.reason,
            }
            alerts = [
                write_alert(issue, campaign_id, name, new, planned, ratio, at_s, details.get(issue, ""))
                for issue in AlertType
                if issue in new.issues and issue not in known.issues
            ]
            return (_put(state, name, new) if new != known else state), (ratio, alerts)

        ratio, alerts = self._update(campaign_id, change)
        self._raise(alerts)
        return ratio, self._next_pending(campaign_id, name)

    def active_alerts(self, campaign_id: str, channel: Channel) -> list[AlertType]:
        """The issues that stand, gravest first, as of the last check or transaction."""
        _, known, _, _ = self._look(campaign_id, channel)
        return [issue for issue in AlertType if issue in known.issues]

    def _raise(self, alerts: Sequence[PacingAlert]) -> None:
        for alert in alerts:
            with self._lock:
                self._pending.setdefault((alert.campaign_id, alert.channel), {})[alert.alert_type] = alert
            self._delivery.send(alert)

    def _next_pending(self, campaign_id: str, name: str) -> PacingAlert | None:
        with self._lock:
            pending = self._pending.get((campaign_id, name), {})
            return next((pending.pop(issue) for issue in AlertType if issue in pending), None)

    # Spend

    def can_spend(self, campaign_id: str, channel: Channel, amount: Decimal) -> tuple[bool, str]:
        """Whether an amount may be spent now, and why not ("ok" when it may). Constant time; sets nothing aside.

        For callers that act at the same time use `reserve`: between an answer here and `record_spend` others may spend.
        """
        micros = to_positive_micros(amount)
        at_s = self._now_s()
        found = self._today(campaign_id, at_s)
        if found is None:
            return False, f"no budget: {campaign_id} has none"
        state, day = found
        known = state.channels.get(channel)
        if known is None:
            return False, f"no budget: {campaign_id} has none for {self._name(channel)}"
        reason = f"emergency stop: {state.stopped}" if state.stopped else None
        reason = reason or booking.why_not(
            known, day, slot_of(day, at_s), micros, at_s, self._config_of(campaign_id, channel)
        )
        return (True, GRANTED) if reason is None else (False, reason)

    def record_spend(self, transaction: SpendTransaction) -> None:
        """Count money that has been spent, and what it brought. Raises UnknownBudget, InvalidAmount.

        It is counted whatever the limits say, because it is gone; beyond them it may open the breaker. Constant time.
        """
        amount = to_micros(transaction.amount)
        if amount < 0:
            raise InvalidAmount(f"{transaction.amount} is negative: corrections are made with correct_spend")
        campaign_id, channel, now_s = transaction.campaign_id, transaction.channel, self._now_s()
        at_s = now_s if transaction.timestamp is None else _seconds(transaction.timestamp)
        outcome = Outcome(
            transaction.impressions, transaction.clicks, transaction.conversions, float(transaction.revenue)
        )
        for _ in range(_TRIES):
            found = self._today(campaign_id, now_s)
            known = None if found is None else found[0].channels.get(channel)
            if found is None or known is None:
                raise UnknownBudget(f"{campaign_id} has no budget for {self._name(channel)}: allocate one first")
            state, day = found
            if not day.start <= at_s < day.end:
                day = day_at(ZoneInfo(state.zone), state.week, at_s)
                self._learned.note(campaign_id, channel, day, slot_of(day, at_s), amount, outcome)
                return
            slot = slot_of(day, at_s)
            new = booking.recorded(known, day, slot, amount, outcome, at_s, self._config_of(campaign_id, channel))
            if self.store.swap(campaign_id, state, _put(state, channel, new)):
                self._learned.note(campaign_id, channel, day, slot, amount, outcome)
                if new.issues is not known.issues:
                    self._after_breaker(campaign_id, channel, known, new, day, at_s)
                return
        raise UnableToSwap(f"{campaign_id}: the store refused every write")

    def correct_spend(
        self, campaign_id: str, channel: Channel, amount: Decimal, *, at: datetime | None = None
    ) -> Decimal:
        """Change what was spent today by a signed amount: a restated report, a voided spend. `at` is when the money was
        spent (None: now); another day's correction changes nothing of today.

        Spend of the day and of the hour follow; where the hour has spent less than is taken back, the rest comes from
        the hours before. No breaker opens, no probe is credited, and the velocity limit does not see it. Returns the
        change made to today: never more is taken back than was spent. Raises UnknownBudget, InvalidAmount.
        """
        name, micros = self._name(channel), to_micros(amount)
        made_s = None if at is None else _seconds(at)

        def change(state: CampaignState, now_s: float, day: Day) -> tuple[CampaignState, tuple[Decimal, Day]]:
            known, at_s = _channel_of(state, campaign_id, name), now_s if made_s is None else made_s
            if not day.start <= at_s < day.end:
                return state, (from_micros(0, state.unit), day_at(ZoneInfo(state.zone), state.week, at_s))
            new = booking.restated(known, slot_of(day, at_s), micros)
            changed = from_micros(new.meter.spent - known.meter.spent, state.unit)
            return (_put(state, name, new) if changed else state), (changed, day)

        changed, day = self._update(campaign_id, change)
        slot = slot_of(day, self._now_s() if made_s is None else made_s)
        self._learned.correct(campaign_id, name, day, slot, micros)
        return changed

    def report_performance(
        self,
        campaign_id: str,
        channel: Channel,
        *,
        impressions: float = 0,
        clicks: float = 0,
        conversions: float = 0,
        revenue: Decimal = Decimal(0),
    ) -> None:
        """Count what money spent before has brought, where that is reported apart from it: no amount, no transaction.
        Reports that take something back are negative. Raises UnknownBudget."""
        name, outcome = self._name(channel), Outcome(impressions, clicks, conversions, float(revenue))

        def change(state: CampaignState, at_s: float, day: Day) -> tuple[CampaignState, tuple[Day, int]]:
            known = _channel_of(state, campaign_id, name)
            return _put(state, name, booking.brought(known, outcome, at_s)), (day, slot_of(day, at_s))

        day, slot = self._update(campaign_id, change)
        self._learned.note(campaign_id, name, day, slot, 0, outcome)

    def _after_breaker(
        self, campaign_id: str, name: str, before: ChannelState, after: ChannelState, day: Day, at_s: float
    ) -> None:
        if AlertType.CIRCUIT_BREAKER_OPEN in after.issues - before.issues:
            planned = planned_share(after.plan, day, at_s)
            ratio = pace_ratio(after.meter.spent, after.limits.budget, planned)
            detail = after.breaker.reason
            self._raise(
                [write_alert(AlertType.CIRCUIT_BREAKER_OPEN, campaign_id, name, after, planned, ratio, at_s, detail)]
            )

    # Reservations

    def reserve(
        self, campaign_id: str, channel: Channel, amount: Decimal, *, reservation_id: str | None = None
    ) -> Reservation:
        """Set an amount aside if it may be spent now: asked and counted in one step, so that callers at the same time
        stay within every limit together.

        With an id of the caller's own, asking again gives the first answer and sets nothing more aside.
        """
        name, micros = self._name(channel), to_positive_micros(amount)
        self._sweep(campaign_id)
        new_id = reservation_id or uuid4().hex
        for _ in range(_TRIES):
            known_hold = self.store.hold(new_id) if reservation_id else None
            if known_hold is not None:
                if (known_hold.campaign_id, known_hold.channel, known_hold.amount) != (campaign_id, name, micros):
                    raise ReservationRefused(f"reservation {new_id} exists, for another channel or amount")
                return Reservation(new_id, True, f"reserved before ({known_hold.status})", amount)
            at_s = self._now_s()
            found = self._today(campaign_id, at_s)
            known = None if found is None else found[0].channels.get(name)
            if found is None or known is None:
                return Reservation(new_id, False, f"no budget: {campaign_id} has none for {name}", amount)
            state, day = found
            if state.stopped:
                return Reservation(new_id, False, f"emergency stop: {state.stopped}", amount)
            slot = slot_of(day, at_s)
            config = self._config_of(campaign_id, name)
            reason = booking.why_not(known, day, slot, micros, at_s, config)
            if reason is not None:
                return Reservation(new_id, False, reason, amount)
            lapses_at_s = at_s + config.reservation_ttl_s
            hold = Hold(new_id, campaign_id, name, micros, state.day, slot, lapses_at_s)
            new = booking.held(known, slot, micros, at_s, config)
            if self.store.swap(campaign_id, state, _put(state, name, new), (hold,)):
                return Reservation(new_id, True, GRANTED, amount)
        raise UnableToSwap(f"{campaign_id}: the store refused every write")

    def settle(
        self,
        reservation_id: str,
        amount: Decimal | None = None,
        *,
        impressions: int = 0,
        clicks: int = 0,
        conversions: int = 0,
        revenue: Decimal = Decimal(0),
    ) -> None:
        """Say what was spent of a reservation (None: all of it); the rest is free again. A second time with the same
        amount changes nothing.

        Raises UnknownReservation; ReservationRefused for more than was reserved, for another amount than the first
        time, and after it was voided or has lapsed (record what was spent all the same with `record_spend`).
        """
        hold = self._known_hold(reservation_id)
        micros = hold.amount if amount is None else to_micros(amount)
        if not 0 <= micros <= hold.amount:
            raise ReservationRefused(
                f"reservation {reservation_id} is over {money_text(hold.amount)}, not {money_text(micros)}"
            )
        outcome = Outcome(impressions, clicks, conversions, float(revenue))

        def close(known: ChannelState, day: Day, at_s: float) -> ChannelState:
            config = self._config_of(hold.campaign_id, hold.channel)
            return booking.settled(known, day, hold.slot, micros, hold.amount, outcome, at_s, config)

        closed = hold._replace(status=HoldStatus.SETTLED, settled=micros)
        if not self._close(hold, closed, close):
            return
        state = self.store.load(hold.campaign_id)
        if state is not None:
            day = local_day(ZoneInfo(state.zone), state.week, date.fromordinal(hold.day))
            self._learned.note(hold.campaign_id, hold.channel, day, min(hold.slot, len(day.slots) - 1), micros, outcome)

    def void(self, reservation_id: str) -> None:
        """Give a reservation back unspent; a second time changes nothing. Raises as `settle`."""
        hold = self._known_hold(reservation_id)
        self._free(hold, HoldStatus.VOIDED)

    def _free(self, hold: Hold, status: HoldStatus) -> None:
        self._close(
            hold,
            hold._replace(status=status),
            lambda known, _day, at_s: booking.freed(known, hold.slot, hold.amount, at_s),
        )

    def _known_hold(self, reservation_id: str) -> Hold:
        hold = self.store.hold(reservation_id)
        if hold is None:
            raise UnknownReservation(f"no reservation {reservation_id}")
        return hold

    def _close(self, hold: Hold, closed: Hold, change: Callable[[ChannelState, Day, float], ChannelState]) -> bool:
        """Whether this call closed it; False when it was closed the same way before."""
        for _ in range(_TRIES):
            now = self._known_hold(hold.hold_id)
            if now.status is not HoldStatus.HELD:
                if (now.status, now.settled) == (closed.status, closed.settled):
                    return False
                if closed.status is HoldStatus.LAPSED:
                    return False
                raise ReservationRefused(f"reservation {hold.hold_id} is {now.status}, it cannot be {closed.status}")
            at_s = self._now_s()
            found = self._today(hold.campaign_id, at_s)
            if found is None:
                raise UnknownReservation(f"reservation {hold.hold_id}: the campaign is gone")
            state, day = found
            known = state.channels.get(hold.channel)
            new = state
            # One of a former day, or of a channel without a budget, is closed but counts no more: its meter is gone.
            if known is not None and state.day == hold.day:
                new = _put(state, hold.channel, change(known, day, at_s))
            if self.store.swap(hold.campaign_id, state, new, (closed,)):
                if known is not None and new is not state:
                    after = new.channels[hold.channel]
                    self._after_breaker(hold.campaign_id, hold.channel, known, after, day, at_s)
                return True
        raise UnableToSwap(f"{hold.campaign_id}: the store refused every write")

    def _sweep(self, campaign_id: str) -> None:
        at_s = self._now_s()
        while lapsed := self.store.lapsed(campaign_id, at_s):
            for hold in lapsed:
                self._free(hold, HoldStatus.LAPSED)

    # Reservations that the caller keeps

    def set_aside(self, campaign_id: str, channel: Channel, amount: Decimal) -> tuple[bool, str]:
        """As `reserve`, for callers that keep their reservations themselves: asked and counted in one step, and nothing
        but the sum is remembered. It never lapses by itself: `give_back` or `spend_aside` ends it."""
        name, micros = self._name(channel), to_positive_micros(amount)
        if self.store.load(campaign_id) is None:
            return False, f"no budget: {campaign_id} has none"

        def change(state: CampaignState, at_s: float, day: Day) -> tuple[CampaignState, tuple[bool, str]]:
            known = state.channels.get(name)
            if known is None:
                return state, (False, f"no budget: {campaign_id} has none for {name}")
            if state.stopped:
                return state, (False, f"emergency stop: {state.stopped}")
            slot, config = slot_of(day, at_s), self._config_of(campaign_id, name)
            reason = booking.why_not(known, day, slot, micros, at_s, config)
            if reason is not None:
                return state, (False, reason)
            return _put(state, name, booking.held(known, slot, micros, at_s, config)), (True, GRANTED)

        return self._update(campaign_id, change)

    def give_back(self, campaign_id: str, channel: Channel, amount: Decimal, made_at: datetime) -> None:
        """Free what `set_aside` counted at `made_at`, as `void` does. What was set aside on another day, or for a
        channel that has no budget any more, counts no longer: then nothing changes."""
        name, micros, made_s = self._name(channel), to_positive_micros(amount), _seconds(made_at)
        if self.store.load(campaign_id) is None:
            return

        def change(state: CampaignState, at_s: float, day: Day) -> tuple[CampaignState, None]:
            known = state.channels.get(name)
            if known is None or not day.start <= made_s < day.end:
                return state, None
            # Not more than is held: somebody who gives back twice must not make room for more than the budget.
            freed = min(micros, known.meter.held)
            return _put(state, name, booking.freed(known, slot_of(day, made_s), freed, at_s)) if freed else state, None

        self._update(campaign_id, change)

    def spend_aside(self, transaction: SpendTransaction, set_aside: Decimal, made_at: datetime) -> None:
        """Count as spent what was set aside at `made_at`, as `settle` does: in one step, and the rest is free again.
        The velocity limit saw it when it was set aside and does not see it twice.

        It counts in the hour in which it was set aside; the transaction's own timestamp is not looked at. What was set
        aside on another day is recorded for today, as `record_spend` does. Raises UnknownBudget, InvalidAmount.
        """
        campaign_id, name = transaction.campaign_id, self._name(transaction.channel)
        micros, reserved, made_s = to_micros(transaction.amount), to_positive_micros(set_aside), _seconds(made_at)
        if not 0 <= micros <= reserved:
            raise InvalidAmount(f"{transaction.amount} of {set_aside} set aside cannot be spent: record the rest apart")
        outcome = Outcome(
            transaction.impressions, transaction.clicks, transaction.conversions, float(transaction.revenue)
        )

        def change(
            state: CampaignState, at_s: float, day: Day
        ) -> tuple[CampaignState, tuple[Day, ChannelState, ChannelState] | None]:
            known = _channel_of(state, campaign_id, name)
            if not day.start <= made_s < day.end:
                return state, None
            slot, config = slot_of(day, made_s), self._config_of(campaign_id, name)
            held = min(reserved, known.meter.held)
            new = booking.settled(known, day, slot, micros, held, outcome, at_s, config)
            return _put(state, name, new), (day, known, new)

        done = self._update(campaign_id, change)
        if done is None:
            self.record_spend(transaction._replace(timestamp=None))
            return
        day, before, after = done
        self._learned.note(campaign_id, name, day, slot_of(day, made_s), micros, outcome)
        self._after_breaker(campaign_id, name, before, after, day, self._now_s())

    # Channels together

    async def reallocate_unused(self, campaign_id: str) -> dict[Channel, Decimal]:
        """Move today's unused money from channels that return less to channels that return more (see `reallocation`),
        and return all channels' budgets: their sum is the same as before to the cent, none is below what it has spent.

        The reasons are in `last_reallocation`. `reallocate` does the same without a coroutine.
        """
        return self.reallocate(campaign_id)

    def reallocate(self, campaign_id: str) -> dict[Channel, Decimal]:
        """See `reallocate_unused`. Raises UnknownBudget."""
        if self.store.load(campaign_id) is None:
            raise UnknownBudget(f"{campaign_id} has no budget: allocate one first")

        def change(state: CampaignState, at_s: float, day: Day) -> tuple[CampaignState, Reallocation]:
            result = self._reallocation(campaign_id, state, day, at_s)
            channels = dict(state.channels)
            for name, budget in result.budgets.items():
                known = channels[name]
                if budget != known.limits.budget:
                    config = self._config_of(campaign_id, name)
                    channels[name] = known._replace(limits=limits_of(budget, known.plan, day, config))
            return state._replace(channels=channels), result

        result = self._update(campaign_id, change)
        self._reallocations[campaign_id] = result
        unit = self._state(campaign_id).unit
        return {as_channel(name): from_micros(budget, unit) for name, budget in result.budgets.items()}

    def move_budgets(self, campaign_id: str, budgets: Mapping[Channel, Decimal]) -> None:
        """Set today's budgets of all channels to what was agreed on (`propose_reallocation`): transfers only.

        Raises ReallocationRefused when their sum is not today's, or one is below what its channel has spent and holds.
        """
        given = {self._name(channel): _budget(budget) for channel, budget in budgets.items()}

        def change(state: CampaignState, _at_s: float, day: Day) -> tuple[CampaignState, None]:
            check_transfers({name: _used(channel) for name, channel in state.channels.items()}, given)
            channels = {
                name: known._replace(limits=limits_of(given[name], known.plan, day, self._config_of(campaign_id, name)))
                for name, known in state.channels.items()
            }
            return state._replace(channels=channels), None

        self._update(campaign_id, change)

    def propose_reallocation(self, campaign_id: str) -> Reallocation:
        """What `reallocate` would do now, without doing it. Budgets in micros."""
        found = self._today(campaign_id, at_s := self._now_s())
        if found is None:
            raise UnknownBudget(f"{campaign_id} has no budget: allocate one first")
        return self._reallocation(campaign_id, found[0], found[1], at_s)

    def last_reallocation(self, campaign_id: str) -> Reallocation | None:
        """The latest one by this pacer, with its moves and reasons."""
        return self._reallocations.get(campaign_id)

    def _reallocation(self, campaign_id: str, state: CampaignState, day: Day, at_s: float) -> Reallocation:
        facts = {
            name: self._facts(campaign_id, name, known, state, day, at_s) for name, known in state.channels.items()
        }
        demands = {name: self._learned.demand(campaign_id, name, day, at_s) for name in facts}
        known_demands = {name: demand for name, demand in demands.items() if demand is not None}
        able = all(fact.can_spend for fact in facts.values())
        if able and len(known_demands) == len(facts) > 1:
            return share_by_price(facts, known_demands, state.unit)
        # Channels may have different thresholds; money moves between them, so the most careful one holds for all.
        thresholds = [self._config_of(campaign_id, name).reallocation_threshold for name in facts]
        return reallocate(facts, float(max(thresholds, default=0)), state.unit)

    def _facts(
        self, campaign_id: str, name: str, known: ChannelState, state: CampaignState, day: Day, at_s: float
    ) -> ChannelFacts:
        sums = self.performance(campaign_id, name)
        returned = sums.revenue or sums.conversions or sums.clicks
        breaker = breakers.at(known.breaker, at_s, self._config_of(campaign_id, name))
        return ChannelFacts(
            budget=known.limits.budget,
            original=known.original,
            used=known.meter.spent + known.meter.held,
            planned=planned_share(known.plan, day, at_s),
            value_per_cost=returned / sums.cost if sums.cost and returned else None,
            can_spend=not state.stopped
            and breaker.state is CircuitBreakerState.CLOSED
            and open_elapsed(day, at_s) < day.open_s,
        )

    # Stops

    async def emergency_stop(self, campaign_id: str, reason: str) -> None:
        """Stop all channels of a campaign, also those that get a budget later. Only `clear_emergency_stop` ends it."""
        self.stop(campaign_id, reason)

    def stop(self, campaign_id: str, reason: str) -> None:
        """See `emergency_stop`; for callers without a loop."""
        if not reason.strip():
            raise InvalidConfiguration("an emergency stop needs a reason")
        if self.store.load(campaign_id) is None:
            self.set_campaign(campaign_id)

        def change(state: CampaignState, at_s: float, day: Day) -> tuple[CampaignState, list[PacingAlert]]:
            alerts, channels = [], {}
            for name, known in state.channels.items():
                new = channels[name] = known._replace(issues=known.issues | {AlertType.CIRCUIT_BREAKER_OPEN})
                if AlertType.CIRCUIT_BREAKER_OPEN not in known.issues:
                    planned = planned_share(known.plan, day, at_s)
                    ratio = pace_ratio(known.meter.spent, known.limits.budget, planned)
                    detail = f"emergency stop: {reason}"
                    kind = AlertType.CIRCUIT_BREAKER_OPEN
                    alerts.append(write_alert(kind, campaign_id, name, new, planned, ratio, at_s, detail))
            return state._replace(channels=channels, stopped=reason), alerts

        self._raise(self._update(campaign_id, change))

    def clear_emergency_stop(self, campaign_id: str) -> None:
        """End an emergency stop: a person's decision. Breakers stay as they are."""
        self._update(campaign_id, lambda state, _at_s, _day: (state._replace(stopped=""), None))

    def circuit_breaker_state(self, campaign_id: str, channel: Channel) -> CircuitBreakerState:
        """The channel's breaker now; OPEN during an emergency stop."""
        state, known, _, at_s = self._look(campaign_id, channel)
        if state.stopped:
            return CircuitBreakerState.OPEN
        return breakers.at(known.breaker, at_s, self._config_of(campaign_id, channel)).state

    def breaker(self, campaign_id: str, channel: Channel) -> Breaker:
        """The channel's breaker now, with its reason, cooldown and probe."""
        _, known, _, at_s = self._look(campaign_id, channel)
        return breakers.at(known.breaker, at_s, self._config_of(campaign_id, channel))

    def trip(self, campaign_id: str, channel: Channel, reason: str) -> None:
        """Open a channel's breaker because something outside has seen what is not normal. One that is open stays as it
        is; one that probes opens for twice as long. Raises UnknownBudget."""
        if not reason.strip():
            raise InvalidConfiguration("opening a breaker needs a reason")
        name = self._name(channel)

        def change(
            state: CampaignState, at_s: float, day: Day
        ) -> tuple[CampaignState, tuple[ChannelState, ChannelState, Day, float]]:
            known = _channel_of(state, campaign_id, name)
            now = breakers.at(known.breaker, at_s, self._config_of(campaign_id, name))
            new = booking.with_breaker(known, breakers.tripped(now, reason, at_s))
            return (state if new == known else _put(state, name, new)), (known, new, day, at_s)

        before, after, day, at_s = self._update(campaign_id, change)
        self._after_breaker(campaign_id, name, before, after, day, at_s)

    def close_breaker(self, campaign_id: str, channel: Channel) -> None:
        """Close a channel's breaker at once: a person's decision, after looking. An emergency stop stays. Raises
        UnknownBudget."""
        name = self._name(channel)

        def change(state: CampaignState, _at_s: float, _day: Day) -> tuple[CampaignState, None]:
            known = _channel_of(state, campaign_id, name)
            new = known._replace(breaker=breakers.NEW) if state.stopped else booking.with_breaker(known, breakers.NEW)
            return (state if new == known else _put(state, name, new)), None

        self._update(campaign_id, change)

    # What is learned, and advice

    def performance(self, campaign_id: str, channel: Channel, hour: int | None = None) -> Performance:
        """Impressions, clicks, conversions, cost, revenue and CTR, CVR, CPC, CPA, ROAS of a channel, or of one hour of
        its day; former weeks weigh a tenth less each."""
        return self._learned.history(campaign_id, self._name(channel), lambda history: history.performance(hour))

    def data_hours(self, campaign_id: str, channel: Channel) -> int:
        """Of how many different hours there is data."""
        return self._learned.history(campaign_id, self._name(channel), lambda history: history.data_hours)

    def learn(
        self,
        campaign_id: str,
        channel: Channel,
        hour_starts_at: datetime,
        *,
        impressions: int = 0,
        clicks: int = 0,
        conversions: int = 0,
        cost: Decimal = Decimal(0),
        revenue: Decimal = Decimal(0),
    ) -> None:
        """Take in what a past hour brought, from reports kept elsewhere: no budget is touched."""
        name = self._name(channel)
        if self.store.load(campaign_id) is None:
            self.set_campaign(campaign_id)
        state = self._state(campaign_id)
        at_s = _seconds(hour_starts_at)
        day = day_at(ZoneInfo(state.zone), state.week, at_s)
        outcome = Outcome(impressions, clicks, conversions, float(revenue))
        self._learned.add(campaign_id, name, day, slot_of(day, at_s), to_micros(cost), outcome)

    def learn_traffic(self, campaign_id: str, channel: Channel, hours: Sequence[TrafficHour]) -> None:
        """Take in past traffic: how many opportunities each hour brought, and what they cost and were worth. What is
        bought says little about what could have been; this is what forecasts are made from where it is known."""
        name = self._name(channel)
        if self.store.load(campaign_id) is None:
            self.set_campaign(campaign_id)
        state = self._state(campaign_id)
        found = []
        for hour in hours:
            at_s = _seconds(hour.starts_at)
            day = day_at(ZoneInfo(state.zone), state.week, at_s)
            found.append((day, slot_of(day, at_s), hour))
        self._learned.add_traffic(campaign_id, name, found)

    def advise(
        self,
        campaign_id: str,
        channel: Channel,
        expected_cost: Decimal,
        expected_value: float | None = None,
    ) -> Advice:
        """Whether to take an opportunity now, at which bid at most, and why. Counts it as traffic seen.

        `expected_value` in any unit that is the same for all opportunities of the campaign (a click probability, an
        expected revenue); None when nothing tells opportunities apart. Advice only: it is `reserve` that decides over
        money.
        """
        at_s = self._now_s()
        found = self._today(campaign_id, at_s)
        known = None if found is None else found[0].channels.get(channel)
        if found is None or known is None:
            raise UnknownBudget(f"{campaign_id} has no budget for {self._name(channel)}: allocate one first")
        state, day = found
        stopped = bool(state.stopped) or not is_open(day, at_s)
        cost = float(expected_cost)
        return self._learned.steering(
            campaign_id,
            self._name(channel),
            lambda steering: steering.advise(known, day, at_s, cost, expected_value, stopped=stopped),
        )

    def bid_advice(self, campaign_id: str, channel: Channel) -> BidAdvice:
        """A factor for bids and a share of opportunities to take, from pace, hour and returns, with the reasons: for
        callers who do not ask about each opportunity."""
        state, known, day, at_s = self._look(campaign_id, channel)
        config = self._config_of(campaign_id, channel)
        ratio = pace_ratio(known.meter.spent, known.limits.budget, planned_share(known.plan, day, at_s))
        forecast = self._forecasts(campaign_id, self._name(channel), day)[day.slots[slot_of(day, at_s)].hour]
        recent, breaker = self.performance(campaign_id, channel), breakers.at(known.breaker, at_s, config)
        return advise_bids(ratio, forecast, recent, breaker.state, state.stopped, config)

    # Reading and writing state

    def spent(self, campaign_id: str, channel: Channel) -> Decimal:
        """What was spent today."""
        state, known, _, _ = self._look(campaign_id, channel)
        return from_micros(known.meter.spent, state.unit)

    def budget(self, campaign_id: str, channel: Channel) -> Decimal:
        """Today's budget, after reallocations."""
        state, known, _, _ = self._look(campaign_id, channel)
        return from_micros(known.limits.budget, state.unit)

    def explain(self, campaign_id: str, channel: Channel) -> str:
        """Today's figures in one line."""
        _, known, day, at_s = self._look(campaign_id, channel)
        planned = planned_share(known.plan, day, at_s)
        return f"{pace_text(known.meter.spent, known.limits.budget, planned)}; plan: {known.plan.reason}"

    def _now_s(self) -> float:
        return self._clock().timestamp()

    def _today(self, campaign_id: str, at_s: float) -> tuple[CampaignState, Day] | None:
        """The state, rolled into today where it was another day's; None when the campaign has none."""
        for _ in range(_TRIES):
            state = self.store.load(campaign_id)
            if state is None:
                return None
            kept = self._days.get(campaign_id)
            if kept is not None and kept[1].start <= at_s < kept[1].end and kept[0] == state[:2]:
                day = kept[1]
            else:
                day = day_at(ZoneInfo(state.zone), state.week, at_s)
                self._days[campaign_id] = (state[:2], day)
            if state.day == (ordinal := day.date.toordinal()):
                return state, day
            channels = {
                name: booking.opened(
                    known,
                    self._plan(campaign_id, name, known.strategy, day),
                    day,
                    self._config_of(campaign_id, name),
                )
                for name, known in state.channels.items()
            }
            new = state._replace(channels=channels, day=ordinal)
            if self.store.swap(campaign_id, state, new):
                return new, day
        raise UnableToSwap(f"{campaign_id}: the store refused every write")

    def _update(self, campaign_id: str, change: Callable[[CampaignState, float, Day], tuple[CampaignState, T]]) -> T:
        """Decide on the present state and swap the result in; again when somebody else was faster."""
        for _ in range(_TRIES):
            at_s = self._now_s()
            found = self._today(campaign_id, at_s)
            if found is None:
                raise UnknownBudget(f"{campaign_id} has no budget: allocate one first")
            state, day = found
            new, answer = change(state, at_s, day)
            if new is state or self.store.swap(campaign_id, state, new):
                return answer
        raise UnableToSwap(f"{campaign_id}: the store refused every write")

    def _state(self, campaign_id: str) -> CampaignState:
        found = self._today(campaign_id, self._now_s())
        if found is None:
            raise UnknownBudget(f"{campaign_id} has no budget: allocate one first")
        return found[0]

    def _look(self, campaign_id: str, channel: Channel) -> tuple[CampaignState, ChannelState, Day, float]:
        name, at_s = self._name(channel), self._now_s()
        found = self._today(campaign_id, at_s)
        known = None if found is None else found[0].channels.get(name)
        if found is None or known is None:
            raise UnknownBudget(f"{campaign_id} has no budget for {name}: allocate one first")
        return found[0], known, found[1], at_s

    def _known_channels(self) -> frozenset[str]:
        return frozenset((*ChannelType, *self.config.extra_channels))

    def _name(self, channel: Channel) -> str:
        if channel not in self._channels:
            raise InvalidConfiguration(
                f"{channel!r} is no known channel: use ChannelType, or add it with extra_channels=[{str(channel)!r}]"
            )
        return as_channel(channel)


def _config(settings: Settings) -> PacerConfig:
    unknown = sorted(set(settings) - set(asdict(PacerConfig())))
    if unknown:
        raise InvalidConfiguration(f"no such setting: {', '.join(unknown)}")
    return PacerConfig(**settings)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidConfiguration(f"{name!r} is no time zone: use an IANA name, as 'Europe/Berlin'") from None


def _seconds(moment: datetime) -> float:
    if moment.utcoffset() is None:
        raise InvalidAmount(f"{moment.isoformat()} has no time zone: pass an aware datetime")
    return moment.astimezone(UTC).timestamp()


def _budget(amount: Decimal) -> int:
    budget = to_micros(amount)
    if budget < 0:
        raise InvalidAmount(f"a daily budget of {amount} is negative")
    return budget


def _channel_of(state: CampaignState, campaign_id: str, name: str) -> ChannelState:
    known = state.channels.get(name)
    if known is None:
        raise UnknownBudget(f"{campaign_id} has no budget for {name}: allocate one first")
    return known


def _used(channel: ChannelState) -> tuple[int, int]:
    """Today's budget, and what of it is spent or held."""
    return channel.limits.budget, channel.meter.spent + channel.meter.held


def _put(state: CampaignState, name: str, channel: ChannelState) -> CampaignState:
    channels: Mapping[str, ChannelState] = {**state.channels, name: channel}
    return CampaignState(state.zone, state.week, state.unit, channels, state.day, state.stopped, state.version)
