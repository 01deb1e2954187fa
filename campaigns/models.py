"""What runs: campaigns with their inputs and outputs, overrides, and the record of every change of state."""

from typing import Any

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from brands.models import Brand, Stoppable
from budget_system.fields import MoneyField
from budget_system.ids import new_id
from budget_system.text import day_text
from campaigns import holds
from campaigns.holds import Hold


class HoldsField(models.Field[Any, Any]):
    """A set of holds: `tuple[Hold, ...]` in Python, codes in order of precedence joined by commas in the database."""

    description = "A set of holds"

    def get_internal_type(self) -> str:
        return "CharField"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 300)
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", ())
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, expression: object, connection: object) -> tuple[Hold, ...]:
        return holds.from_text(value or "")

    def to_python(self, value: Any) -> tuple[Hold, ...]:
        return holds.from_text(value) if isinstance(value, str) else tuple(value or ())

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, str) or hasattr(value, "resolve_expression"):
            return value
        return holds.to_text(value or ())


class CampaignStatus(models.TextChoices):
    ACTIVE = "ACTIVE", "Active"
    PAUSED = "PAUSED", "Paused"


class Platform(models.TextChoices):
    GOOGLE = "GOOGLE", "Google Ads"
    META = "META", "Meta"
    TIKTOK = "TIKTOK", "TikTok"
    MICROSOFT = "MICROSOFT", "Microsoft Advertising"
    LINKEDIN = "LINKEDIN", "LinkedIn"
    PINTEREST = "PINTEREST", "Pinterest"
    SNAPCHAT = "SNAPCHAT", "Snapchat"
    AMAZON = "AMAZON", "Amazon Ads"
    OTHER = "OTHER", "Other"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def current(self) -> "CampaignQuerySet":
        """Campaigns that are not archived."""
        return self.filter(archived_at=None)


class Campaign(Stoppable):
    """Something a platform runs for a brand.

    Inputs are what people want (flight, budgets, schedule, manual pause, emergency stop); an automatic run never
    changes them. Outputs (status, holds, pause_reason, paused_at, next_check_at) follow from inputs and spend; they
    have one writer, `campaigns.services.apply`, and the database refuses outputs that disagree with each other.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="campaigns")
    name = models.CharField(max_length=200)
    platform = models.CharField(max_length=20, choices=Platform.choices, default=Platform.OTHER)
    external_id = models.CharField(
        "platform campaign id", max_length=100, blank=True, default="", help_text="The campaign's id on its platform."
    )

    daily_budget = MoneyField(null=True, blank=True, help_text="Inside the brand's. Empty: no limit of its own.")
    monthly_budget = MoneyField(null=True, blank=True, help_text="Inside the brand's. Empty: no limit of its own.")
    lifetime_budget = MoneyField(null=True, blank=True, help_text="For the campaign as a whole. Empty: no limit.")
    start_date = models.DateField(
        null=True, blank=True, help_text="First day of the flight, in the brand's time zone. Empty: no start."
    )
    end_date = models.DateField(
        null=True, blank=True, help_text="Last day of the flight, in the brand's time zone. Empty: no end."
    )
    manual_paused_at = models.DateTimeField("paused by hand since", null=True, blank=True)
    manual_pause_until = models.DateTimeField(null=True, blank=True)
    manual_pause_reason = models.TextField(blank=True, default="")
    manual_paused_by = models.CharField(max_length=200, blank=True, default="")
    week = models.TextField(
        blank=True, default="", editable=False, help_text="The schedule rows, compiled (scheduling.windows)."
    )
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    paced = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="It has channel budgets: its spend is paced."
    )
    breaker_until = models.DateTimeField(
        null=True, editable=False, help_text="When the breakers of all its channels are open: when the first may probe."
    )
    breaker_reason = models.TextField(blank=True, default="", db_default="", editable=False)
    stopped_channels = models.CharField(
        max_length=400, blank=True, default="", db_default="", editable=False,
        help_text="The channels of it that a person has stopped, joined by commas.",
    )  # fmt: skip

    status = models.CharField(
        max_length=6, choices=CampaignStatus.choices, default=CampaignStatus.ACTIVE, editable=False
    )
    holds = HoldsField(editable=False)
    pause_reason = models.CharField(max_length=30, blank=True, default="", editable=False)
    paused_at = models.DateTimeField(null=True, editable=False)
    next_check_at = models.DateTimeField(editable=False)

    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        indexes = [
            models.Index(fields=["next_check_at"], condition=Q(archived_at=None), name="campaign_due"),
            models.Index(fields=["name", "id"], condition=Q(archived_at=None), name="campaign_by_name"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="ACTIVE", holds="", pause_reason="")
                | Q(status="PAUSED", paused_at__isnull=False, pause_reason__in=[hold.value for hold in Hold]),
                name="campaign_outputs_agree",
            ),
            models.CheckConstraint(
                condition=Q(holds="")
                | Q(holds=F("pause_reason"))
                | Q(holds__startswith=Concat("pause_reason", Value(","))),
                name="campaign_pause_reason_is_first_hold",
            ),
            models.CheckConstraint(
                condition=(Q(daily_budget=None) | Q(daily_budget__gte=0))
                & (Q(monthly_budget=None) | Q(monthly_budget__gte=0))
                & (Q(lifetime_budget=None) | Q(lifetime_budget__gte=0)),
                name="campaign_budgets_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(start_date=None) | Q(end_date=None) | Q(end_date__gte=F("start_date")),
                name="campaign_flight_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(emergency_stopped_at=None, emergency_stopped_by="")
                | (Q(emergency_stopped_at__isnull=False) & ~Q(emergency_stopped_by="")),
                name="campaign_emergency_stop_has_an_author",
            ),
            models.UniqueConstraint(
                fields=["brand", "platform", "external_id"],
                condition=~Q(external_id=""),
                name="campaign_external_id_once_a_brand",
                violation_error_message="Another campaign of this brand has this platform campaign id.",
            ),
        ]
        permissions = [
            ("pause_campaign", "Can pause and activate campaigns by hand"),
            ("override_campaign", "Can let campaigns run in spite of holds"),
        ]

    def __str__(self) -> str:
        return self.name


class Override(models.Model):
    """A person's permission to run in spite of some holds, until a moment, for at most so much more money.

    It ends by itself and is kept. `spent_before` is the campaign's lifetime spend when it began.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="overrides")
    lifts = HoldsField(help_text="The holds it lifts; never an emergency stop.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    extra_budget = MoneyField(null=True, blank=True, help_text="How much more may be spent. Empty: no limit.")
    spent_before = MoneyField(default=0)
    reason = models.TextField()
    created_by = models.CharField(max_length=200)
    cleared_at = models.DateTimeField(null=True, blank=True)
    cleared_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="override_ends_after_start"),
            models.CheckConstraint(
                condition=~Q(lifts="") & ~Q(lifts__contains="EMERGENCY_STOP"),
                name="override_lifts_something_but_no_emergency_stop",
            ),
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(cleared_at=None), name="override_one_uncleared_a_campaign"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign}: {', '.join(hold.label.lower() for hold in self.lifts)} lifted"


class StateChange(models.Model):
    """One change of a campaign's holds: history for people, outbox for machines. Written once, kept for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="state_changes", db_index=False)
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    from_status = models.CharField(max_length=6, choices=CampaignStatus.choices)
    to_status = models.CharField(max_length=6, choices=CampaignStatus.choices)
    from_holds = HoldsField()
    to_holds = HoldsField()
    figures = models.JSONField(default=list, help_text="What each hold rested on when it was decided.")
    cause = models.CharField(max_length=60, help_text="What made the system look.")
    actor = models.CharField(max_length=200)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["campaign", "id"], name="state_change_by_campaign"),
            models.Index(fields=["brand", "id"], name="state_change_by_brand"),
        ]

    def __str__(self) -> str:
        zone = self.brand.zone
        local = self.at.astimezone(zone)
        moved = "still paused" if self.from_status == self.to_status else CampaignStatus(self.to_status).label.lower()
        return f"{self.campaign}, {day_text(local)} {local:%H:%M} {zone.key}: {moved}"
