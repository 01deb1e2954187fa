"""A campaign's page: whether it runs and why not, what is spent, what happened. Each panel is a function of its own."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from brands.periods import day_starts_at, local_date
from budget_system import money
from budget_system.admin import charts, show
from budget_system.admin.charts import Series, money_chart
from budget_system.admin.show import who as who
from budget_system.errors import Refused
from campaigns.holds import Hold
from campaigns.models import Campaign, CampaignStatus, Override, StateChange
from enforcement.decision import Cause as HoldCause
from enforcement.explain import Explanation, explain, local_text
from enforcement.services import Cause
from platforms.models import STATUS_LABELS, STEP_LABELS, RemoteState
from platforms.steps import Step
from spending.figures import Spent, Use, spent
from spending.history import budgets_by_day, by_day, by_hour, days

TIMELINE = 12
CHART_DAYS = 30
OLDER = "older"
"""The parameter of the page that says from which change on the timeline goes back."""


# --- Whether it runs -------------------------------------------------------------------------------------------------


def explained(campaign: Campaign, now: datetime) -> Explanation | str:
    """The decision in words, or why there is none."""
    try:
        return explain(campaign.pk, now)
    except Refused as error:
        return error.message


def state_of(campaign: Campaign, now: datetime) -> SafeString:
    """The state sentence, and a line for each hold with its figures: for the pages that ask before they act."""
    explanation = explained(campaign, now)
    if isinstance(explanation, str):
        return format_html('<p class="mb-4">{} {}</p>', show.badge("Cannot be decided", show.BAD), explanation)
    return format_html(
        '<p class="mb-2">{} <span class="font-semibold text-important">{}</span></p><div class="mb-4">{}</div>',
        show.status_badge(campaign),
        explanation.summary,
        show.lines(explanation.sentences),
    )


class HoldLine(NamedTuple):
    """One reason at a glance: its name, its figures, until when, and whether an override lifts it."""

    label: str
    sentence: str
    until: str
    lifted: bool


def state_panel(campaign: Campaign, now: datetime) -> SafeString:
    """Whether it runs, why not, since when, when it will; every hold; what is used of every budget."""
    explanation = explained(campaign, now)
    uses = spent([campaign, campaign.brand], now)
    context: dict[str, Any] = {
        "badge": show.status_badge(campaign),
        "since": _since(campaign, now),
        "bars": _bars(campaign, uses),
        "override": _override(campaign, uses[campaign.pk], now),
        "next_check": local_text(campaign.brand.zone, campaign.next_check_at, now),
        "there": _there(campaign),
    }
    if isinstance(explanation, str):
        return render_to_string("budget/campaign_state.html", {**context, "problem": explanation})
    return render_to_string(
        "budget/campaign_state.html",
        {
            **context,
            "summary": explanation.summary,
            "holds": _hold_lines(campaign, explanation, now),
            "beside": explanation.sentences[len(explanation.causes) :],
            "stale": _stale(campaign, explanation),
        },
    )


def _there(campaign: Campaign) -> SafeString:
    """What its platform shows, where an account is connected."""
    row = RemoteState.objects.select_related("account").filter(pk=campaign.pk).first()
    if row is None:
        return SafeString()
    sentence = f"At {row.account.get_platform_display()} it is {STATUS_LABELS[row.actual_status].lower()}:"
    url = show.page_url("platforms_remotestate", row.pk)
    return format_html("{} {}.", sentence, show.link(url, STEP_LABELS[Step(row.step)].lower()))


def _hold_lines(campaign: Campaign, explanation: Explanation, now: datetime) -> list[HoldLine]:
    return [
        HoldLine(cause.hold.label, sentence.removesuffix(LIFTED), until_text(cause, campaign, now), cause.lifted)
        for cause, sentence in zip(explanation.causes, explanation.sentences, strict=False)
    ]


LIFTED = " (lifted by an override)"


def until_text(cause: HoldCause, campaign: Campaign, now: datetime) -> str:
    """When a hold ends by itself."""
    if cause.until is None:
        return "until a person acts"
    return f"until {local_text(campaign.brand.zone, cause.until, now)}"


def _since(campaign: Campaign, now: datetime) -> str:
    """Since when it runs or does not, as written down."""
    if campaign.status == CampaignStatus.PAUSED:
        at = campaign.paused_at or campaign.created_at
    else:
        flips = StateChange.objects.filter(campaign=campaign).exclude(from_status=F("to_status"))
        last = flips.order_by("-id").values_list("at", flat=True).first()
        at = last or campaign.created_at
    length = show.span(max(round((now - at).total_seconds()), 0))
    return f"Since {local_text(campaign.brand.zone, at, now)}, for {length}."


def _stale(campaign: Campaign, explanation: Explanation) -> str:
    """What is written down, where the decision is another one by now."""
    if explanation.verdict.holds == campaign.holds:
        return ""
    recorded = show.hold_words(campaign.holds) or "nothing holds it"
    return f"Written down at the last check: {recorded}. The next check, within a minute, brings it up to date."


def _bars(campaign: Campaign, uses: Mapping[UUID, Spent]) -> list[tuple[object, list[tuple[str, SafeString]]]]:
    """The campaign's own budgets and those of its brand, which covers all its campaigns."""
    own, brand = uses[campaign.pk], uses[campaign.brand_id]
    currency = campaign.brand.currency

    def bar(use: Use, budget: Decimal | None) -> SafeString:
        return show.use_bar(use.used, budget, currency, use.forgiven, use.reserved)

    return [
        (
            "This campaign",
            [
                ("Today", bar(own.day, campaign.daily_budget)),
                ("This month", bar(own.month, campaign.monthly_budget)),
                ("In all", bar(own.lifetime, campaign.lifetime_budget)),
            ],
        ),
        (
            format_html("All of {}", show.link_to(campaign.brand, "brands_brand", campaign.brand_id)),
            [
                ("Today", bar(brand.day, campaign.brand.daily_budget)),
                ("This month", bar(brand.month, campaign.brand.monthly_budget)),
            ],
        ),
    ]


# --- Overrides -------------------------------------------------------------------------------------------------------


def _override(campaign: Campaign, uses: Spent, now: datetime) -> dict[str, Any] | None:
    """The override that is not over yet, with what is left of its time and money."""
    override = Override.objects.filter(campaign=campaign, cleared_at=None, ends_at__gt=now).first()
    if override is None:
        return None
    currency = campaign.brand.currency
    used = max(uses.lifetime.used + uses.lifetime.forgiven - override.spent_before, Decimal(0))
    return {
        "lifts": show.hold_words(override.lifts),
        "ends": local_text(campaign.brand.zone, override.ends_at, now),
        "countdown": countdown(override.ends_at, now),
        "money": None if override.extra_budget is None else show.use_bar(used, override.extra_budget, currency),
        "by": who(override.created_by),
        "reason": override.reason,
        "url": reverse("admin:campaigns_override_change", args=[override.pk]),
    }


def countdown(at: datetime, now: datetime) -> SafeString:
    """“in 3 h 12 min”; static/budget/campaign.js lets it run."""
    return format_html(
        '<time datetime="{}" data-ends="{}">{}</time>',
        at.isoformat(),
        round((at - now).total_seconds()),
        f"in {countdown_text(at - now)}",
    )


def countdown_text(left: timedelta) -> str:
    minutes, seconds = divmod(max(round(left.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    whole_days, hours = divmod(hours, 24)
    if whole_days:
        return f"{whole_days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


# --- Spend -----------------------------------------------------------------------------------------------------------


def charts_panel(campaign: Campaign, now: datetime) -> SafeString:
    """What was spent by hour today and by day, against the campaign's own daily budget where it has one."""
    today = local_date(campaign.brand.zone, now)
    return format_html(
        '<div class="grid gap-8 lg:grid-cols-2">{}{}</div>',
        _hours_chart(campaign, today, now),
        _days_chart(campaign, today),
    )


def _hours_chart(campaign: Campaign, today: date, now: datetime) -> SafeString:
    zone = campaign.brand.zone
    found = by_hour(campaign, today)
    starts, moment, end = [], day_starts_at(zone, today), day_starts_at(zone, today + timedelta(days=1))
    while moment < end:
        starts.append(moment)
        moment += timedelta(hours=1)
    # Where the offset is not of whole hours the first hour of a day is kept as that hour's beginning by `by_hour` too.
    keys = [
        start.astimezone(zone).replace(minute=0, second=0, microsecond=0).astimezone(start.tzinfo) for start in starts
    ]
    by_start = [found.get(key, Decimal(0)) for key in keys]
    past = [start <= now for start in starts]
    so_far = [total if over else None for total, over in zip(accumulate(by_start), past, strict=True)]
    labels = [start.astimezone(zone).strftime("%H:%M") for start in starts]
    series = [
        Series("Spent in the hour", [value if over else None for value, over in zip(by_start, past, strict=True)]),
        Series("Spent so far", so_far, "line", charts.ORANGE),
    ]
    if campaign.daily_budget is not None:
        series.append(Series("Daily budget", [campaign.daily_budget] * len(starts), "dashed", charts.RED))
    return money_chart(
        "Today by hour", labels, series, currency=campaign.brand.currency, x_title=f"Hour, {zone.key}",
        note="By the hour in which it was reported.",
    )  # fmt: skip


def _days_chart(campaign: Campaign, today: date) -> SafeString:
    first = today - timedelta(days=CHART_DAYS - 1)
    shown = days(first, today)
    found = by_day([campaign.pk], first, today)[campaign.pk]
    series = [Series("Spent", [found.get(day, Decimal(0)) for day in shown])]
    budgets = budgets_by_day(campaign, first, today, today)
    if any(budget is not None for budget in budgets):
        series.append(Series("Daily budget", budgets, "dashed", charts.RED))
    return money_chart(
        f"The last {CHART_DAYS} days", [f"{day:%-d %b}" for day in shown], series,
        currency=campaign.brand.currency, x_title="Day",
    )  # fmt: skip


# --- What happened ---------------------------------------------------------------------------------------------------

CAUSES = {
    Cause.SPEND: "Spend was recorded",
    Cause.CORRECTION: "Spend was corrected",
    Cause.BUDGET: "A budget was changed",
    Cause.SETTINGS: "The settings were changed",
    Cause.SCHEDULE: "The week was changed",
    Cause.PAUSE: "Paused by hand",
    Cause.ACTIVATE: "Activated by hand",
    Cause.OVERRIDE: "An override began or was ended",
    Cause.EMERGENCY_STOP: "Emergency stop, or the end of it",
    Cause.CREATED: "It was created",
    Cause.ARCHIVED: "Archived or restored",
    Cause.RESET: "Forced reset",
    Cause.TIME: "Time passed",
    Cause.SWEEP: "The regular check found it",
}


def timeline_panel(campaign: Campaign, older_than: str | None) -> SafeString:
    """The changes of its state, newest first, a page of them; `older_than` is the last one of the page before."""
    changes = StateChange.objects.filter(campaign=campaign).order_by("-id")
    last = _uuid(older_than)
    if last is not None:
        changes = changes.filter(id__lt=last)
    found = list(changes[: TIMELINE + 1])
    shown = found[:TIMELINE]
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    older = f"{page}?{urlencode({OLDER: str(shown[-1].pk)})}#timeline" if len(found) > TIMELINE else None
    return render_to_string(
        "budget/campaign_timeline.html",
        {
            "changes": [_entry(change, campaign) for change in shown],
            "older": older,
            "newest": f"{page}#timeline" if last is not None else None,
        },
    )


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _entry(change: StateChange, campaign: Campaign) -> dict[str, Any]:
    kind, icon, word = _kind(change)
    return {
        "kind": kind,
        "icon": icon,
        "word": word,
        "when": show.moment(change.at, campaign.brand.zone),
        "because": show.hold_words(change.to_holds) or "nothing holds it",
        "figures": _figures(change.figures, campaign),
        "cause": CAUSES.get(change.cause, change.cause.capitalize()),
        "who": who(change.actor),
    }


def _kind(change: StateChange) -> tuple[str, str, str]:
    """Starts and stops are told apart by a word and a sign, not by colour alone."""
    if change.from_status == change.to_status:
        return "other", "sync_alt", "Held for other reasons"
    if change.to_status == CampaignStatus.ACTIVE:
        return "start", "play_arrow", "Started"
    return "stop", "pause", "Stopped"


def _figures(figures: Sequence[Mapping[str, Any]], campaign: Campaign) -> list[str]:
    """What the budgets among the holds rested on."""
    currency = campaign.brand.currency
    texts = []
    for figure in figures:
        if figure.get("budget") is not None:
            lifted = ", lifted by an override" if figure.get("lifted") else ""
            whose = "brand" if figure["scope"] == "brand" else "campaign"
            used, budget = (money.display_text(Decimal(figure[name]), currency) for name in ("used", "budget"))
            texts.append(f"{Hold(figure['hold']).label} ({whose}): {used} of {budget} {currency}{lifted}")
    return texts
