"""What a person can do to a brand on its page, with what it would do said before it is done."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.models import Membership
from access.services import join, leave
from brands.models import Brand
from brands.services import check_version
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import actor_of
from budget_system.admin.budget_guard import guarded, left_text, moved_lines, rehearsed, warn_of_daily_above_monthly
from budget_system.admin.campaign_page import who
from budget_system.admin.forms import AmountField, OptionalReasonForm, ReasonForm
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import Radios, SearchableSelect
from budget_system.db import use_case
from budget_system.errors import Refused
from campaigns.models import Campaign, CampaignStatus
from enforcement import services
from enforcement.evaluation import Evaluation
from enforcement.explain import local_text
from spending.figures import spent
from spending.models import PeriodKind

BUDGETS = ("daily_budget", "monthly_budget")


class BudgetForm(ReasonForm):
    """New budgets, and why."""

    daily_budget = AmountField(
        label="Daily budget", required=False, help_text="For all campaigns. Empty: no limit. 0: nothing may be spent."
    )
    monthly_budget = AmountField(
        label="Monthly budget", required=False, help_text="For all campaigns. Empty: no limit. 0: nothing may be spent."
    )
    expected_version = forms.IntegerField(widget=forms.HiddenInput)
    field_order = ["daily_budget", "monthly_budget", "reason"]


class ForcedResetForm(ReasonForm):
    """Which period begins afresh; a second look is asked for, as the budget counts from 0 again."""

    kinds = forms.ChoiceField(
        label="Begin afresh",
        widget=Radios,
        choices=[("D", "Today"), ("M", "This month"), ("DM", "Both")],
        initial="D",
    )
    confirm = forms.BooleanField(
        label="Yes: what has been spent in it no longer counts against the budget",
        error_messages={"required": "Tick this to confirm."},
    )
    field_order = ["kinds", "reason", "confirm"]


def member_form(field: str, label: str, choices: Sequence[tuple[object, str]], help_text: str) -> type[forms.Form]:
    """A form that chooses one person."""
    chosen = forms.ChoiceField(
        label=label, widget=SearchableSelect, choices=[("", "Choose a person"), *choices], help_text=help_text
    )
    return type("MemberForm", (forms.Form,), {field: chosen})


class BrandActions(ActionsAdmin):
    """The actions of the brand admin."""

    actions_detail = (
        "change_budget",
        "emergency_stop",
        "clear_stop",
        "forced_reset",
        {"title": "More", "items": ["add_member", "remove_member", "archive", "restore"]},
    )

    def offered(self, obj: Brand) -> Iterable[str]:
        members = ["remove_member"] if obj.memberships.exists() else []
        if obj.archived_at is not None:
            return ("restore", *members)
        stop = "emergency_stop" if obj.emergency_stopped_at is None else "clear_stop"
        return ("change_budget", stop, "forced_reset", "add_member", *members, "archive")

    # --- Budgets ------------------------------------------------------------------------------------------------------

    @object_action("Change budget…", path="budget", needs="brands.change_budget", icon="payments")
    def change_budget(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        now = clock.now()

        def run(form: Any) -> None:
            check_version(obj, form.cleaned_data["expected_version"])
            changes = {
                name: form.cleaned_data[name] for name in BUDGETS if form.cleaned_data[name] != getattr(obj, name)
            }
            if not changes:
                raise Refused("These are the budgets that it has. Type another amount, or go back.")
            self.change_inputs(request, obj, form, changes, now, reason=form.cleaned_data["reason"])

        def form_class(*args: Any, **kwargs: Any) -> forms.Form:
            form = BudgetForm(*args, **kwargs)
            for field in form.fields.values():
                if isinstance(field, AmountField):
                    field.currency = obj.currency
            return form

        use = spent([obj], now)[obj.pk]
        initial = {name: getattr(obj, name) for name in BUDGETS}
        return ask(
            self, request, obj, title="Change budget", button="Change the budget", form_class=form_class, run=run,
            initial={**initial, "expected_version": obj.version},
            intro=[
                f"Today: {left_text(use.day, obj.daily_budget, obj.currency)}",
                f"This month: {left_text(use.month, obj.monthly_budget, obj.currency)}",
                f"Amounts are in {obj.currency}. A change acts at once. A large one, or one that would pause or start "
                "a campaign, is shown first with what it would do.",
            ],
        )  # fmt: skip

    def change_inputs(
        self, request: HttpRequest, obj: Brand, form: Any, changes: Mapping[str, object], now: datetime,
        reason: str | None = None,
    ) -> None:  # fmt: skip
        """Change them and say so; budgets by much only when a person has seen what that does."""

        def call(reason: str) -> Evaluation:
            return services.change_brand(
                obj.pk, changes, reason=reason, actor=actor_of(request), now=now,
                expected_version=form.cleaned_data["expected_version"],
            )  # fmt: skip

        evaluation = guarded(form, obj, changes, BUDGETS, call, now, reason=reason)
        obj.refresh_from_db()
        self.say(request, f"“{obj}” was changed.{flips_text(evaluation)}")
        warn_of_daily_above_monthly(self, request, obj)

    # --- Emergency stops ----------------------------------------------------------------------------------------------

    @object_action("Emergency stop…", path="stop", needs="brands.emergency_stop", icon="emergency_home", danger=True)
    def emergency_stop(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        def run(form: Any) -> None:
            evaluation = services.emergency_stop_brand(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"“{obj}” is stopped.{flips_text(evaluation)} It stays so until a person clears it.")

        # Counted, and not rehearsed: this page must open at once, whoever holds the brand's lock.
        running = _current(obj).filter(status=CampaignStatus.ACTIVE).count()
        return ask(
            self, request, obj, title="Emergency stop", button="Stop all campaigns now", danger=True,
            form_class=ReasonForm, run=run,
            intro=[
                f"Campaigns that run now and stop at once: {running} of {_current(obj).count()}. None of them starts "
                "until a person clears the stop: no override, reset or schedule lifts it.",
            ],
        )  # fmt: skip

    @object_action("Clear emergency stop…", path="clear-stop", needs="brands.clear_emergency_stop", icon="play_circle")
    def clear_stop(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        now = clock.now()

        def run(form: Any) -> None:
            evaluation = services.clear_brand_stop(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"The emergency stop of “{obj}” is cleared.{flips_text(evaluation)}")

        def act() -> object:
            return services.clear_brand_stop(obj.pk, actor=actor_of(request), now=now)

        return ask(
            self, request, obj, title="Clear emergency stop", button="Clear it", form_class=OptionalReasonForm,
            run=run, intro=chain([stop_notice(obj, now)], _expected(obj, act, now)),
        )  # fmt: skip

    # --- Forced resets ------------------------------------------------------------------------------------------------

    @object_action("Forced reset…", path="reset", needs="brands.force_reset", icon="restart_alt")
    def forced_reset(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        now = clock.now()

        def run(form: Any) -> None:
            kinds = [PeriodKind(code) for code in form.cleaned_data["kinds"]]
            resets, evaluation = services.force_reset(
                obj.pk, kinds, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            told = "; ".join(
                f"{PeriodKind(reset.kind).label.lower()} {reset.starts_on}: {show.amount(reset.forgiven, obj.currency)}"
                for reset in resets
            )
            self.say(request, f"No longer counted for “{obj}”: {told}.{flips_text(evaluation)}")

        use = spent([obj], now)[obj.pk]
        intro = [
            "The ledger keeps the truth; what was spent so far only stops counting against the budget.",
            f"Today: {show.use_text(use.day.used, obj.daily_budget, obj.currency)}",
            f"This month: {show.use_text(use.month.used, obj.monthly_budget, obj.currency)}",
        ]
        return ask(
            self, request, obj, title="Forced reset", button="Begin afresh", danger=True,
            form_class=ForcedResetForm, run=run, intro=chain(intro, _resets_expected(obj, actor_of(request), now)),
        )  # fmt: skip

    # --- Members ------------------------------------------------------------------------------------------------------

    @object_action("Add a member…", path="add-member", needs="access.add_membership", icon="person_add")
    def add_member(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        people = User.objects.filter(is_active=True).exclude(memberships__brand=obj).order_by("username")
        choices = [(user.pk, _person(user)) for user in people]

        def run(form: Any) -> None:
            user = User.objects.get(pk=form.cleaned_data["person"])
            use_case(join)(user, obj.pk, actor_of(request), clock.now())
            self.say(request, f"{user} works for “{obj}” now.")

        return ask(
            self, request, obj, title="Add a member", button="Add", run=run,
            form_class=member_form("person", "Person", choices, "What they may do there is what their role allows."),
        )  # fmt: skip

    @object_action("Remove a member…", path="remove-member", needs="access.delete_membership", icon="person_remove")
    def remove_member(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        members = Membership.objects.filter(brand=obj).select_related("user").order_by("user__username")
        names = {str(member.pk): _person(member.user) for member in members}

        def run(form: Any) -> None:
            use_case(leave)(form.cleaned_data["member"], actor_of(request), clock.now())
            self.say(request, f"{names[form.cleaned_data['member']]} works for “{obj}” no more.")

        return ask(
            self, request, obj, title="Remove a member", button="Remove", danger=True, run=run,
            form_class=member_form("member", "Person", list(names.items()), "Their login and the record stay."),
            initial={"member": request.GET.get("member", "")},
            intro=["They no longer see the brand and what belongs to it, unless their role sees all brands."],
        )  # fmt: skip

    # --- Archive ------------------------------------------------------------------------------------------------------

    @object_action("Archive…", path="archive", needs="brands.delete_brand", icon="archive")
    def archive(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        def run(form: Any) -> None:
            services.archive_brand(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, f"“{obj}” and its campaigns are archived and paused. Nothing was deleted.")

        running = _current(obj).filter(status=CampaignStatus.ACTIVE).count()
        return ask(
            self, request, obj, title="Archive", button="Archive", danger=True, form_class=OptionalReasonForm, run=run,
            intro=[
                f"Campaigns that are paused and leave the lists with the brand: {_current(obj).count()}, of which "
                f"{running} run now. Overrides end. Nothing is deleted, and late spend still counts.",
                "Who may restore it can bring it back; its campaigns then wait until a person activates them.",
            ],
        )  # fmt: skip

    @object_action("Restore…", path="restore", needs="access.restore", icon="unarchive")
    def restore(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        def run(_: Any) -> None:
            services.restore_brand(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, f"“{obj}” is back. Its campaigns stay paused until a person activates them.")

        back = obj.campaigns.filter(archived_at=obj.archived_at).count()
        return ask(
            self, request, obj, title="Restore", button="Restore", form_class=forms.Form, run=run,
            intro=[
                f"Campaigns that come back with the brand: {back}, all paused by hand. None starts until a person "
                "activates it."
            ],
        )  # fmt: skip


# --- In words --------------------------------------------------------------------------------------------------------

_RESETS = (
    ("Today afresh", (PeriodKind.DAY,)),
    ("This month afresh", (PeriodKind.MONTH,)),
    ("Both afresh", (PeriodKind.DAY, PeriodKind.MONTH)),
)


def _resets_expected(brand: Brand, actor: str, now: datetime) -> Iterator[object]:
    """What each choice would do."""
    for title, kinds in _RESETS:

        def act(kinds: Sequence[PeriodKind] = kinds) -> object:
            return services.force_reset(brand.pk, kinds, reason="A preview.", actor=actor, now=now)

        yield format_html('<span class="font-semibold text-important">{}</span>', title)
        yield from _expected(brand, act, now)


def _expected(brand: Brand, act: Callable[[], object], now: datetime) -> Iterator[object]:
    """Which campaigns this would pause or start. It is found out when the page is shown, not when it is sent."""
    try:
        yield from moved_lines(rehearsed(brand, act, now), now)
    except Refused as refusal:
        yield f"What it would do cannot be said at this moment: {refusal.message}"


def _current(brand: Brand) -> Any:
    return Campaign.objects.current().filter(brand=brand)


def _person(user: Any) -> str:
    full = user.get_full_name()
    return f"{user.get_username()} ({full})" if full else str(user.get_username())


def stop_notice(brand: Brand, now: datetime) -> SafeString:
    if brand.emergency_stopped_at is None:
        return SafeString()
    return format_html(
        '<p class="mb-4">{} since {} by {}: {}</p>',
        show.badge("Emergency stop", show.BAD),
        local_text(brand.zone, brand.emergency_stopped_at, now),
        who(brand.emergency_stopped_by),
        brand.emergency_stop_reason,
    )


def flips_text(evaluation: Evaluation) -> str:
    """How many campaigns an act stopped and started; empty if none."""
    stopped = sum(1 for change in evaluation.flips if change.verdict.holds)
    started = len(evaluation.flips) - stopped
    parts = [f"{count} {word}" for count, word in ((stopped, "stopped"), (started, "started")) if count]
    return f" Campaigns: {', '.join(parts)}." if parts else ""
