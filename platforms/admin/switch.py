"""The kill switch in the admin."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import actor_of
from budget_system.admin.forms import OptionalReasonForm, ReasonForm, UseCaseForm
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from platforms import services
from platforms.admin.words import minute
from platforms.models import Outgoing, RemoteState
from platforms.steps import Step

STOP, GO_ON = "platforms.stop_outgoing", "platforms.resume_outgoing"


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
        return show.stacked(row.reason, show.small(f"{show.who(row.stopped_by)}, {minute(row.stopped_at)}"))

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
