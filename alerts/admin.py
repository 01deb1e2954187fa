"""Alerts in the admin: what people should know, read and resolved; and the rules that say of what they are told."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString

from access.callers import caller_of
from alerts import services
from alerts.findings import zone_of
from alerts.kinds import LABELS, SPECS, Kind
from alerts.models import KINDS, SEVERITIES, Alert, AlertQuerySet, AlertRule, AlertState
from alerts.rules import in_words
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import Panel, UseCaseAdmin, actor_of, note, noted
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.forms import UseCaseForm
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter, Select, Switch, TextInput
from budget_system.errors import Refused
from delivery.severity import Severity
from enforcement.explain import local_text

CHANGE = "alerts.change_alert"
TONES = {Severity.CRITICAL: show.BAD, Severity.WARNING: show.WARN, Severity.NOTICE: show.INFO}


def severity_badge(severity: int) -> SafeString:
    return show.badge(Severity(severity).label, TONES[Severity(severity)])


class AlertForm(UseCaseForm):
    """Nothing is written here: reading and resolving are actions."""

    has_version = False


class StateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"
    all_option = ["", "Open"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [*AlertState.choices[1:], ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        value = self.value()
        return queryset if value == "all" else cast(AlertQuerySet, queryset).in_state(value or AlertState.OPEN)


class KindFilter(FixedFilter):
    title = "kind"
    parameter_name = "kind"
    field = "kind"
    values = KINDS


class SeverityFilter(FixedFilter):
    title = "severity"
    parameter_name = "severity"
    field = "severity"
    values = [(str(value), label) for value, label in SEVERITIES]


@admin.register(Alert)
class AlertAdmin(ActionsAdmin):
    form = AlertForm
    list_display = ("severity_now", "what", "brand_name", "began", "to_do", "state")
    list_display_links = None
    list_select_related = ("brand", "campaign")
    list_filter = (
        StateFilter, KindFilter, SeverityFilter, ("brand", AutocompleteSelectFilter), ("raised_at", DaysFilter)
    )  # fmt: skip
    search_fields = ("title",)
    search_help_text = "Words of the title"
    brand_path = "brand"
    ordering = (F("ended_at").desc(nulls_first=True), "-severity", "-raised_at", "-pk")
    sortable_by = ()
    essentials = ("action_checkbox", "severity_now", "what", "to_do", "state")
    list_fullwidth = True
    actions = ("read_them", "resolve_them")
    actions_detail = ("open_page", "resolve_it", "read_it")
    empty_text = "Nothing is wrong: the present is looked at twice a minute."
    fieldsets = (
        ("Alert", {"fields": ("severity_now", "told", "figures_now", "to_do", "where")}),
        ("Record", {"fields": ("began", "raised", "read", "resolved", "over")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return super().get_queryset(request).select_related("brand", "campaign")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_handle_permission(self, request: HttpRequest) -> bool:
        """Asked by the actions of the list, as their `permissions` say."""
        return request.user.has_perm(CHANGE)

    def dress(self, rows: list[Alert], now: datetime) -> None:
        for row in rows:
            note(row, now, "now")

    def panels_above(self, obj: Alert, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is not None:
            context["title"] = LABELS[Kind(kwargs["obj"].kind)]
            context["subtitle"] = kwargs["obj"].title
        return super().render_change_form(request, context, *args, **kwargs)

    # --- What is shown ------------------------------------------------------------------------------------------------

    @admin.display(description="severity")
    def severity_now(self, alert: Alert) -> SafeString:
        return severity_badge(alert.severity)

    @admin.display(description="what")
    def what(self, alert: Alert) -> SafeString:
        text = alert.text if len(alert.text) < 240 else f"{alert.text[:240]}…"
        return show.stacked(show.link_to(alert.title, "alerts_alert", alert.pk), show.small(text))

    @admin.display(description="what")
    def told(self, alert: Alert) -> SafeString:
        return show.lines((alert.title, show.small(alert.text)))

    @admin.display(description="brand")
    def brand_name(self, alert: Alert) -> object:
        if alert.brand is None:
            return show.nothing("the system")
        return show.link_to(alert.brand, "brands_brand", alert.brand_id)

    @admin.display(description="figures")
    def figures_now(self, alert: Alert) -> object:
        return show.lines(f"{name}: {figure}" for name, figure in alert.figures) or show.nothing("all are above")

    @admin.display(description="what to do")
    def to_do(self, alert: Alert) -> str:
        return alert.next_step

    @admin.display(description="where")
    def where(self, alert: Alert) -> SafeString:
        return show.link(alert.link, "Open the page on which to do it")

    @admin.display(description="since")
    def began(self, alert: Alert) -> str:
        return self._moment(alert, alert.since)

    @admin.display(description="raised")
    def raised(self, alert: Alert) -> str:
        return self._moment(alert, alert.raised_at)

    @admin.display(description="read")
    def read(self, alert: Alert) -> object:
        if alert.read_at is None:
            return show.nothing("nobody has read it")
        return f"{self._moment(alert, alert.read_at)}, by {show.who(alert.read_by)}"

    @admin.display(description="resolved")
    def resolved(self, alert: Alert) -> object:
        if alert.resolved_at is None:
            return show.nothing("nobody has resolved it")
        return f"{self._moment(alert, alert.resolved_at)}, by {show.who(alert.resolved_by)}"

    @admin.display(description="over")
    def over(self, alert: Alert) -> object:
        if alert.cleared_at is None:
            stays = "It still stands; it is not raised again until it was gone once." if alert.resolved_at else ""
            return show.nothing(stays or "It stands until what it is about is over.")
        return show.stacked(self._moment(alert, alert.cleared_at), show.small(alert.ending))

    @admin.display(description="state")
    def state(self, alert: Alert) -> SafeString:
        if alert.resolved_at is not None:
            return show.stacked(show.badge("Resolved", show.GOOD), show.small(show.who(alert.resolved_by)))
        if alert.cleared_at is not None:
            return show.stacked(show.badge("Over", show.GOOD), show.small(self._moment(alert, alert.cleared_at)))
        if alert.read_at is not None:
            return show.stacked(show.badge("Open"), show.small(f"read by {show.who(alert.read_by)}"))
        return show.badge("Unread", show.INFO)

    def _moment(self, alert: Alert, at: datetime) -> str:
        return local_text(zone_of(alert.brand), at, noted(alert, "now"))

    # --- Actions ------------------------------------------------------------------------------------------------------

    def offered(self, obj: Alert) -> Iterable[str]:
        if obj.ended_at is not None:
            return ("open_page",)
        return ("open_page", "resolve_it") if obj.read_at else ("open_page", "resolve_it", "read_it")

    @object_action("Open the page", path="page", needs="alerts.view_alert", icon="open_in_new")
    def open_page(self, request: HttpRequest, obj: Alert) -> HttpResponse:
        return HttpResponseRedirect(obj.link)

    @object_action("Mark as read", path="read", needs=CHANGE, icon="mark_email_read")
    def read_it(self, request: HttpRequest, obj: Alert) -> HttpResponse:
        return self._ask(request, obj, "read")

    @object_action("Resolve", path="resolve", needs=CHANGE, icon="task_alt")
    def resolve_it(self, request: HttpRequest, obj: Alert) -> HttpResponse:
        return self._ask(request, obj, "resolve")

    def _ask(self, request: HttpRequest, obj: Alert, what: str) -> HttpResponse:
        def run(_: Any) -> None:
            use_case = services.mark_read if what == "read" else services.resolve
            use_case([obj.pk], actor=actor_of(request), now=clock.now())
            self.say(request, "It is marked as read." if what == "read" else "It is resolved.")

        intro = (
            ["Everybody sees that you have read it; the bell no longer counts it. It stays open."]
            if what == "read"
            else ["Nothing more is told of it. Should it still stand, it is not raised again until it was gone once."]
        )
        title, button = ("Mark as read", "Mark it as read") if what == "read" else ("Resolve", "Resolve it")
        return ask(self, request, obj, title=title, button=button, form_class=forms.Form, run=run, intro=intro)

    @admin.action(description="Mark as read", permissions=["handle"])
    def read_them(self, request: HttpRequest, chosen: QuerySet[Alert]) -> None:
        self._do(request, chosen, services.mark_read, "Marked as read")

    @admin.action(description="Resolve", permissions=["handle"])
    def resolve_them(self, request: HttpRequest, chosen: QuerySet[Alert]) -> None:
        self._do(request, chosen, services.resolve, "Resolved")

    def _do(self, request: HttpRequest, chosen: QuerySet[Alert], use_case: Any, words: str) -> None:
        ids = list(chosen.values_list("pk", flat=True))
        number = use_case(ids, actor=actor_of(request), now=clock.now())
        rest = len(ids) - number
        also = f" {rest} had been before." if rest else ""
        self.say(request, f"{words}: {number}.{also}", messages.SUCCESS if number else messages.INFO)


# --- Rules -----------------------------------------------------------------------------------------------------------


class RuleForm(UseCaseForm):
    limits = forms.CharField(required=False, widget=TextInput, help_text="Whole numbers, separated by commas.")
    on = forms.BooleanField(required=False, initial=True, widget=Switch, label="Told", help_text="Off: nobody is told.")
    severity = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, choices=[("", "That of the system"), *SEVERITIES], widget=Select,
        help_text="Receivers choose from which severity on they are told.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.instance
        if rule._state.adding or "limits" not in self.fields:
            return
        spec = SPECS[Kind(rule.kind)]
        self.initial["limits"] = ", ".join(map(str, rule.limits))
        if spec.limits is None:
            self.fields["limits"].disabled = True
            self.fields["limits"].help_text = "This kind has no limits."
        else:
            usual = ", ".join(map(str, spec.limits.default))
            self.fields["limits"].help_text = f"{spec.limits.unit.capitalize()}. Empty: {usual}."


@admin.register(AlertRule)
class AlertRuleAdmin(UseCaseAdmin[AlertRule]):
    form = RuleForm
    list_display = ("about", "whose", "told", "does", "how_grave")
    list_display_links = ("about",)
    list_select_related = ("brand",)
    list_filter = (KindFilter, ("brand", AutocompleteSelectFilter))
    brand_path = "brand"
    ordering = (F("brand__name").asc(nulls_first=True), "kind", "pk")
    sortable_by = ()
    essentials = ("about", "whose", "told")
    list_fullwidth = True
    autocomplete_fields = ("brand",)
    opens_after_add = True
    empty_text = (
        "Everybody is told of everything, with sensible limits. Add a rule to change a limit or to leave a kind out, "
        "for one brand or for all."
    )
    fieldsets = (("Rule", {"fields": ("kind", "whose", "on", "limits", "severity", "does")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("does",)
        return ("kind", "whose", "does") if self.may_change(request) else ("kind", "whose", "told", "does")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return (("Rule", {"fields": ("kind", "brand", "on", "limits", "severity")}),)
        if not self.may_change(request):
            return (("Rule", {"fields": ("kind", "whose", "told", "does")}),)
        return self.fieldsets

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "brand" and not caller_of(request).sees_all_brands():
            field.required = True
            field.help_text = "The brand that it is for."
        return field

    def panels_below(self, obj: AlertRule, now: datetime) -> Sequence[Panel]:
        return [Panel("What rules do without being changed", defaults_table())]

    @admin.display(description="about")
    def about(self, rule: AlertRule) -> str:
        return LABELS[Kind(rule.kind)]

    @admin.display(description="for")
    def whose(self, rule: AlertRule) -> object:
        if rule.brand is None:
            return show.nothing("every brand without its own")
        return show.link_to(rule.brand, "brands_brand", rule.brand_id)

    @admin.display(description="told")
    def told(self, rule: AlertRule) -> SafeString:
        return show.badge("Told", show.GOOD) if rule.on else show.badge("Off")

    @admin.display(description="what it does")
    def does(self, rule: AlertRule) -> str:
        return in_words(Kind(rule.kind), rule)

    @admin.display(description="severity")
    def how_grave(self, rule: AlertRule) -> object:
        return severity_badge(rule.severity) if rule.severity else show.nothing("that of the system")

    def create(self, request: HttpRequest, form: Any, now: datetime) -> AlertRule:
        brand = form.cleaned_data["brand"]
        if brand is None and not caller_of(request).sees_all_brands():
            raise Refused("Choose the brand.", field="brand")
        return services.add_rule(
            brand.pk if brand else None, form.cleaned_data["kind"], form.given(services.RULE_INPUTS),
            actor=actor_of(request), now=now,
        )  # fmt: skip

    def change(self, request: HttpRequest, obj: AlertRule, form: Any, now: datetime) -> None:
        changes = form.changes(services.RULE_INPUTS)
        if not changes:
            self.say(request, "Nothing was changed.", messages.INFO)
            return
        services.change_rule(
            obj.pk, changes, actor=actor_of(request), now=now, expected_version=form.cleaned_data["expected_version"]
        )
        self.say(request, "The rule is changed; it holds from the next look on, within half a minute.")


def defaults_table() -> SafeString:
    rows = [[spec.label, in_words(kind, None), severity_badge(spec.severity)] for kind, spec in SPECS.items()]
    return show.cards(["about", "what it does", "severity"], rows, "")
