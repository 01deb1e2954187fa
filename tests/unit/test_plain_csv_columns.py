"""Which column means what."""

import dataclasses

import pytest

from spending.reports.columns import ROLES, Columns, Named, guess_columns
from spending.reports.text import UnreadableReport


def named(header: str, **by_hand: str) -> dict[str, str | None]:
    """The names of the columns found in a header, by role; roles without a column left out."""
    columns = guess_columns(header.split(","), Named(**by_hand))
    return {role: columns.name(at) for role in ROLES if (at := getattr(columns, role)) is not None}


def found(header: str) -> Columns:
    return guess_columns(header.split(","))


def test_every_role_can_be_named_by_hand() -> None:
    assert {field.name for field in dataclasses.fields(Named)} == set(ROLES)


def test_a_full_header_is_understood() -> None:
    assert named("spend_date,Campaign ID,Campaign Name,Cost,Currency,Brand,Spend Type,Description,Key") == {
        "day": "spend_date",
        "campaign_id": "Campaign ID",
        "campaign_name": "Campaign Name",
        "cost": "Cost",
        "currency": "Currency",
        "account": "Brand",
        "spend_type": "Spend Type",
        "description": "Description",
        "key": "Key",
    }


@pytest.mark.parametrize("header", ["DATE,CAMPAIGN_ID,COST", " date , campaign id , cost ", "Date,campaign-id,Cost:"])
def test_case_spaces_and_underscores_do_not_matter(header: str) -> None:
    assert set(named(header)) == {"day", "campaign_id", "cost"}


@pytest.mark.parametrize(
    "header", ["Tag,Kampagne,Kosten", "Jour,Campagne,Coût", "Datum,Campagne,Kosten", "Fecha,Campaña,Coste"]
)
def test_headers_in_other_languages_are_understood(header: str) -> None:
    assert set(named(header)) == {"day", "campaign_name", "cost"}


def test_a_decomposed_accent_is_the_same_name() -> None:
    assert set(named("Jour,Campagne,Cou\u0302t")) == {"day", "campaign_name", "cost"}


def test_budget_and_average_columns_are_not_the_cost() -> None:
    assert named("date,campaign_id,clicks,cost,daily_budget,Avg. cost,Cost / conv.")["cost"] == "cost"


def test_the_better_name_wins() -> None:
    columns = named("Day,Campaign,Campaign name,Amount,Cost,Account,Client")

    assert columns["campaign_name"] == "Campaign name"
    assert columns["cost"] == "Cost"
    assert columns["account"] == "Client"


@pytest.mark.parametrize(
    ("name", "currencies"),
    [
        ("Amount spent (USD)", {"USD"}),
        ("cost_eur", {"EUR"}),
        ("Spend in GBP", {"GBP"}),
        ("Cost (€)", {"EUR"}),
        ("Cost [CHF]", {"CHF"}),
        ("cost", set()),
    ],
)
def test_the_currency_in_the_cost_column_is_taken(name: str, currencies: set[str]) -> None:
    columns = found(f"Day,Campaign,{name}")

    assert columns.cost == 2
    assert columns.cost_currencies == currencies


def test_a_dollar_sign_in_the_header_leaves_the_country_open() -> None:
    assert {"USD", "AUD"} < found("Day,Campaign,Cost ($)").cost_currencies


def test_a_word_that_happens_to_be_a_currency_code_is_a_word() -> None:
    with pytest.raises(UnreadableReport, match="no column looks like the cost"):
        found("Day,Campaign,cost_all")


@pytest.mark.parametrize(
    ("header", "missing", "option"),
    [
        ("Campaign,Cost", "day", "--day-column"),
        ("Day,Campaign", "cost", "--cost-column"),
        ("Day,Cost", "campaign", "--campaign-id-column or --campaign-name-column"),
    ],
)
def test_a_missing_column_is_named_with_its_option_and_the_header(header: str, missing: str, option: str) -> None:
    with pytest.raises(UnreadableReport) as refused:
        guess_columns(header.split(","), line=7)

    assert f"no column looks like the {missing}: name it with {option}" in str(refused.value)
    assert "the header on line 7 has " + ", ".join(f"“{name}”" for name in header.split(",")) in str(refused.value)


def test_two_columns_that_fit_equally_well_are_refused() -> None:
    with pytest.raises(UnreadableReport, match=r"“Cost” \(column 3\) and “Spend” \(column 4\) .* --cost-column"):
        found("Day,Campaign,Cost,Spend")


def test_two_columns_of_the_same_name_are_told_apart_by_number() -> None:
    with pytest.raises(UnreadableReport, match="fit the cost equally well"):
        found("Day,Campaign,Cost,Cost")

    assert guess_columns(["Day", "Campaign", "Cost", "Cost"], Named(cost="4")).cost == 3


def test_a_column_named_by_hand_beats_the_guess() -> None:
    assert named("Day,Campaign,Cost,Billed", cost="billed")["cost"] == "Billed"


def test_an_empty_name_means_that_there_is_no_such_column() -> None:
    assert "account" not in named("Day,Campaign,Cost,Brand,Marke", account="")


def test_a_name_that_is_not_in_the_header_is_refused() -> None:
    with pytest.raises(
        UnreadableReport, match="there is no column “Price” \\(--cost-column\\); the header on line 1 has"
    ):
        named("Day,Campaign,Cost", cost="Price")
