"""Webhooks in the admin: who is told what, the log of what was sent, and sending it again."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.callers import caller_of
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import Panel, actor_of, note, noted, query_url
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.forms import ReasonForm, UseCaseForm
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import (
    INPUT_CLASSES,
    AutocompleteSelectFilter,
    Checkboxes,
    DropdownFilter,
    Radios,
    Select,
    Switch,
    Textarea,
)
from budget_system.errors import Refused
from delivery import outlets, receivers, relay, services, webhooks
from delivery.models import (
    LABELS,
    PEOPLE,
    SEVERITIES,
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointKind,
    EndpointQuerySet,
    EndpointState,
    Receiver,
)
from delivery.payload import CHOSEN, EventType
from delivery.queries import latest_attempts, open_counts
from delivery.schedule import ATTEMPTS, told
from delivery.severity import Severity

UTC = ZoneInfo("UTC")
AGAIN = "delivery.change_delivery"
LATEST = 10
ADDRESS_HELP = (
    "E-mail: addresses separated by commas. Slack: the address of an incoming webhook, https://hooks.slack.com/…; it "
    "is kept encrypted and not shown again."
)
QUIET_HELP = "By the brand's clock, such as 22:00 to 07:00; of a receiver of all brands in UTC."


class TimeInput(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(INPUT_CLASSES)}, format="%H:%M")


def _minute(at: datetime | None) -> str:
    return show.moment(at, UTC)


# --- Webhooks --------------------------------------------------------------------------------------------------------


class WebhookForm(UseCaseForm):
    events = forms.MultipleChoiceField(
        label="What it is told",
        choices=[(kind.value, LABELS[kind]) for kind in CHOSEN],
        widget=Checkboxes,
        initial=[EventType.STATE_CHANGED.value],
    )
    helps = {
        "brand": "It is told of this brand only, from now on.",
        "url": "Where messages are sent: https://, to a public address.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if settings.WEBHOOK_LOOPBACK and "url" in self.fields:
            self.fields["url"].help_text += " In this demo http:// and this machine too: http://127.0.0.1:9000/hook."


class StateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [(state.value, str(state.label)) for state in EndpointState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
        value = self.value()
        return cast(EndpointQuerySet, queryset).in_state(value) if value in EndpointState.values else queryset


class NewSecretForm(forms.Form):
    at_once = forms.BooleanField(
        required=False,
        widget=Switch,
        label="The present one ends at once",
        help_text="If it has become known to others. Otherwise both sign for 24 hours, so that nothing is missed.",
    )


class SwitchOnForm(forms.Form):
    catch_up = forms.BooleanField(
        required=False,
        widget=Switch,
        initial=True,
        label="Tell it what happened meanwhile",
        help_text="Otherwise it is told what happens from now on.",
    )


class EndpointPages(ActionsAdmin):
    """What webhooks and receivers have in common: how it goes, a test, switching off and on."""

    kinds: Sequence[str]
    adds_several = False
    list_select_related = ("brand",)
    brand_path = "brand"
    list_fullwidth = True
    autocomplete_fields = ("brand",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return super().get_queryset(request).filter(kind__in=self.kinds)

    # --- The list -----------------------------------------------------------------------------------------------------

    def dress(self, rows: list[Endpoint], now: datetime) -> None:
        counts = open_counts(rows)
        for row in rows:
            note(row, counts.get(row.pk, {}), "counts")
            note(row, now, "now")

    @admin.display(description="brand")
    def brand_name(self, row: Endpoint) -> SafeString:
        if row.brand is None:
            return show.nothing("all brands, and the system")
        return show.link_to(row.brand, "brands_brand", row.brand_id)

    @admin.display(description="address")
    def address(self, row: Endpoint) -> SafeString:
        return show.cut(row.url, 48)

    @admin.display(description="state")
    def state(self, row: Endpoint) -> SafeString:
        if row.off_at is not None:
            return show.badge("Off", show.BAD, row.off_reason)
        if row.failures:
            return show.badge("Fails", show.WARN, f"{row.failures} attempts in a row")
        return show.badge("Works", show.GOOD) if row.last_sent_at else show.badge("Not used yet")

    @admin.display(description="because")
    def why(self, row: Endpoint) -> object:
        now = noted(row, "now")
        if row.off_at is not None:
            return show.stacked(row.off_reason, show.small(f"Switched off {_minute(row.off_at)}"))
        if row.failing_since is None:
            return show.nothing()
        last = Attempt.objects.filter(delivery__endpoint=row).first()
        next_try = f"It is tried again {_minute(row.leave_until)}" if row.leave_until and row.leave_until > now else ""
        words = told_of(last) if last else ""
        return show.stacked(f"Nothing arrives since {_minute(row.failing_since)}: {words}", show.small(next_try))

    @admin.display(description="last arrival")
    def arrived(self, row: Endpoint) -> object:
        return show.nothing("none yet") if row.last_sent_at is None else show.ago(row.last_sent_at, noted(row, "now"))

    @admin.display(description="messages")
    def waits(self, row: Endpoint) -> object:
        counts = noted(row, "counts")
        words = [(DeliveryState.PENDING, "wait"), (DeliveryState.PARKED, "parked")]
        links = [
            show.link(
                query_url("delivery_delivery", endpoint__id__exact=row.pk, state=state), f"{counts[state]} {word}"
            )
            for state, word in words
            if counts.get(state)
        ]
        return show.lines(links) if links else show.nothing("none wait")

    @admin.display(description="added")
    def created(self, row: Endpoint) -> str:
        return _minute(row.created_at)

    # --- The page -----------------------------------------------------------------------------------------------------

    def how_it_goes(self, obj: Endpoint, *more: str) -> Any:
        """With the reason, where there is one."""
        why = () if obj.state == EndpointState.WORKS else ("why",)
        return ("How it goes", {"fields": ("state", *why, "arrived", *more, "created")})

    def panels_above(self, obj: Endpoint, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    def panels_below(self, obj: Endpoint, now: datetime) -> Sequence[Panel]:
        latest = list(Delivery.objects.filter(endpoint=obj).order_by("-id")[:LATEST])
        rows = [
            [_minute(one.happened_at), show.link_to(LABELS[EventType(one.type)], "delivery_delivery", one.pk),
             state_badge(one), attempts_words(one)]
            for one in latest
        ]  # fmt: skip
        table = show.cards(["happened", "message", "state", "attempts"], rows, "Nothing yet. Send a test message.")
        all_of_them = show.link(query_url("delivery_delivery", endpoint__id__exact=obj.pk), "All messages")
        return [Panel("Latest messages", show.stacked(table, all_of_them) if latest else table)]

    # --- Actions ------------------------------------------------------------------------------------------------------

    @object_action("Send a test…", path="test", icon="send")
    def send_test(self, request: HttpRequest, obj: Endpoint) -> HttpResponse:
        def run(_: Any) -> None:
            message = services.ping(obj.pk, actor=actor_of(request), now=clock.now())
            answer = relay.send_now(message.pk, clock=clock.now, send=outlets.send)
            took = f"after {answer.seconds:.2f} s"
            if answer.arrived:
                self.say(request, f"It arrived: {told(answer)} {took}.")
            else:
                self.say(request, f"It did not arrive: {told(answer)} {took}. It is tried again.", messages.ERROR)

        return ask(
            self, request, obj, title="Send a test", button="Send it now", form_class=forms.Form, run=run,
            intro=[f"A test message is sent to {obj.url} now, and you see what is answered."],
        )  # fmt: skip

    @object_action("Switch off…", path="off", icon="power_off", danger=True)
    def switch_off(self, request: HttpRequest, obj: Endpoint) -> HttpResponse:
        def run(form: Any) -> None:
            reason = form.cleaned_data["reason"]
            services.switch_off(obj.pk, reason=reason, actor=actor_of(request), now=clock.now())
            self.say(request, f"“{obj.name}” is switched off: nothing is sent there.")

        return ask(
            self, request, obj, title="Switch off", button="Switch it off", danger=True, form_class=ReasonForm, run=run,
            intro=["Nothing is sent there until it is switched on again. What happens meanwhile can be told then."],
        )  # fmt: skip

    @object_action("Switch on…", path="on", icon="power")
    def switch_on(self, request: HttpRequest, obj: Endpoint) -> HttpResponse:
        def run(form: Any) -> None:
            _, made = services.switch_on(
                obj.pk, catch_up=form.cleaned_data["catch_up"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"“{obj.name}” is switched on; messages of what happened meanwhile: {made}.")

        return ask(
            self, request, obj, title="Switch on", button="Switch it on", form_class=SwitchOnForm, run=run,
            initial={"catch_up": True}, intro=[f"It is off because: {obj.off_reason}"],
        )  # fmt: skip


@admin.register(Endpoint)
class EndpointAdmin(EndpointPages):
    form = WebhookForm
    list_display = ("name", "brand_name", "address", "chosen", "state", "arrived", "waits")
    list_filter = (("brand", AutocompleteSelectFilter), StateFilter)
    search_fields = ("name", "url", "brand__name")
    search_help_text = "Name, address or brand"
    kinds = (EndpointKind.WEBHOOK,)
    ordering = ("brand__name", "name", "pk")
    sortable_by = ("name",)
    essentials = ("name", "brand_name", "state", "waits")
    actions_detail = ("send_test", "switch_on", "new_secret", "switch_off")
    empty_text = (
        "A webhook tells a program of yours what happens to a brand, such as a campaign that stops. Add one: its "
        "secret is shown once, so have its place ready."
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        inputs = ("Webhook", {"fields": ("brand", "name", "url", "events")})
        if obj is None:
            return (inputs,)
        return (inputs, self.how_it_goes(obj, "secret_words"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = ("state", "why", "arrived", "secret_words", "created")
        if obj is None:
            return fixed
        return (*fixed, "brand") if self.may_change(request) else (*fixed, "brand", "name", "url", "chosen")

    @admin.display(description="what it is told")
    def chosen(self, row: Endpoint) -> SafeString:
        return show.lines(row.events)

    @admin.display(description="secret")
    def secret_words(self, row: Endpoint) -> str:
        if row.former_until is not None and row.former_until > noted(row, "now"):
            return f"Two sign until {_minute(row.former_until)}"
        return "Shown when it was made; kept encrypted"

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Endpoint:
        endpoint, secret = services.add_endpoint(
            form.cleaned_data["brand"].pk, form.given(services.INPUTS), policy=webhooks.policy(),
            actor=actor_of(request), now=now,
        )  # fmt: skip
        request.secret_text = secret  # type: ignore[attr-defined] # for response_add, and kept nowhere else
        return endpoint

    def response_add(self, request: HttpRequest, obj: Endpoint, post_url_continue: str | None = None) -> HttpResponse:
        return self._show_secret(request, obj, request.secret_text)  # type: ignore[attr-defined] # set by create

    def _show_secret(self, request: HttpRequest, obj: Endpoint, secret: str) -> HttpResponse:
        """In this very answer: on the way to another page it would have to be kept somewhere."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The secret",
            "opts": self.opts,
            "endpoint": obj,
            "text": secret,
            "media": self.media,
            "back": self.url_of(obj),
        }
        response = render(request, "budget/new_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def change(self, request: HttpRequest, obj: Endpoint, form: Any, now: datetime) -> None:
        changes = form.changes(services.INPUTS)
        if not changes:
            self.say(request, f"Nothing was changed in “{obj.name}”.", messages.INFO)
            return
        services.change_endpoint(
            obj.pk, changes, policy=webhooks.policy(), actor=actor_of(request), now=now,
            expected_version=form.cleaned_data["expected_version"],
        )  # fmt: skip
        self.say(request, f"“{obj.name}” is changed. What waits goes where it says now.")

    def offered(self, obj: Endpoint) -> Iterable[str]:
        return ("send_test", "new_secret", "switch_off") if obj.off_at is None else ("switch_on", "new_secret")

    @object_action("New secret…", path="new-secret", icon="key")
    def new_secret(self, request: HttpRequest, obj: Endpoint) -> HttpResponse:
        def run(form: Any) -> HttpResponse:
            endpoint, secret = services.new_endpoint_secret(
                obj.pk, at_once=form.cleaned_data["at_once"], actor=actor_of(request), now=clock.now()
            )
            return self._show_secret(request, endpoint, secret)

        return ask(
            self, request, obj, title="New secret", button="Make a new secret", form_class=NewSecretForm, run=run,
            intro=["The new one is shown once, on the next page. Put it where the receiver finds it."],
        )  # fmt: skip


# --- Receivers: e-mail and Slack -------------------------------------------------------------------------------------


class ReceiverForm(UseCaseForm):
    """E-mail or Slack: where to, from which severity on, and when not."""

    helps = {"name": "Who reads it, such as “Media buyers” or “#acme-budgets”."}

    kind = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in PEOPLE], widget=Radios, label="How", initial=PEOPLE[0].value,
        help_text="Slack, or what takes the same messages. For a program of yours add a webhook instead.",
    )  # fmt: skip
    address = forms.CharField(widget=Textarea(attrs={"rows": 2}), max_length=1_000, label="To", help_text=ADDRESS_HELP)
    minimum_severity = forms.TypedChoiceField(
        coerce=int, choices=SEVERITIES, widget=Select, initial=Severity.WARNING.value, label="Told from",
        help_text="What is less grave is told in the admin only.",
    )  # fmt: skip
    quiet_from = forms.TimeField(required=False, widget=TimeInput, label="Quiet from", help_text=QUIET_HELP)
    quiet_until = forms.TimeField(
        required=False, widget=TimeInput, label="Quiet until", help_text="What still stands then is told then."
    )
    quiet_for_critical = forms.BooleanField(
        required=False, widget=Switch, label="Critical ones wait too",
        help_text="Off: what is critical comes through in quiet hours.",
    )  # fmt: skip
    digest_hour = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, widget=Select, label="Daily digest",
        choices=[("", "None"), *((hour, f"At {hour:02}:00") for hour in range(24))],
        help_text="What is open and what happened since the day before, once a day of the brand.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        endpoint = self.instance
        if endpoint._state.adding or "address" not in self.fields:
            return
        if endpoint.kind == EndpointKind.EMAIL:
            self.initial["address"] = endpoint.url
            self.fields["address"].help_text = "Addresses separated by commas."
        else:
            self.fields["address"].required = False
            self.fields["address"].help_text = "It is a secret and shown nowhere. Empty: it stays as it is."


@admin.register(Receiver)
class ReceiverAdmin(EndpointPages):
    form = ReceiverForm
    kinds = PEOPLE
    list_display = ("name", "how", "brand_name", "address", "hours", "state", "arrived", "waits")
    list_filter = (("brand", AutocompleteSelectFilter), StateFilter)
    essentials = ("name", "how", "state")
    ordering = (F("brand__name").asc(nulls_first=True), "name", "pk")
    search_fields = ("name", "brand__name")
    search_help_text = "Name or brand"
    actions_detail = ("send_test", "switch_on", "switch_off")
    opens_after_add = True
    empty_text = "Tell people by e-mail or in Slack what needs them: add a receiver, and send a test from its page."

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.may_change(request):
            return (("Receiver", {"fields": ("how", "brand_name", "name", "address", "hours")}), self.how_it_goes(obj))
        fixed = ("kind", "brand") if obj is None else ("how", "brand_name")
        inputs = ("Receiver", {"fields": (*fixed, "name", "address")})
        when = (
            "When",
            {"fields": ("minimum_severity", "digest_hour", "quiet_from", "quiet_until", "quiet_for_critical")},
        )
        return (inputs, when) if obj is None else (inputs, when, self.how_it_goes(obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = ("state", "why", "arrived", "created")
        if obj is None:
            return fixed
        if self.may_change(request):
            return (*fixed, "how", "brand_name")
        return (*fixed, "how", "brand_name", "name", "address", "hours")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "brand":
            everything = caller_of(request).sees_all_brands()
            field.required = not everything
            field.help_text = "Empty: all brands, and the system itself." if everything else "It is told of this brand."
        return field

    @admin.display(description="how")
    def how(self, row: Endpoint) -> str:
        return str(row.get_kind_display())

    @admin.display(description="told")
    def hours(self, row: Endpoint) -> SafeString:
        told = [f"from {Severity(row.minimum_severity).label.lower()} on"]
        if row.quiet_from and row.quiet_until:
            told.append(f"quiet {row.quiet_from:%H:%M} to {row.quiet_until:%H:%M}")
        if row.digest_hour is not None:
            told.append(f"digest at {row.digest_hour:02}:00")
        return show.lines(told)

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Endpoint:
        brand = form.cleaned_data["brand"]
        if brand is None and not caller_of(request).sees_all_brands():
            raise Refused("Choose the brand.", field="brand")
        return receivers.add_receiver(
            brand.pk if brand else None, form.cleaned_data["kind"], form.given(receivers.INPUTS),
            policy=webhooks.policy(), actor=actor_of(request), now=now,
        )  # fmt: skip

    def response_add(self, request: HttpRequest, obj: Endpoint, post_url_continue: str | None = None) -> HttpResponse:
        self.say(request, f"“{obj.name}” is added. Send a test: it says what was answered.")
        return HttpResponseRedirect(self.url_of(obj))

    def change(self, request: HttpRequest, obj: Endpoint, form: Any, now: datetime) -> None:
        changes = form.changes(receivers.INPUTS)
        if not changes:
            self.say(request, f"Nothing was changed in “{obj.name}”.", messages.INFO)
            return
        receivers.change_receiver(
            obj.pk, changes, policy=webhooks.policy(), actor=actor_of(request), now=now,
            expected_version=form.cleaned_data["expected_version"],
        )  # fmt: skip
        self.say(request, f"“{obj.name}” is changed.")

    def offered(self, obj: Endpoint) -> Iterable[str]:
        return ("send_test", "switch_off") if obj.off_at is None else ("switch_on",)


# --- Messages --------------------------------------------------------------------------------------------------------


class DeliveryStateFilter(FixedFilter):
    title = "state"
    parameter_name = "state"
    field = "state"
    values = [(state.value, str(state.label)) for state in DeliveryState]


class TypeFilter(FixedFilter):
    title = "type"
    parameter_name = "type"
    field = "type"
    values = [(kind.value, LABELS[kind]) for kind in EventType]


def told_of(attempt: Attempt) -> str:
    return f"status {attempt.status}" if attempt.status else attempt.error


def state_badge(one: Delivery) -> SafeString:
    tones = {DeliveryState.SENT: show.GOOD, DeliveryState.PARKED: show.BAD}
    tone = tones.get(DeliveryState(one.state), show.WARN if one.attempts else show.PLAIN)
    return show.badge(one.get_state_display(), tone)


def attempts_words(one: Delivery) -> str:
    return f"{one.attempts} of {ATTEMPTS}" if one.state == DeliveryState.PENDING else str(one.attempts)


def _readable(one: Delivery) -> str:
    """What is sent, as a person reads it: of a mail its text, without the HTML that says the same."""
    body = json.loads(one.body)
    if one.endpoint.kind == EndpointKind.EMAIL:
        return f"{body['subject']}\n\n{body['text']}"
    return json.dumps(body, indent=2, ensure_ascii=False)


class MessageForm(UseCaseForm):
    """Nothing is written here: sending again has a page of its own."""

    has_version = False


@admin.register(Delivery)
class DeliveryAdmin(ActionsAdmin):
    form = MessageForm
    list_display = ("happened", "endpoint_name", "brand_name", "what", "state_now", "tried", "when")
    list_display_links = ("happened",)
    list_select_related = ("endpoint__brand",)
    list_filter = (
        ("endpoint__brand", AutocompleteSelectFilter), ("endpoint", AutocompleteSelectFilter), DeliveryStateFilter,
        TypeFilter, ("happened_at", DaysFilter),
    )  # fmt: skip
    brand_path = "endpoint__brand"
    ordering = ("-id",)
    sortable_by = ()
    essentials = ("happened", "endpoint_name", "what", "state_now")
    list_fullwidth = True
    actions = ("send_again",)
    actions_detail = ("resend",)
    empty_text = "Nothing was told yet: messages of webhooks and receivers are here for 30 days, with each attempt."
    fieldsets = (
        ("Message", {"fields": ("what", "endpoint_name", "brand_name", "happened")}),
        ("How it goes", {"fields": ("state_now", "tried", "when")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(AGAIN)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).select_related("endpoint__brand")

    def panels_below(self, obj: Delivery, now: datetime) -> Sequence[Panel]:
        log = [
            [_minute(one.at), one.number, told_of(one), f"{one.seconds:.2f} s", show.cut(one.answer, 80)]
            for one in latest_attempts(obj)
        ]
        attempts = show.cards(["at", "attempt", "what came of it", "took", "answer"], log, "It was not tried yet.")
        body = format_html('<pre class="font-mono overflow-x-auto text-xs" tabindex="0">{}</pre>', _readable(obj))
        return [Panel("Attempts", attempts), Panel("What is sent", body)]

    @admin.display(description="happened")
    def happened(self, one: Delivery) -> str:
        return _minute(one.happened_at)

    @admin.display(description="to")
    def endpoint_name(self, one: Delivery) -> SafeString:
        webhook = one.endpoint.kind == EndpointKind.WEBHOOK
        return show.link_to(
            one.endpoint, "delivery_endpoint" if webhook else "delivery_receiver", one.endpoint_id
        )  # fmt: skip

    @admin.display(description="brand")
    def brand_name(self, one: Delivery) -> SafeString:
        if one.endpoint.brand_id is None:
            return show.nothing("all brands")
        return show.link_to(one.endpoint.brand, "brands_brand", one.endpoint.brand_id)

    @admin.display(description="what")
    def what(self, one: Delivery) -> SafeString:
        return show.stacked(LABELS[EventType(one.type)], show.small(one.type))

    @admin.display(description="state")
    def state_now(self, one: Delivery) -> SafeString:
        return state_badge(one)

    @admin.display(description="attempts")
    def tried(self, one: Delivery) -> str:
        return attempts_words(one)

    @admin.display(description="sent")
    def when(self, one: Delivery) -> object:
        if one.state == DeliveryState.SENT:
            return _minute(one.sent_at)
        if one.state == DeliveryState.PARKED:
            return show.nothing("not sent any more, unless you do")
        return "waits until the webhook is switched on" if one.endpoint.off_at else f"next try {_minute(one.next_at)}"

    # --- Actions ------------------------------------------------------------------------------------------------------

    def offered(self, obj: Delivery) -> Iterable[str]:
        return () if obj.state == DeliveryState.PENDING or obj.endpoint.off_at else ("resend",)

    @object_action("Send again…", path="again", needs=AGAIN, icon="replay")
    def resend(self, request: HttpRequest, obj: Delivery) -> HttpResponse:
        def run(_: Any) -> None:
            services.resend([obj.pk], actor=actor_of(request), now=clock.now())
            self.say(request, "It is sent again within seconds, under the same id.")

        return ask(
            self, request, obj, title="Send again", button="Send it again", form_class=forms.Form, run=run,
            intro=[f"To {obj.endpoint.url}: the same bytes under the same id, by which a receiver knows it."],
        )  # fmt: skip

    @admin.action(description="Send again", permissions=["again"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        try:
            count = services.resend(list(chosen.values_list("pk", flat=True)), actor=actor_of(request), now=clock.now())
        except Refused as error:
            self.say(request, error.message, messages.ERROR)
            return
        self.say(request, f"Sent again within seconds: {count}. What waits anyway is not counted.")
