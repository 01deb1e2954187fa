"""Do full sweeps decide as the decision does when each campaign's facts are gathered one by one, in plain Python?"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from benchmarks.data import NOW
from benchmarks.databases import Database, Databases
from benchmarks.sizes import Sizes
from benchmarks.timing import Result
from brands.models import Brand
from brands.periods import local_date, month_start
from budget_system import money
from budget_system.db import chunks
from campaigns.holds import Hold, Verdict
from campaigns.models import Campaign, Override
from enforcement.decision import Budget, Facts, OverrideFact, Scope, decide
from enforcement.evaluation import look
from enforcement.snapshots import between_brands, zones_in_use
from enforcement.sweeps import LOOK_BRANDS
from scheduling.windows import week_from_text
from spending.ledger import LIFETIME_STARTS_ON
from spending.models import BudgetPeriod, PeriodKind

MOMENTS = (
    NOW,
    datetime(2026, 3, 18, 4, 30, tzinfo=UTC),  # another day in some zones
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),  # the clocks of Europe change
    datetime(2026, 4, 1, 0, 0, tzinfo=UTC),  # another month
)

# Overrides of all kinds, for one campaign in twenty; and some totals of which a part is forgiven.
_MORE = """
    INSERT INTO campaigns_override (id, campaign_id, lifts, starts_at, ends_at, extra_budget, spent_before, reason,
        created_by, cleared_by)
    SELECT gen_random_uuid(), id, CASE WHEN r < 0.02 THEN 'DAILY_BUDGET_EXCEEDED'
            WHEN r < 0.04 THEN 'MONTHLY_BUDGET_EXCEEDED,DAILY_BUDGET_EXCEEDED' ELSE 'OUTSIDE_SCHEDULE' END,
        %(now)s - interval '1 hour', %(now)s + r * interval '60 hours', CASE WHEN r < 0.03 THEN 30000000 END,
        bench_random(id, 22) * 5000000000, 'benchmark', 'benchmark', ''
    FROM campaigns_campaign, LATERAL (SELECT bench_random(id, 21) AS r) x WHERE r < 0.05;
    UPDATE spending_budgetperiod SET forgiven = posted / 2 WHERE bench_random(scope_id, 23) < 0.05;
    ANALYZE campaigns_override;
"""


def agreement(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """Every campaign at several moments. What it adds to the data it takes away again."""
    database = databases.use(sizes.middle)
    _execute(database, _MORE)
    try:
        facts = _Individually()
        checked = disagreeing = 0
        for now in MOMENTS:
            verdicts = _gathered(sorted(facts.brands), now)
            wrong = [pk for pk, verdict in facts.verdicts(now) if verdicts.pop(pk, None) != verdict]
            checked += len(facts.campaigns)
            disagreeing += len(wrong) + len(verdicts)
    finally:
        _execute(database, "TRUNCATE campaigns_override; UPDATE spending_budgetperiod SET forgiven = 0;")
    name = f"verdicts of {checked:,} that differ from those of facts gathered one by one"
    yield Result("–", name, str(disagreeing), "", disagreeing, 0, 0, unit="campaigns")


def _gathered(brand_ids: Sequence[UUID], now: datetime) -> dict[UUID, Verdict]:
    verdicts: dict[UUID, Verdict] = {}
    for some in chunks(brand_ids, LOOK_BRANDS):
        verdicts |= look(between_brands(some[0], some[-1]), zones_in_use(), now).verdicts
    return verdicts


def _execute(database: Database, sql: str) -> None:
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute(sql, {"now": NOW})


class _Individually:
    """The same facts without the gathering SQL: rows as the models read them, put together campaign by campaign."""

    def __init__(self) -> None:
        self.brands = Brand.objects.in_bulk()
        self.campaigns = list(Campaign.objects.current())
        self.overrides = {override.campaign_id: override for override in Override.objects.filter(cleared_at=None)}
        self.periods = {
            (period.scope_id, period.kind, period.starts_on): period for period in BudgetPeriod.objects.all()
        }

    def verdicts(self, now: datetime) -> Iterator[tuple[UUID, Verdict]]:
        for campaign in self.campaigns:
            yield campaign.pk, decide(self._facts(campaign, self.brands[campaign.brand_id], now), now)

    def _facts(self, campaign: Campaign, brand: Brand, now: datetime) -> Facts:
        day = local_date(brand.zone, now)
        stopped = [
            scope
            for scope, thing in ((Scope.BRAND, brand), (Scope.CAMPAIGN, campaign))
            if thing.emergency_stopped_at is not None
        ]
        return Facts(
            zone=brand.zone,
            day=day,
            stopped=tuple(stopped),
            manual=campaign.manual_paused_at is not None,
            manual_until=campaign.manual_pause_until,
            starts_on=campaign.start_date,
            ends_on=campaign.end_date,
            budgets=tuple(self._budgets(campaign, brand, day)),
            week=week_from_text(campaign.week),
            override=self._override(campaign),
        )

    def _budgets(self, campaign: Campaign, brand: Brand, day: date) -> Iterator[Budget]:
        month = month_start(day)
        for hold, scope, limit, period in (
            (Hold.LIFETIME_BUDGET_EXCEEDED, Scope.CAMPAIGN, campaign.lifetime_budget, _lifetime(campaign.pk)),
            (Hold.MONTHLY_BUDGET_EXCEEDED, Scope.BRAND, brand.monthly_budget, (brand.pk, PeriodKind.MONTH, month)),
            (
                Hold.MONTHLY_BUDGET_EXCEEDED,
                Scope.CAMPAIGN,
                campaign.monthly_budget,
                (campaign.pk, PeriodKind.MONTH, month),
            ),
            (Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND, brand.daily_budget, (brand.pk, PeriodKind.DAY, day)),
            (Hold.DAILY_BUDGET_EXCEEDED, Scope.CAMPAIGN, campaign.daily_budget, (campaign.pk, PeriodKind.DAY, day)),
        ):
            if limit is not None:
                found = self.periods.get(period)
                used = money.to_micros(found.posted) - money.to_micros(found.forgiven) if found else 0
                yield Budget(hold, scope, money.to_micros(limit), used)

    def _override(self, campaign: Campaign) -> OverrideFact | None:
        override = self.overrides.get(campaign.pk)
        if override is None:
            return None
        found = self.periods.get(_lifetime(campaign.pk))
        posted = money.to_micros(found.posted) if found else 0
        extra = None if override.extra_budget is None else money.to_micros(override.extra_budget)
        spent = posted - money.to_micros(override.spent_before)
        return OverrideFact(override.lifts, override.starts_at, override.ends_at, extra, spent)


def _lifetime(campaign_id: UUID) -> tuple[UUID, str, date]:
    return campaign_id, PeriodKind.LIFETIME, LIFETIME_STARTS_ON
