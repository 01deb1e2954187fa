"""Who pays: brands with their time zone, currency and budgets, and the record of every change to an input."""

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Q
from timezone_field import TimeZoneField

from budget_system import origin
from budget_system.fields import MoneyField
from budget_system.ids import new_id


class Stoppable(models.Model):
    """What an emergency stop can be put on. These are inputs: only a person sets or clears them."""

    emergency_stopped_at = models.DateTimeField("emergency stop since", null=True, blank=True)
    emergency_stop_reason = models.TextField(blank=True, default="")
    emergency_stopped_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        abstract = True


class BrandQuerySet(models.QuerySet["Brand"]):
    def current(self) -> "BrandQuerySet":
        """Brands that are not archived."""
        return self.filter(archived_at=None)

    def locked(self, ids: Sequence[UUID]) -> "BrandQuerySet":
        """These brands in the one order in which brands are locked. Evaluate inside a transaction."""
        return self.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")


class Brand(Stoppable):
    """A client of the agency. Its budgets cover the sum of all its campaigns."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    timezone = TimeZoneField(
        "time zone", default="UTC", help_text="Days and months of this brand begin at midnight here."
    )
    currency = models.CharField(max_length=3, default="USD", help_text="ISO 4217 code, such as USD or EUR.")
    daily_budget = MoneyField(
        null=True, blank=True, help_text="For all campaigns together. Empty: no limit. 0: nothing may be spent."
    )
    monthly_budget = MoneyField(
        null=True, blank=True, help_text="For all campaigns together. Empty: no limit. 0: nothing may be spent."
    )
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    day_turned_on = models.DateField(
        null=True, editable=False, help_text="The last local day whose beginning was recorded."
    )
    month_turned_on = models.DateField(
        null=True, editable=False, help_text="The last local month whose beginning was recorded."
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = BrandQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(daily_budget=None) | Q(daily_budget__gte=0))
                & (Q(monthly_budget=None) | Q(monthly_budget__gte=0)),
                name="brand_budgets_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(emergency_stopped_at=None, emergency_stopped_by="")
                | (Q(emergency_stopped_at__isnull=False) & ~Q(emergency_stopped_by="")),
                name="brand_emergency_stop_has_an_author",
            ),
        ]
        permissions = [
            ("change_budget", "Can change budgets of brands and campaigns"),
            ("emergency_stop", "Can put an emergency stop on brands and campaigns"),
            ("clear_emergency_stop", "Can clear an emergency stop"),
            ("force_reset", "Can begin a budget period afresh"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return self.timezone if isinstance(self.timezone, ZoneInfo) else ZoneInfo(str(self.timezone))


class AuditEntry(models.Model):
    """One change of an input: who changed what from which value to which, when and why. Written once, kept for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    brand = models.ForeignKey(Brand, models.PROTECT, null=True, related_name="audit_entries")
    object_type = models.CharField(max_length=40)
    object_id = models.UUIDField()
    object_label = models.CharField(max_length=400)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True, default="")
    origin = models.CharField(
        "from", max_length=origin.LENGTH, blank=True, default="", help_text="The address and the request it came by."
    )

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit"
        indexes = [models.Index(fields=["object_id", "id"], name="audit_by_object")]

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {self.actor}: {self.action} ({self.object_label})"
