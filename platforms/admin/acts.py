"""The record of what was done at ad platforms, in the admin."""

from django.contrib import admin
from django.utils.safestring import SafeString

from budget_system.admin import show
from budget_system.admin.base import RecordAdmin
from budget_system.admin.filters import DaysFilter, FixedFilter
from budget_system.admin.ui import AutocompleteSelectFilter
from platforms.admin.words import act_words, took_words
from platforms.models import Act as PlatformAct
from platforms.models import ActKind


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
