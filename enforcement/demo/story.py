"""A story for newcomers: one brand's day, told by the use cases themselves. Each scene does something and says it.

The next day is a rehearsal: it is played by simulated time and undone, as no record may be of the future.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from brands.models import Brand
from brands.periods import local_date, next_midnight
from budget_system import money
from budget_system.db import rehearsal
from campaigns.models import Campaign
from enforcement import reservations, services
from enforcement.explain import explain, local_text
from enforcement.sweeps import enforce_due
from scheduling.services import ScheduleRow
from scheduling.windows import Window
from spending.figures import spent
from spending.services import Source, SpendRow

ACTOR = "demo story"
NAME = "Harbour Lane Coffee (story)"
PLACES = (
    ("Europe/Berlin", "EUR"),
    ("America/New_York", "USD"),
    ("America/Los_Angeles", "USD"),
    ("Australia/Sydney", "AUD"),
)
"""One of them is by day at any moment, so that midnight does not come in the middle of the story."""
OPENS, CLOSES = 8, 19
DAILY, MONTHLY, RAISED = Decimal("100.00"), Decimal("2000.00"), Decimal("150.00")
ALL_DAY = (time(0), time(0))

Clock = Callable[[], datetime]


class Scene(NamedTuple):
    title: str
    lines: Sequence[str]


@dataclass
class Story:
    """The brand of this telling. `scenes` plays it through."""

    clock: Clock
    brand: Brand = field(init=False)
    campaigns: dict[str, Campaign] = field(default_factory=dict)

    def scenes(self) -> Iterator[Scene]:
        yield Scene("A client with a budget", self._begin())
        yield Scene("A usual morning", self._morning())
        yield Scene("The budget is used up", self._over())
        yield Scene("May this be spent?", self._ask())
        yield Scene("The client raises the budget", self._raise())
        yield Scene("Dayparting", self._dayparting())
        yield Scene("The next day, by simulated time", self._next_day())

    # --- Scenes

    def _begin(self) -> list[str]:
        now = self.clock()
        left = archive_earlier(self.clock)
        zone_name, currency = by_day(now)
        inputs = {
            "name": NAME, "timezone": zone_name, "currency": currency, "daily_budget": DAILY,
            "monthly_budget": MONTHLY,
        }  # fmt: skip
        self.brand = services.create_brand(inputs, actor=ACTOR, now=now)
        tomorrow = local_date(self.brand.zone, now) + timedelta(days=1)
        for name in ("Search", "Social"):
            self._make(name)
        self._make("Breakfast offer", [ScheduleRow(Window(tomorrow.weekday(), time(6), time(10), False))])
        return [
            *([f"The {left} brand(s) of earlier tellings are archived."] if left else []),
            f"“{NAME}” may spend {self._money(DAILY)} a day and {self._money(MONTHLY)} a month, all campaigns "
            f"together. Its day is that of {zone_name}: there it is {now.astimezone(self.brand.zone):%a %H:%M}.",
            *self._states(),
        ]

    def _morning(self) -> list[str]:
        for name, amount in (("Search", "31.20"), ("Social", "24.75"), ("Search", "19.05")):
            self._post(name, amount)
        return ["The platforms report 31.20 and 19.05 for Search and 24.75 for Social.", *self._states()]

    def _over(self) -> list[str]:
        self._post("Social", "26.40")
        explanation = explain(self.campaigns["Search"].pk, self.clock())
        return [
            "One more report: 26.40 for Social. The same transaction that records it pauses every campaign of the "
            "brand; no sweep has to come first.",
            *self._states(),
            f"Search: {explanation.summary}",
            *(f"- {sentence}" for sentence in explanation.sentences),
        ]

    def _ask(self) -> list[str]:
        answer = reservations.can_spend(self.campaigns["Search"].pk, Decimal("0.01"), self.clock())
        return [
            "A bidder asks before it spends; the answer is the same decision.",
            f"Search, 0.01: {answer.text}",
        ]

    def _raise(self) -> list[str]:
        services.change_brand(
            self.brand.pk, {"daily_budget": RAISED}, actor=ACTOR, now=self.clock(), reason="The client agreed."
        )
        self.brand.refresh_from_db()
        answer = reservations.reserve(
            uuid4(), self.campaigns["Search"].pk, Decimal("5.00"), actor=ACTOR, now=self.clock(),
            ttl=timedelta(seconds=30),
        )  # fmt: skip
        return [
            f"From {self._money(DAILY)} to {self._money(RAISED)} a day: it acts at once.",
            *self._states(),
            f"The bidder asks again: {answer.text}",
        ]

    def _dayparting(self) -> list[str]:
        campaign = self.campaigns["Breakfast offer"]
        before = explain(campaign.pk, self.clock()).summary
        now = self.clock()
        today = local_date(self.brand.zone, now)
        row = ScheduleRow(Window(today.weekday(), *ALL_DAY, False))
        services.add_window(campaign.pk, row, actor=ACTOR, now=now)
        return [
            f"Breakfast offer: {before}",
            f"Somebody paints the whole of {today:%A} into its week:",
            *self._states(),
        ]

    def _next_day(self) -> list[str]:
        self._post("Search", "49.00")
        lines = ["Search reports 49.00 more, and the raised budget is used up too.", *self._states()]
        midnight = next_midnight(self.brand.zone, self.clock())
        with rehearsal():
            enforce_due(midnight, actor=ACTOR, brand_id=self.brand.pk)
            lines.append(
                f"It is {local_text(self.brand.zone, midnight, self.clock())}, and the minute tick runs. Spend is "
                "keyed by its day, so nothing has to be reset: the new day begins at 0."
            )
            lines += self._states(midnight)
        return [*lines, "That was a rehearsal, and is undone: at the real midnight the same comes by itself."]

    # --- Steps

    def _make(self, name: str, rows: list[ScheduleRow] | None = None) -> None:
        self.campaigns[name] = services.create_campaign(
            self.brand.pk, {"name": name}, actor=ACTOR, now=self.clock(), rows=rows or []
        )

    def _post(self, name: str, amount: str) -> None:
        now = self.clock()
        row = SpendRow(
            self.campaigns[name].pk, Decimal(amount), local_date(self.brand.zone, now), description="Demo story",
            key=f"story {uuid4().hex[:12]}",
        )  # fmt: skip
        [answer] = services.post_spend([row], source=Source.SIMULATION, actor=ACTOR, now=now).answers
        if answer.error is not None:
            raise answer.error

    def _states(self, at: datetime | None = None) -> list[str]:
        """The day's total, and each campaign as it is stored."""
        now = at or self.clock()
        used = spent([self.brand], now)[self.brand.pk].day.used
        budget = self.brand.daily_budget or Decimal(0)
        stored = Campaign.objects.in_bulk([one.pk for one in self.campaigns.values()])
        width = max(map(len, self.campaigns))
        shown = [f"  {name:<{width}}  {_state(stored[one.pk])}" for name, one in self.campaigns.items()]
        return [f"  {self._money(used)} of {self._money(budget)} today", *shown]

    def _money(self, amount: Decimal) -> str:
        return f"{money.display_text(amount, self.brand.currency)} {self.brand.currency}"


def _state(campaign: Campaign) -> str:
    if not campaign.holds:
        return "runs"
    return "paused: " + ", ".join(hold.label.lower() for hold in campaign.holds)


def by_day(now: datetime) -> tuple[str, str]:
    """A place where people work now, and its currency."""
    return next(
        (place for place in PLACES if OPENS <= now.astimezone(ZoneInfo(place[0])).hour <= CLOSES), PLACES[0]
    )  # fmt: skip


def archive_earlier(clock: Clock) -> int:
    """Take the brands of earlier tellings out of sight; how many these were. Others of that name are left alone."""
    ours: list[UUID] = list(
        Brand.objects.current()
        .filter(audit_entries__action="create brand", audit_entries__actor=ACTOR)
        .values_list("pk", flat=True)
    )
    for brand_id in ours:
        services.archive_brand(brand_id, actor=ACTOR, now=clock(), reason="The story is told again.")
    return len(ours)
