"""What it cost: the ledger of spends with their revisions, and the budget periods that add it up."""

from django.db import models
from django.db.models import F, Q

from brands.models import Brand
from budget_system import money
from budget_system.fields import MoneyField
from budget_system.ids import new_id
from campaigns.models import Campaign


class SpendType(models.TextChoices):
    DAILY = "DAILY", "Daily"
    MONTHLY = "MONTHLY", "Monthly"
    ADJUSTMENT = "ADJUSTMENT", "Adjustment"


class Spend(models.Model):
    """Money spent by a campaign on a local day of its brand.

    The row holds the present value; every former value is a SpendRevision. `fingerprint` is the digest of what was
    first sent under `key`, so that a repeated request is told apart from another one under the same key.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="spends", db_index=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="spends", db_index=False)
    amount = MoneyField()
    spend_date = models.DateField(help_text="The day it was spent on, in the brand's time zone.")
    spend_type = models.CharField(
        max_length=10,
        choices=SpendType.choices,
        default=SpendType.DAILY,
        help_text="Daily counts in its day and month; monthly in its month only; an adjustment may be negative.",
    )
    description = models.TextField(blank=True, default="")
    source = models.CharField(max_length=60)
    key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - no key is not an empty key: it repeats
    fingerprint = models.CharField(max_length=32, editable=False)
    voided_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["campaign", "spend_date"], name="spend_by_campaign_day")]
        constraints = [
            models.UniqueConstraint(fields=["brand", "source", "key"], name="spend_key_once"),
            models.CheckConstraint(
                condition=Q(amount__gte=0) | Q(spend_type="ADJUSTMENT"), name="spend_negative_only_as_adjustment"
            ),
        ]

    def __str__(self) -> str:
        return f"{money.display_text(self.amount, self.brand.currency)} {self.brand.currency} on {self.spend_date}"


class SpendRevision(models.Model):
    """A former value of a spend, and who replaced or voided it, when and why. Written once, kept for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    spend = models.ForeignKey(Spend, models.PROTECT, related_name="revisions")
    version = models.PositiveIntegerField()
    amount = MoneyField()
    spend_date = models.DateField()
    spend_type = models.CharField(max_length=10, choices=SpendType.choices)
    description = models.TextField(blank=True, default="")
    voided_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField()
    replaced_by = models.CharField(max_length=200)
    reason = models.TextField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["spend", "version"], name="spend_revision_once")]

    def __str__(self) -> str:
        return f"Version {self.version}: {self.amount} on {self.spend_date}"


class PeriodKind(models.TextChoices):
    DAY = "D", "Day"
    MONTH = "M", "Month"
    LIFETIME = "L", "Lifetime"


class BudgetPeriodQuerySet(models.QuerySet["BudgetPeriod"]):
    def of_brands(self) -> "BudgetPeriodQuerySet":
        return self.filter(campaign=None)


class BudgetPeriod(models.Model):
    """What counts against one budget in one period: the row to guard, to lock and to read.

    One row a scope (a brand, or a campaign), kind and local start date; a lifetime starts on 1970-01-01.
    `used` is what the decision compares with the budget. Only spending.ledger writes here.
    """

    id = models.BigAutoField(primary_key=True)
    scope_id = models.UUIDField(help_text="The campaign's id, or the brand's where there is no campaign.")
    # No foreign keys in the database: the ledger derives these rows by joining brands and campaigns, which are never
    # deleted, and an import would check two references of every new total at commit.
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="periods", db_index=False, db_constraint=False)
    campaign = models.ForeignKey(
        Campaign, models.PROTECT, null=True, related_name="periods", db_index=False, db_constraint=False
    )
    kind = models.CharField(max_length=1, choices=PeriodKind.choices)
    starts_on = models.DateField()
    budget = MoneyField(null=True, help_text="The budget in force. Empty: no limit.")
    posted = MoneyField(default=0, help_text="The sum of the ledger.")
    reserved = MoneyField(default=0, help_text="Authorised and not settled yet.")
    forgiven = MoneyField(default=0, help_text="What a forced reset no longer counts.")
    used = models.GeneratedField(expression=F("posted") - F("forgiven"), output_field=MoneyField(), db_persist=True)
    turned_at = models.DateTimeField(null=True, help_text="When the beginning of this period was recorded.")

    objects = BudgetPeriodQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_on", "kind"]
        constraints = [
            models.UniqueConstraint(fields=["scope_id", "kind", "starts_on"], name="budget_period_once"),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="budget_period_reserved_not_negative"),
            models.CheckConstraint(condition=Q(forgiven__gte=0), name="budget_period_forgiven_not_negative"),
            models.CheckConstraint(
                condition=Q(scope_id=F("campaign")) | Q(campaign=None, scope_id=F("brand")),
                name="budget_period_scope_is_its_owner",
            ),
            models.CheckConstraint(
                condition=Q(posted__gte=-4_000_000_000_000) & Q(posted__lte=4_000_000_000_000),
                name="budget_period_posted_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign or self.brand}: {self.get_kind_display()} {self.starts_on}"


class ForcedReset(models.Model):
    """A person began a period afresh: what had been spent no longer counts. Written once, kept for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="forced_resets")
    kind = models.CharField(max_length=1, choices=PeriodKind.choices)
    starts_on = models.DateField()
    forgiven = MoneyField(help_text="How much of the brand's spend no longer counts.")
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    reason = models.TextField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.brand}: {self.get_kind_display()} {self.starts_on} began afresh"
