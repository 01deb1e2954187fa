"""Home: today at a glance. Which client is in trouble, what changed, what needs a person, and is the system at work.

The page asks for this part of itself again every half minute. What it shows is gathered once in `CACHED_S`, in a
number of queries that does not grow with the brands; while nothing has changed the answer is 304. Times are therefore
told by the clock and not as “3 minutes ago”.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, Exists, F, Max, OuterRef, Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode

from access.callers import Caller, caller_of
from brands.models import Brand
from brands.periods import day_starts_at, local_date, next_midnight
from budget_system import clock, money
from budget_system.admin import pacing_month, show
from budget_system.admin.brand_charts import day_chart, month_chart, outlook
from budget_system.admin.lists import pace_text, weeks_of
from budget_system.health import OVERDUE, SILENT, heartbeat_age
from campaigns.holds import Hold
from campaigns.models import Campaign, CampaignStatus, Override, StateChange
from delivery.models import Endpoint, EndpointKind
from enforcement.decision import reached
from enforcement.explain import Prospect, local_text, prospects
from enforcement.models import Run, RunKind
from enforcement.pace import is_over, is_under, passed_share, ratio
from enforcement.snapshots import zones_in_use
from pacing.channels import label
from pacing.models import PaceAlert
from platforms.drift import at_risk_now
from platforms.models import Account, RemoteState
from platforms.steps import Step
from scheduling.windows import week_from_text
from spending import import_access
from spending.figures import Spent, most_used, spent
from spending.history import by_day
from spending.models import BudgetPeriod, ImportState, PeriodKind, SpendImport
from spending.projection import WEEKS, Outlook, month_outlook

CACHED_S = 10
BRANDS_SHOWN = 30
CHANGES_SHOWN = 12
WAITING_SHOWN = 8
EACH_SHOWN = 3
LATELY = timedelta(hours=12)
SOON = timedelta(hours=24)
NEEDS_SHOWN = 40
SILENT_SHOWN = 5
LITTLE = 75
"""A month that comes to less than so many per cent of its budget leaves money unused that was meant to be spent."""
STALE_DAYS = 2
"""A brand whose campaigns run and that has no spend of these last days: somebody does not report."""


class Need(NamedTuple):
    """Something that a person should look at: the most urgent first."""

    tone: str
    text: str
    url: str
    step: str = ""
    """What to do about it."""


class Row(NamedTuple):
    """A brand as it stands: today, this month, its campaigns."""

    brand: Brand
    spent: Spent
    elapsed: int
    """Per cent of its local day that are over."""
    ahead: Outlook | None
    """What its month comes to; None while too little is known."""
    running: int
    paused: int
    last_day: date | None
    """The last day with spend."""
    today: date

    @property
    def share(self) -> Decimal:
        """How much of the day's or month's budget is used, whichever is more: the order of the rows."""
        pairs = ((self.spent.day, self.brand.daily_budget), (self.spent.month, self.brand.monthly_budget))
        return max((_share(use.used, budget) for use, budget in pairs), default=Decimal(0))


class Waiting(NamedTuple):
    """A paused campaign, why it is paused, and when it runs again."""

    campaign: Campaign
    prospect: Prospect | None


class Home(NamedTuple):
    """What the page shows."""

    at: datetime
    rows: list[Row]
    brands: int
    running: int
    paused: list[tuple[Hold, int]]
    """By the reason that is shown, the most frequent first."""
    waiting: list[Waiting]
    """The campaigns that were paused last and are not at the end of their flight."""
    needs: list[Need]
    changes: list[StateChange]
    tick: tuple[str, str]
    """Tone and words: when the system last looked."""


def _share(used: Decimal, budget: Decimal | None) -> Decimal:
    if budget is None:
        return Decimal(0)
    return used * 100 / budget if budget else Decimal(100)


# --- Gathering -------------------------------------------------------------------------------------------------------


def gathered(caller: Caller, now: datetime) -> Home:
    """Today, for this caller; at most `CACHED_S` old."""
    key = f"home:{'all' if caller.sees_all_brands() else caller.key}"
    home: Home | None = cache.get(key)
    if home is None:
        home = gather(caller, now)
        cache.set(key, home, CACHED_S)
    return home


def gather(caller: Caller, now: datetime) -> Home:
    brands = caller.only_theirs(Brand.objects.current(), "pk")
    campaigns = caller.only_theirs(Campaign.objects.current())
    rows = _rows(brands, campaigns, now)
    tick = last_tick(now)
    urgent_first = (show.BAD, show.WARN, show.INFO).index
    paused = Counter(
        dict(
            campaigns.order_by()
            .values_list("pause_reason")
            .annotate(count=Count("pk"))
            .values_list("pause_reason", "count")
        )
    )
    running = paused.pop("", 0)
    changes = caller.only_theirs(StateChange.objects.filter(at__gte=now - LATELY).exclude(from_status=F("to_status")))
    return Home(
        at=now,
        rows=rows,
        brands=brands.count(),
        running=running,
        paused=[(Hold(reason), count) for reason, count in paused.most_common()],
        waiting=_waiting(campaigns, now),
        needs=sorted(_needs(caller, rows, brands, campaigns, tick, now), key=lambda need: urgent_first(need.tone)),
        changes=list(changes.select_related("campaign__brand")[:CHANGES_SHOWN]),
        tick=tick,
    )


def _waiting(campaigns: Any, now: datetime) -> list[Waiting]:
    over = [Hold.ENDED.value, Hold.NOT_STARTED.value]
    paused = campaigns.filter(status=CampaignStatus.PAUSED).exclude(pause_reason__in=over)
    found = list(paused.select_related("brand").order_by("-paused_at", "pk")[:WAITING_SHOWN])
    seen = prospects(found, now)
    return [Waiting(campaign, seen.get(campaign.pk)) for campaign in found]


def _rows(brands: Any, campaigns: Any, now: datetime) -> list[Row]:
    """The brands that have used most of a budget, those first."""
    chosen = list(brands.filter(pk__in=most_used(brands, zones_in_use(), now, BRANDS_SHOWN)))
    figures = spent(chosen, now)
    today = {brand.pk: local_date(brand.zone, now) for brand in chosen}
    ids = [brand.pk for brand in chosen]
    first = min(today.values(), default=now.date()) - timedelta(days=7 * WEEKS)
    past = by_day(ids, first, max(today.values(), default=now.date()))
    counts = {
        (brand_id, status): count
        for brand_id, status, count in campaigns.filter(brand__in=ids)
        .order_by()
        .values_list("brand_id", "status")
        .annotate(count=Count("pk"))
    }
    with_spend = BudgetPeriod.objects.filter(scope_id__in=ids, kind=PeriodKind.DAY, posted__gt=0).order_by()
    last_day = dict(with_spend.values_list("scope_id").annotate(last=Max("starts_on")))
    rows = []
    for brand in chosen:
        begins, ends = day_starts_at(brand.zone, today[brand.pk]), next_midnight(brand.zone, now)
        rows.append(
            Row(
                brand,
                figures[brand.pk],
                int((now - begins) * 100 / (ends - begins)),
                month_outlook(
                    past[brand.pk],
                    figures[brand.pk].month.used,
                    today[brand.pk],
                    budget=brand.monthly_budget,
                    decimals=money.decimals(brand.currency),
                ),
                counts.get((brand.pk, CampaignStatus.ACTIVE), 0),
                counts.get((brand.pk, CampaignStatus.PAUSED), 0),
                last_day.get(brand.pk),
                today[brand.pk],
            )
        )
    return sorted(rows, key=lambda row: (-row.share, row.brand.name))


def last_tick(now: datetime) -> tuple[str, str]:
    """When the system was last seen at work, with its tone."""
    silence = heartbeat_age(now)
    if silence is not None and silence > SILENT:
        text = f"The last sign of life was {show.ago(now - silence, now)}. They come every 15 seconds: see whether the"
        return show.BAD, f"{text} worker, the beat and the broker run."
    last = Run.objects.filter(kind=RunKind.DAYPARTING).exclude(finished_at=None).first()
    if last is None:
        return show.WARN, "No tick yet. Start the worker and the beat, or run manage.py enforce_dayparting."
    if now - last.started_at > OVERDUE:
        since = f"The last tick was {show.ago(last.started_at, now)}"
        return show.BAD, f"{since}. They come every minute: see whether the worker and the beat run."
    return show.GOOD, "Every campaign is looked at when its time comes, each minute."


# --- What needs a person ---------------------------------------------------------------------------------------------


def _needs(
    caller: Caller, rows: Sequence[Row], brands: Any, campaigns: Any, tick: tuple[str, str], now: datetime
) -> Iterator[Need]:
    if tick[0] != show.GOOD and any(row.running or row.paused for row in rows):
        step = "Nothing is lost meanwhile: spend is taken, and stops on its own budget at once."
        yield Need(show.BAD, f"The worker does not look. {tick[1]}", _list("enforcement_run"), step)
    yield from _stops(brands, campaigns, now)
    yield from _at_platforms(caller)
    paces = _paces(rows, now)
    for row in rows:
        yield from _needs_of(row, paces.get(row.brand.pk), now)
    if len(rows) == BRANDS_SHOWN:
        yield from _silent(brands, rows, now)
    unscheduled = campaigns.filter(holds__contains=Hold.NO_SCHEDULE.value)
    yield from _pace_alerts(caller)
    yield from _each(
        unscheduled, Hold.NO_SCHEDULE, show.WARN, "its schedule is switched off, it never runs",
        "Make a window active, or paint the week.",
    )  # fmt: skip
    ending = caller.only_theirs(
        Override.objects.filter(cleared_at=None, ends_at__gt=now, ends_at__lte=now + SOON), "campaign__brand"
    )
    for override in ending.select_related("campaign__brand").order_by("ends_at")[:5]:
        ends = local_text(override.campaign.brand.zone, override.ends_at, now)
        url = reverse("admin:campaigns_campaign_change", args=[override.campaign_id])
        text = f"{show.campaign_label(override.campaign)}: its override ends {ends}"
        yield Need(show.INFO, text, url, "Override it anew if it is to run on; otherwise nothing has to be done.")
    yield from _needs_of_imports(caller, now)
    yield from _receivers_off(caller)
    failed = Run.objects.filter(started_at__gte=now - SOON).exclude(error="").count() if caller.sees_all_brands() else 0
    if failed:
        url = _list("enforcement_run", outcome="error")
        text = f"{_count(failed, 'run')} failed in the last 24 hours"
        yield Need(show.BAD, text, url, "Open the last one: its error names the cause.")


def _receivers_off(caller: Caller) -> Iterator[Need]:
    """Webhooks, e-mail and Slack at which nothing arrived for so long that they were switched off."""
    if not caller.may("delivery.view_endpoint"):
        return
    off = caller.only_theirs(Endpoint.objects.filter(gave_up=True, off_at__isnull=False))
    for endpoint in off.select_related("brand").order_by("-off_at")[:EACH_SHOWN]:
        webhook = endpoint.kind == EndpointKind.WEBHOOK
        url = reverse(f"admin:delivery_{'endpoint' if webhook else 'receiver'}_change", args=[endpoint.pk])
        whose = f"{endpoint.brand}: " if endpoint.brand else ""
        text = f"{whose}“{endpoint.name}” ({endpoint.get_kind_display()}) was switched off: nothing arrived there"
        yield Need(show.BAD, text, url, "See whether it is still there, and switch it on again.")


def _at_platforms(caller: Caller) -> Iterator[Need]:
    """Campaigns whose platform shows something else than was decided, and what waits for approval."""
    if not caller.may("platforms.view_remotestate"):
        return
    states = caller.only_theirs(RemoteState.objects.current(), "campaign__brand")
    counts = states.exclude(step=Step.SEND).aggregate(
        risk=Count("pk", filter=at_risk_now()),
        drift=Count("pk", filter=Q(step=Step.DRIFT) & ~at_risk_now()),
        waits=Count("pk", filter=Q(step=Step.WAITING) & ~at_risk_now()),
    )
    name = "platforms_remotestate"
    if counts["risk"]:
        text = f"{_count(counts['risk'], 'campaign')} of those stopped here may still spend at their platform"
        yield Need(show.BAD, text, _list(name, risk="yes"), "Approve what waits, or pause them there by hand.")
    if counts["drift"]:
        text = f"{_count(counts['drift'], 'campaign')} changed at the platform by somebody"
        yield Need(show.WARN, text, _list(name, step=Step.DRIFT), "Take each over, or put ours back.")
    if counts["waits"]:
        text = f"{_count(counts['waits'], 'change')} for a platform to be approved"
        yield Need(show.WARN, text, _list(name, step=Step.WAITING), "Look at them, and approve or leave them.")
    broken = caller.only_theirs(Account.objects.filter(needs_person=True, off_at=None))
    for account in broken.select_related("brand").order_by("failing_since")[:EACH_SHOWN]:
        url = reverse("admin:platforms_account_change", args=[account.pk])
        yield Need(show.BAD, f"{account.brand}: {account} does not let us in", url, account.error)


def _pace_alerts(caller: Caller) -> Iterator[Need]:
    """The alerts of paced channels that stand and that nobody has seen, the gravest first."""
    standing = caller.only_theirs(PaceAlert.objects.filter(cleared_at=None, seen_at=None), "campaign__brand")
    for alert in standing.select_related("campaign__brand").order_by("severity", "-id")[:EACH_SHOWN]:
        tone = show.BAD if alert.severity == "critical" else show.WARN
        what = f"{label(alert.channel)} {alert.get_kind_display().lower()}"
        url = reverse("admin:pacing_pacealert_change", args=[alert.pk])
        yield Need(tone, f"{show.campaign_label(alert.campaign)}: {what}", url, alert.action)


def _stops(brands: Any, campaigns: Any, now: datetime) -> Iterator[Need]:
    for brand in brands.exclude(emergency_stopped_at=None).order_by("name")[:5]:
        since = local_text(brand.zone, brand.emergency_stopped_at or now, now)
        text = f"{brand}: emergency stop since {since}: {brand.emergency_stop_reason}"
        yield Need(show.BAD, text, _page(brand), "Clear it once the cause is gone.")
    stopped = campaigns.filter(Q(emergency_stopped_at__isnull=False) | ~Q(stopped_channels=""))
    yield from _each(
        stopped, Hold.EMERGENCY_STOP, show.BAD, "emergency stop", "Clear it once the cause is gone."
    )  # fmt: skip


def _each(campaigns: Any, hold: Hold, tone: str, what: str, step: str) -> Iterator[Need]:
    """A line for each of these campaigns, or one for all of them where there are many."""
    found = list(campaigns.select_related("brand").order_by("name", "pk")[: EACH_SHOWN + 1])
    if len(found) > EACH_SHOWN:
        url = _list("campaigns_campaign", reason=hold.value)
        yield Need(tone, f"{_count(campaigns.count(), 'campaign')}: {what}", url, step)
        return
    for campaign in found:
        url = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        yield Need(tone, f"{show.campaign_label(campaign)}: {what}", url, step)


def _paces(rows: Sequence[Row], now: datetime) -> dict[UUID, float]:
    """How many times as fast as their day those brands spend that are well over or under pace."""
    weeks = weeks_of(row.brand for row in rows if row.brand.daily_budget)
    found = {}
    for row in rows:
        if not row.brand.daily_budget or not row.running:
            continue
        share = float(row.spent.day.used / row.brand.daily_budget)
        passed = passed_share(map(week_from_text, weeks[row.brand.pk]), row.brand.zone, now)
        if is_over(share, passed) or is_under(share, passed):
            found[row.brand.pk] = ratio(share, passed)
    return found


def _needs_of(row: Row, pace: float | None, now: datetime) -> Iterator[Need]:
    currency, url = row.brand.currency, _page(row.brand)
    for use, budget, name, ends in (
        (row.spent.day, row.brand.daily_budget, "daily", "midnight there"),
        (row.spent.month, row.brand.monthly_budget, "monthly", "the month's end"),
    ):
        if budget is not None and reached(money.to_micros(budget), money.to_micros(use.used)):
            over = use.used - budget
            by = f", {show.amount(over, currency)} over it" if over > 0 else ""
            words = f"{row.brand}: {name} budget of {show.amount(budget, currency)} used up{by}"
            step = f"Raise the budget, or let its campaigns wait until {ends}."
            yield Need(show.BAD if over > 0 else show.WARN, words, url, step)
    yield from _pace_of(row, pace)
    expected = local_date(row.brand.zone, now) - timedelta(days=STALE_DAYS - 1)
    if row.running and (row.last_day is None or row.last_day < expected):
        yield _stale(row.brand, f"since {row.last_day}" if row.last_day else "yet")


def _pace_of(row: Row, pace: float | None) -> Iterator[Need]:
    """The day against its open hours, and the month against what it will come to."""
    brand, url = row.brand, _page(row.brand)
    daily, monthly = brand.daily_budget, brand.monthly_budget
    if daily and pace is not None and row.spent.day.used < daily:
        used = show.use_text(row.spent.day.used, daily, brand.currency)
        if pace > 1:
            text = f"{brand}: {pace_text(pace).lower()}, {used}"
            yield Need(show.WARN, text, url, "See which campaign spends it; pause one, or raise the budget.")
        else:
            text = f"{brand}: under pace, {_slow(pace)} as fast as its day, {used}"
            yield Need(show.INFO, text, url, "See whether campaigns are held or spend is reported late.")
    if monthly and row.ahead is not None and row.spent.month.used < monthly:
        at_this_rate = f"{brand}: at this rate {pacing_month.sentence(row.ahead, brand.currency, row.today)}"
        if row.ahead.is_stopped:
            yield Need(show.WARN, at_this_rate, url, "Lower the daily budget, or raise the month's.")
        elif row.running and row.ahead.comes_to.expected < monthly * LITTLE / 100:
            text = f"{at_this_rate}, of {show.amount(monthly, brand.currency)} that may be spent"
            yield Need(show.INFO, text, url, "Raise the daily budget, or see what holds campaigns.")


def _slow(pace: float) -> str:
    return f"{pace:.1f} times" if pace >= 0.1 else "less than a tenth"


def _silent(brands: Any, rows: Sequence[Row], now: datetime) -> Iterator[Need]:
    """Brands whose campaigns run without spend, beyond those that are shown: a brand without spend has used least."""
    runs = Campaign.objects.current().filter(brand=OuterRef("pk"), status=CampaignStatus.ACTIVE)
    first = now.date() - timedelta(days=STALE_DAYS)  # a day more than by any brand's own calendar
    days = BudgetPeriod.objects.filter(
        scope_id=OuterRef("pk"), kind=PeriodKind.DAY, starts_on__gte=first, posted__gt=0
    )  # fmt: skip
    silent = brands.exclude(pk__in=[row.brand.pk for row in rows]).filter(Exists(runs), ~Exists(days))
    for brand in silent.order_by("name")[:SILENT_SHOWN]:
        yield _stale(brand, f"for {STALE_DAYS} days")


def _stale(brand: Brand, since: str) -> Need:
    text = f"{brand}: campaigns run, and no spend was reported {since}"
    return Need(show.WARN, text, _page(brand), "Import a report, or see whether the program that reports it runs.")


def _needs_of_imports(caller: Caller, now: datetime) -> Iterator[Need]:
    if not caller.may("spending.view_spendimport"):
        return
    imports = import_access.visible(SpendImport.objects.filter(created_at__gte=now - 7 * SOON, dry_run=False), caller)
    for record in imports.filter(Q(rejected__gt=0, state=ImportState.DONE) | Q(state=ImportState.FAILED))[:5]:
        url = reverse("admin:spending_spendimport_change", args=[record.pk])
        if record.state == ImportState.FAILED:
            text, step = "could not be read", "It says why; mend the file, or read it with other settings."
        else:
            text, step = f"{_count(record.rejected, 'row')} rejected", "Download them, mend them, import that file."
        yield Need(show.WARN, f"Import “{record.file_name}”: {text}", url, step)


def _page(brand: Brand) -> str:
    return reverse("admin:brands_brand_change", args=[brand.pk])


def _list(name: str, **filters: str) -> str:
    return f"{reverse(f'admin:{name}_changelist')}{'?' if filters else ''}{urlencode(filters)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- Showing ---------------------------------------------------------------------------------------------------------


def context(request: HttpRequest) -> dict[str, Any]:
    """What the templates of the page and of its refreshed part need."""
    home = gathered(caller_of(request), clock.now())
    return {
        "home": home,
        "tick": show.badge("At work" if home.tick[0] == show.GOOD else "Look here", home.tick[0]),
        "needs": [(show.badge(_WORDS[need.tone], need.tone), need) for need in home.needs[:NEEDS_SHOWN]],
        "needs_count": len(home.needs),
        "needs_more": max(len(home.needs) - NEEDS_SHOWN, 0),
        "paused": sum(count for _, count in home.paused),
        "running_url": _list("campaigns_campaign", status__exact=CampaignStatus.ACTIVE),
        "paused_url": _list("campaigns_campaign", status__exact=CampaignStatus.PAUSED),
        "reasons": [
            (count, hold.label.lower(), _list("campaigns_campaign", reason=hold.value)) for hold, count in home.paused
        ],
        "waiting_headers": ("Campaign", "Why", "Runs again"),
        "waiting": [
            {
                "campaign": show.link_to(show.campaign_label(one.campaign), "campaigns_campaign", one.campaign.pk),
                "why": show.why(one.campaign, one.prospect, home.at),
                "again": show.runs_again(one.campaign, one.prospect, home.at),
            }
            for one in home.waiting
        ],
        "brand_rows": [_cells(row) for row in home.rows],
        "headers": ("Brand", "Today", "This month", "Month comes to", "Campaigns"),
        "more_brands": home.brands - len(home.rows),
        "changes": [_change(change, home.at) for change in home.changes],
    }


_WORDS = {show.BAD: "Now", show.WARN: "Soon", show.INFO: "Note"}


def _cells(row: Row) -> dict[str, Any]:
    brand, currency = row.brand, row.brand.currency
    return {
        "brand": show.link(_page(brand), brand),
        "zone": brand.zone.key,
        "day": show.use_bar(row.spent.day.used, brand.daily_budget, currency, row.spent.day.forgiven),
        "elapsed": f"{row.elapsed} % of the day is over",
        "month": show.use_bar(row.spent.month.used, brand.monthly_budget, currency, row.spent.month.forgiven),
        "projected": pacing_month.cell(row.ahead, currency, row.today),
        "running": row.running,
        "paused": row.paused,
    }


def _change(change: StateChange, now: datetime) -> dict[str, Any]:
    started = change.to_status == CampaignStatus.ACTIVE
    return {
        "what": show.badge("Started" if started else "Paused", show.GOOD if started else show.WARN),
        "campaign": show.link_to(show.campaign_label(change.campaign), "campaigns_campaign", change.campaign_id),
        "why": "nothing holds it any more" if started else show.hold_words(change.to_holds),
        "when": local_text(change.campaign.brand.zone, change.at, now),
        "who": f"{change.cause}, {change.actor}",
    }


def refreshed(request: HttpRequest) -> HttpResponse:
    """The part of the page that is asked for again and again. The same as before is answered with 304."""
    shown = context(request)
    response = render(request, "budget/home.html", shown)
    same = hashlib.sha256(response.content).hexdigest()
    response["ETag"] = f'"{same}"'
    response["Cache-Control"] = "private, no-cache"
    if request.headers.get("If-None-Match") == response["ETag"]:
        return HttpResponseNotModified(headers={"ETag": response["ETag"]})
    return response


# --- Charts ----------------------------------------------------------------------------------------------------------


def brand_charts(request: HttpRequest) -> dict[str, Any]:
    """The charts of one brand: the one asked for, else the one that has used most of its budgets."""
    now = clock.now()
    home = gathered(caller_of(request), now)
    by_id = {str(row.brand.pk): row.brand for row in home.rows}
    brand = by_id.get(request.GET.get("brand", "")) or next(iter(by_id.values()), None)
    if brand is None:
        return {"charts": [], "chosen": None, "choices": []}
    choices = [(pk, str(one), one.pk == brand.pk) for pk, one in sorted(by_id.items(), key=lambda item: item[1].name)]
    figures = next(row.spent for row in home.rows if row.brand.pk == brand.pk)
    drawn = [day_chart(brand, now), month_chart(brand, *outlook(brand, figures, now), now)]
    return {"charts": drawn, "chosen": brand, "choices": choices}
