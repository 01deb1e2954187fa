"""Who works for which brand, the tokens of machines, and logins."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from axes.utils import reset
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access import services, tokens
from access.callers import SCOPES, Caller, caller_of
from access.models import ApiToken, FailedLogin, Login, Membership, TokenScope
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import RecordAdmin, UseCaseAdmin, actor_of, note, noted
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.forms import UseCaseForm
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter, Select
from budget_system.db import use_case

UTC = ZoneInfo("UTC")

# --- Memberships -----------------------------------------------------------------------------------------------------


class MembershipForm(UseCaseForm):
    has_version = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        user, brand = cleaned.get("user"), cleaned.get("brand")
        if user and brand and Membership.objects.filter(user=user, brand=brand).exists():
            self.add_error("brand", f"{user} works for “{brand}” already.")
        return cleaned


@admin.register(Membership)
class MembershipAdmin(UseCaseAdmin[Membership]):
    form = MembershipForm
    list_display = ("person", "brand_name", "since", "by")
    list_display_links = ("person",)
    list_select_related = ("user", "brand")
    list_filter = (("user", AutocompleteSelectFilter), ("brand", AutocompleteSelectFilter))
    search_fields = ("user__username", "user__first_name", "user__last_name", "brand__name")
    search_help_text = "Person or brand"
    brand_path = "brand"
    ordering = ("brand__name", "user__username")
    sortable_by = ()
    autocomplete_fields = ("user", "brand")
    empty_text = "Nobody works for a single brand yet. Add who may see which: administrators see all of them anyway."
    fieldsets = (
        (None, {"fields": ("user", "brand"), "description": "What the person may do there is what their role allows."}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # removed and added, so that the record says both

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("access.delete_membership")

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Membership:
        user, brand = form.cleaned_data["user"], form.cleaned_data["brand"]
        membership = use_case(services.join)(user, brand.pk, actor_of(request), now)
        self.say(request, f"{user} works for “{brand}” now.")
        return membership

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        use_case(services.leave)(obj.pk, actor_of(request), clock.now())
        self.say(request, f"{obj.user} works for “{obj.brand}” no more.")

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        return self.response_post_save_add(request, Membership())

    @admin.display(description="person")
    def person(self, membership: Membership) -> str:
        return membership.user.get_username()

    @admin.display(description="brand")
    def brand_name(self, membership: Membership) -> SafeString:
        return show.link_to(membership.brand, "brands_brand", membership.brand_id)

    @admin.display(description="added by")
    def by(self, membership: Membership) -> str:
        return show.who(membership.created_by)

    @admin.display(description="since")
    def since(self, membership: Membership) -> str:
        return _minute(membership.created_at)


# --- API tokens ------------------------------------------------------------------------------------------------------


class TokenStateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("usable", "Usable"), ("revoked", "Revoked"), ("over", "Expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
        now = clock.now()
        match self.value():
            case "usable":
                return queryset.filter(
                    Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None, user__is_active=True
                )
            case "revoked":
                return queryset.exclude(revoked_at=None)
            case "over":
                return queryset.filter(expires_at__lte=now, revoked_at=None)
            case _:
                return queryset


class ScopeFilter(FixedFilter):
    title = "scope"
    parameter_name = "scope"
    field = "scope"
    values = [(scope.value, str(scope.label)) for scope in TokenScope]


class TokenForm(UseCaseForm):
    has_version = False
    lasts = forms.ChoiceField(
        label="Ends",
        widget=Select,
        choices=[("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), ("", "When it is revoked")],
        initial="90",
        required=False,
        help_text="From then on it is refused. Issue the next one before, and revoke this one.",
    )
    helps = {
        "scope": "Read: lists and figures. Record and reserve: for programs that report spend or bid. Operator: also "
        "pause, emergency stop, schedules and imports. Manager: also budgets, campaigns and overrides. Give the least "
        "that is enough.",
        "brands": "It sees and touches nothing of other brands. None chosen: all brands of the person, later ones too.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            del self.fields["lasts"]

    def ends_at(self, now: datetime) -> datetime | None:
        days = self.cleaned_data["lasts"]
        return now + timedelta(days=int(days)) if days else None


@admin.register(ApiToken)
class ApiTokenAdmin(ActionsAdmin):
    form = TokenForm
    adds_several = False
    list_display = ("name", "begins_with", "acts_for", "scope_name", "brand_names", "used", "ends", "state")
    list_select_related = ("user",)
    list_filter = (TokenStateFilter, ScopeFilter, ("user", AutocompleteSelectFilter))
    search_fields = ("name", "prefix", "user__username")
    search_help_text = "Name, beginning of the token, or whom it acts for"
    brand_path = None
    ordering = ("-created_at",)
    sortable_by = ("name",)
    list_fullwidth = True
    autocomplete_fields = ("user", "brands")
    actions_detail = ("revoke",)
    empty_text = "A token lets a program use the API. Add one: it is shown once, so have its place ready."

    def visible(self, things: QuerySet[ApiToken], caller: Caller) -> QuerySet[ApiToken]:
        """Who does not see all brands sees their own tokens."""
        return things if caller.sees_all_brands() else things.filter(user=caller.user)

    def is_closed(self, obj: Any) -> bool:
        return obj.revoked_at is not None

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return (
                ("Token", {"fields": ("name", "user", "scope", "lasts")}),
                ("Limits", {"fields": ("brands", "requests_per_minute")}),
            )
        return (
            ("Token", {"fields": ("name", "begins_with", "state")}),
            ("What it may do", {"fields": ("acts_for", "scope", "brand_names", "rate")}),
            ("Record", {"fields": ("used", "ends", "created", "revoked")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        return (
            "begins_with", "state", "acts_for", "scope", "brand_names", "rate", "used", "ends", "created", "revoked",
        )  # fmt: skip

    def get_autocomplete_fields(self, request: HttpRequest) -> Any:
        return self.autocomplete_fields if _may_issue_for_anybody(request) else ("brands",)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            people = User.objects.filter(is_active=True).order_by("username")
            # Else whoever may issue tokens would be as mighty as anybody.
            kwargs["queryset"] = (
                people if _may_issue_for_anybody(request) else people.filter(username=request.user.get_username())
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    # --- The list -----------------------------------------------------------------------------------------------------

    def dress(self, rows: list[ApiToken], now: datetime) -> None:
        pairs = ApiToken.brands.through.objects.filter(apitoken__in=rows).order_by("brand__name")
        names: dict[Any, list[str]] = {}
        for token_id, name in pairs.values_list("apitoken_id", "brand__name"):
            names.setdefault(token_id, []).append(name)
        for token in rows:
            note(token, names.get(token.pk, []), "brands")
            note(token, now, "now")

    def panels_above(self, obj: ApiToken, now: datetime) -> Sequence[Any]:
        self.dress([obj], now)
        return ()

    @admin.display(description="begins with")
    def begins_with(self, token: ApiToken) -> SafeString:
        return format_html('<code class="whitespace-nowrap">{}…</code>', token.prefix)

    @admin.display(description="acts for")
    def acts_for(self, token: ApiToken) -> str:
        return token.user.get_username()

    @admin.display(description="scope")
    def scope_name(self, token: ApiToken) -> SafeString:
        return format_html('<span title="{}">{}</span>', token.get_scope_display(), token.scope.capitalize())

    @admin.display(description="brands")
    def brand_names(self, token: ApiToken) -> str:
        names = noted(token, "brands")
        return ", ".join(names) if names else "all of the person's"

    @admin.display(description="requests a minute")
    def rate(self, token: ApiToken) -> str:
        return str(token.requests_per_minute or f"{settings.REQUESTS_PER_MINUTE} (the default)")

    @admin.display(description="last used")
    def used(self, token: ApiToken) -> str:
        return "never" if token.last_used_at is None else show.ago(token.last_used_at, noted(token, "now"))

    @admin.display(description="ends")
    def ends(self, token: ApiToken) -> str:
        return "when revoked" if token.expires_at is None else _minute(token.expires_at)

    @admin.display(description="state")
    def state(self, token: ApiToken) -> SafeString:
        if token.revoked_at is not None:
            return show.badge("Revoked", show.BAD, f"by {show.who(token.revoked_by)}")
        if not token.user.is_active:
            return show.badge("Person off", show.BAD, "The login of the person it acts for is switched off.")
        if not tokens.is_usable(token, noted(token, "now")):
            return show.badge("Expired")
        return show.badge("Usable", show.GOOD)

    @admin.display(description="issued")
    def created(self, token: ApiToken) -> str:
        return f"{_minute(token.created_at)} by {show.who(token.created_by)}"

    @admin.display(description="revoked")
    def revoked(self, token: ApiToken) -> object:
        if token.revoked_at is None:
            return show.nothing()
        return f"{_minute(token.revoked_at)} by {show.who(token.revoked_by)}"

    # --- Adding and changing ------------------------------------------------------------------------------------------

    def create(self, request: HttpRequest, form: Any, now: datetime) -> ApiToken:
        cleaned = form.cleaned_data
        token, text = tokens.issue(
            cleaned["name"], cleaned["user"], cleaned["scope"], cleaned["brands"], expires_at=form.ends_at(now),
            requests_per_minute=cleaned["requests_per_minute"], actor=actor_of(request), now=now,
        )  # fmt: skip
        request.token_text = text  # type: ignore[attr-defined] # for response_add, and kept nowhere else
        return token

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """Show it in this very answer: on the way to another page it would have to be kept somewhere."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The token is there",
            "opts": self.opts,
            "token": obj,
            "text": request.token_text,  # type: ignore[attr-defined] # set by create
            "media": self.media,
            "back": reverse("admin:access_apitoken_changelist"),
        }
        response = render(request, "budget/new_token.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def change(self, request: HttpRequest, obj: ApiToken, form: Any, now: datetime) -> None:
        if not form.changes(("name",)):
            self.say(request, f"Nothing was changed in “{obj.name}”.", messages.INFO)
            return
        obj.name = tokens.rename(obj.pk, form.cleaned_data["name"], actor=actor_of(request), now=now).name
        self.say(request, f"It is called “{obj.name}” now.")

    def offered(self, obj: ApiToken) -> Iterable[str]:
        return ("revoke",) if obj.revoked_at is None else ()

    @object_action("Revoke…", path="revoke", needs="access.change_apitoken", icon="key_off", danger=True)
    def revoke(self, request: HttpRequest, obj: ApiToken) -> HttpResponse:
        def run(_: Any) -> None:
            tokens.revoke(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, f"“{obj.name}” is revoked: from now on it is refused.")

        return ask(
            self, request, obj, title="Revoke", button="Revoke it now", danger=True, form_class=forms.Form, run=run,
            intro=["From now on, whatever uses it is refused. That cannot be undone: then issue another token."],
        )  # fmt: skip


def _minute(at: datetime | None) -> str:
    return show.moment(at, UTC)


def _may_issue_for_anybody(request: HttpRequest) -> bool:
    """Who may themselves do all that a token can, for all brands."""
    caller = caller_of(request)
    return caller.sees_all_brands() and all(caller.may(needed) for needed in SCOPES[TokenScope.MANAGE])


# --- Logins ----------------------------------------------------------------------------------------------------------


class WaitingFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("waits", "Has to wait")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "waits":
            return queryset
        since = clock.now() - settings.AXES_COOLOFF_TIME
        return queryset.filter(failures_since_start__gte=settings.AXES_FAILURE_LIMIT, attempt_time__gte=since)


@admin.register(FailedLogin)
class FailedLoginAdmin(RecordAdmin[Any]):
    list_display = ("when", "username", "ip_address", "failures", "state", "browser")
    list_display_links = ("when",)
    list_filter = (WaitingFilter, ("attempt_time", DaysFilter))
    search_fields = ("username", "ip_address")
    search_help_text = "Name or address"
    brand_path = None
    ordering = ("-attempt_time",)
    sortable_by = ()
    list_fullwidth = True
    actions = ("let_try_again",)
    empty_text = (
        "No wrong password lately. After five for a name from an address, the two wait for a quarter of an hour."
    )
    fieldsets = ((None, {"fields": ("when", "username", "ip_address", "failures", "state", "browser", "path_info")}),)

    def dress(self, rows: list[Any], now: datetime) -> None:
        for failed in rows:
            note(failed, now, "now")

    def panels_above(self, obj: Any, now: datetime) -> Sequence[Any]:
        self.dress([obj], now)
        return ()

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("access.delete_failedlogin")

    @admin.action(description="Let them try again", permissions=["release"])
    def let_try_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        pairs = sorted({(failed.username, failed.ip_address) for failed in queryset})
        for username, address in pairs:
            reset(username=username, ip=address)
        names = ", ".join(f"“{username}” from {address}" for username, address in pairs)
        self.message_user(request, f"May try again: {names}.", messages.SUCCESS)

    @admin.display(description="last try")
    def when(self, failed: Any) -> str:
        return _minute(failed.attempt_time)

    @admin.display(description="wrong passwords")
    def failures(self, failed: Any) -> int:
        return int(failed.failures_since_start)

    @admin.display(description="state")
    def state(self, failed: Any) -> SafeString:
        now = noted(failed, "now")
        until = failed.attempt_time + settings.AXES_COOLOFF_TIME
        if failed.failures_since_start >= settings.AXES_FAILURE_LIMIT and until > now:
            return show.badge(f"Waits, ends {show.ago(until, now)}", show.WARN)
        return show.nothing("may try")

    @admin.display(description="browser")
    def browser(self, failed: Any) -> SafeString:
        return show.cut(failed.user_agent, 60)


@admin.register(Login)
class LoginAdmin(RecordAdmin[Any]):
    list_display = ("when", "username", "ip_address", "left", "browser")
    list_display_links = ("when",)
    list_filter = (("attempt_time", DaysFilter),)
    search_fields = ("username", "ip_address")
    search_help_text = "Name or address"
    brand_path = None
    ordering = ("-attempt_time",)
    sortable_by = ()
    list_fullwidth = True
    empty_text = "Nobody has logged in yet."
    fieldsets = ((None, {"fields": ("when", "username", "ip_address", "left", "browser")}),)

    @admin.display(description="logged in")
    def when(self, login: Any) -> str:
        return _minute(login.attempt_time)

    @admin.display(description="logged out")
    def left(self, login: Any) -> str:
        return _minute(login.logout_time)

    @admin.display(description="browser")
    def browser(self, login: Any) -> SafeString:
        return show.cut(login.user_agent, 60)
