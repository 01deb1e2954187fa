"""The ledger in the admin: spends, what corrected them, budget periods and forced resets."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import Panel, RecordAdmin, actor_of, note, noted
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
)
from budget_system.errors import Refused
from campaigns.holds import Verdict
from enforcement import reservations, services
from enforcement.preview import preview
from spending.import_admin import RecordForm
from spending.models import (
    BudgetPeriod,
    ForcedReset,
    PeriodKind,
    Reservation,
    ReservationStatus,
    Spend,
    SpendRevision,
)
from spending.services import Outcome, Source, SpendRow
from spending.spend_forms import INPUTS, SpendForm, VoidForm, day_told

if TYPE_CHECKING:  # as in budget_system.admin.ui

    class TextFilter(admin.SimpleListFilter): ...

else:
    from unfold.contrib.filters.admin import TextFilter

AMEND = (
    "If something is wrong here, write it as it should be, say why below, and save: the former value is kept. If it"
    " should not be in the books at all, void it instead: Void… at the top."
)
SOURCES = {
    Source.API: "API", Source.RESERVATION: "Settled reservation", Source.ADMIN: "Typed in here",
    Source.COMMAND: "Command line", Source.DEMO: "Sample data",
    Source.SIMULATION: "Simulation",
}  # fmt: skip


def source_words(source: str) -> str:
    """Where a spend came from, in words: the other sources are those of imports, named after the kind of report."""
    known = {str(code): words for code, words in SOURCES.items()}
    return known.get(source) or f"Import: {source.removeprefix('import:').replace('_', ' ')}"


class SourceFilter(DropdownFilter):
    title = "source"
    parameter_name = "from"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [*((str(code), words) for code, words in SOURCES.items()), ("imports", "Imports")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Spend]) -> QuerySet[Spend]:
        chosen = self.value()
        if chosen == "imports":
            return queryset.exclude(spend_import=None)
        return queryset.filter(source=chosen) if chosen in {str(code) for code in SOURCES} else queryset


class VoidedFilter(DropdownFilter):
    title = "voided"
    parameter_name = "voided"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("no", "Counted"), ("yes", "Voided")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Spend]) -> QuerySet[Spend]:
        match self.value():
            case "no":
                return queryset.filter(voided_at=None)
            case "yes":
                return queryset.exclude(voided_at=None)
            case _:
                return queryset


class ChannelFilter(TextFilter):
    """What was typed: to list the channels of all spends would read the whole ledger."""

    title = "channel"
    parameter_name = "channel"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Spend]) -> QuerySet[Spend]:
        channel = " ".join((self.value() or "").split())
        return queryset.filter(channel__iexact=channel) if channel else queryset


@admin.register(Spend)
class SpendAdmin(ActionsAdmin):
    form = SpendForm
    inputs = INPUTS
    list_display = (
        "day", "campaign_name", "brand_name", "channel_name", "sum", "spend_type", "came_from", "described", "state",
    )  # fmt: skip
    list_display_links = ("day",)
    list_select_related = ("campaign", "brand")
    list_filter = (
        ("brand", AutocompleteSelectFilter), ("spend_date", RangeDateFilter), ("spend_type", ChoicesDropdownFilter),
        ChannelFilter, SourceFilter, VoidedFilter,
    )  # fmt: skip
    essentials = ("action_checkbox", "day", "campaign_name", "brand_name", "sum", "state")
    search_fields = ("description", "key", "campaign__name")
    search_help_text = "Campaign, platform campaign id, brand, or words of the description"
    campaign_path = "campaign"
    brand_path = "brand"
    ordering = ("-id",)
    sortable_by = ("day",)
    list_fullwidth = True
    autocomplete_fields = ("campaign",)
    actions_detail = ("void",)
    change_form_outer_before_template = "budget/spend_above.html"
    empty_text = "Spends come from reports, from the API, or from here: add the first one, or import a report."

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return (("Record a spend", {"fields": ("campaign", *INPUTS)}),)
        origin = ("Origin", {"fields": ("came_from", "key_words", "created", "recorded_by", "state")})
        if not self.has_change_permission(request, obj):
            return (("Spend", {"fields": ("campaign_name", "brand_name", "sum", *INPUTS[1:])}), origin)
        spend = {"fields": ("campaign_name", "brand_name")}
        amend = {"fields": (*INPUTS, "reason"), "description": AMEND}
        return (("Spend", spend), ("Amend", amend), origin)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = ("campaign_name", "brand_name", "came_from", "key_words", "created", "recorded_by", "state")
        return () if obj is None else shown

    def get_queryset(self, request: HttpRequest) -> QuerySet[Spend]:
        return super().get_queryset(request).select_related("campaign", "brand")

    def searched_elsewhere(self, request: HttpRequest, term: str) -> Q:
        """Keys are unique within a brand, and so they are found once the brand is chosen."""
        described = ~Q(description="") & Q(description__icontains=term)
        return described | Q(key=term) if "brand__id__exact" in request.GET else described

    def is_closed(self, obj: Any) -> bool:
        return bool(obj.voided_at is not None)

    # --- The list -----------------------------------------------------------------------------------------------------

    @admin.display(description="date", ordering="spend_date")
    def day(self, spend: Spend) -> SafeString:
        return show.day(spend.spend_date)

    @admin.display(description="source")
    def came_from(self, spend: Spend) -> object:
        """In words; on the spend's own page with a link to the import or the reservation behind it."""
        text = source_words(spend.source)
        if spend.source == Source.RESERVATION and isinstance(behind := vars(spend).get("_behind"), Reservation):
            return show.link_to(text, "spending_reservation", behind.pk)
        if spend.spend_import_id is not None:
            return show.link_to(text, "spending_spendimport", spend.spend_import_id)
        return text

    @admin.display(description="key")
    def key_words(self, spend: Spend) -> object:
        """Keys that a program of ours has made up say nothing to a person."""
        made_up = spend.source in (Source.RESERVATION, Source.DEMO) or (spend.key or "").startswith("form-")
        return show.nothing("made by the system") if made_up else show.cut(spend.key, 100)

    @admin.display(description="description")
    def described(self, spend: Spend) -> SafeString:
        return show.cut(spend.description, 40)

    @admin.display(description="campaign")
    def campaign_name(self, spend: Spend) -> SafeString:
        return show.link_to(spend.campaign, "campaigns_campaign", spend.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, spend: Spend) -> SafeString:
        return show.link_to(spend.brand, "brands_brand", spend.brand_id)

    @admin.display(description="channel")
    def channel_name(self, spend: Spend) -> object:
        return spend.channel or show.nothing("the campaign's own")

    @admin.display(description="amount")
    def sum(self, spend: Spend) -> SafeString:
        text = show.amount(spend.amount, spend.brand.currency)
        return show.right(text if spend.voided_at is None else format_html("<s>{}</s>", text))

    @admin.display(description="state")
    def state(self, spend: Spend) -> SafeString:
        if spend.voided_at is not None:
            return show.badge("Voided", show.BAD, show.moment(spend.voided_at, spend.brand.zone))
        return show.badge("Corrected", show.INFO) if spend.version > 1 else show.badge("Counted", show.GOOD)

    @admin.display(description="recorded")
    def created(self, spend: Spend) -> str:
        return show.moment(spend.created_at, spend.brand.zone)

    @admin.display(description="recorded by")
    def recorded_by(self, spend: Spend) -> str:
        return show.who(spend.created_by)

    # --- The page -----------------------------------------------------------------------------------------------------

    def panels_above(self, obj: Spend, now: datetime) -> Sequence[Panel]:
        note(obj, Reservation.objects.filter(spend=obj).first(), "behind")
        return ()

    def panels_below(self, obj: Spend, now: datetime) -> Sequence[Panel]:
        currency, zone = obj.brand.currency, obj.brand.zone
        former = list(obj.revisions.order_by("-version")[:50])
        later: list[Spend | SpendRevision] = [obj, *former]  # what each of them was replaced by
        rows = [
            (
                revision.version,
                show.right(show.amount(revision.amount, currency)),
                show.day(revision.spend_date),
                revision.get_spend_type_display(),
                revision.channel or show.nothing(),
                revision.description or show.nothing(),
                _import_link(revision.spend_import_id),
                f"{done_to(revision, after.voided_at)} {show.moment(revision.replaced_at, zone)}"
                f" by {show.who(revision.replaced_by)}",
                revision.reason,
            )
            for revision, after in zip(former, later, strict=False)
        ]
        headers = ["Version", "Amount", "Date", "Type", "Channel", "Description", "Import", "What was done", "Why"]
        return [Panel("Former values", show.table(headers, rows, "None: it is as it was recorded."))]

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Spend:
        cleaned, campaign = form.cleaned_data, form.cleaned_data["campaign"]
        row = SpendRow(
            campaign.pk, cleaned["amount"], form.day(now), cleaned["spend_type"], cleaned["description"],
            key=cleaned["client_key"], channel=cleaned["channel"],
        )  # fmt: skip
        result = services.post_spend([row], source=Source.ADMIN, actor=actor_of(request), now=now)
        answer = result.answers[0]
        if answer.error is not None:
            raise answer.error
        spend = Spend.objects.select_related("campaign", "brand").get(pk=str(answer.spend_id))
        if answer.outcome is Outcome.REPLAYED:
            self.say(request, f"{spend} is recorded already: the form was sent twice. It counts once.", messages.INFO)
        else:
            state = now_text(result.evaluation.verdicts.get(campaign.pk))
            day = day_told(spend.brand, spend.spend_date, now)
            self.say(request, f"Recorded for “{campaign}” of {spend.brand}: {spend}. {day} {state}")
        return spend

    def change(self, request: HttpRequest, obj: Spend, form: Any, now: datetime) -> None:
        changes = form.changes(INPUTS)
        if not changes:
            self.say(request, "Nothing was changed.", messages.INFO)
            return
        result = services.amend_spend(
            obj.pk, changes, reason=form.cleaned_data["reason"], actor=actor_of(request), now=now,
            expected_version=form.cleaned_data["expected_version"],
        )  # fmt: skip
        obj.refresh_from_db()
        self.say(request, f"Corrected: {obj}. The former value is kept. {now_text(result.verdict)}")

    # --- Actions ------------------------------------------------------------------------------------------------------

    def offered(self, obj: Spend) -> Iterable[str]:
        return () if obj.voided_at is not None else ("void",)

    @object_action("Void…", path="void", needs="spending.delete_spend", icon="block", danger=True)
    def void(self, request: HttpRequest, obj: Spend) -> HttpResponse:
        def run(form: Any) -> None:
            result = services.void_spend(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now(),
                expected_version=form.cleaned_data["expected_version"],
            )  # fmt: skip
            self.say(request, f"Voided: {obj}. It counts no longer. {now_text(result.verdict)}")

        return ask(
            self, request, obj, title="Void", button="Void it", danger=True, form_class=VoidForm, run=run,
            initial={"expected_version": obj.version},
            intro=[
                f"{obj}, recorded for “{obj.campaign}” of {obj.brand}.",
                "It leaves all totals and stays in the ledger, marked as void. To change the amount or the day, go back"
                " and amend it instead.",
                *_voiding(obj, actor_of(request)),
            ],
        )  # fmt: skip


def _voiding(spend: Spend, actor: str) -> Iterator[str]:
    """What voiding it would do to campaigns, found out by doing it and undoing it."""
    now = clock.now()
    try:
        seen = preview(
            spend.brand, lambda: services.void_spend(spend.pk, reason="Tried out", actor=actor, now=now), now
        )
    except Refused:
        return  # it cannot be told now; voiding says why
    for moved, would in ((seen.starts, "start again"), (seen.pauses, "stop")):
        if moved:
            names = ", ".join(f"“{one.name}”" for one in moved[:10])
            more = f" and {len(moved) - 10:,} more" if len(moved) > 10 else ""
            yield f"{len(moved):,} campaign{'' if len(moved) == 1 else 's'} would {would}: {names}{more}."
    if not seen.moves:
        yield "No campaign would start or stop by it."


def done_to(revision: SpendRevision, voided_after: datetime | None) -> str:
    """What replaced a former value: was it amended, voided, or taken back into the totals?"""
    if revision.voided_at is not None:
        return "Restored" if voided_after is None else "Amended"
    return "Amended" if voided_after is None else "Voided"


def _import_link(import_id: UUID | None) -> SafeString:
    return show.nothing() if import_id is None else show.link_to("its import", "spending_spendimport", import_id)


def now_text(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    return "The campaign runs." if verdict.runs else f"The campaign is paused: {show.hold_words(verdict.holds)}."


# --- Reservations ----------------------------------------------------------------------------------------------------

TONES = {
    ReservationStatus.PENDING: show.INFO,
    ReservationStatus.SETTLED: show.GOOD,
    ReservationStatus.VOIDED: show.PLAIN,
    ReservationStatus.EXPIRED: show.WARN,
}


class ReservationStateFilter(FixedFilter):
    title = "state"
    parameter_name = "state"
    field = "status"
    values = [(status.value, str(status.label)) for status in ReservationStatus]


@admin.register(Reservation)
class ReservationAdmin(ActionsAdmin):
    """Money that a program has set aside before it is spent: what became of it, and a way to give it back."""

    form = RecordForm
    list_display = ("when", "campaign_name", "brand_name", "channel_name", "sum", "state", "expires", "became")
    list_display_links = ("when",)
    list_select_related = ("campaign", "brand")
    list_filter = (("brand", AutocompleteSelectFilter), ReservationStateFilter, ("created_at", DaysFilter))
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, platform campaign id, or brand"
    campaign_path = "campaign"
    brand_path = "brand"
    ordering = ("-created_at", "-pk")
    sortable_by = ()
    list_fullwidth = True
    essentials = ("when", "campaign_name", "sum", "state", "expires")
    actions_detail = ("void",)
    empty_text = "Programs set money aside through the API before they spend it. Issue a token for yours to begin."
    fieldsets = (
        ("Reservation", {"fields": ("campaign_name", "brand_name", "channel_name", "sum", "on_day", "state")}),
        ("Record", {"fields": ("when", "set_aside_by", "expires", "resolved", "became", "origin")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Reservation:
        raise PermissionDenied

    def change(self, request: HttpRequest, obj: Reservation, form: Any, now: datetime) -> None:
        raise PermissionDenied

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reservation]:
        return super().get_queryset(request).select_related("campaign", "brand")

    def dress(self, rows: list[Reservation], now: datetime) -> None:
        for one in rows:
            note(one, now, "now")

    def panels_above(self, obj: Reservation, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    @admin.display(description="set aside")
    def when(self, one: Reservation) -> str:
        return show.moment(one.created_at, one.brand.zone)

    @admin.display(description="set aside by")
    def set_aside_by(self, one: Reservation) -> str:
        return show.who(one.created_by)

    @admin.display(description="campaign")
    def campaign_name(self, one: Reservation) -> SafeString:
        return show.link_to(one.campaign, "campaigns_campaign", one.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, one: Reservation) -> SafeString:
        return show.link_to(one.brand, "brands_brand", one.brand_id)

    @admin.display(description="channel")
    def channel_name(self, one: Reservation) -> object:
        return one.channel or show.nothing("none named")

    @admin.display(description="amount")
    def sum(self, one: Reservation) -> SafeString:
        return show.right(show.amount(one.amount, one.brand.currency))

    @admin.display(description="day")
    def on_day(self, one: Reservation) -> SafeString:
        return show.day(one.day)

    @admin.display(description="state")
    def state(self, one: Reservation) -> SafeString:
        status = ReservationStatus(one.status)
        return show.badge(status.label, TONES[status])

    @admin.display(description="expires")
    def expires(self, one: Reservation) -> object:
        if one.status != ReservationStatus.PENDING:
            return show.nothing()
        now = noted(one, "now")
        if one.expires_at <= now:
            return show.badge(f"{show.ago(one.expires_at, now)}", show.WARN, "The next run releases it.")
        return show.ago(one.expires_at, now)

    @admin.display(description="what became of it")
    def became(self, one: Reservation) -> object:
        currency = one.brand.currency
        match one.status:
            case ReservationStatus.PENDING:
                return show.nothing("nothing yet: it counts as set aside")
            case ReservationStatus.SETTLED:
                return show.link_to(
                    f"{show.amount(one.settled_amount, currency)} spent", "spending_spend", one.spend_id
                )
            case ReservationStatus.VOIDED:
                return "given back"
            case _:
                return "nobody said in time; released"

    @admin.display(description="resolved")
    def resolved(self, one: Reservation) -> str:
        return show.moment(one.resolved_at, one.brand.zone)

    def offered(self, obj: Reservation) -> Iterable[str]:
        return ("void",) if obj.status == ReservationStatus.PENDING else ()

    @object_action("Give back…", path="void", needs="spending.change_reservation", icon="undo", danger=True)
    def void(self, request: HttpRequest, obj: Reservation) -> HttpResponse:
        def run(_: Any) -> None:
            reservations.void(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, f"Given back: {obj}. It is no longer set aside.")

        return ask(
            self, request, obj, title="Give back", button="Give it back", danger=True, form_class=forms.Form, run=run,
            intro=[
                f"{obj}, set aside by {show.who(obj.created_by)}. It counts no longer against any budget. A program"
                " that spends it all the same has to record the spend itself."
            ],
        )  # fmt: skip


# --- Records ---------------------------------------------------------------------------------------------------------


@admin.register(SpendRevision)
class SpendRevisionAdmin(RecordAdmin[SpendRevision]):
    list_display = ("when", "campaign_name", "brand_name", "was", "day", "spend_type", "spend_link", "by", "reason")
    essentials = ("when", "campaign_name", "brand_name", "was", "spend_link", "reason")
    list_display_links = ("when",)
    list_select_related = ("spend__campaign", "spend__brand")
    list_filter = (("replaced_at", DaysFilter), ("spend_type", ChoicesDropdownFilter))
    search_fields = ("spend__campaign__name",)
    campaign_path = "spend__campaign"
    brand_path = "spend__brand"
    ordering = ("-id",)
    list_fullwidth = True
    empty_text = "When a spend is corrected or voided, its former value is kept here."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "when", "campaign_name", "brand_name", "version", "was", "day", "spend_type", "channel",
                    "description", "spend_link", "by", "reason",
                )
            },
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[SpendRevision]:
        return super().get_queryset(request).select_related("spend__campaign", "spend__brand")

    def dress(self, rows: list[SpendRevision], now: datetime) -> None:
        later = SpendRevision.objects.filter(spend__in={row.spend_id for row in rows})
        voided = {(pk, version): at for pk, version, at in later.values_list("spend_id", "version", "voided_at")}
        for row in rows:
            note(row, voided.get((row.spend_id, row.version + 1), row.spend.voided_at), "voided_after")

    def panels_above(self, obj: SpendRevision, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    @admin.display(description="replaced at")
    def when(self, revision: SpendRevision) -> str:
        return show.moment(revision.replaced_at, revision.spend.brand.zone)

    @admin.display(description="date")
    def day(self, revision: SpendRevision) -> SafeString:
        return show.day(revision.spend_date)

    @admin.display(description="campaign")
    def campaign_name(self, revision: SpendRevision) -> SafeString:
        return show.link_to(revision.spend.campaign, "campaigns_campaign", revision.spend.campaign_id)

    @admin.display(description="former amount")
    def was(self, revision: SpendRevision) -> SafeString:
        return show.right(show.amount(revision.amount, revision.spend.brand.currency))

    @admin.display(description="brand")
    def brand_name(self, revision: SpendRevision) -> SafeString:
        return show.link_to(revision.spend.brand, "brands_brand", revision.spend.brand_id)

    @admin.display(description="what was done")
    def spend_link(self, revision: SpendRevision) -> SafeString:
        done = done_to(revision, noted(revision, "voided_after"))
        spend = revision.spend
        now = show.amount(spend.amount, spend.brand.currency) if spend.spend_date == revision.spend_date else spend
        words = "Voided" if done == "Voided" else f"{done}: now {now}"
        if done != "Voided" and spend.voided_at is not None:
            words = f"{done}, and voided since"
        return show.link_to(words, "spending_spend", spend.pk)

    @admin.display(description="by")
    def by(self, revision: SpendRevision) -> str:
        return show.who(revision.replaced_by)


class PeriodKindFilter(FixedFilter):
    title = "kind"
    parameter_name = "kind"
    field = "kind"
    values = [(kind.value, str(kind.label)) for kind in PeriodKind]


class ScopeFilter(DropdownFilter):
    title = "scope"
    parameter_name = "scope"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("brands", "Brands"), ("campaigns", "Campaigns")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[BudgetPeriod]) -> QuerySet[BudgetPeriod]:
        match self.value():
            case "brands":
                return queryset.filter(campaign=None)
            case "campaigns":
                return queryset.exclude(campaign=None)
            case _:
                return queryset


@admin.register(BudgetPeriod)
class BudgetPeriodAdmin(RecordAdmin[BudgetPeriod]):
    list_display = ("scope", "brand_name", "kind", "starts", "use", "in_ledger", "set_aside", "not_counted", "turned")
    essentials = ("scope", "brand_name", "kind", "starts", "use")
    list_select_related = ("campaign", "brand")
    list_filter = (("brand", AutocompleteSelectFilter), ScopeFilter, PeriodKindFilter, ("starts_on", RangeDateFilter))
    search_fields = ("campaign__name", "brand__name")
    search_help_text = "Campaign or brand"
    campaign_path = "campaign"
    brand_path = "brand"
    other_search = ("brand__name__icontains",)
    ordering = ("-starts_on", "-id")
    sortable_by = ()
    list_fullwidth = True
    empty_text = "A period appears with the first spend, or when a brand's day begins. Add a brand, then a spend."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "scope", "brand_name", "kind", "starts", "use", "in_ledger", "set_aside", "not_counted", "turned",
                )
            },
        ),
    )  # fmt: skip

    @admin.display(description="of")
    def scope(self, period: BudgetPeriod) -> SafeString:
        return format_html("{} {}", "Campaign" if period.campaign else "Brand", period.campaign or period.brand)

    @admin.display(description="brand")
    def brand_name(self, period: BudgetPeriod) -> SafeString:
        return show.link_to(period.brand, "brands_brand", period.brand_id)

    @admin.display(description="begins")
    def starts(self, period: BudgetPeriod) -> SafeString:
        return show.nothing("no end") if period.kind == PeriodKind.LIFETIME else show.day(period.starts_on)

    @admin.display(description="used")
    def use(self, period: BudgetPeriod) -> SafeString:
        return show.use_bar(period.used, period.budget, period.brand.currency)

    @admin.display(description="all spends")
    def in_ledger(self, period: BudgetPeriod) -> SafeString:
        return show.right(show.amount(period.posted, period.brand.currency))

    @admin.display(description="set aside")
    def set_aside(self, period: BudgetPeriod) -> SafeString:
        return show.right(show.amount(period.reserved, period.brand.currency)) if period.reserved else show.nothing()

    @admin.display(description="no longer counted")
    def not_counted(self, period: BudgetPeriod) -> SafeString:
        return show.right(show.amount(period.forgiven, period.brand.currency)) if period.forgiven else show.nothing()

    @admin.display(description="opened")
    def turned(self, period: BudgetPeriod) -> str:
        return show.moment(period.turned_at, period.brand.zone)


def _period_text(kind: str, starts_on: date) -> str:
    return {PeriodKind.DAY: show.day_text(starts_on), PeriodKind.MONTH: f"{starts_on:%B %Y}"}.get(
        PeriodKind(kind), "from the beginning"
    )


@admin.register(ForcedReset)
class ForcedResetAdmin(RecordAdmin[ForcedReset]):
    list_display = ("when", "brand_name", "period", "no_longer_counted", "by", "reason")
    list_display_links = ("when",)
    list_select_related = ("brand",)
    list_filter = (("brand", AutocompleteSelectFilter), PeriodKindFilter, ("at", DaysFilter))
    search_fields = ("brand__name", "reason", "actor")
    brand_path = "brand"
    ordering = ("-id",)
    empty_text = "Nobody has begun a period afresh. To do so, open a brand and choose Forced reset."
    fieldsets = ((None, {"fields": ("when", "brand_name", "period", "no_longer_counted", "by", "reason")}),)

    @admin.display(description="when")
    def when(self, reset: ForcedReset) -> str:
        return show.moment(reset.at, reset.brand.zone)

    @admin.display(description="brand")
    def brand_name(self, reset: ForcedReset) -> SafeString:
        return show.link_to(reset.brand, "brands_brand", reset.brand_id)

    @admin.display(description="period")
    def period(self, reset: ForcedReset) -> str:
        return f"{reset.get_kind_display()}: {_period_text(reset.kind, reset.starts_on)}"

    @admin.display(description="by")
    def by(self, reset: ForcedReset) -> str:
        return show.who(reset.actor)

    @admin.display(description="no longer counted")
    def no_longer_counted(self, reset: ForcedReset) -> SafeString:
        return show.right(show.amount(reset.forgiven, reset.brand.currency))
