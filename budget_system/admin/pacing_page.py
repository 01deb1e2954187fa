"""The page of a paced campaign: whether it is on plan, each channel's day, what returns what, money to be moved."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import chain
from typing import Any, NamedTuple

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from access.callers import Caller
from brands.models import Brand
from brands.periods import local_date
from budget_pacer import CircuitBreakerState, HourStatus, PacerConfig, Performance
from budget_pacer.breaker import Breaker, reopens_at
from budget_system import money
from budget_system.admin import pacing_settings, show
from budget_system.admin.campaign_page import who
from budget_system.admin.pacing_chart import hours_chart
from campaigns.models import Campaign
from enforcement.explain import local_text
from pacing.channels import channel_of, label
from pacing.desk import Desk, config_of
from pacing.models import (
    BreakerChange,
    BreakerState,
    ChannelBudget,
    HourTotal,
    PaceAlert,
    PacedCampaign,
    Reallocation,
    ReallocationState,
)
from pacing.queries import CampaignPace, ChannelPace, Pace, paces

CHANGE, STOP, CLEAR = "brands.change_budget", "brands.emergency_stop", "brands.clear_emergency_stop"
ON_PLAN = Decimal("0.10")
"""So near to its plan a channel is called on plan."""
SPEAKS_FROM = Decimal("0.02")
"""Less than so much of the day's budget, planned and spent, says nothing yet."""
HISTORY = 12


# --- Pace in words ---------------------------------------------------------------------------------------------------


class Words(NamedTuple):
    """How spend stands to plan: `state` is one of ahead, behind, on, quiet."""

    state: str
    text: str
    tone: str


def pace_words(pace: Pace) -> Words:
    """“On plan”, “40 % ahead of plan”, “too early to say”."""
    if pace.budget <= 0:
        return Words("quiet", "nothing may be spent", show.PLAIN)
    floor = pace.budget * SPEAKS_FROM
    if pace.planned < floor and pace.spent < floor:
        return Words("quiet", "too early to say", show.PLAIN)
    if not pace.planned:
        return Words("ahead", "ahead: nothing is planned yet", show.WARN)
    off = pace.spent / pace.planned - 1
    per_cent = int((abs(off) * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
    if off > ON_PLAN:
        return Words("ahead", f"{per_cent} % ahead of plan", show.BAD if off >= 1 else show.WARN)
    if off < -ON_PLAN:
        return Words("behind", f"{per_cent} % behind plan", show.WARN)
    return Words("on", "on plan", show.GOOD)


def pace_bar(pace: Pace, currency: str) -> SafeString:
    """Spent today beside what was planned by now: in words, and as a bar of the day's budget, marked at the plan."""
    words = pace_words(pace)
    text = f"{money.display_text(pace.spent, currency)} of {show.amount(pace.planned, currency)} planned by now"
    whole = f"of {show.amount(pace.budget, currency)} today"
    spent, planned = (_width(value, pace.budget) for value in (pace.spent, pace.planned))
    colour = {"ahead": "bg-orange-500", "behind": "bg-blue-500", "on": "bg-green-500"}.get(words.state, "bg-base-400")
    bar = format_html(
        '<span class="bg-base-200 dark:bg-base-700 block mt-1 relative rounded-default w-full" style="height: 6px">'
        '<span class="block rounded-default {}" style="height: 6px; width: {}%"></span>'
        '<span class="absolute text-important" style="background: currentColor; height: 12px;'
        ' left: min({}%, calc(100% - 2px)); top: -3px; width: 2px" title="planned by now"></span></span>',
        colour,
        spent,
        planned,
    )
    return show.stacked(format_html('<span class="whitespace-nowrap">{}</span>', text), bar, show.small(whole))


def _width(value: Decimal, budget: Decimal) -> int:
    return min(max(int(value * 100 / budget), 0), 100) if budget > 0 else 0


def breaker_badge(state: BreakerState, reason: str = "") -> SafeString:
    match state:
        case BreakerState.OPEN:
            return show.badge("Open", show.BAD, reason)
        case BreakerState.HALF_OPEN:
            return show.badge("Probing", show.WARN, reason)
        case _:
            return show.badge("Closed", show.GOOD)


def channel_url(name: str, budget: ChannelBudget) -> str:
    return reverse(f"admin:pacing_channelbudget_{name}", args=[budget.pk])


# --- The page --------------------------------------------------------------------------------------------------------


class Look:
    """A paced campaign as it stands at a moment; everything that its page shows is asked of this."""

    def __init__(self, row: PacedCampaign, caller: Caller, now: datetime) -> None:
        self.row, self.caller, self.now = row, caller, now
        self.campaign: Campaign = row.campaign
        self.brand: Brand = row.campaign.brand
        self.currency = self.brand.currency
        self.desk = Desk([row.pk], now)
        found = paces([row.pk], now)
        self.pace: CampaignPace | None = found[0] if found else None
        self.hours = _hours_today(self.campaign, list(self.desk.budgets[str(row.pk)]), now)

    @property
    def channels(self) -> Sequence[ChannelPace]:
        return self.pace.channels if self.pace is not None else ()

    def config(self, budget: ChannelBudget) -> PacerConfig:
        return config_of(self.row.settings, budget.settings)


def summary(look: Look) -> SafeString:
    """On plan or not, in one sentence for all and one for each channel."""
    if look.pace is None:
        return format_html("<p>{}</p>", "No channel has a budget now. Add one to pace it.")
    all_words = pace_words(look.pace.pace)
    checked = look.row.checked_at
    return render_to_string(
        "budget/pacing_summary.html",
        {
            "badge": show.badge(all_words.text, all_words.tone),
            "campaign": show.link_to(look.campaign, "campaigns_campaign", look.campaign.pk),
            "brand": show.link_to(look.brand, "brands_brand", look.brand.pk),
            "status": show.status_badge(look.campaign),
            "bar": pace_bar(look.pace.pace, look.currency),
            "lines": [_channel_sentence(channel, look) for channel in look.channels],
            "alerts": [_alert_line(alert, look) for alert in look.pace.alerts],
            "checked": "not yet" if checked is None else local_text(look.brand.zone, checked, look.now),
        },
    )


def _channel_sentence(channel: ChannelPace, look: Look) -> SafeString:
    words, budget = pace_words(channel.pace), channel.budget
    extra = ""
    if budget.stopped_at is not None:
        extra = f" Stopped in an emergency by {who(budget.stopped_by)}: {budget.stop_reason}"
    elif channel.breaker.state is not BreakerState.CLOSED:
        extra = f" Its breaker is {channel.breaker.state.label.lower()}."
    comes_to = ""
    if channel.pace.projected is not None:
        most = min(channel.pace.projected, channel.pace.budget)
        comes_to = f" At this pace the day comes to {show.amount(most, look.currency)}."
        if channel.pace.projected > channel.pace.budget and words.state == "ahead":
            comes_to = (
                f" At this pace all of today's {show.amount(channel.pace.budget, look.currency)} is used up early."
            )
    return format_html(
        '<a class="text-link" href="#channel-{}">{}</a>: {}, {} of {} planned by now.{}{}',
        budget.pk,
        channel.label,
        words.text,
        money.display_text(channel.pace.spent, look.currency),
        show.amount(channel.pace.planned, look.currency),
        comes_to,
        extra,
    )


def _alert_line(alert: PaceAlert, look: Look) -> dict[str, Any]:
    return {
        "badge": severity_badge(alert),
        "channel": label(alert.channel),
        "message": message_text(alert, look.currency),
        "action": alert.action,
        "since": local_text(look.brand.zone, alert.raised_at, look.now),
        "url": reverse("admin:pacing_pacealert_change", args=[alert.pk]),
        "seen": f"seen by {who(alert.seen_by)}" if alert.seen_at is not None else "not seen by anybody yet",
    }


def message_text(alert: PaceAlert, currency: str) -> str:
    """What the pacer found; amounts with no more decimals than the currency has."""
    unit = Decimal(1).scaleb(-money.decimals(currency))
    return _LONG.sub(lambda found: f"{Decimal(found[0]).quantize(unit):,f}", alert.message)


_LONG = re.compile(r"[0-9]+\.[0-9]{5,}")


def severity_badge(alert: PaceAlert) -> SafeString:
    if alert.cleared_at is not None:
        return show.badge("Over")
    return show.badge(alert.get_severity_display(), show.BAD if alert.severity == "critical" else show.WARN)


# --- A channel -------------------------------------------------------------------------------------------------------


def channel_panel(channel: ChannelPace, look: Look) -> SafeString:
    """Its day by hour, its strategy, its breaker, advice, and what a person can do."""
    budget, key = channel.budget, str(look.row.pk)
    may_change = look.caller.may(CHANGE)
    words = pace_words(channel.pace)
    hours = look.desk.pacer.plan_detail(key, budget.channel)
    advice = look.desk.pacer.bid_advice(key, budget.channel)
    moved = channel.pace.budget != budget.daily_budget
    return render_to_string(
        "budget/pacing_channel.html",
        {
            "id": budget.pk,
            "badge": show.badge(words.text, words.tone),
            "bar": pace_bar(channel.pace, look.currency),
            "chart": hours_chart(
                f"{channel.label}: plan and spend by hour", hours, currency=look.currency, zone=look.brand.zone,
                now=look.now,
            ),
            "budget": show.amount(budget.daily_budget, look.currency),
            "today": show.amount(channel.pace.budget, look.currency) if moved else "",
            "strategy": budget.get_strategy_display(),
            "learned": look.desk.pacer.data_hours(key, budget.channel),
            "thresholds": threshold_words(look.row, budget),
            "breaker": _breaker(channel, look),
            "stop": _stop(budget, look),
            "bids": f"× {advice.bid_multiplier:.2f}",
            "share": f"{advice.participation * 100:.0f} %",
            "advice": "; ".join(advice.reasons),
            "change_url": channel_url("change", budget) if may_change else "",
            "remove_url": channel_url("remove", budget) if may_change and budget.stopped_at is None else "",
            "performance": _hours_table(look, budget.channel, hours),
        },
    )  # fmt: skip


def threshold_words(row: PacedCampaign, budget: ChannelBudget | None = None) -> list[str]:
    """What differs from the usual thresholds, for all channels and for this one."""
    usual = pacing_settings.in_force()
    words = pacing_settings.changed_words(usual, row.settings)
    if budget is None:
        return words
    return [*words, *pacing_settings.changed_words(pacing_settings.in_force(row.settings), budget.settings)]


def _breaker(channel: ChannelPace, look: Look) -> dict[str, Any]:
    budget = channel.budget
    breaker, config = look.desk.breaker(budget), look.config(budget)
    can_close = breaker.state is not CircuitBreakerState.CLOSED and look.caller.may(CLEAR)
    return {
        "badge": breaker_badge(channel.breaker.state),
        "lines": breaker_lines(breaker, config, channel.pace.budget, look.brand, look.now),
        "close_url": channel_url("close_breaker", budget) if can_close else "",
    }


def breaker_lines(breaker: Breaker, config: PacerConfig, budget: Decimal, brand: Brand, now: datetime) -> list[str]:
    """Its state, its reason, and how far a probe is."""
    opened = local_text(brand.zone, datetime.fromtimestamp(breaker.opened_at_s, UTC), now)
    match breaker.state:
        case CircuitBreakerState.OPEN:
            probes = local_text(brand.zone, datetime.fromtimestamp(reopens_at(breaker, config), UTC), now)
            return [
                f"Opened {opened}: {breaker.reason}.",
                f"Nothing may be spent until {probes}; then a small probe is let through.",
            ]
        case CircuitBreakerState.HALF_OPEN:
            size = (budget * config.probe_pct).quantize(Decimal(1).scaleb(-money.decimals(brand.currency)))
            used, left = money.from_micros(breaker.probed), max(config.clean_to_close - breaker.clean, 0)
            return [
                f"Opened {opened}: {breaker.reason}.",
                f"A probe is under way: {money.display_text(used, brand.currency)} of "
                f"{show.amount(size, brand.currency)} used. {left} clean transaction{'' if left == 1 else 's'} still "
                "needed to close it by itself.",
            ]
        case _:
            return ["It opens by itself when something is not as it should be, and then nothing more is spent."]


def _stop(budget: ChannelBudget, look: Look) -> dict[str, Any]:
    stopped_at, stopped = budget.stopped_at, budget.stopped_at is not None
    return {
        "since": "" if stopped_at is None else local_text(look.brand.zone, stopped_at, look.now),
        "reason": budget.stop_reason,
        "by": who(budget.stopped_by),
        "stop_url": channel_url("stop", budget) if not stopped and look.caller.may(STOP) else "",
        "clear_url": channel_url("clear_stop", budget) if stopped and look.caller.may(CLEAR) else "",
    }


# --- What returns what -----------------------------------------------------------------------------------------------

HEADERS = (
    "Impressions", "Clicks", "Conversions", "Cost", "Revenue", "CTR", "CVR", "CPC", "CPA", "ROAS",
)  # fmt: skip
MEANINGS = (
    "CTR: clicks per impression. CVR: conversions per click. CPC: cost per click. CPA: cost per conversion. "
    "ROAS: revenue per cost."
)


def performance_panel(look: Look) -> SafeString:
    """Each channel today, and as the pacer has learned it: former weeks weigh a tenth less each."""
    rows: list[Sequence[object]] = []
    for channel in look.channels:
        name = channel.budget.channel
        today = _summed(chain.from_iterable(look.hours.get(name, {}).values()))
        learned = look.desk.pacer.performance(str(look.row.pk), name)
        rows.append((channel.label, "today", *_figures(today, look.currency)))
        rows.append((channel.label, "learned", *_figures(learned, look.currency)))
    table = _wide_table("What returns what", ("Channel", "Of", *HEADERS), rows, "No channel has a budget.")
    note = (
        f"{MEANINGS} What was learned is of all full hours before this one; each former week weighs a tenth less. "
        "Clicks, conversions and revenue come from imports of the day or from programs that report them by the hour."
    )
    return format_html('{}<p class="mt-3 text-base-500 text-sm dark:text-base-400">{}</p>', table, note)


def _wide_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> SafeString:
    """A table of figures that scrolls sideways on a small screen, by keyboard too."""
    figures = set(headers) - {"Channel", "Of", "Hour"}
    return show.table(headers, rows, empty, label=title, right=figures)


def _hours_table(look: Look, channel: str, hours: Sequence[HourStatus]) -> SafeString:
    found = look.hours.get(channel, {})
    rows = []
    for hour in hours:
        if some := found.get(hour.starts_at):
            clock = f"{hour.starts_at.astimezone(look.brand.zone):%H:%M}"
            rows.append((clock, *_figures(_summed(some), look.currency)))
    return _wide_table("Performance by hour", ("Hour", *HEADERS), rows, "Nothing was reported today.")


def _hours_today(
    campaign: Campaign, budgets: list[str], now: datetime
) -> Mapping[str, Mapping[datetime, list[HourTotal]]]:
    found: dict[str, dict[datetime, list[HourTotal]]] = defaultdict(lambda: defaultdict(list))
    today = local_date(campaign.brand.zone, now)
    for row in HourTotal.objects.filter(campaign=campaign, day=today).order_by("starts_at"):
        channel = channel_of(row.channel, campaign.platform, budgets)
        if channel is not None:
            found[channel][row.starts_at].append(row)
    return found


def _summed(rows: Iterable[HourTotal]) -> Performance:
    some = list(rows)
    return Performance(
        sum(row.impressions for row in some),
        sum(row.clicks for row in some),
        float(sum(row.conversions for row in some)),
        float(sum(row.spent for row in some)),
        float(sum(row.revenue for row in some)),
    )


def _figures(one: Performance, currency: str) -> list[SafeString]:
    texts = [
        f"{one.impressions:,.0f}",
        f"{one.clicks:,.0f}",
        f"{one.conversions:,.1f}".removesuffix(".0"),
        _money(one.cost, currency),
        _money(one.revenue, currency),
        None if one.ctr is None else f"{one.ctr * 100:.2f} %",
        None if one.cvr is None else f"{one.cvr * 100:.2f} %",
        None if one.cpc is None else _money(one.cpc, currency),
        None if one.cpa is None else _money(one.cpa, currency),
        None if one.roas is None else f"{one.roas:.2f}",
    ]
    return [show.right(show.nothing() if text is None else text) for text in texts]


def _money(value: float, currency: str) -> str:
    return f"{value:,.{money.decimals(currency)}f} {currency}"


# --- Moving money ----------------------------------------------------------------------------------------------------


def reallocation_panel(look: Look) -> SafeString:
    """The open proposal with its reasons, and whether money moves by itself."""
    proposal = Reallocation.objects.filter(campaign=look.campaign, state=ReallocationState.PROPOSED).first()
    may = look.caller.may(CHANGE)

    def url(name: str) -> str:
        return reverse(f"admin:pacing_pacedcampaign_{name}", args=[look.row.pk]) if may else ""

    several = len(look.channels) > 1
    return render_to_string(
        "budget/pacing_moves.html",
        {
            "automatic": look.row.automatic,
            "several": several,
            "proposal": None if proposal is None else _proposal(proposal, look),
            "approve_url": url("approve"),
            "reject_url": url("reject"),
            "propose_url": url("propose") if several else "",
            "switch_url": url("moves_by_itself"),
        },
    )


def _proposal(proposal: Reallocation, look: Look) -> dict[str, Any]:
    names = sorted(proposal.after)
    return {
        "when": local_text(look.brand.zone, proposal.proposed_at, look.now),
        "by": who(proposal.proposed_by),
        "moves": moves_table(proposal, look.currency),
        "budgets": show.table(
            ("Channel", "Today's budget", "Would be"),
            [
                (
                    label(name),
                    show.right(show.amount(Decimal(proposal.before[name]), look.currency)),
                    show.right(show.amount(Decimal(proposal.after[name]), look.currency)),
                )
                for name in names
            ],
            "",
        ),
        "notes": [note for note in proposal.notes if not any(move["reason"] in note for move in proposal.moves)],
    }


def moves_table(proposal: Reallocation, currency: str) -> SafeString:
    return show.cards(
        ("From", "To", "Amount", "Why"),
        [
            (
                label(move["from"]), label(move["to"]),
                show.right(show.amount(Decimal(move["amount"]), currency)), move["reason"],
            )
            for move in proposal.moves
        ],
        "Nothing to move.",
    )  # fmt: skip


def moves_words(proposal: Reallocation, currency: str) -> SafeString:
    """A line for each move: “120.00 EUR from Display to Search”."""
    return show.lines(
        f"{show.amount(Decimal(move['amount']), currency)} from {label(move['from'])} to {label(move['to'])}"
        for move in proposal.moves
    )


STATE_TONES = {
    ReallocationState.PROPOSED: show.WARN,
    ReallocationState.APPLIED: show.GOOD,
    ReallocationState.REJECTED: show.PLAIN,
    ReallocationState.LAPSED: show.PLAIN,
}


def moved_badge(proposal: Reallocation) -> SafeString:
    state = ReallocationState(proposal.state)
    return show.badge(state.label, STATE_TONES[state])


# --- What happened ---------------------------------------------------------------------------------------------------


def history_panel(look: Look) -> SafeString:
    """Breakers that opened and closed, and money that was moved, newest first."""
    events: list[tuple[datetime, Sequence[object]]] = []
    for change in BreakerChange.objects.filter(campaign=look.campaign)[:HISTORY]:
        what = f"Breaker of {label(change.channel)}: {change.get_to_state_display().lower()}"
        events.append((change.at, (what, change.reason or show.nothing(), who(change.actor))))
    decided = Reallocation.objects.filter(campaign=look.campaign).exclude(state=ReallocationState.PROPOSED)
    for proposal in decided[:HISTORY]:
        what = f"Money moved: {proposal.get_state_display().lower()}"
        cell = format_html("{}{}", moves_words(proposal, look.currency), show.small(proposal.reason))
        at = proposal.decided_at or proposal.proposed_at
        events.append((at, (what, cell, who(proposal.decided_by or proposal.proposed_by))))
    newest = sorted(events, key=lambda event: event[0], reverse=True)[:HISTORY]
    rows = [
        (format_html('<span class="whitespace-nowrap">{}</span>', local_text(look.brand.zone, at, look.now)), *cells)
        for at, cells in newest
    ]
    empty = "No breaker has opened and no money was moved."
    table = show.cards(("When", "What", "Why", "Who"), rows, empty)
    lists = format_html_join(
        " · ",
        "{}",
        (
            (show.link(f"{reverse('admin:pacing_reallocation_changelist')}?q={look.campaign}", "All money moved"),),
            (
                show.link(
                    f"{reverse('admin:brands_auditentry_changelist')}?object_id={look.campaign.pk}", "The audit record"
                ),
            ),
        ),
    )
    return format_html('{}<p class="mt-3 text-sm">{}</p>', table, lists)
