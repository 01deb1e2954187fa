"""Ad platforms in the admin: accounts, modes, what campaigns show there, approvals, and the kill switch."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import Panel, RecordAdmin, actor_of, note, noted, query_url
from budget_system.admin.bulk import DONE, REFUSED, Act, BulkAdmin, Outcome, begin
from budget_system.admin.export_files import csv_lines
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.forms import OptionalReasonForm, ReasonForm, UseCaseForm
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter, TextInput
from budget_system.errors import Refused
from campaigns.holds import Hold
from campaigns.models import Campaign
from campaigns.models import Platform as PlatformCode
from platforms import files, services
from platforms.adapters import KINDS
from platforms.drift import at_risk_now
from platforms.models import (
    STATUS_LABELS,
    STEP_LABELS,
    WHY_LABELS,
    Account,
    ActKind,
    Outgoing,
    Pull,
    RemoteState,
    Steering,
)
from platforms.models import Act as PlatformAct
from platforms.protocol import Kind, Status
from platforms.pull import zone_of
from platforms.steps import Mode, Step, Why, at_risk, wanted

UTC = ZoneInfo("UTC")
CHANGE, APPROVE = "platforms.change_account", "platforms.change_remotestate"
STOP, GO_ON = "platforms.stop_outgoing", "platforms.resume_outgoing"
LATEST = 10
BY_FILE = ("GOOGLE", "META", "MICROSOFT")
"""Platforms whose own tools take changes in a file."""


def _minute(at: datetime | None) -> str:
    return show.moment(at, UTC)


# --- Accounts --------------------------------------------------------------------------------------------------------


class AccountForm(UseCaseForm):
    """The id, and the credentials that the platform's kind asks for, which are never shown again."""

    prefix_of_keys = "key_"

    def keys(self) -> dict[str, str]:
        """What was typed, by the names of the kind."""
        return {
            name.removeprefix(self.prefix_of_keys): str(value)
            for name, value in self.cleaned_data.items()
            if name.startswith(self.prefix_of_keys)
        }


def form_for(kind: Kind, *, adding: bool) -> type[AccountForm]:
    """The form of an account on this platform."""
    fields: dict[str, Any] = {}
    for field in kind.fields:
        attrs = {"autocomplete": "new-password" if field.secret else "off", "spellcheck": "false"}
        widget = TextInput(attrs={**attrs, "type": "password"} if field.secret else attrs)
        kept = "" if adding else " Kept; leave it empty to keep it."
        fields[f"{AccountForm.prefix_of_keys}{field.name}"] = forms.CharField(
            label=field.label, help_text=field.help + kept, required=adding and field.required, widget=widget,
            max_length=4_000,
        )  # fmt: skip
    return type("AccountFormOfKind", (AccountForm,), {**fields, "helps": {"account_id": kind.account_help}})


class AccountStateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("works", "Works"), ("fails", "Fails"), ("off", "Switched off")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        match self.value():
            case "works":
                return queryset.filter(off_at=None, failing_since=None, pull_failing_since=None)
            case "fails":
                fails = Q(failing_since__isnull=False) | Q(pull_failing_since__isnull=False)
                return queryset.filter(fails, off_at=None)
            case "off":
                return queryset.exclude(off_at=None)
            case _:
                return queryset


class PlatformFilter(FixedFilter):
    title = "platform"
    parameter_name = "platform"
    field = "platform"
    values = [(code, str(PlatformCode(code).label)) for code in KINDS]


@admin.register(Account)
class AccountAdmin(ActionsAdmin):
    form = AccountForm
    adds_several = False
    opens_after_add = True
    list_display = ("account", "brand_name", "platform_name", "state", "risk", "looked", "spend_read")
    list_display_links = ("account",)
    list_select_related = ("brand",)
    list_filter = (("brand", AutocompleteSelectFilter), PlatformFilter, AccountStateFilter)
    search_fields = ("name", "account_id", "brand__name")
    search_help_text = "Name, id or brand"
    brand_path = "brand"
    ordering = ("brand__name", "platform", "account_id", "pk")
    sortable_by = ()
    essentials = ("account", "brand_name", "state", "risk")
    list_fullwidth = True
    autocomplete_fields = ("brand",)
    actions_detail = ("check_connection", "download_changes", "uploaded", "switch_on", "switch_off")
    empty_text = (
        "No ad platform is connected: spend comes in reports, and campaigns are changed there by hand. Add an account: "
        "its spend is read by itself, and what is decided here can be carried out there."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return super().get_queryset(request).select_related("brand")

    # --- Form ---------------------------------------------------------------------------------------------------------

    def _kind(self, request: HttpRequest, obj: Account | None) -> Kind | None:
        """Of the account, or of the one to be added; without fields where changes go in files."""
        code = obj.platform if obj is not None else request.GET.get("platform", "")
        by_file = obj.by_file if obj is not None else self._in_files(request)
        kind = KINDS.get(code)
        return kind._replace(fields=()) if kind is not None and by_file else kind

    def _in_files(self, request: HttpRequest) -> bool:
        return request.GET.get("by") == "file" and request.GET.get("platform") in BY_FILE

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kind = self._kind(request, obj)
        if kind is not None:
            kwargs["form"] = form_for(kind, adding=obj is None)
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        kind = self._kind(request, obj)
        keys = tuple(f"{AccountForm.prefix_of_keys}{field.name}" for field in kind.fields) if kind else ()
        access = (("Access", {"fields": keys}),) if keys else ()
        if obj is None:
            return (("Account", {"fields": ("brand", "account_id")}), *access)
        shown = ("How it goes", {"fields": ("state", "why", "there", "zone_words", "mode", "looked", "spend_read")})
        which = ("Account", {"fields": ("brand", "platform_name", "account_id")})
        return (shown, which, *access) if self.may_change(request) else (shown, which)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = ("state", "why", "there", "zone_words", "mode", "looked", "spend_read", "platform_name")
        if obj is None:
            return fixed
        return (*fixed, "brand") if self.may_change(request) else (*fixed, "brand", "account_id")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        if self.has_add_permission(request) and self._kind(request, None) is None:
            context = {
                **self.admin_site.each_context(request),
                "title": "Add a platform account",
                "opts": self.opts,
                "media": self.media,
                "kinds": [(self._with(request, platform=code), str(PlatformCode(code).label)) for code in KINDS],
                "by_file": [
                    (self._with(request, platform=code, by="file"), str(PlatformCode(code).label)) for code in BY_FILE
                ],
            }
            return render(request, "budget/choose_platform.html", context)
        return super().add_view(request, form_url, extra_context)

    def _with(self, request: HttpRequest, **more: str) -> str:
        query = request.GET.copy()
        for name, value in more.items():
            query[name] = value
        return f"?{query.urlencode()}"

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Account:
        return services.add_account(
            form.cleaned_data["brand"].pk, request.GET["platform"], form.cleaned_data["account_id"], form.keys(),
            actor=actor_of(request), now=now, by_file=self._in_files(request),
        )  # fmt: skip

    def response_add(self, request: HttpRequest, obj: Account, post_url_continue: str | None = None) -> HttpResponse:
        self._check(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def change(self, request: HttpRequest, obj: Account, form: Any, now: datetime) -> None:
        keys = {name: text for name, text in form.keys().items() if text}
        if not keys and "account_id" not in form.changed_data:
            self.say(request, "Nothing was changed.", messages.INFO)
            return
        services.change_account(
            obj.pk, new_id=form.cleaned_data.get("account_id"), credentials=keys, actor=actor_of(request), now=now,
            expected_version=form.cleaned_data["expected_version"],
        )  # fmt: skip
        self._check(request, obj)

    # --- What is shown ------------------------------------------------------------------------------------------------

    def dress(self, rows: list[Account], now: datetime) -> None:
        steps: dict[Any, dict[str, int]] = {}
        found = RemoteState.objects.filter(account__in=rows).order_by().values_list("account", "step")
        for account_id, step, count in found.annotate(count=Count("pk")):
            steps.setdefault(account_id, {})[step] = count
        risks = RemoteState.objects.filter(at_risk_now(), account__in=rows).order_by().values_list("account")
        at_risk_by = dict(risks.annotate(count=Count("pk")))
        modes = dict(Steering.objects.filter(brand__in=[row.brand_id for row in rows]).values_list("brand", "mode"))
        for row in rows:
            note(row, steps.get(row.pk, {}), "steps")
            note(row, at_risk_by.get(row.pk, 0), "at_risk")
            note(row, modes.get(row.brand_id, Mode.OBSERVE.value), "mode")
            note(row, now, "now")

    @admin.display(description="account")
    def account(self, row: Account) -> SafeString:
        return show.stacked(row.name or row.account_id, show.small(row.account_id if row.name else "Not read yet"))

    @admin.display(description="brand")
    def brand_name(self, row: Account) -> SafeString:
        return show.link_to(row.brand, "brands_brand", row.brand_id)

    @admin.display(description="platform")
    def platform_name(self, row: Account) -> str:
        return row.get_platform_display()

    @admin.display(description="state")
    def state(self, row: Account) -> SafeString:
        if row.off_at is not None:
            return show.badge("Off", show.BAD, row.off_reason)
        if row.by_file:
            return show.badge("By file", show.INFO)
        if row.needs_person:
            return show.badge("Needs you", show.BAD, row.error)
        if row.failing_since is not None:
            return show.badge("Fails", show.WARN, row.error)
        if row.pull_failing_since is not None:
            return show.badge("Spend fails", show.WARN, row.pull_error)
        return show.badge("Works", show.GOOD) if row.checked_at else show.badge("Not read yet")

    @admin.display(description="because")
    def why(self, row: Account) -> object:
        if row.off_at is not None:
            return show.stacked(row.off_reason, show.small(f"Switched off {_minute(row.off_at)}"))
        if row.failing_since is None and row.pull_failing_since is not None:
            words = f"Its spend cannot be read since {_minute(row.pull_failing_since)}; statuses can."
            return show.stacked(row.pull_error, show.small(words))
        if row.failing_since is None:
            return show.nothing()
        then = "Nothing is asked there until its access is entered anew or checked."
        if not row.needs_person:
            then = f"It is tried again {_minute(row.leave_until) if row.leave_until else 'within minutes'}."
        return show.stacked(f"{row.error} (since {_minute(row.failing_since)})", show.small(then))

    @admin.display(description="as it is there")
    def there(self, row: Account) -> object:
        if row.by_file:
            return show.nothing("not seen: there is no access to its interface")
        if row.checked_at is None:
            return show.nothing("not read yet")
        facts = ", ".join(filter(None, (row.name, row.currency, row.time_zone)))
        if row.currency and row.currency != row.brand.currency:
            words = f"The brand counts in {row.brand.currency}: spend in {row.currency} is rejected, not converted."
            return show.stacked(facts, show.badge("Other currency", show.BAD), show.small(words))
        return facts

    @admin.display(description="its days")
    def zone_words(self, row: Account) -> object:
        zone = zone_of(row)
        if zone.key == row.brand.zone.key:
            return f"As the brand's: {zone.key}"
        words = "Spend is booked on the account's day, which begins at another moment than the brand's."
        return show.stacked(f"{zone.key}; the brand's are {row.brand.zone.key}", show.small(words))

    @admin.display(description="mode")
    def mode(self, row: Account) -> SafeString:
        if row.by_file:
            return show.nothing("a person carries its changes there in a file")
        label = str(noted(row, "mode")).capitalize()
        return show.link_to(label, "platforms_steering", row.brand_id)

    @admin.display(description="money at risk")
    def risk(self, row: Account) -> object:
        counts = noted(row, "steps")
        words = []
        if noted(row, "at_risk"):
            text = f"{noted(row, 'at_risk')} run there and must not"
            words.append(show.link(_states(row, risk="yes"), show.badge(text, show.BAD)))
        for step, label in ((Step.DRIFT, "changed there"), (Step.WAITING, "wait for approval")):
            if counts.get(step):
                words.append(show.link(_states(row, step=step.value), f"{counts[step]} {label}"))
        return show.lines(words) if words else show.nothing("none")

    @admin.display(description="campaigns read")
    def looked(self, row: Account) -> object:
        if row.looked_at is None:
            return show.nothing("not yet")
        known = sum(noted(row, "steps").values())
        words = f"{known} known here, {row.unknown_campaigns} not"
        return show.stacked(show.ago(row.looked_at, noted(row, "now")), show.small(words))

    @admin.display(description="spend read")
    def spend_read(self, row: Account) -> object:
        if row.by_file:
            return show.nothing("comes in report files")
        return show.nothing("not yet") if row.pulled_at is None else show.ago(row.pulled_at, noted(row, "now"))

    def panels_above(self, obj: Account, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return [_campaigns(obj)] if obj.looked_at is not None else ()

    def panels_below(self, obj: Account, now: datetime) -> Sequence[Panel]:
        return [_pulls(obj), _missing(obj)] if obj.looked_at is not None else [_pulls(obj)]

    # --- Actions ------------------------------------------------------------------------------------------------------

    def offered(self, obj: Account) -> Iterable[str]:
        if obj.off_at is not None:
            return ("switch_on",)
        return ("download_changes", "uploaded", "switch_off") if obj.by_file else ("check_connection", "switch_off")

    @object_action("Download changes…", path="file", needs=APPROVE, icon="download")
    def download_changes(self, request: HttpRequest, obj: Account) -> HttpResponse:
        rows = files.waiting(obj)

        def run(_: Any) -> HttpResponse:
            head, *more = files.hand_out(obj.pk, actor=actor_of(request), now=clock.now())
            response = HttpResponse(b"".join(csv_lines(head, more)), content_type="text/csv; charset=utf-8")
            response["Content-Disposition"] = f'attachment; filename="changes-{obj.platform.lower()}.csv"'
            return response

        preview = show.cards(
            ["campaign", "taken to be", "becomes, as here"],
            [[show.campaign_label(row.campaign), theirs(row), ours(row)] for row in rows[:50]],
            "Nothing is to be changed there.",
        )
        return ask(
            self, request, obj, title="Download changes", button="Download the file", form_class=forms.Form, run=run,
            intro=["Upload the file there, then come back and say so: Uploaded. Or the next report shows it.", preview],
        )  # fmt: skip

    @object_action("Uploaded…", path="uploaded", needs=APPROVE, icon="check")
    def uploaded(self, request: HttpRequest, obj: Account) -> HttpResponse:
        def run(_: Any) -> None:
            count = files.acknowledge(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, f"Taken to be there as they are here: {count} campaigns of the last file.")

        return ask(
            self, request, obj, title="Uploaded", button="I have uploaded it", form_class=forms.Form, run=run,
            intro=["The changes of the files that were downloaded are taken to be carried out there."],
        )  # fmt: skip

    @object_action("Check the connection…", path="check", needs=CHANGE, icon="lan")
    def check_connection(self, request: HttpRequest, obj: Account) -> HttpResponse:
        return ask(
            self, request, obj, title="Check the connection", button="Check it now", form_class=forms.Form,
            run=lambda _: self._check(request, obj),
            intro=["The platform is asked for the account's name, currency and time zone. Nothing is changed there."],
        )  # fmt: skip

    def _check(self, request: HttpRequest, obj: Account) -> None:
        if obj.by_file:
            files.look(obj.pk, clock.now())
            self.say(request, "Saved. Its campaigns are taken to be there as they are here at this moment.")
            return
        try:
            there = services.check(obj.pk, actor=actor_of(request), now=clock.now())
        except Refused as error:
            self.say(request, f"The platform did not let us in: {error.message}", messages.ERROR)
        else:
            zone = there.time_zone or "a time zone that is not known here"
            self.say(
                request, f"Connected: {there.name}, {there.currency}, {zone}. Its campaigns are read within a minute."
            )

    @object_action("Switch off…", path="off", needs=CHANGE, icon="power_off", danger=True)
    def switch_off(self, request: HttpRequest, obj: Account) -> HttpResponse:
        def run(form: Any) -> None:
            reason = form.cleaned_data["reason"]
            services.switch_account_off(obj.pk, reason=reason, actor=actor_of(request), now=clock.now())
            self.say(request, f"“{obj}” is switched off: nothing is read there, and nothing sent.")

        return ask(
            self, request, obj, title="Switch off", button="Switch it off", danger=True, form_class=ReasonForm, run=run,
            intro=["Nothing is read there and nothing sent until it is switched on again."],
        )  # fmt: skip

    @object_action("Switch on…", path="on", needs=CHANGE, icon="power")
    def switch_on(self, request: HttpRequest, obj: Account) -> HttpResponse:
        def run(_: Any) -> None:
            services.switch_account_on(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, f"“{obj}” is switched on, and read within a minute.")

        return ask(
            self, request, obj, title="Switch on", button="Switch it on", form_class=forms.Form, run=run,
            intro=[f"It is off because: {obj.off_reason}"],
        )  # fmt: skip


def _states(account: Account, **params: object) -> str:
    return query_url("platforms_remotestate", account__id__exact=account.pk, **params)


def _pulls(account: Account) -> Panel:
    rows = [
        [
            _minute(pull.at), show.days_text(pull.first_day, pull.last_day), show.right(pull.rows),
            show.link_to("What became of it", "spending_spendimport", pull.spend_import_id)
            if pull.spend_import_id else show.nothing(),
            pull.error or show.nothing(),
        ]
        for pull in Pull.objects.filter(account=account).order_by("-id")[:LATEST]
    ]  # fmt: skip
    empty = "No spend was read yet. Figures that are the same as last time are not listed."
    return Panel("Latest figures", show.cards(["read", "days", "rows", "import", "problem"], rows, empty))


def _campaigns(account: Account) -> Panel:
    found = _ordered(RemoteState.objects.filter(account=account).exclude(step=Step.IN_STEP).exclude(step=Step.NOTHING))
    rows = [
        [show.link_to(row.campaign, "platforms_remotestate", row.pk), ours(row), theirs(row), next_words(row)]
        for row in found.select_related("campaign__brand", "account")[:LATEST]
    ]
    table = show.cards(["campaign", "here", "there", "next"], rows, "All campaigns are there as they are here.")
    return Panel("Not in step", show.stacked(table, show.link(_states(account), "All campaigns of this account")))


def _missing(account: Account) -> Panel:
    here = Campaign.objects.current().filter(brand=account.brand_id, platform=account.platform)
    lost = here.filter(Q(external_id="") | Q(remote_state=None) | Q(remote_state__actual="")).order_by("name", "pk")
    rows = [
        [
            show.link_to(campaign, "campaigns_campaign", campaign.pk),
            campaign.external_id or show.nothing("none"),
            "It has no platform campaign id." if not campaign.external_id else "No such campaign is in this account.",
        ]
        for campaign in lost[:LATEST]
    ]
    empty = "Every campaign of the brand on this platform was found there."
    return Panel("Campaigns that were not found there", show.cards(["campaign", "id", "why"], rows, empty))


# --- Modes -----------------------------------------------------------------------------------------------------------


class SteeringForm(UseCaseForm):
    helps = {
        "mode": "Begin with observe, read for some days what would have been done, then let it do more.",
    }


@admin.register(Steering)
class SteeringAdmin(ActionsAdmin):
    form = SteeringForm
    list_display = ("brand_name", "mode_word", "limit_words", "budgets_word")
    list_display_links = ("mode_word",)
    list_select_related = ("brand",)
    list_filter = (("brand", AutocompleteSelectFilter),)
    search_fields = ("brand__name",)
    brand_path = "brand"
    ordering = ("brand__name", "pk")
    sortable_by = ()
    fields = ("brand", "mode", "most_campaigns", "most_share", "budgets_count")
    readonly_fields = ("brand",)
    empty_text = "A brand's mode appears here with its first platform account."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def offered(self, obj: Steering) -> Iterable[str]:
        return ()

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Steering:
        raise NotImplementedError("A mode comes with the brand's first account.")

    def change(self, request: HttpRequest, obj: Steering, form: Any, now: datetime) -> None:
        changes = form.changes(services.STEERING)
        services.change_steering(
            obj.brand_id, changes, actor=actor_of(request), now=now,
            expected_version=form.cleaned_data["expected_version"],
        )  # fmt: skip
        self.say(request, f"From now on: {mode_words(form.cleaned_data.get('mode', obj.mode))}")

    @admin.display(description="brand")
    def brand_name(self, row: Steering) -> SafeString:
        return show.link_to(row.brand, "brands_brand", row.brand_id)

    @admin.display(description="mode")
    def mode_word(self, row: Steering) -> SafeString:
        tones = {Mode.OBSERVE: show.PLAIN, Mode.SUGGEST: show.INFO, Mode.ENFORCE: show.GOOD}
        return show.badge(row.mode.capitalize(), tones[Mode(row.mode)], mode_words(row.mode))

    @admin.display(description="waits for a person above")
    def limit_words(self, row: Steering) -> str:
        return f"{row.most_campaigns} campaigns, or {row.most_share} % of the spend, in a quarter of an hour"

    @admin.display(description="what spend and the clock decide")
    def budgets_word(self, row: Steering) -> str:
        return "counts too" if row.budgets_count else "is always sent"


def mode_words(mode: str) -> str:
    return {
        Mode.OBSERVE: "nothing is sent; what would be sent is written down.",
        Mode.SUGGEST: "each change waits for approval under Campaigns at the platforms.",
        Mode.ENFORCE: "changes are sent by themselves.",
    }[Mode(mode)]


# --- Campaigns at the platforms --------------------------------------------------------------------------------------


def ours(row: RemoteState) -> SafeString:
    if not row.campaign.pause_reason:
        return show.badge("Active", show.GOOD)
    return show.stacked(show.badge("Paused"), show.small(Hold(row.campaign.pause_reason).label))


def theirs(row: RemoteState) -> SafeString:
    label = STATUS_LABELS[row.actual_status]
    if at_risk(row.campaign.pause_reason, row.actual_status):
        return show.stacked(show.badge(label, show.BAD), show.small("Spends what must not be spent"))
    tone = show.GOOD if row.actual == Status.ENABLED else show.PLAIN
    said = row.said if row.said.lower() != label.lower() else ""
    return show.stacked(show.badge(label, tone), show.small(said))


TONES = {
    Step.IN_STEP: show.GOOD, Step.DRIFT: show.BAD, Step.WAITING: show.WARN, Step.STOPPED: show.WARN,
    Step.BROKEN: show.BAD, Step.SEND: show.INFO,
}  # fmt: skip


def next_words(row: RemoteState) -> SafeString:
    step = Step(row.step)
    label = "In the next file" if step is Step.SEND and row.account.by_file else STEP_LABELS[step]
    badge = show.badge(label, show.WARN if row.error else TONES.get(step, show.PLAIN), row.error)
    return show.stacked(badge, show.small(_next_line(row, step)))


def _next_line(row: RemoteState, step: Step) -> str:
    verb = "pause" if wanted(row.campaign.pause_reason) is Status.PAUSED else "start"
    match step:
        case Step.WAITING:
            return f"To {verb} it there. {WHY_LABELS[Why(row.why)]}"
        case Step.OBSERVED:
            return f"We would {verb} it there."
        case Step.SEND if row.error:
            return f"To {verb} it there; attempt {row.attempts}. {row.error}"
        case Step.SEND | Step.STOPPED | Step.BROKEN:
            return f"To {verb} it there."
        case _:
            return ""


def _ordered(states: QuerySet[RemoteState]) -> QuerySet[RemoteState]:
    return states.order_by(_rank(), "step_since", "pk")


def _rank() -> Case:
    """Money at risk first, then what waits for a person, then what does not arrive."""
    return Case(
        When(at_risk_now() & ~Q(step=Step.SEND), then=Value(0)),
        When(step__in=[Step.DRIFT, Step.WAITING], then=Value(1)),
        When(step__in=[Step.SEND, Step.BROKEN, Step.STOPPED], then=Value(2)),
        When(step__in=[Step.OBSERVED, Step.LEFT], then=Value(3)),
        default=Value(4),
        output_field=IntegerField(),
    )


class StepFilter(FixedFilter):
    title = "next step"
    parameter_name = "step"
    field = "step"
    values = [(step.value, label) for step, label in STEP_LABELS.items()]


class RiskFilter(DropdownFilter):
    title = "money at risk"
    parameter_name = "risk"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("yes", "Runs there and must not")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RemoteState]) -> QuerySet[RemoteState]:
        return queryset.filter(at_risk_now()) if self.value() == "yes" else queryset


class StateForm(UseCaseForm):
    """Nothing is written here: what a person decides has pages of its own."""

    has_version = False


def _approve(row: RemoteState, _: Any, actor: str, now: datetime) -> Outcome:
    if not services.approve([row.pk], actor=actor, now=now):
        return Outcome(REFUSED, "it does not wait for approval any more")
    verb = "paused" if wanted(row.campaign.pause_reason) is Status.PAUSED else "started"
    return Outcome(DONE, f"is {verb} there within seconds")


def _leave(row: RemoteState, form: Any, actor: str, now: datetime) -> Outcome:
    left = services.leave([row.pk], reason=form.cleaned_data["reason"], actor=actor, now=now)
    return Outcome(DONE, "stays as it is there") if left else Outcome(REFUSED, "it does not wait any more")


def _foretold(ids: Sequence[UUID]) -> Iterable[object]:
    """What would be sent, campaign by campaign."""
    found = RemoteState.objects.filter(pk__in=ids).select_related("campaign__brand", "account")
    rows = [
        [show.campaign_label(row.campaign), row.account.get_platform_display(), theirs(row), ours(row),
         WHY_LABELS[Why(row.why)]]
        for row in _ordered(found)[:50]
    ]  # fmt: skip
    return [show.cards(["campaign", "platform", "there now", "becomes, as here", "why it waits"], rows, "")]


@admin.register(RemoteState)
class RemoteStateAdmin(BulkAdmin):
    form = StateForm
    list_display = ("campaign_name", "brand_name", "account_name", "here", "there", "next_one", "since")
    list_display_links = ("campaign_name",)
    list_select_related = ("campaign__brand", "account")
    list_filter = (
        ("campaign__brand", AutocompleteSelectFilter), ("account", AutocompleteSelectFilter), StepFilter, RiskFilter,
    )  # fmt: skip
    brand_path = "campaign__brand"
    campaign_path = "campaign"
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, brand or platform id"
    sortable_by = ()
    essentials = ("campaign_name", "there", "next_one")
    list_fullwidth = True
    actions = ("approve_several", "leave_several")
    actions_detail = ("approve_one", "leave_one", "take_over", "put_back")
    fieldsets = (
        ("Campaign", {"fields": ("campaign_link", "brand_name", "account_name")}),
        ("How it stands", {"fields": ("here", "there", "seen", "next_one", "since")}),
    )
    empty_text = "Campaigns appear here once a platform account is connected and has campaigns with their ids."
    acts: Mapping[str, Act] = {
        "approve": Act(
            "Approve", "Send the changes", APPROVE, forms.Form, _approve,
            "These changes are sent to the platforms, and read back there.", foretells=_foretold,
        ),
        "leave": Act(
            "Leave as it is", "Leave them as they are", APPROVE, ReasonForm, _leave,
            "Nothing is sent. They are not asked about again until something else is wanted.", foretells=_foretold,
        ),
    }  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(APPROVE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemoteState]:
        return super().get_queryset(request).select_related("campaign__brand", "account")

    def get_ordering(self, request: HttpRequest) -> Any:
        return [_rank().asc(), "step_since", "pk"]

    # --- What is shown ------------------------------------------------------------------------------------------------

    def dress(self, rows: list[RemoteState], now: datetime) -> None:
        for row in rows:
            note(row, now, "now")

    @admin.display(description="campaign")
    def campaign_name(self, row: RemoteState) -> str:
        return str(row.campaign)

    @admin.display(description="campaign")
    def campaign_link(self, row: RemoteState) -> SafeString:
        return show.link_to(row.campaign, "campaigns_campaign", row.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, row: RemoteState) -> SafeString:
        return show.link_to(row.campaign.brand, "brands_brand", row.campaign.brand_id)

    @admin.display(description="account")
    def account_name(self, row: RemoteState) -> SafeString:
        return show.link_to(row.account, "platforms_account", row.account_id)

    @admin.display(description="here")
    def here(self, row: RemoteState) -> SafeString:
        return ours(row)

    @admin.display(description="there")
    def there(self, row: RemoteState) -> SafeString:
        return theirs(row)

    @admin.display(description="next")
    def next_one(self, row: RemoteState) -> SafeString:
        return next_words(row)

    @admin.display(description="since")
    def since(self, row: RemoteState) -> str:
        return show.ago(row.step_since, noted(row, "now"))

    @admin.display(description="read there")
    def seen(self, row: RemoteState) -> object:
        return show.nothing("not yet") if row.seen_at is None else show.ago(row.seen_at, noted(row, "now"))

    def panels_above(self, obj: RemoteState, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    def panels_below(self, obj: RemoteState, now: datetime) -> Sequence[Panel]:
        latest = PlatformAct.objects.filter(campaign=obj.campaign_id).order_by("-id")[: 2 * LATEST]
        rows = [
            [show.utc(act.at), act_words(act), Hold(act.reason).label if act.reason else show.nothing("nothing holds"),
             took_words(act), show.who(act.actor), act.note or show.nothing()]
            for act in latest
        ]  # fmt: skip
        headers = ["at", "what", "here", "took", "who", "note"]
        return [Panel("What was done there", show.cards(headers, rows, "Nothing was sent there yet."))]

    # --- Actions ------------------------------------------------------------------------------------------------------

    @admin.action(description="Approve…", permissions=["approve"])
    def approve_several(self, request: HttpRequest, chosen: QuerySet[RemoteState]) -> HttpResponse | None:
        return begin(self, request, chosen.filter(step__in=[Step.WAITING, Step.LEFT]), "approve")

    @admin.action(description="Leave as it is…", permissions=["approve"])
    def leave_several(self, request: HttpRequest, chosen: QuerySet[RemoteState]) -> HttpResponse | None:
        return begin(self, request, chosen.filter(step=Step.WAITING), "leave")

    def offered(self, obj: RemoteState) -> Iterable[str]:
        match Step(obj.step):
            case Step.WAITING:
                return ("approve_one", "leave_one")
            case Step.LEFT:
                return ("approve_one",)
            case Step.DRIFT:
                return ("take_over", "put_back")
            case _:
                return ()

    @object_action("Approve…", path="approve", needs=APPROVE, icon="check")
    def approve_one(self, request: HttpRequest, obj: RemoteState) -> HttpResponse:
        def run(_: Any) -> None:
            services.approve([obj.pk], actor=actor_of(request), now=clock.now())
            self.say(request, "It is sent within seconds, and read back there.")

        return ask(
            self, request, obj, title="Approve", button="Send the change", form_class=forms.Form, run=run,
            intro=_foretold([obj.pk]),
        )  # fmt: skip

    @object_action("Leave as it is…", path="leave", needs=APPROVE, icon="close")
    def leave_one(self, request: HttpRequest, obj: RemoteState) -> HttpResponse:
        def run(form: Any) -> None:
            services.leave([obj.pk], reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, "It stays as it is there.")

        return ask(
            self, request, obj, title="Leave as it is", button="Leave it", form_class=ReasonForm, run=run,
            intro=["Nothing is sent. It is not asked about again until something else is wanted."],
        )  # fmt: skip

    @object_action("Take over theirs…", path="take-over", needs=APPROVE, icon="download")
    def take_over(self, request: HttpRequest, obj: RemoteState) -> HttpResponse:
        paused = obj.actual == Status.PAUSED
        becomes = "paused by hand here too" if paused else "no longer paused by hand here"

        def run(form: Any) -> None:
            services.take_over(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, f"It is {becomes}. Nothing is sent.")

        return ask(
            self, request, obj, title="Take over theirs", button="Take it over", form_class=ReasonForm, run=run,
            intro=[f"Somebody has {'paused' if paused else 'started'} it there. It becomes {becomes}."],
        )  # fmt: skip

    @object_action("Put ours back…", path="put-back", needs=APPROVE, icon="upload")
    def put_back(self, request: HttpRequest, obj: RemoteState) -> HttpResponse:
        def run(form: Any) -> None:
            services.put_back(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, "It is sent within seconds, and read back there.")

        return ask(
            self, request, obj, title="Put ours back", button="Put it back", form_class=ReasonForm, run=run,
            intro=_foretold([obj.pk]),
        )  # fmt: skip


def act_words(act: PlatformAct) -> SafeString:
    tones = {
        ActKind.CONFIRMED: show.GOOD, ActKind.REFUSED: show.BAD, ActKind.NOT_SEEN: show.WARN, ActKind.DRIFT: show.BAD,
    }  # fmt: skip
    kind = ActKind(act.kind)
    asked = {Status.PAUSED: "Paused", Status.ENABLED: "Enabled"}.get(Status(act.asked)) if act.asked else None
    attempt = f", attempt {act.attempt}" if act.attempt > 1 else ""
    return show.stacked(show.badge(kind.label, tones.get(kind, show.PLAIN)), show.small(f"{asked or ''}{attempt}"))


def took_words(act: PlatformAct) -> object:
    return show.nothing() if act.seconds is None else show.right(f"{act.seconds:.1f} s")


# --- The kill switch -------------------------------------------------------------------------------------------------


class OutgoingForm(UseCaseForm):
    has_version = False


@admin.register(Outgoing)
class OutgoingAdmin(ActionsAdmin):
    """One row, for all brands."""

    form = OutgoingForm
    brand_path = None
    list_display = ("what", "state", "why", "waits")
    empty_text = "Changes leave as each brand's mode lets them. Open the switch to stop them all."
    sortable_by = ()
    ordering = ("pk",)
    actions_detail = ("stop", "resume")
    fieldsets = (("Changes to ad platforms", {"fields": ("state", "why", "waits")}),)
    readonly_fields = ("state", "why", "waits")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Outgoing]:
        Outgoing.objects.get_or_create(only=True)
        return super().get_queryset(request)

    @admin.display(description="kill switch")
    def what(self, row: Outgoing) -> str:
        return str(row)

    @admin.display(description="state")
    def state(self, row: Outgoing) -> SafeString:
        if row.stopped_at is None:
            return show.badge("Changes leave", show.GOOD)
        return show.badge("Nothing leaves", show.BAD)

    @admin.display(description="because")
    def why(self, row: Outgoing) -> object:
        if row.stopped_at is None:
            return "Each brand's mode decides what is sent. Stopping holds every change to every platform at once."
        return show.stacked(row.reason, show.small(f"{show.who(row.stopped_by)}, {_minute(row.stopped_at)}"))

    @admin.display(description="held")
    def waits(self, row: Outgoing) -> object:
        held = RemoteState.objects.filter(step=Step.STOPPED).count()
        return f"{held} campaigns" if held else show.nothing("none")

    def offered(self, obj: Outgoing) -> Iterable[str]:
        return ("stop",) if obj.stopped_at is None else ("resume",)

    @object_action("Stop all changes…", path="stop", needs=STOP, icon="front_hand", danger=True)
    def stop(self, request: HttpRequest, obj: Outgoing) -> HttpResponse:
        def run(form: Any) -> None:
            services.stop_all(reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, "From now on nothing leaves. Spend and statuses are read as before.")

        return ask(
            self, request, obj, title="Stop all changes", button="Stop all changes", danger=True,
            form_class=ReasonForm, run=run,
            intro=["No change leaves to any platform, for any brand, until somebody lets them. Reading goes on."],
        )  # fmt: skip

    @object_action("Let changes leave…", path="resume", needs=GO_ON, icon="play_arrow")
    def resume(self, request: HttpRequest, obj: Outgoing) -> HttpResponse:
        def run(form: Any) -> None:
            services.go_on(actor=actor_of(request), now=clock.now(), reason=form.cleaned_data["reason"])
            self.say(request, "Changes leave again: those that are wanted now.")

        return ask(
            self, request, obj, title="Let changes leave", button="Let changes leave", form_class=OptionalReasonForm,
            run=run, intro=["What is wanted now is sent within seconds; what was wanted meanwhile and is not any more "
                            "is not."],
        )  # fmt: skip


# --- The record ------------------------------------------------------------------------------------------------------


class KindFilter(FixedFilter):
    title = "what"
    parameter_name = "kind"
    field = "kind"
    values = [(kind.value, str(kind.label)) for kind in ActKind]


@admin.register(PlatformAct)
class ActAdmin(RecordAdmin[PlatformAct]):
    list_display = ("when", "campaign_name", "brand_name", "what", "took", "by", "note_words")
    list_display_links = ("when",)
    list_select_related = ("campaign__brand", "account")
    list_filter = (
        ("campaign__brand", AutocompleteSelectFilter), ("account", AutocompleteSelectFilter), KindFilter,
        ("at", DaysFilter),
    )  # fmt: skip
    brand_path = "campaign__brand"
    campaign_path = "campaign"
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, brand or platform id"
    ordering = ("-id",)
    sortable_by = ()
    essentials = ("when", "campaign_name", "what")
    list_fullwidth = True
    fieldsets = (
        ("What was done", {"fields": ("when", "campaign_name", "brand_name", "what", "took", "by", "note_words")}),
    )
    readonly_fields = ("when", "campaign_name", "brand_name", "what", "took", "by", "note_words")
    empty_text = "What is sent to platforms, answered, seen and decided is kept here for ever."

    @admin.display(description="at")
    def when(self, act: PlatformAct) -> str:
        return show.utc(act.at)

    @admin.display(description="campaign")
    def campaign_name(self, act: PlatformAct) -> SafeString:
        return show.link_to(act.campaign, "campaigns_campaign", act.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, act: PlatformAct) -> SafeString:
        return show.link_to(act.campaign.brand, "brands_brand", act.campaign.brand_id)

    @admin.display(description="what")
    def what(self, act: PlatformAct) -> SafeString:
        return act_words(act)

    @admin.display(description="took")
    def took(self, act: PlatformAct) -> object:
        return took_words(act)

    @admin.display(description="who")
    def by(self, act: PlatformAct) -> str:
        return show.who(act.actor)

    @admin.display(description="note")
    def note_words(self, act: PlatformAct) -> object:
        return act.note or show.nothing()
