"""A brand's page: its money now, its campaigns, charts, who changed its budgets, who works for it, what happened."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, Exists, ExpressionWrapper, F, IntegerField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.callers import Caller
from access.models import Membership
from brands.history import BUDGETS, Version, budget_history
from brands.models import AuditEntry, Brand
from brands.periods import local_date, month_start, next_month_start
from budget_system import money
from budget_system.admin import pacing_month, show
from budget_system.admin.brand_charts import Ahead, day_chart, month_chart, rounded
from budget_system.admin.campaign_page import who
from budget_system.fields import MoneyField
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement.explain import Prospect, local_text, prospects
from spending.figures import Spent, Use
from spending.models import BudgetPeriod, ForcedReset, PeriodKind

CAMPAIGNS_A_PAGE = 15
VERSIONS = 30
ENTRIES_READ = 300
"""How many changes of inputs are read for the history of the budgets."""


# --- Money -----------------------------------------------------------------------------------------------------------


def money_now(brand: Brand, uses: Spent, ahead: Ahead, now: datetime) -> SafeString:
    """The budgets of the day and the month: spent, set aside, what remains, and what it will come to."""
    today = local_date(brand.zone, now)
    last = next_month_start(today) - timedelta(days=1)
    periods = [
        _period(
            f"Today, {today:%a %-d %b}", uses.day, brand.daily_budget, "midnight",
            _projected(ahead.day, brand.daily_budget, brand.currency), brand,
        ),
        _period(
            f"{today:%B %Y}", uses.month, brand.monthly_budget, f"{last:%-d %B}",
            pacing_month.cell(ahead.month.outlook, brand.currency, today), brand,
            pacing_month.plan_facts(ahead.month, brand.currency),
        ),
    ]  # fmt: skip
    return render_to_string(
        "budget/money_now.html",
        {"periods": periods, "resets": _resets(brand, uses, now), "is_projected": ahead.day is not None},
    )


def _period(
    title: str,
    use: Use,
    budget: Decimal | None,
    ends: str,
    projected: object,
    brand: Brand,
    more: Sequence[tuple[str, object]] = (),
) -> dict[str, object]:
    left = use.left_of(budget)
    return {
        "title": title,
        "bar": show.use_bar(use.used, budget, brand.currency, use.forgiven, use.reserved),
        "facts": [
            ("Spent", show.amount(use.used, brand.currency)),
            ("Set aside", show.amount(use.reserved, brand.currency)),
            ("Remains", "no limit" if left is None else show.amount(left, brand.currency)),
            (f"Projected by {ends}", projected),
            *more,
        ],
    }


def _projected(projected: Decimal | None, budget: Decimal | None, currency: str) -> object:
    if projected is None:
        return show.nothing("not known yet")
    amount = show.amount(rounded(projected, currency), currency)
    if not budget:
        return amount
    share = money.percent_used(max(projected, Decimal(0)), budget)
    over = projected - budget
    if over <= 0:
        return format_html("{} {}", amount, show.small(f"{share} % of the budget"))
    beyond = show.amount(rounded(over, currency), currency)
    return format_html("{} {}", amount, show.small(f"{share} % of the budget: {beyond} over it"))


def _resets(brand: Brand, uses: Spent, now: datetime) -> list[str]:
    """Who began the present day or month afresh; nothing is asked where nothing is forgiven."""
    if not uses.day.forgiven and not uses.month.forgiven:
        return []
    today = local_date(brand.zone, now)
    present = Q(kind=PeriodKind.DAY, starts_on=today) | Q(kind=PeriodKind.MONTH, starts_on=month_start(today))
    return [
        f"{show.amount(reset.forgiven, brand.currency)} of {_WORDS[reset.kind]} no longer count since "
        f"{local_text(brand.zone, reset.at, now)}, by {who(reset.actor)}: {reset.reason}"
        for reset in ForcedReset.objects.filter(present, brand=brand)[:5]
    ]


_WORDS = {PeriodKind.DAY.value: "today", PeriodKind.MONTH.value: "this month"}


# --- Charts ----------------------------------------------------------------------------------------------------------


def charts_of(brand: Brand, ahead: Ahead, past: Mapping[date, Decimal], now: datetime) -> SafeString:
    return format_html(
        '<div class="grid gap-6 lg:grid-cols-2">{}{}</div>',
        month_chart(brand, ahead, past, now),
        day_chart(brand, now),
    )


# --- Campaigns -------------------------------------------------------------------------------------------------------

_NEED_A_LOOK = (
    Hold.EMERGENCY_STOP, Hold.LIFETIME_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED, Hold.DAILY_BUDGET_EXCEEDED,
    Hold.CIRCUIT_BREAKER, Hold.NO_SCHEDULE,
)  # fmt: skip


def campaigns_of(brand: Brand, uses: Spent, number: str, now: datetime) -> SafeString:
    """One page of the brand's campaigns: those that need a look first, then those that have spent most."""
    counts = _counts(brand)
    total = sum(count for _, count in counts)
    pages = max(1, -(-total // CAMPAIGNS_A_PAGE))
    page = min(max(int(number), 1), pages) if number.isdecimal() and len(number) < 7 else 1
    first = (page - 1) * CAMPAIGNS_A_PAGE
    rows = list(_ordered(brand, now)[first : first + CAMPAIGNS_A_PAGE]) if total else []
    for campaign in rows:
        campaign.brand = brand
    seen = prospects(rows, now)
    url = reverse("admin:brands_brand_change", args=[brand.pk])
    return render_to_string(
        "budget/brand_campaigns.html",
        {
            "rows": [_campaign_cells(campaign, uses, seen.get(campaign.pk), now) for campaign in rows],
            "counts": counts,
            "shown": f"{first + 1}–{first + len(rows)} of {total}",
            "before": f"{url}?campaigns={page - 1}#campaigns" if page > 1 else "",
            "after": f"{url}?campaigns={page + 1}#campaigns" if page < pages else "",
            "all": f"{reverse('admin:campaigns_campaign_changelist')}?brand__id__exact={brand.pk}",
            "add": reverse("admin:campaigns_campaign_add"),
        },
    )


def _counts(brand: Brand) -> list[tuple[str, int]]:
    """How many run, and how many are paused by which reason, in the order of the reasons."""
    found = dict(
        Campaign.objects.current()
        .filter(brand=brand)
        .order_by()
        .values_list("pause_reason")
        .annotate(count=Count("pk"))
        .values_list("pause_reason", "count")
    )
    running = [("running", found.pop(""))] if "" in found else []
    return running + [(hold.label.lower(), found[hold.value]) for hold in Hold if hold.value in found]


def _ordered(brand: Brand, now: datetime) -> Any:
    today = BudgetPeriod.objects.filter(
        scope_id=OuterRef("pk"), kind=PeriodKind.DAY, starts_on=local_date(brand.zone, now)
    )
    # In parts of both sides, as 80 times the largest total is more than a database's integer holds.
    part = ExpressionWrapper(F("budget") / 100 * show.NEARLY_USED_UP, output_field=MoneyField())
    rank = Case(
        When(pause_reason__in=[hold.value for hold in _NEED_A_LOOK], then=0),
        When(Q(pause_reason="") & Exists(today.filter(used__gte=part)), then=1),
        When(pause_reason="", then=2),
        When(pause_reason=Hold.MANUAL.value, then=3),
        When(pause_reason=Hold.OUTSIDE_SCHEDULE.value, then=4),
        default=5,
        output_field=IntegerField(),
    )
    used = Coalesce(Subquery(today.values("used")[:1]), Value(0), output_field=MoneyField())
    campaigns = Campaign.objects.current().filter(brand=brand)
    return campaigns.annotate(rank=rank, used_today=used).order_by("rank", "-used_today", "name", "pk")


def _campaign_cells(campaign: Any, uses: Spent, prospect: Prospect | None, now: datetime) -> dict[str, object]:
    used, total, currency = campaign.used_today, uses.day.used, campaign.brand.currency
    share = money.percent_used(used, total) if total > 0 else 0
    own = campaign.daily_budget is not None
    return {
        "name": show.link_to(campaign, "campaigns_campaign", campaign.pk),
        "platform": campaign.get_platform_display(),
        "state": show.status_badge(campaign),
        "reason": show.why(campaign, prospect, now),
        "runs_again": show.runs_again(campaign, prospect, now),
        "today": show.use_bar(used, campaign.daily_budget, currency) if own else show.amount(used, currency),
        "share": "–" if total <= 0 else f"{share} %" if share or used <= 0 else "under 1 %",
        "width": min(share, 100),
    }


# --- History of the budgets ------------------------------------------------------------------------------------------


def budgets_table(thing: Brand | Campaign) -> SafeString:
    """Every version of the budgets of a brand or campaign: from when until when, who, why and from where."""
    brand = thing if isinstance(thing, Brand) else thing.brand
    entries = list(
        AuditEntry.objects.filter(object_id=thing.pk)
        .filter(Q(action__startswith="create ") | Q(action__startswith="change "))
        .order_by("-id")[:ENTRIES_READ]
    )
    names = (*BUDGETS, "timezone") if isinstance(thing, Brand) else BUDGETS
    versions = budget_history(reversed(entries), names)
    table = show.cards(
        ["Budget", "Amount", "From", "Until", "Who", "Why"],
        [_version_cells(version, brand) for version in versions[:VERSIONS]],
        "No budget is on record yet.",
    )
    if len(versions) <= VERSIONS and len(entries) < ENTRIES_READ:
        return format_html('{}<p class="mt-2 text-sm">Times are in {}.</p>', table, brand.zone.key)
    url = f"{reverse('admin:brands_auditentry_changelist')}?object_id={thing.pk}"
    more = show.link(url, "Older ones are in the audit record")
    return format_html('{}<p class="mt-2 text-sm">Times are in {}. {}.</p>', table, brand.zone.key, more)


def _version_cells(version: Version, brand: Brand) -> Sequence[object]:
    if version.name in BUDGETS:
        amount = None if version.value is None else Decimal(version.value)
        value = show.limit(amount, version.currency or brand.currency)
    else:
        value = str(version.value)
    return (
        version.name.replace("timezone", "time zone").replace("_", " ").capitalize(),
        show.right(value),
        _wall_clock(version.since, brand) or show.nothing("before the record"),
        _wall_clock(version.until, brand) or show.badge("In force", show.GOOD),
        format_html("{}{}", who(version.actor) or "–", show.small(version.origin) if version.origin else ""),
        version.reason or show.nothing(),
    )


def _wall_clock(at: datetime | None, brand: Brand) -> SafeString:
    """In the brand's zone, which is named once below the table; empty for no moment."""
    if at is None:
        return SafeString()
    return format_html('<span class="whitespace-nowrap">{}</span>', f"{at.astimezone(brand.zone):%Y-%m-%d %H:%M}")


# --- Members ---------------------------------------------------------------------------------------------------------


def members_of(brand: Brand, caller: Caller) -> SafeString:
    """Who works for the brand, with their roles."""
    members = (
        Membership.objects.filter(brand=brand)
        .select_related("user")
        .prefetch_related("user__groups")
        .order_by("user__username")
    )
    may_remove = caller.may("access.delete_membership")
    may_add = caller.may("access.add_membership") and brand.archived_at is None
    rows = [_member_cells(member, brand, caller, may_remove=may_remove) for member in members]
    headers = ["Person", "Role", "Works for it since", "Made a member by", *([""] if may_remove else [])]
    table = show.cards(headers, rows, "Nobody works for this brand alone.")
    add = (
        show.link(reverse("admin:brands_brand_add_member", args=[brand.pk]), "Add a member…")
        if may_add
        else SafeString()
    )
    return format_html(
        '{}<p class="mt-3">{} <span class="text-base-500 dark:text-base-400">Administrators see all brands anyway.{}'
        "</span></p>",
        table,
        add,
        "" if caller.may("access.add_membership") else " They add and remove members.",
    )


def _member_cells(member: Membership, brand: Brand, caller: Caller, *, may_remove: bool) -> Sequence[object]:
    user: Any = member.user
    name = user.get_username() + (f" ({user.get_full_name()})" if user.get_full_name() else "")
    url = f"{reverse('admin:brands_brand_remove_member', args=[brand.pk])}?member={member.pk}"
    cells: list[object] = [
        show.link(reverse("admin:auth_user_change", args=[user.pk]), name) if caller.may("auth.view_user") else name,
        roles_of(user),
        _wall_clock(member.created_at, brand),
        who(member.created_by),
    ]
    return [*cells, show.link(url, "Remove…")] if may_remove else cells


def roles_of(user: Any) -> str:
    if not user.is_active:
        return "login switched off"
    names = [group.name.capitalize() for group in user.groups.all()]
    return "Superuser" if user.is_superuser else ", ".join(names) or "none: may do nothing"
