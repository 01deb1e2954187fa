"""The sample traffic has the shapes of real traffic, and is the same for the same seed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import fmean, median

import pytest

from brands.periods import day_length
from enforcement.demo import shapes
from enforcement.demo.plan import CampaignPlan, Plan, Trait, make_plan, nice
from enforcement.demo.traffic import Traffic

END = datetime(2026, 6, 17, 13, 20, tzinfo=UTC)
DAYS = [date(2026, 1, 1) + timedelta(days=number) for number in range(364)]


def plan(seed: int = 1) -> Plan:
    return make_plan(seed, END, days=90, brands=12)


def traffics(seed: int = 1) -> list[Traffic]:
    the_plan = plan(seed)
    return [Traffic(seed, brand, campaign) for brand in the_plan.brands for campaign in brand.campaigns]


def test_shares_of_hours_and_weekdays_add_up() -> None:
    assert sum(shapes.HOURS_OF_WORKDAY) == sum(shapes.HOURS_OF_WEEKEND) == 1000
    assert len(shapes.HOURS_OF_WORKDAY) == len(shapes.HOURS_OF_WEEKEND) == 24
    assert sum(shapes.WEEKDAYS_OF_CONSUMERS) == sum(shapes.WEEKDAYS_OF_BUSINESSES) == 1000
    assert fmean(shapes.FIVE_DAYS_OF_MONTH[:6]) == pytest.approx(1, abs=0.01)


def test_traffic_is_thickest_at_noon_and_thinnest_before_dawn() -> None:
    hours = shapes.hour_shares(date(2026, 6, 17))

    assert max(range(24), key=hours.__getitem__) in range(10, 14)
    assert min(range(24), key=hours.__getitem__) in range(2, 5)


def test_as_many_days_are_over_their_budget_as_in_real_accounts() -> None:
    ratios = [traffic.ratio(day) for traffic in traffics() for day in DAYS]

    over = sum(ratio > 1 for ratio in ratios) / len(ratios)

    assert over == pytest.approx(0.39, abs=0.03)
    assert median(ratios) == pytest.approx(0.94, abs=0.04)


def test_a_platform_spends_no_more_of_a_day_than_it_says() -> None:
    for traffic in traffics():
        most = max(traffic.ratio(day) for day in DAYS)
        assert 1 < most <= {"GOOGLE": 2.0, "META": 1.75}.get(traffic.campaign.platform, 1.5)


def test_businesses_rest_on_weekends() -> None:
    rest = {business: _weekend_against_workdays(business) for business in (True, False)}

    assert rest[True] < 0.55
    assert 0.75 < rest[False] < 1


def _weekend_against_workdays(business: bool) -> float:
    mine = [traffic for traffic in traffics() if traffic.campaign.business is business]
    weekend = [traffic.ratio(day) for traffic in mine for day in DAYS if day.weekday() >= 5]
    workdays = [traffic.ratio(day) for traffic in mine for day in DAYS if day.weekday() < 5]
    return fmean(weekend) / fmean(workdays)


def test_the_hours_of_a_day_add_up_to_the_day_also_when_the_clocks_change() -> None:
    berlin = next(traffic for traffic in traffics() if traffic.zone.key == "Europe/Berlin")

    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 6, 17), 24), (date(2026, 10, 25), 25)):
        pieces = berlin.on(day)
        assert len(pieces) == hours == day_length(berlin.zone, day) / timedelta(hours=1)
        assert sum(piece.amount for piece in pieces) == pytest.approx(float(berlin.campaign.level) * berlin.ratio(day))


def test_pieces_of_any_two_parts_add_up_to_the_whole() -> None:
    start, middle, end = (datetime(2026, 6, 9, 21, 10, tzinfo=UTC) + timedelta(minutes=step) for step in (0, 77, 400))
    for traffic in traffics():
        whole = sum(piece.amount for piece in traffic.between(start, end))
        parts = [*traffic.between(start, middle), *traffic.between(middle, end)]
        assert sum(piece.amount for piece in parts) == pytest.approx(whole)


def test_nothing_is_spent_outside_windows() -> None:
    for traffic in traffics():
        if traffic.campaign.trait is Trait.OFFICE_HOURS:
            local = [
                piece.start.astimezone(traffic.zone) for day in DAYS[:28] for piece in traffic.on(day) if piece.amount
            ]
            assert {moment.hour for moment in local} == set(range(8, 20))
            assert {moment.weekday() for moment in local} == set(range(5))


def test_a_platform_ebbs_away_after_a_stop() -> None:
    after = [shapes.after_a_stop(hours / 2) for hours in range(6)]

    assert after == sorted(after, reverse=True)
    assert 0 < after[0] < 0.5
    assert after[-1] == 0


def test_budgets_are_round_figures() -> None:
    assert nice(Decimal("1234.56")) == Decimal(1200)
    assert nice(Decimal("9.876"), 3) == Decimal("9.88")
    assert nice(Decimal(0)) == 0
    assert str(nice(Decimal(141_800))) == "140000"


def test_the_same_seed_and_moment_give_the_same_plan_and_another_seed_another() -> None:
    def ids(the_plan: Plan) -> set[str]:
        return {campaign.external_id for campaign in campaigns(the_plan)}

    assert plan(1) == plan(1)
    assert not ids(plan(1)) & ids(plan(2))


def campaigns(the_plan: Plan) -> list[CampaignPlan]:
    return [campaign for brand in the_plan.brands for campaign in brand.campaigns]


@pytest.mark.parametrize("hour", range(24))
def test_every_state_has_its_campaign_at_any_time_of_the_day(hour: int) -> None:
    the_plan = make_plan(1, END.replace(hour=hour), days=90, brands=6)

    assert {campaign.trait for campaign in campaigns(the_plan)} == set(Trait)
    over, near = the_plan.brands[0], the_plan.brands[0]
    for brand in the_plan.brands:
        assert 2 <= len(brand.campaigns) <= 5
        if brand.role.name == "OVER_DAY":
            over = brand
        if brand.role.name == "NEAR_DAY":
            near = brand
    assert the_plan.end.astimezone(over.zone).hour >= 16
    assert 9 <= the_plan.end.astimezone(near.zone).hour <= 22
