"""A story to tell in tests: one brand, its campaigns and a clock that the story moves, through use cases only."""

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from brands.models import Brand
from budget_system.errors import Refused
from campaigns.holds import Hold
from campaigns.models import Campaign, StateChange
from enforcement import services
from enforcement.evaluation import Evaluation
from enforcement.explain import Explanation, explain
from enforcement.sweeps import Sweep, enforce_all, enforce_due, turn_periods
from scheduling.services import ScheduleRow
from scheduling.windows import Window
from spending.models import BudgetPeriod, PeriodKind, Spend
from spending.services import Outcome, Posted, SpendRow

ACTOR = "a tester"
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)


def window(day: int, start: str, end: str, *, next_day: bool = False, active: bool = True) -> ScheduleRow:
    """`window(FRI, "22:00", "06:00", next_day=True)`"""
    return ScheduleRow(Window(day, time.fromisoformat(start), time.fromisoformat(end), next_day), active)


class Story:
    """A brand (Berlin, EUR, 100 a day and 2,000 a month unless told otherwise) and what happens to it."""

    def __init__(self, at: str = "2026-05-05 12:00", **brand: Any) -> None:
        inputs = {
            "name": "Acme",
            "timezone": "Europe/Berlin",
            "currency": "EUR",
            "daily_budget": "100",
            "monthly_budget": "2000",
        }
        inputs.update(brand)
        self.zone = ZoneInfo(str(inputs["timezone"]))
        self.now = self._moment(at)
        self.brand: Brand = services.create_brand(inputs, actor=ACTOR, now=self.now)

    def _moment(self, local: str) -> datetime:
        return datetime.fromisoformat(local).replace(tzinfo=self.zone)

    def campaign(self, name: str = "A", rows: list[ScheduleRow] | None = None, **inputs: object) -> Campaign:
        return services.create_campaign(self.brand.pk, {"name": name, **inputs}, rows=rows, actor=ACTOR, now=self.now)

    def campaigns(self, names: Iterable[str]) -> list[Campaign]:
        return [self.campaign(name) for name in names]

    # --- Time

    def clock(self, local: str, *, fold: int = 0) -> None:
        """It is this local time now. Nothing has looked yet."""
        self.now = self._moment(local).replace(fold=fold)

    def tick(self, local: str, *, fold: int = 0) -> Sweep:
        """It is this local time now, and the minute tick runs."""
        self.clock(local, fold=fold)
        return enforce_due(self.now, actor="worker")

    def sweep(self) -> Sweep:
        return enforce_all(self.now, actor="worker")

    def turn(self) -> Sweep:
        return turn_periods(self.now, actor="worker")

    # --- Money

    def post(self, campaign: Campaign, amount: str, day: str | None = None, **more: Any) -> Posted:
        """Post one spend; today's, unless told the day."""
        on = date.fromisoformat(day) if day else self.now.astimezone(self.zone).date()
        row = SpendRow(campaign.pk, Decimal(amount), on, **more)
        return services.post_spend([row], source="api", actor=ACTOR, now=self.now).answers[0]

    def spend(self, campaign: Campaign, amount: str, day: str | None = None, **more: Any) -> Spend:
        """Post one spend that must be recorded."""
        posted = self.post(campaign, amount, day, **more)
        assert posted.outcome is Outcome.RECORDED, posted.error
        assert posted.spend_id is not None
        return Spend.objects.get(pk=posted.spend_id)

    def refused(self, campaign: Campaign, amount: str, day: str | None = None, **more: Any) -> Refused:
        """Post one spend that must be refused."""
        posted = self.post(campaign, amount, day, **more)
        assert posted.outcome is Outcome.REFUSED, posted
        assert posted.error is not None
        return posted.error

    def total(self, thing: Brand | Campaign, kind: PeriodKind, starts_on: str) -> Decimal:
        """What counts against the thing's budget in the period that starts on this day."""
        period = BudgetPeriod.objects.filter(scope_id=thing.pk, kind=kind, starts_on=starts_on).first()
        return period.used if period else Decimal(0)

    # --- Wishes

    def change_brand(self, **changes: object) -> Evaluation:
        return services.change_brand(self.brand.pk, changes, actor=ACTOR, now=self.now)

    def pause(self, campaign: Campaign, until: str | None = None) -> None:
        moment = self._moment(until) if until else None
        services.pause(campaign.pk, until=moment, reason="A test", actor=ACTOR, now=self.now)

    def activate(self, campaign: Campaign) -> tuple[Hold, ...]:
        return services.activate(campaign.pk, actor=ACTOR, now=self.now).holds

    def override(self, campaign: Campaign, *lifts: Hold, until: str | None = None, extra: str | None = None) -> None:
        services.set_override(
            campaign.pk,
            lifts,
            reason="The client agreed",
            actor=ACTOR,
            now=self.now,
            ends_at=self._moment(until) if until else None,
            extra_budget=Decimal(extra) if extra else None,
        )

    # --- What came of it

    def holds(self, campaign: Campaign) -> tuple[Hold, ...]:
        """The stored holds, which must agree with the other outputs."""
        stored = Campaign.objects.get(pk=campaign.pk)
        assert stored.status == ("PAUSED" if stored.holds else "ACTIVE")
        assert stored.pause_reason == (stored.holds[0] if stored.holds else "")
        held: tuple[Hold, ...] = stored.holds
        return held

    def runs(self, campaign: Campaign) -> bool:
        return not self.holds(campaign)

    def explain(self, campaign: Campaign) -> Explanation:
        return explain(campaign.pk, self.now)

    def history(self, campaign: Campaign) -> list[tuple[str, str]]:
        """Starts and stops: the local time and the new status, oldest first."""
        return [
            (f"{change.at.astimezone(self.zone):%Y-%m-%d %H:%M}", change.to_status)
            for change in StateChange.objects.filter(campaign=campaign).order_by("pk")
            if change.from_status != change.to_status
        ]
