"""What a person can do to campaigns: one by one on their pages, or several at once from the list."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from budget_system import clock
from budget_system.admin import foresight, show, what_if
from budget_system.admin.base import actor_of
from budget_system.admin.campaign_page import state_of
from budget_system.admin.forms import END_OF_DAY, NO_END, AmountField, OptionalReasonForm, ReasonForm, UntilForm
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import Checkboxes, Textarea
from budget_system.errors import Refused
from campaigns.holds import Hold, Verdict
from campaigns.models import Campaign
from enforcement import services
from enforcement.explain import local_text

OVERRIDES = "campaigns.override_campaign"


class PauseForm(UntilForm):
    reason = forms.CharField(widget=Textarea(attrs={"rows": 3}), max_length=1000, required=False)


class OverrideForm(UntilForm):
    """Which holds are lifted, until when, for how much more money, and why."""

    standing: ClassVar[Collection[str]] = ()
    """The codes of the holds that stand now."""

    lifts = forms.MultipleChoiceField(
        label="Holds to lift",
        widget=Checkboxes,
        choices=[(hold.value, hold.label) for hold in Hold if hold is not Hold.EMERGENCY_STOP],
        help_text="Until the override ends, these no longer keep it paused; any other hold still does, also one that "
        "comes later. Those that stand now are ticked. An emergency stop cannot be lifted; clear it instead.",
    )
    extra_budget = AmountField(
        label="At most how much more may be spent",
        required=False,
        help_text="Counted from now on. Once it is spent, the override lifts nothing any more. Empty: no limit but the "
        "end.",
    )
    reason = forms.CharField(widget=Textarea(attrs={"rows": 3}), max_length=1000)
    field_order = ["lifts", "until", "moment", "extra_budget", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lifts: Any = self.fields["lifts"]
        offered = sorted(lifts.choices, key=lambda choice: choice[0] not in self.standing)
        lifts.choices = [
            (code, f"{label} – holds it now" if code in self.standing else label) for code, label in offered
        ]
        until: Any = self.fields["until"]
        until.choices = [choice for choice in until.choices if choice[0] != NO_END]
        until.initial = END_OF_DAY


class BulkPauseForm(PauseForm):
    """Without a moment: the campaigns may be in several time zones."""

    moment = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        until: Any = self.fields["until"]
        until.choices = until.choices[:3]


class CampaignActions(ActionsAdmin):
    """The actions of the campaign admin."""

    actions_detail = (
        "pause",
        "activate",
        "override",
        "emergency_stop",
        "clear_stop",
        {"title": "More", "items": ["what_if", "pace", "pacing", "clear_override", "archive", "restore"]},
    )

    def has_pause_permission(self, request: HttpRequest) -> bool:
        """Asked by the actions of the list, as their `permissions` say."""
        return request.user.has_perm("campaigns.pause_campaign")

    def offered(self, obj: Campaign) -> Iterable[str]:
        """What runs needs no activation; what is stopped in an emergency has to be cleared first."""
        if obj.archived_at is not None:
            return ("restore",) if obj.emergency_stopped_at is None else ("restore", "clear_stop")
        names = ["pause", "what_if", "archive", "pacing" if obj.paced else "pace"]
        names.append("emergency_stop" if obj.emergency_stopped_at is None else "clear_stop")
        is_stopped = Hold.EMERGENCY_STOP in obj.holds
        if obj.manual_paused_at is not None or (obj.holds and not is_stopped):
            names.append("activate")
        if not is_stopped:
            names.append("override")
        has_override = obj.overrides.filter(cleared_at=None).exists()
        return [*names, "clear_override"] if has_override else names

    @object_action("Pause…", path="pause", needs="campaigns.pause_campaign", icon="pause")
    def pause(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        zone, now = obj.brand.zone, clock.now()

        def run(form: Any) -> None:
            verdict = services.pause(
                obj.pk, until=form.ends_at(zone, now), reason=form.cleaned_data["reason"], actor=actor_of(request),
                now=now,
            )  # fmt: skip
            self.say(request, f"“{show.campaign_label(obj)}” is paused by hand. {now_text(verdict)}")

        return ask(
            self, request, obj, title="Pause", button="Pause", form_class=PauseForm, run=run, zone=zone,
            intro=[
                state_of(obj, now),
                f"Times are in {zone.key}. No reset, raise or schedule ends a pause by hand.",
                foresight.of_pauses(obj, now),
            ],
            foresee=lambda form: foresight.of_pause(obj, form.ends_at(zone, now), now),
        )  # fmt: skip

    @object_action("Activate…", path="activate", needs="campaigns.pause_campaign", icon="play_arrow")
    def activate(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        now = clock.now()

        def run(form: Any) -> HttpResponse | None:
            verdict = services.activate(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=now)
            if verdict.runs:
                self.say(request, f"“{show.campaign_label(obj)}” runs.")
                return None
            self.say(
                request,
                format_html(
                    "“{}” stays paused: {}. {}",
                    show.campaign_label(obj),
                    show.hold_words(verdict.holds),
                    way_on(request, obj, verdict),
                ),
                messages.WARNING,
            )
            if Hold.EMERGENCY_STOP in verdict.holds or not self.may(request, OVERRIDES):
                return None
            return HttpResponseRedirect(_override_url(obj))

        return ask(
            self, request, obj, title="Activate", button="Activate", form_class=OptionalReasonForm, run=run,
            intro=[state_of(obj, now), foresight.of_activation(obj, now)],
        )  # fmt: skip

    @object_action("Override…", path="override", needs=OVERRIDES, icon="lock_open")
    def override(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        zone, now = obj.brand.zone, clock.now()

        def run(form: Any) -> None:
            cleaned = form.cleaned_data
            ends_at = None if cleaned["until"] == END_OF_DAY else form.ends_at(zone, now)
            try:
                override, verdict = services.set_override(
                    obj.pk, [Hold(code) for code in cleaned["lifts"]], ends_at=ends_at,
                    extra_budget=cleaned["extra_budget"], reason=cleaned["reason"], actor=actor_of(request), now=now,
                )  # fmt: skip
            except Refused as error:
                error.field = {"ends_at": "until"}.get(error.field or "", error.field)
                raise
            self.say(
                request,
                f"Lifted until {local_text(zone, override.ends_at, now)}: {show.hold_words(override.lifts)}. "
                f"{now_text(verdict)}",
                messages.SUCCESS if verdict.runs else messages.WARNING,
            )

        standing = [hold.value for hold in obj.holds if hold is not Hold.EMERGENCY_STOP]
        return ask(
            self, request, obj, title="Override", button="Let it run", form_class=_override_form(standing), run=run,
            zone=zone, initial={"lifts": standing},
            intro=[
                state_of(obj, now),
                f"Times are in {zone.key}. It ends by itself, takes the place of an earlier one, and is kept. "
                "A monthly or lifetime budget needs an end other than the day's.",
                foresight.of_overrides(obj, [Hold(code) for code in standing], now),
            ],
            foresee=lambda form: foresight.of_override(
                obj, [Hold(code) for code in form.cleaned_data["lifts"]], form.ends_at(zone, now),
                form.cleaned_data["extra_budget"], now,
            ),
        )  # fmt: skip

    @object_action("What if…", path="what-if", needs="campaigns.view_campaign", icon="help")
    def what_if(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        return what_if.page(self, request, obj, clock.now())

    @object_action("Pace by channel…", path="pace", needs="brands.change_budget", icon="speed")
    def pace(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        """It becomes a paced one when a channel of it gets a budget."""
        return HttpResponseRedirect(f"{reverse('admin:pacing_channelbudget_add')}?campaign={obj.pk}")

    @object_action("Pacing by channel", path="pacing", needs="campaigns.view_campaign", icon="speed")
    def pacing(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:pacing_pacedcampaign_change", args=[obj.pk]))

    @object_action("Clear override…", path="clear-override", needs=OVERRIDES, icon="lock")
    def clear_override(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        def run(form: Any) -> None:
            verdict = services.clear_override(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"The override of “{show.campaign_label(obj)}” is cleared. {now_text(verdict)}")

        return ask(
            self, request, obj, title="Clear override", button="Clear it", form_class=OptionalReasonForm, run=run,
            intro=[state_of(obj, clock.now())],
        )  # fmt: skip

    @object_action("Emergency stop…", path="stop", needs="brands.emergency_stop", icon="emergency_home", danger=True)
    def emergency_stop(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        def run(form: Any) -> None:
            services.emergency_stop(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"“{show.campaign_label(obj)}” is stopped. It stays so until a person clears it.")

        return ask(
            self, request, obj, title="Emergency stop", button="Stop it now", danger=True, form_class=ReasonForm,
            run=run, intro=["The campaign stops now. No override, reset or schedule lifts it."],
        )  # fmt: skip

    @object_action("Clear emergency stop…", path="clear-stop", needs="brands.clear_emergency_stop", icon="play_circle")
    def clear_stop(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        def run(form: Any) -> None:
            verdict = services.clear_stop(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"The emergency stop of “{show.campaign_label(obj)}” is cleared. {now_text(verdict)}")

        return ask(
            self, request, obj, title="Clear emergency stop", button="Clear it", form_class=OptionalReasonForm,
            run=run, intro=[state_of(obj, clock.now())],
        )  # fmt: skip

    @object_action("Archive…", path="archive", needs="campaigns.delete_campaign", icon="archive")
    def archive(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        def run(form: Any) -> None:
            services.archive_campaign(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(
                request,
                f"“{show.campaign_label(obj)}” is archived and paused. Nothing was deleted; late spend still counts.",
            )

        return ask(
            self, request, obj, title="Archive", button="Archive", danger=True, form_class=OptionalReasonForm, run=run,
            intro=["It is paused and leaves the lists. Nothing is deleted; late spend still counts."],
        )  # fmt: skip

    @object_action("Restore…", path="restore", needs="access.restore", icon="unarchive")
    def restore(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        def run(_: Any) -> None:
            services.restore_campaign(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, f"“{show.campaign_label(obj)}” is back. It stays paused until a person activates it.")

        return ask(
            self, request, obj, title="Restore", button="Restore", form_class=forms.Form, run=run,
            intro=["It comes back paused."],
        )  # fmt: skip


def now_text(verdict: Verdict) -> str:
    return "It runs." if verdict.runs else f"It is paused: {show.hold_words(verdict.holds)}."


def way_on(request: HttpRequest, campaign: Campaign, verdict: Verdict) -> str:
    """What a person can do about the holds that remain."""
    if Hold.EMERGENCY_STOP in verdict.holds:
        return "Clear the emergency stop first."
    if not request.user.has_perm(OVERRIDES):
        return "Who may override can let it run in spite of that: ask a manager."
    return show.link(_override_url(campaign), "Let it run in spite of that: override…")


def _override_form(standing: Collection[str]) -> type[OverrideForm]:
    return type("StandingOverrideForm", (OverrideForm,), {"standing": standing})


def _override_url(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_override", args=[campaign.pk])
