"""Accounts at ad platforms in the admin: connected, checked, changed, switched off and on; changes in files."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import Panel, actor_of, note, noted
from budget_system.admin.export_files import csv_lines
from budget_system.admin.forms import ReasonForm
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter
from budget_system.errors import Refused
from campaigns.models import Platform as PlatformCode
from platforms import files, services
from platforms.adapters import KINDS
from platforms.admin.account_forms import AccountForm, AccountStateFilter, PlatformFilter, form_for
from platforms.admin.account_panels import not_found, not_in_step, pulls, states_url
from platforms.admin.words import APPROVE, CHANGE, minute, ours, theirs
from platforms.models import Account
from platforms.protocol import Kind
from platforms.pull import zone_of
from platforms.queries import standings
from platforms.steps import Step

ADDED = "Encrypted when it is saved, and never shown again. Saving asks the platform at once whether it works."
KEPT = "What was entered is kept encrypted and not shown. What you leave empty stays as it is."


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
        return request.GET.get("by") == "file" and request.GET.get("platform") in services.BY_FILE

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kind = self._kind(request, obj)
        if kind is not None:
            kwargs["form"] = form_for(kind, adding=obj is None)
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        kind = self._kind(request, obj)
        keys = tuple(f"{AccountForm.prefix_of_keys}{field.name}" for field in kind.fields) if kind else ()
        told = ADDED if obj is None else KEPT
        access = (("Access", {"fields": keys, "description": told}),) if keys else ()
        if obj is None:
            title = f"Account at {PlatformCode(kind.code).label}" if kind else "Account"
            return ((title, {"fields": ("brand", "account_id")}), *access)
        works = obj.off_at is None and obj.failing_since is None and obj.pull_failing_since is None
        why = () if works else ("why",)
        shown = ("How it goes", {"fields": ("state", *why, "there", "zone_words", "mode", "looked", "spend_read")})
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
                    (self._with(request, platform=code, by="file"), str(PlatformCode(code).label))
                    for code in services.BY_FILE
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
        found = standings(rows)
        for row in rows:
            note(row, found[row.pk], "standing")
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
            return show.stacked(row.off_reason, show.small(f"Switched off {minute(row.off_at)}"))
        if row.failing_since is None and row.pull_failing_since is not None:
            words = f"Its spend cannot be read since {minute(row.pull_failing_since)}; statuses can."
            return show.stacked(row.pull_error, show.small(words))
        if row.failing_since is None:
            return show.nothing()
        then = "Nothing is asked there until its access is entered anew or checked."
        if not row.needs_person:
            then = f"It is tried again {minute(row.leave_until) if row.leave_until else 'within minutes'}."
        return show.stacked(f"{row.error} (since {minute(row.failing_since)})", show.small(then))

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
        label = noted(row, "standing").mode.capitalize()
        return show.link_to(label, "platforms_steering", row.brand_id)

    @admin.display(description="money at risk")
    def risk(self, row: Account) -> object:
        standing = noted(row, "standing")
        words = []
        if standing.at_risk:
            text = f"{standing.at_risk} run there and must not"
            words.append(show.link(states_url(row, risk="yes"), show.badge(text, show.BAD)))
        for step, label in ((Step.DRIFT, "changed there"), (Step.WAITING, "wait for approval")):
            if count := standing.steps.get(step):
                words.append(show.link(states_url(row, step=step.value), f"{count} {label}"))
        return show.lines(words) if words else show.nothing("none")

    @admin.display(description="campaigns read")
    def looked(self, row: Account) -> object:
        if row.looked_at is None:
            return show.nothing("not yet")
        known = sum(noted(row, "standing").steps.values())
        words = f"{known} known here, {row.unknown_campaigns} not"
        return show.stacked(show.ago(row.looked_at, noted(row, "now")), show.small(words))

    @admin.display(description="spend read")
    def spend_read(self, row: Account) -> object:
        if row.by_file:
            return show.nothing("comes in report files")
        return show.nothing("not yet") if row.pulled_at is None else show.ago(row.pulled_at, noted(row, "now"))

    def panels_above(self, obj: Account, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return [not_in_step(obj)] if obj.looked_at is not None else ()

    def panels_below(self, obj: Account, now: datetime) -> Sequence[Panel]:
        return [pulls(obj), not_found(obj)] if obj.looked_at is not None else [pulls(obj)]

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
        if obj.off_at is not None:
            self.say(request, "Saved. It is switched off, so the platform was not asked.")
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
