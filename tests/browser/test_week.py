"""The weekly grid: what painting makes of rows, compared with the schedule's own meaning; a mouse, keys and a thumb."""

from collections.abc import Iterable
from datetime import time
from functools import reduce
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Dialog, Page

from access.roles import Role
from brands.models import AuditEntry
from budget_system import clock
from campaigns.models import Campaign
from enforcement import services
from scheduling.services import describe, rows_of
from scheduling.windows import ALWAYS, InvalidWindow, Week, Window, check_window, compile_week, week_to_text
from tests.browser.conftest import PHONE, Visit
from tests.factories import FRI, MON, SAT, Story, window
from tests.integration.people import person

pytestmark = [pytest.mark.django_db(transaction=True)]

QUARTER, DAY = 900, 86_400
Row = dict[str, Any]
Stretch = tuple[int, int]


# --- What painting means ---------------------------------------------------------------------------------------------


def is_sound(row: Row) -> bool:
    try:
        check_window(window_of(row))
    except InvalidWindow:
        return False
    return True


def window_of(row: Row) -> Window:
    start, end = (time(second // 3600, second // 60 % 60, second % 60) for second in (row["start"], row["end"]))
    return Window(row["day"], start, end, row["nextDay"])


SECONDS = st.one_of(
    st.integers(0, 95).map(lambda quarter: quarter * QUARTER),
    st.sampled_from([0, DAY - 60, DAY - 1]),
    st.integers(0, DAY - 1),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "day": st.integers(0, 6), "start": SECONDS, "end": SECONDS, "nextDay": st.booleans(),
            "active": st.sampled_from([True, True, True, False]),
        }
    ).filter(is_sound),
    max_size=8,
)  # fmt: skip


@st.composite
def stretches(draw: st.DrawFn) -> list[Stretch]:
    """Quarter hours of some days, as a block of the grid is."""
    first, last = sorted((draw(st.integers(0, 95)), draw(st.integers(0, 95))))
    days = draw(st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True))
    return [(day * DAY + first * QUARTER, day * DAY + (last + 1) * QUARTER) for day in days]


def week_of(rows: Iterable[Row]) -> Week:
    rows = list(rows)
    return compile_week(window_of(row) for row in rows if row["active"]) if rows else ALWAYS


def painted(week: Week, blocks: list[Stretch], *, open_: bool) -> str:
    """The stored form of the week with these stretches open or shut, by seconds of the week."""
    parts = [*week, *blocks] if open_ else reduce(_without, blocks, list(week))
    merged: list[list[int]] = []
    for start, end in sorted(parts):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return week_to_text(tuple((start, end) for start, end in merged))


def _without(parts: list[Stretch], block: Stretch) -> list[Stretch]:
    cut = [(start, min(end, block[0])) for start, end in parts] + [(max(start, block[1]), end) for start, end in parts]
    return [(start, end) for start, end in cut if start < end]


PAINT = """([rows, blocks, open]) => {
    const after = week.paint(rows, blocks, open);
    return {
        before: week.weekText(rows), after: week.weekText(after), rows: after,
        same: rows.map((row) => after.includes(row)), words: week.inWords(after),
    };
}"""


@pytest.fixture
def module(visit: Visit) -> Page:
    """A page that has the module of the rows."""
    page = visit(None).open("/admin/login/")
    page.evaluate("async () => { window.week = await import('/static/budget/week_rows.js'); }")
    return page


def test_painting_any_rows_opens_and_shuts_exactly_what_was_painted_and_leaves_the_rest(module: Page) -> None:
    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ROWS, stretches(), st.booleans())
    def holds(given_rows: list[Row], blocks: list[Stretch], open_: bool) -> None:
        rows = [{**row, "id": number} for number, row in enumerate(given_rows)]
        found = module.evaluate(PAINT, [rows, blocks, open_])

        week = week_of(rows)
        assert found["before"] == (week_to_text(week) if rows else "")
        assert found["after"] == painted(week, blocks, open_=open_)
        assert week_to_text(week_of(found["rows"])) == found["after"]
        assert all(is_sound(row) for row in found["rows"])
        ids = [row["id"] for row in found["rows"] if row["id"] is not None]
        assert len(ids) == len(set(ids))
        nothing_happened = rows and found["after"] == found["before"]
        for row, same in zip(rows, found["same"], strict=True):
            assert same or not (nothing_happened or not row["active"] or _is_far(row, blocks))

    holds()


def _is_far(row: Row, blocks: list[Stretch]) -> bool:
    """Whether painting neither meets nor touches this row, also not over the end of the week."""
    own = compile_week([window_of(row)])
    shifted = [(start + by, end + by) for start, end in blocks for by in (-7 * DAY, 0, 7 * DAY)]
    return all(end < start_ or start > end_ for start, end in own for start_, end_ in shifted)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("always", "Around the clock."),
        ("business", "Mon–Fri 09:00–17:00 · Sat–Sun closed."),
        ("nights", "Mon–Sun 22:00–06:00 next day."),
        ("weekends", "Mon closed · Tue 13:00–13:20 · Wed–Thu closed · Fri 22:00–24:00 · Sat–Sun closed."),
        ("clear", "Nothing is open: saved like this, the campaign does not run."),
    ],
)
def test_presets_say_what_they_do_and_keep_inactive_rows(module: Page, name: str, words: str) -> None:
    hour = 3600
    rows = [
        {"id": 1, "day": 4, "start": 22 * hour, "end": 6 * hour, "nextDay": True, "active": True},
        {"id": 2, "day": 1, "start": 13 * hour, "end": 13 * hour + 1200, "nextDay": False, "active": True},
        {"id": 3, "day": 2, "start": 9 * hour, "end": 10 * hour, "nextDay": False, "active": False},
    ]

    found = module.evaluate(
        "([rows, name]) => { const after = week.preset(rows, name); return [week.inWords(after), after]; }",
        [rows, name],
    )

    assert found[0] == words
    assert rows[2] in found[1]


@pytest.mark.parametrize(
    ("name", "alone", "words"),
    [
        ("business", True, "Mon 09:00–17:00 · Tue–Sun closed."),
        ("business", False, "Mon 09:00–17:00 · Tue 13:00–13:20 · Wed–Sun closed."),
        ("all", True, "Mon all day · Tue–Sun closed."),
        ("closed", False, "Mon closed · Tue 13:00–13:20 · Wed–Sun closed."),
        ("closed", True, "Nothing is open: saved like this, the campaign does not run."),
    ],
)
def test_one_day_is_set_by_itself_or_with_all_others_closed(module: Page, name: str, alone: bool, words: str) -> None:
    hour = 3600
    rows = [
        {"id": 1, "day": 0, "start": 6 * hour, "end": 10 * hour, "nextDay": False, "active": True},
        {"id": 2, "day": 1, "start": 13 * hour, "end": 13 * hour + 1200, "nextDay": False, "active": True},
    ]

    found = module.evaluate(
        "([rows, name, alone]) => week.inWords(week.dayPreset(rows, 0, name, alone))", [rows, name, alone]
    )

    assert found == words


# --- The grid on the page --------------------------------------------------------------------------------------------


@pytest.fixture
def campaign() -> Campaign:
    story = Story(at=f"{clock.now():%Y-%m-%d %H:%M}", timezone="UTC")
    return story.campaign(
        rows=[
            window(FRI, "22:00", "06:00", next_day=True), window(MON, "09:05", "09:50"),
            window(SAT, "12:00", "13:00", active=False),
        ]
    )  # fmt: skip


def opened(visit: Visit, campaign: Campaign, user: User, **more: Any) -> Page:
    return visit(user, **more).open(f"/admin/campaigns/campaign/{campaign.pk}/change/")


def operator(campaign: Campaign) -> User:
    return person(Role.OPERATOR, campaign.brand)


def cell(page: Page, day: int, slot: int) -> Any:
    return page.locator(f'.week-cell[data-day="{day}"][data-slot="{slot}"]')


def centre(page: Page, day: int, slot: int) -> tuple[float, float]:
    box = cell(page, day, slot).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def summary(page: Page) -> str:
    return page.locator("[data-summary]").inner_text()


def save(page: Page) -> None:
    with page.expect_navigation():
        page.locator("button[name=_save]").click()


def test_an_operator_paints_with_the_mouse_and_what_was_not_painted_stays_to_the_minute(
    visit: Visit, campaign: Campaign
) -> None:
    page = opened(visit, campaign, operator(campaign))
    assert cell(page, 5, 2).get_attribute("aria-label") == "Saturday 02:00–03:00, on, from Friday’s window"
    assert cell(page, 0, 9).get_attribute("aria-label").startswith("Monday 09:00–10:00, on 09:05–09:50")

    cell(page, 3, 12).scroll_into_view_if_needed()
    page.mouse.move(*centre(page, 1, 10))
    page.mouse.down()
    page.mouse.move(*centre(page, 3, 14), steps=4)
    page.mouse.up()
    warned: list[str] = []

    def stay(dialog: Dialog) -> None:
        warned.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.evaluate("setTimeout(() => window.location.assign('/admin/'))")
    page.wait_for_event("dialog")
    save(page)

    assert warned == ["beforeunload"]
    assert describe(rows_of(campaign)) == [
        "Monday 09:05–09:50", "Tuesday 10:00–15:00", "Wednesday 10:00–15:00", "Thursday 10:00–15:00",
        "Friday 22:00–06:00 next day", "Saturday 12:00–13:00 (inactive)",
    ]  # fmt: skip
    assert AuditEntry.objects.filter(action="change schedule").count() == 1


def test_all_of_it_works_by_keyboard_and_is_told(visit: Visit, campaign: Campaign) -> None:
    page = opened(visit, campaign, User.objects.create_superuser("anna"))
    told = page.locator(".week-live")
    assert page.locator('.week-cell[tabindex="0"]').count() == 1

    cell(page, 0, 0).focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    assert told.inner_text() == "Monday to Tuesday 08:00–10:00 chosen; Space paints it on."
    page.keyboard.press("Space")
    assert told.inner_text().startswith("Monday to Tuesday 08:00–10:00 on. Mon–Tue 08:00–10:00 · Wed–Thu closed")
    page.keyboard.press("Control+z")
    assert summary(page).startswith("Mon 09:05–09:50 · Tue–Thu closed")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    save(page)

    assert describe(rows_of(campaign))[:3] == [
        "Monday 09:05–09:50",
        "Tuesday 00:00–01:00",
        "Friday 22:00–06:00 next day",
    ]


def test_a_thumb_paints_on_a_phone_by_quarters(visit: Visit, campaign: Campaign) -> None:
    page = opened(visit, campaign, operator(campaign), size=PHONE, has_touch=True, is_mobile=True)
    page.locator("[data-quarters]").check()
    cell(page, 2, 44).scroll_into_view_if_needed()
    touch = page.context.new_cdp_session(page)
    (x, top), (_, bottom) = centre(page, 2, 37), centre(page, 2, 42)

    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": top}]})
    for part in (0.3, 0.6, 1):
        point = {"x": x, "y": top + (bottom - top) * part}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("document.querySelector('[data-summary]').textContent.includes('Wed 09:15–10:45')")
    save(page)

    assert "Wednesday 09:15–10:45" in describe(rows_of(campaign))


def test_a_day_is_copied_with_what_runs_over_and_all_of_it_can_be_cleared_but_not_to_around_the_clock(
    visit: Visit, campaign: Campaign
) -> None:
    page = opened(visit, campaign, operator(campaign))

    page.locator(".week-copy summary").click()
    page.locator("[data-copy-from]").select_option("4")
    page.locator("[data-copy-to] input[value='0']").check()
    page.locator("[data-copy]").click()
    copied = summary(page)
    page.locator("[data-preset=clear]").click()
    save(page)

    assert copied.startswith("Mon 22:00–06:00 next day · Tue–Thu closed · Fri 22:00–06:00 next day")
    campaign.refresh_from_db()
    assert campaign.week == "-"
    assert describe(rows_of(campaign))[-1].endswith("(inactive)")


def test_what_would_come_of_it_is_told_while_painting_and_a_pause_is_asked_about(visit: Visit) -> None:
    story = Story(at=f"{clock.now():%Y-%m-%d %H:%M}", timezone="UTC")
    campaign = story.campaign()
    page = opened(visit, campaign, operator(campaign))
    told = page.locator("[data-foreseen]")
    another_day = (clock.now().weekday() + 3) % 7

    page.locator(".week-one summary").click()
    page.locator("[data-day-choice]").select_option(str(another_day))
    page.locator("[data-alone]").check()
    page.locator("[data-day-preset=business]").click()
    told.filter(has_text="would pause now (outside schedule) and run again").wait_for()
    page.locator("button[name=_save]").click()
    page.locator(".week-ask").wait_for()
    asked = page.locator(".week-ask p").inner_text()
    page.locator(".week-ask button", has_text="No, go on editing").click()
    unsaved = Campaign.objects.get(pk=campaign.pk).status
    page.locator("[data-preset=clear]").click()
    told.filter(has_text="not run again without a person").wait_for()
    page.locator("[data-undo]").click()
    page.locator("button[name=_save]").click()
    with page.expect_navigation():
        page.locator(".week-ask button", has_text="Yes, save it").click()

    assert asked.startswith("Saved like this, the campaign would pause now (outside schedule) and run again")
    assert (unsaved, Campaign.objects.get(pk=campaign.pk).status) == ("ACTIVE", "PAUSED")
    assert [row[-11:] for row in describe(rows_of(campaign)) if "inactive" not in row] == ["09:00–17:00"]


def test_what_was_painted_outlives_a_conflict(visit: Visit, campaign: Campaign) -> None:
    page = opened(visit, campaign, operator(campaign))
    services.replace_week(campaign.pk, [window(MON, "10:00", "11:00")], actor="user: bob", now=clock.now())

    page.locator("[data-preset=business]").click()
    save(page)
    kept = summary(page)
    told = page.locator("[role=alert]").first.inner_text()
    save(page)

    assert kept == "Mon–Fri 09:00–17:00 · Sat–Sun closed."
    assert "changed by somebody else while you were editing (change schedule, by bob)" in told
    assert len([row for row in describe(rows_of(campaign)) if row.endswith("09:00–17:00")]) == 5


def test_what_if_is_answered_on_the_page_also_about_the_painted_week(visit: Visit, campaign: Campaign) -> None:
    page = opened(visit, campaign, User.objects.create_superuser("anna"))

    page.locator("[data-preset=always]").click()
    form = page.locator("[data-what-if]")
    form.locator("[name=if-more]").focus()
    form.locator("[name=if-week]").select_option("painted")
    form.locator("button[type=submit]").click()
    answer = page.locator("[data-what-if-answer]").inner_text()

    assert "Week: around the clock" in answer
    assert "What if: RUNS" in answer.replace("Runs", "RUNS")
    assert describe(rows_of(campaign))[0] == "Monday 09:05–09:50"


def test_without_scripts_the_rows_are_there_to_be_edited(visit: Visit, campaign: Campaign) -> None:
    page = opened(visit, campaign, operator(campaign), java_script_enabled=False)

    page.locator("[name=schedules-0-end_time]").fill("9:45")
    with page.expect_navigation():
        page.locator("button[name=_save]").click()

    assert describe(rows_of(campaign))[0] == "Monday 09:05–09:45"
