"""Sample data as live work: each event goes through the same use case, and each hour through the same tick."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from heapq import merge
from itertools import pairwise
from uuid import UUID

from brands.models import AuditEntry, Brand
from budget_system import money
from budget_system.errors import Busy, Refused
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import services
from enforcement.demo import channels, events
from enforcement.demo.events import Event, Limit
from enforcement.demo.plan import BrandPlan, CampaignPlan, Plan, nice
from enforcement.demo.states import States
from enforcement.demo.traffic import ONE_HOUR, Piece, Traffic
from enforcement.sweeps import Progress, enforce_all, enforce_due
from scheduling.services import ScheduleRow, rows_of
from spending.models import BudgetPeriod, PeriodKind, Spend, SpendRevision, SpendType
from spending.services import Outcome, Source, SpendRow

FEE, CREDIT = "Platform fee", "Credit for invalid clicks"
RESTATED = "The platform reports another figure."
SELLS = "It sells well today; the client agrees."
TWICE = "Counted twice: the import had it already."
SYNC = "sync {at:%Y-%m-%dT%H:%M:%SZ} {id} {day}"
"""The key of an hour's spend. It begins with the moment up to which it counts, so the greatest says how far we are."""


@dataclass
class Made:
    """What was made, for the closing line."""

    brands: int = 0
    campaigns: int = 0
    spends: int = 0
    restated: int = 0
    voided: int = 0
    by_hand: int = 0
    state_changes: int = 0
    refused: int = 0


@dataclass
class Actual:
    """A planned campaign and the one that was made of it."""

    brand: BrandPlan
    plan: CampaignPlan
    id: UUID
    traffic: Traffic
    decimals: int


@dataclass
class Replay:
    """Everything between two moments, in order of time.

    Nothing is recorded before `floor`: what happened meanwhile in the system itself stays before it.
    """

    plan: Plan
    brand_ids: Mapping[str, UUID]
    campaign_ids: Mapping[tuple[str, str], UUID]
    floor: datetime
    made: Made
    states: States = field(init=False)
    campaigns: list[Actual] = field(init=False)

    def __post_init__(self) -> None:
        self.states = States(self.brand_ids.values())
        self.campaigns = [
            Actual(
                brand, plan, self.campaign_ids[brand.name, plan.name], Traffic(self.plan.seed, brand, plan),
                money.decimals(brand.currency),
            )
            for brand in self.plan.brands
            for plan in brand.campaigns
        ]  # fmt: skip
        self._actual = {(one.brand.name, one.plan.name): one for one in self.campaigns}

    def run(self, since: datetime, until: datetime, progress: Progress) -> None:
        """Everything of (since, until]."""
        steps = _steps(self.plan, since, until)
        self.states.refresh()
        for done, (at, step) in enumerate(steps, start=1):
            now = max(at, self.floor)
            if isinstance(step, Event):
                self._happen(step, now)
            elif step is None:
                enforce_due(now, actor=events.PLATFORM)
            else:
                rows = self._spent_between(step, at)
                self._post(rows, events.PLATFORM, now)
                self._count_returns(rows, now)
            self.states.refresh()
            progress(done, len(steps))
        enforce_all(max(until, self.floor), actor=events.PLATFORM)
        self.states.refresh()

    # --- Spend -------------------------------------------------------------------------------------------------------

    def _spent_between(self, since: datetime, until: datetime) -> list[SpendRow]:
        rows: list[SpendRow] = []
        for one in self.campaigns:
            for day, amount in self._by_day(one, one.traffic.between(since, until)).items():
                if not amount or one.traffic.days_late(day):
                    continue
                key = SYNC.format(at=until, id=one.plan.external_id, day=day)
                if not one.plan.channels:
                    rows.append(SpendRow(one.id, amount, day, key=key))
                    continue
                hour = until.astimezone(one.brand.zone).hour
                for name, part in channels.split(amount, one.plan.channels, hour, one.decimals).items():
                    rows.append(SpendRow(one.id, part, day, key=f"{key} {name}", channel=name))
        return rows

    def _by_day(self, one: Actual, pieces: Iterable[Piece]) -> dict[date, Decimal]:
        """What the platform really spends of these pieces, in whole units of the currency's smallest coin."""
        spent: dict[date, float] = {}
        for piece in pieces:
            spent[piece.day] = spent.get(piece.day, 0.0) + piece.amount * self.states.share_spent(one.id, piece.start)
        return {day: _coins(amount, one.decimals) for day, amount in spent.items()}

    def _post(self, rows: list[SpendRow], actor: str, now: datetime) -> None:
        if not rows:
            return
        result = services.post_spend(rows, source=Source.DEMO, actor=actor, now=now)
        outcomes = [answer.outcome for answer in result.answers]
        self.made.spends += outcomes.count(Outcome.RECORDED)
        self.made.refused += outcomes.count(Outcome.REFUSED)

    def _count_returns(self, rows: list[SpendRow], now: datetime) -> None:
        """What the hour's spend of paced campaigns has brought beside its cost."""
        paced = {one.id: one for one in self.campaigns if one.plan.channels}
        mine = [row for row in rows if row.campaign_id in paced]
        if mine:
            plans = {campaign_id: (one.brand.zone, one.plan) for campaign_id, one in paced.items()}
            channels.count_returns(self.plan.seed, mine, plans, now)

    # --- Events ------------------------------------------------------------------------------------------------------

    def _happen(self, event: Event, now: datetime) -> None:
        """Carry out one event. One that the present state refuses is counted, as when somebody archived the brand."""
        try:
            if event.campaign is None:
                self._fit_budget(event, self.brand_ids[event.brand.name], now)
            else:
                self._to_campaign(event, self._actual[event.brand.name, event.campaign.name], now)
        except Busy:
            raise
        except Refused:
            self.made.refused += 1

    def _to_campaign(self, event: Event, one: Actual, now: datetime) -> None:
        action = event.action
        match action:
            case events.LateDay(day):
                amount = self._by_day(one, one.traffic.on(day)).get(day, Decimal(0))
                row = SpendRow(one.id, amount, day, key=f"late {one.plan.external_id} {day}")
                self._post([row] if amount else [], event.actor, now)
            case events.Fee(month, amount):
                key = f"fee {one.plan.external_id} {month}"
                self._post([SpendRow(one.id, amount, month, SpendType.MONTHLY, FEE, key)], event.actor, now)
            case events.Credit(day, amount):
                self._credit(one, day, amount, event.actor, now)
            case events.Restate(day, factor):
                self._restate(one, day, factor, event.actor, now)
            case events.CountTwice(day):
                largest = _largest(one.id, day)
                if largest is not None:
                    row = SpendRow(one.id, largest.amount, day, key=_twin_key(one, day))
                    self._post([row], event.actor, now)
            case events.VoidTwin(day):
                self._void(one, day, event.actor, now)
            case events.FitBudget():
                self._fit_budget(event, one.id, now)
            case events.StartPacing():
                channels.start(one.id, one.plan, event.actor, now)
            case events.FitPacing():
                channels.fit(self.brand_ids[one.brand.name], one.id, one.plan, event.actor, now)
            case _:
                self._by_hand(event, one, now)

    def _credit(self, one: Actual, day: date, amount: Decimal, actor: str, now: datetime) -> None:
        """A credit for a day on which something was spent."""
        amount = amount.quantize(Decimal(1).scaleb(-one.decimals), ROUND_HALF_EVEN)
        if amount and _largest(one.id, day) is not None:
            key = f"credit {one.plan.external_id} {day}"
            self._post([SpendRow(one.id, amount, day, SpendType.ADJUSTMENT, CREDIT, key)], actor, now)

    def _restate(self, one: Actual, day: date, factor: Decimal, actor: str, now: datetime) -> None:
        spend = _largest(one.id, day)
        if spend is None or SpendRevision.objects.filter(spend__campaign=one.id, replaced_at=now).exists():
            return
        amount = (spend.amount * factor).quantize(Decimal(1).scaleb(-one.decimals), ROUND_HALF_EVEN)
        if amount and amount != spend.amount:
            services.amend_spend(spend.pk, {"amount": amount}, reason=RESTATED, actor=actor, now=now)
            self.made.restated += 1

    def _void(self, one: Actual, day: date, actor: str, now: datetime) -> None:
        twins = Spend.objects.filter(brand__campaigns=one.id, source=Source.DEMO, key=_twin_key(one, day))
        twin = twins.filter(voided_at=None).first()
        if twin is not None:
            services.void_spend(twin.pk, reason=TWICE, actor=actor, now=now)
            self.made.voided += 1

    def _by_hand(self, event: Event, one: Actual, now: datetime) -> None:
        """What a person does, once: a run that was broken off may come by again."""
        if AuditEntry.objects.filter(object_id=one.id, at=now, actor=event.actor).exists():
            return
        if self._do(event.action, one, event.actor, now):
            self.made.by_hand += 1

    def _do(self, action: events.Action, one: Actual, actor: str, now: datetime) -> bool:
        """Carry out what a person wants; whether there was occasion to."""
        state = self.states.at(one.id, now)
        holds = state.holds if state else ()
        match action:
            case events.Pause(reason, until):
                services.pause(one.id, reason=reason, until=until, actor=actor, now=now)
            case events.Activate() if Hold.MANUAL in holds:
                services.activate(one.id, actor=actor, now=now)
            case events.Stop(reason):
                services.emergency_stop(one.id, reason=reason, actor=actor, now=now)
            case events.ClearStop():
                services.clear_stop(one.id, actor=actor, now=now)
            case events.LiftDay(extra) if Hold.DAILY_BUDGET_EXCEEDED in holds:
                lifts = [Hold.DAILY_BUDGET_EXCEEDED]
                services.set_override(one.id, lifts, reason=SELLS, extra_budget=nice(extra), actor=actor, now=now)
            case events.CloseWindows():
                rows = [ScheduleRow(row.window, is_active=False) for row in rows_of(Campaign(pk=one.id))]
                services.replace_week(one.id, rows, actor=actor, now=now)
            case events.SetDay(factor, reason) if one.plan.daily_budget is not None:
                budget = nice(one.plan.daily_budget * factor, 3)
                services.change_campaign(one.id, {"daily_budget": budget}, reason=reason, actor=actor, now=now)
            case events.Archive():
                services.archive_campaign(one.id, actor=actor, now=now)
            case _:
                return False
        return True

    def _fit_budget(self, event: Event, scope_id: UUID, now: datetime) -> None:
        """Set a budget to what is spent, divided by the share that it is to be of the budget."""
        action = event.action
        if not isinstance(action, events.FitBudget):
            raise TypeError(f"{action} concerns a campaign")
        owner = Brand.objects.get(pk=scope_id) if event.campaign is None else Campaign.objects.get(pk=scope_id)
        spent, budget = _spent(scope_id, action.limit), getattr(owner, action.limit)
        if spent <= 0 or (action.only_lower and budget is not None and spent >= budget):
            return
        step = Decimal(1).scaleb(-money.decimals(event.brand.currency))
        fitting = nice((spent / action.share).quantize(step), 3)
        if (action.only_lower and fitting > spent) or fitting == 0:
            fitting = spent
        if fitting == budget:
            return
        change = services.change_brand if event.campaign is None else services.change_campaign
        change(scope_id, {action.limit: fitting}, actor=event.actor, now=now, reason=action.reason)
        self.made.by_hand += 1


def _steps(plan: Plan, since: datetime, until: datetime) -> list[tuple[datetime, datetime | Event | None]]:
    """What is to be done when: None for a tick, a moment for the spend since then, or an event.

    At the same moment time itself comes first, then spend, then what happens.
    """
    hour = since.replace(minute=0, second=0, microsecond=0)
    hours = [hour + ONE_HOUR * number for number in range(1, (until - hour) // ONE_HOUR + 1)]
    ticks = [(at, 0, None) for at in hours]
    moments = [since, *events.syncs(plan.seed, since, until)]
    syncs = [(at, 1, last) for last, at in pairwise(moments)]
    happenings = [(event.at, 2, event) for event in events.events(plan, since, until)]
    ordered = merge(ticks, syncs, happenings, key=lambda step: step[:2])
    return [(at, step) for at, _, step in ordered]


def _coins(amount: float, decimals: int) -> Decimal:
    return Decimal(str(amount)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)


def _twin_key(one: Actual, day: date) -> str:
    return f"again {one.plan.external_id} {day}"


def _largest(campaign_id: UUID, day: date) -> Spend | None:
    """The largest spend that an import brought for this day."""
    spends = Spend.objects.filter(
        campaign=campaign_id, spend_date=day, source=Source.DEMO, voided_at=None, spend_type=SpendType.DAILY
    )
    return spends.exclude(key__startswith="again ").order_by("-amount", "key").first()


def _spent(scope_id: UUID, limit: Limit) -> Decimal:
    """What counts against the budget in its latest period."""
    kind = {Limit.DAY: PeriodKind.DAY, Limit.MONTH: PeriodKind.MONTH, Limit.LIFETIME: PeriodKind.LIFETIME}[limit]
    periods = BudgetPeriod.objects.filter(scope_id=scope_id, kind=kind).order_by("-starts_on")
    return periods.values_list("used", flat=True).first() or Decimal(0)
