"""How days are read: the order of day and month is decided per column, or the file is refused."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spending.reports.days import DAY_FORMATS, DayEvidence, DayFormat, InvalidDay, read_day
from spending.reports.text import UnreadableReport


def decided(*cells: str, wanted: DayFormat | None = None) -> DayFormat:
    evidence = DayEvidence()
    for line, cell in enumerate(cells, 2):
        evidence.see(cell, line)
    return evidence.decide("Date", wanted)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-01-31", "20260131", "2026/01/31", "2026.01.31", "2026-1-31", " 2026-01-31 "),
        *("2026-01-31 00:00", "2026-01-31T00:00:00", "2026-01-31T00:00:00Z", "2026-01-31 00:00:00.000"),
        *("2026-01-31 00:00:00 UTC", "2026-01-31T00:00:00+00:00", "2026/01/31 0:00"),
        *("31 Jan 2026", "31-Jan-2026", "31 January 2026", "Jan 31, 2026", "January 31, 2026", "jan 31 2026"),
    ],
)
@pytest.mark.parametrize("form", ["ymd", "dmy", "mdy"])
def test_a_day_that_leaves_no_doubt_is_read_in_every_format(text: str, form: DayFormat) -> None:
    assert read_day(text, form) == date(2026, 1, 31)


@pytest.mark.parametrize("text", ["03/04/2026", "3/4/2026", "03-04-2026", "03.04.2026", "03/04/2026 00:00"])
def test_the_format_says_whether_day_or_month_comes_first(text: str) -> None:
    assert read_day(text, "dmy") == date(2026, 4, 3)
    assert read_day(text, "mdy") == date(2026, 3, 4)


def test_american_midnight_is_a_day() -> None:
    assert read_day("1/31/2026 12:00:00 AM", "mdy") == date(2026, 1, 31)


def test_iso_days_need_no_decision() -> None:
    assert decided("2026-01-31", "20260201") == "ymd"


def test_a_day_past_the_twelfth_settles_the_column() -> None:
    assert decided("03/04/2026", "13/04/2026") == "dmy"
    assert decided("03/04/2026", "04/13/2026") == "mdy"


def test_days_with_points_have_the_day_first() -> None:
    assert decided("03.04.2026") == "dmy"


def test_a_column_of_days_up_to_the_twelfth_is_refused_with_the_option_that_settles_it() -> None:
    with pytest.raises(UnreadableReport) as refused:
        decided("03/03/2026", "03/04/2026", "05/06/2026")

    assert "“Date”" in str(refused.value)
    assert "“03/04/2026” on line 3" in str(refused.value)
    assert "--day-format dmy" in str(refused.value)
    assert "--day-format mdy" in str(refused.value)


def test_days_whose_number_is_that_of_their_month_leave_no_doubt() -> None:
    form = decided("03/03/2026", "04/04/2026")

    assert read_day("03/03/2026", form) == date(2026, 3, 3)


def test_a_column_in_two_orders_is_refused_with_both_lines() -> None:
    with pytest.raises(UnreadableReport, match=r"“13/01/2026” on line 2 .* “01/14/2026” on line 4"):
        decided("13/01/2026", "03/04/2026", "01/14/2026")


def test_the_option_settles_any_column() -> None:
    assert decided("03/04/2026", wanted="mdy") == "mdy"
    assert decided("13/01/2026", "01/14/2026", wanted="dmy") == "dmy"


def test_a_day_that_does_not_exist_says_nothing_about_the_column() -> None:
    assert decided("31/02/2026", "04/13/2026") == "mdy"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no day given"),
        ("31/01/26", "two digits"),
        ("31 Jan 26", "two digits"),
        ("2026-02-30", "not a day in the calendar"),
        ("20261301", "not a day in the calendar"),
        ("0206-01-31", "1990"),
        ("2026-01-31 13:05", "time of day"),
        ("46053", "Excel"),
        ("yesterday", "not a day such as"),
        ("Jab 31, 2026", "not a day in the calendar"),
        ("２０２６-01-31", "not a day"),
        ("2026-01-31\n2026-02-01", "not a day"),
        ("2026-01", "not a day"),
        ("2026/01-31", "not a day"),
        ("2" * 10_000, "not a day"),
        ("13/13/2026", "not a day in the calendar"),
    ],
)
def test_what_is_not_a_day_is_refused_and_says_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidDay, match=reason):
        read_day(text, "dmy")


def test_a_day_first_day_is_refused_in_a_year_first_column() -> None:
    with pytest.raises(InvalidDay, match="written like 2026-01-31"):
        read_day("31/01/2026", "ymd")


WRITTEN = {"dmy": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"), "mdy": ("%m/%d/%Y",), "ymd": ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d")}


@given(
    st.lists(st.dates(date(1990, 1, 1), date(2099, 12, 31)), min_size=1, max_size=20),
    st.sampled_from([(form, style) for form, styles in WRITTEN.items() for style in styles]),
)
def test_a_column_of_days_reads_back_the_same_or_is_refused(days: list[date], written: tuple[DayFormat, str]) -> None:
    cells = [f"{day:{written[1]}}" for day in days]

    try:
        form = decided(*cells)
    except UnreadableReport:
        form = written[0]
        assert all(day.day <= 12 for day in days)

    assert [read_day(cell, form) for cell in cells] == days


@given(st.text(max_size=80) | st.text(alphabet="0123456789/-. :TZ", max_size=24))
def test_any_cell_is_a_day_or_refused(cell: str) -> None:
    for form in DAY_FORMATS:
        try:
            day = read_day(cell, form)
        except InvalidDay:
            continue
        assert 1990 <= day.year < 2100
