"""Ad platforms where it is seldom tried: reports in other languages, and two people at one account's page."""

import io
from collections.abc import Sequence
from typing import Any

import pytest

from budget_system.errors import Refused
from enforcement import imports
from platforms import connections, files, services
from platforms.models import Account, RemoteState
from platforms.steps import Mode, Step
from spending.import_options import ImportOptions
from spending.models import PeriodKind, SpendImport
from spending.reports import plain_csv
from spending.reports.columns import Named
from spending.reports.shapes import Format
from tests.factories import ACTOR
from tests.integration.admin_client import Person, filled, text_of
from tests.integration.test_platforms import Loop

pytestmark = pytest.mark.django_db

LINES = ("06.05.2026", "İndirim", "EUR", "{cost}"), ("06.05.2026", "Kış Satışı", "EUR", "1.207,50")
GERMAN = [("Kampagnenbericht",), ("6. Mai 2026 - 6. Mai 2026",), ("Tag", "Kampagne", "Währungscode", "Kosten"), *LINES]
"""“Excel .csv” of Google Ads: UTF-16 with tabs; days and amounts as in Germany."""
TURKISH = [("Kampanya raporu",), ("Gün", "Kampanya", "Para birimi", "Maliyet"), *LINES]
"""Saved by a spreadsheet in Turkey: cp1254, semicolons. No name of a column is known, so they are named by hand."""
BY_HAND = plain_csv.Options(
    columns=Named(day="Gün", campaign_name="Kampanya", currency="Para birimi", cost="Maliyet"), encoding="cp1254"
)


def written(rows: Sequence[Sequence[str]], cost: str, delimiter: str, encoding: str) -> bytes:
    return "\n".join(delimiter.join(row) for row in rows).format(cost=cost).encode(encoding)


class InFiles:
    """An account whose changes go in files; İndirim was paused here, and the file that says so was handed out."""

    def __init__(self) -> None:
        self.loop = Loop()
        Account.objects.all().delete()
        story = self.loop.story
        self.brand = story.brand.pk
        self.account = services.add_account(
            self.brand, "GOOGLE", "9", {}, actor=ACTOR, now=story.now, by_file=True
        )  # fmt: skip
        self.paused, self.runs = (
            story.campaign(name, platform="GOOGLE", external_id=id, daily_budget="5000")
            for name, id in (("İndirim", "1"), ("Kış Satışı", "2"))
        )
        self.works()
        story.pause(self.paused)
        self.loop.push()
        self.file = files.hand_out(self.account.pk, actor=ACTOR, now=story.now)
        story.clock("2026-05-07 09:00")

    def works(self) -> None:
        self.loop.look()
        self.loop.push()

    def imports(self, content: bytes, **options: Any) -> SpendImport:
        record = imports.start_import(
            io.BytesIO(content), "rapor.csv", ImportOptions(brand_id=self.brand, platform="GOOGLE", **options),
            actor=ACTOR, now=self.loop.story.now,
        )  # fmt: skip
        self.works()
        return record


@pytest.fixture
def in_files() -> InFiles:
    return InFiles()


@pytest.mark.parametrize(("cost", "step"), [("0,00", Step.IN_STEP), ("203,25", Step.SEND)])
@pytest.mark.parametrize("language", ["German", "Turkish"])
def test_a_report_in_another_language_acknowledges_a_file(
    in_files: InFiles, language: str, cost: str, step: Step
) -> None:
    if language == "German":
        record = in_files.imports(written(GERMAN, cost, "\t", "utf-16"))
    else:
        content = written(TURKISH, cost, ";", "cp1254")
        record = in_files.imports(content, source=Format.GOOGLE_ADS.value, reading=BY_HAND)

    assert in_files.file[1:] == [["İndirim", "Paused"]]
    assert (record.source, record.rejected, str(record.last_day)) == ("import:google_ads", 0, "2026-05-06")
    total = in_files.loop.story.total(in_files.runs, PeriodKind.DAY, "2026-05-06")
    assert str(total) == "1207.500000"
    assert (in_files.loop.step(in_files.paused), in_files.loop.step(in_files.runs)) == (step, Step.IN_STEP)
    assert RemoteState.objects.get(campaign=in_files.paused).said.startswith("by the report to ")


def test_a_report_that_says_no_source_acknowledges_nothing(in_files: InFiles) -> None:
    """It might be anybody's: a spreadsheet of costs is no sign of what Google has carried out."""
    content = written(TURKISH, "0,00", ";", "cp1254")

    record = in_files.imports(content, reading=BY_HAND)

    assert record.source == "import:csv"
    assert in_files.loop.step(in_files.paused) == Step.SEND


# --- Two people at one account


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop(Mode.SUGGEST)
    monkeypatch.setattr(connections, "connect_with", lambda *_: loop.platform)
    return loop


def test_who_saves_second_is_told_and_overwrites_nothing(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Person(loop.story, monkeypatch)
    page = filled(ann.opens("platforms_account_change", loop.account.pk))

    ann.sends("platforms_account_change", loop.account.pk, account_id="456", key_refresh_token="of the first")
    second = ann.sends_filled(
        "platforms_account_change", (loop.account.pk,), page,
        {"account_id": "789", "key_refresh_token": "of the second"},
    )  # fmt: skip

    assert "was changed by somebody else while you were editing. Nothing was saved" in text_of(second)
    account = Account.objects.get()
    assert (account.account_id, connections.credentials_of(account)["refresh_token"]) == ("456", "of the first")


def test_another_accounts_id_is_refused_on_its_field(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Person(loop.story, monkeypatch)
    keys = connections.credentials_of(loop.account)
    keys = {name: text for name, text in keys.items() if text}
    services.add_account(loop.story.brand.pk, "GOOGLE", "456", keys, actor=ACTOR, now=loop.story.now)

    answer = ann.sends("platforms_account_change", loop.account.pk, account_id="456")

    assert "This brand has this account already." in text_of(answer)
    assert Account.objects.get(pk=loop.account.pk).account_id == "123"


def test_a_switched_off_account_is_saved_and_not_asked(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Person(loop.story, monkeypatch)
    services.switch_account_off(loop.account.pk, reason="The contract ends", actor=ACTOR, now=loop.story.now)

    saved = ann.sends("platforms_account_change", loop.account.pk, key_refresh_token="another")

    assert "Saved. It is switched off, so the platform was not asked." in text_of(saved)
    assert loop.platform.calls == 0
    with pytest.raises(Refused, match="Switch it on first"):
        services.check(loop.account.pk, actor=ACTOR, now=loop.story.now)


# --- What is spent beyond a budget


@pytest.mark.parametrize(
    ("budget", "spent", "says"),
    [
        ("40", "47.50", "7.50 EUR 47.50 EUR of 40.00 EUR are spent, 19% of the budget"),
        ("40", "40", "nothing"),
        ("0", "2", "2.00 EUR 2.00 EUR of 0.00 EUR are spent"),
        (None, "47.50", "it has no daily budget of its own"),
    ],
)
def test_a_campaigns_page_says_what_was_spent_beyond_todays_budget(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, budget: str | None, spent: str, says: str
) -> None:
    ann = Person(loop.story, monkeypatch)
    campaign = loop.campaign(1, daily_budget=budget)
    loop.look()
    loop.story.spend(campaign, spent)

    page = " ".join(ann.reads("platforms_remotestate_change", campaign.pk).split())

    assert f"Beyond today's budget {says} Read there" in page
