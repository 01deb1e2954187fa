"""What it cost: the ledger of spends, the budget periods that add it up, money set aside, and imports."""

from django.db import models
from django.db.models import F, Q

from brands.models import Brand
from budget_system import money, origin
from budget_system.fields import CountField, MoneyField
from budget_system.ids import new_id
from budget_system.text import day_text
from campaigns.models import Campaign

CHANNEL_LENGTH = 40


class SpendType(models.TextChoices):
    DAILY = "DAILY", "Daily"
    MONTHLY = "MONTHLY", "Monthly"
    ADJUSTMENT = "ADJUSTMENT", "Adjustment"


class ImportState(models.TextChoices):
    QUEUED = "QUEUED", "Waiting for a worker"
    RUNNING = "RUNNING", "Under way"
    DONE = "DONE", "Done"
    FAILED = "FAILED", "Could not be read"
    UNDOING = "UNDOING", "Being undone"
    UNDONE = "UNDONE", "Undone"


class SpendImport(models.Model):
    """One import of a report: which file, who, when, what became of its rows, and how to take it back.

    `report` has what a person reads of it (rejects, duplicates, what was created and changed), `rejects` all rejected
    lines as CSV, to be mended and sent again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file_name = models.CharField(max_length=200)
    digest = models.CharField("SHA-256", max_length=64, db_index=True, help_text="Of the file, in hexadecimal digits.")
    size = models.BigIntegerField(help_text="In bytes.")
    format = models.CharField(max_length=30, blank=True, default="")
    source = models.CharField(max_length=60, blank=True, default="", help_text="As its spends carry it.")
    options = models.JSONField(default=dict, help_text="What was said of the file.")
    dry_run = models.BooleanField(default=False, help_text="It shows what would happen, and changed nothing.")
    follows = models.OneToOneField(
        "self", models.PROTECT, null=True, related_name="followed_by", help_text="The dry run that it was made from."
    )
    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.QUEUED)
    brands = models.ManyToManyField(Brand, related_name="spend_imports", help_text="Whose spend it holds.")
    done = models.PositiveIntegerField(default=0, help_text="Spends handled so far.")
    total = models.PositiveIntegerField(default=0, help_text="Spends to handle.")
    rows = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    corrected = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    first_day = models.DateField(null=True)
    last_day = models.DateField(null=True)
    report = models.JSONField(default=dict)
    rejects = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    origin = models.CharField("from", max_length=origin.LENGTH, blank=True, default="")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=200, blank=True, default="")
    undo_reason = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]
        verbose_name = "import"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["QUEUED", "RUNNING", "FAILED"])
                | Q(rows=F("accepted") + F("unchanged") + F("corrected") + F("duplicate") + F("rejected")),
                name="spend_import_accounts_for_every_row",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({day_text(self.created_at)} {self.created_at:%H:%M} UTC)"


class ImportFile(models.Model):
    """The bytes of a file that waits for a worker, in the database so that any worker can read them; then deleted.

    Those of a dry run stay for some days, so that it can be confirmed without sending the file again.
    """

    spend_import = models.OneToOneField(SpendImport, models.CASCADE, primary_key=True, related_name="file")
    content = models.BinaryField()

    def __str__(self) -> str:
        return str(self.spend_import)


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
    channel = models.CharField(
        max_length=CHANNEL_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text="Where on its platforms it was spent, e.g. search. Empty: the campaign's own channel.",
    )
    description = models.TextField(blank=True, default="")
    source = models.CharField(max_length=60)
    key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - no key is not an empty key: it repeats
    fingerprint = models.CharField(max_length=32, editable=False)
    # No index: undoing an import finds its spends by their brand and source.
    spend_import = models.ForeignKey(
        SpendImport,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="spends",
        db_index=False,
        db_constraint=False,
        verbose_name="import",
        help_text="The import that gave the present value.",
    )
    voided_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    origin = models.CharField("from", max_length=origin.LENGTH, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["campaign", "spend_date"], name="spend_by_campaign_day"),
            # For searches; what reports bring has no description, and so no entry here.
            models.Index(fields=["id"], condition=~Q(description=""), name="spend_described"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["brand", "source", "key"], name="spend_key_once"),
            models.CheckConstraint(
                condition=Q(amount__gte=0) | Q(spend_type="ADJUSTMENT"), name="spend_negative_only_as_adjustment"
            ),
        ]

    def __str__(self) -> str:
        currency = self.brand.currency
        return f"{money.display_text(self.amount, currency)} {currency} on {day_text(self.spend_date)}"


class SpendRevision(models.Model):
    """A former value of a spend, and who replaced or voided it, when and why. Written once, kept for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    spend = models.ForeignKey(Spend, models.PROTECT, related_name="revisions")
    version = models.PositiveIntegerField()
    amount = MoneyField()
    spend_date = models.DateField()
    spend_type = models.CharField(max_length=10, choices=SpendType.choices)
    channel = models.CharField(max_length=CHANNEL_LENGTH, blank=True, default="", db_default="")
    description = models.TextField(blank=True, default="")
    spend_import = models.ForeignKey(
        SpendImport, models.PROTECT, null=True, related_name="+", db_constraint=False, verbose_name="import"
    )
    voided_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField()
    replaced_by = models.CharField(max_length=200)
    reason = models.TextField()

    class Meta:
        ordering = ["-id"]
        verbose_name = "correction"
        constraints = [models.UniqueConstraint(fields=["spend", "version"], name="spend_revision_once")]

    def __str__(self) -> str:
        return f"Version {self.version}: {self.amount} on {day_text(self.spend_date)}"


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
        indexes = [models.Index(fields=["starts_on", "id"], name="budget_period_by_start")]  # for the list
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


class ReservationStatus(models.TextChoices):
    PENDING = "PENDING", "Set aside"
    SETTLED = "SETTLED", "Spent"
    VOIDED = "VOIDED", "Given back"
    EXPIRED = "EXPIRED", "Expired"


class Reservation(models.Model):
    """Money set aside before it is spent. The client makes the id, so that asking again is not asking twice.

    While PENDING it counts as `reserved` in its day's and month's budget periods. It is resolved once: settled (what
    was really spent is in the ledger), voided or expired; an expired one may still be settled, because money that was
    spent is recorded.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="reservations", db_index=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="reservations", db_index=False)
    channel = models.CharField(max_length=CHANNEL_LENGTH, blank=True, default="")
    amount = MoneyField()
    day = models.DateField(help_text="The brand's local day on which it was set aside, and is spent.")
    status = models.CharField(
        max_length=8, choices=ReservationStatus.choices, default=ReservationStatus.PENDING, editable=False
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    origin = models.CharField("from", max_length=origin.LENGTH, blank=True, default="")
    expires_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    settled_amount = MoneyField(null=True, help_text="What was really spent.")
    spend = models.OneToOneField(Spend, models.PROTECT, null=True, related_name="reservation")

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["brand", "-created_at"], name="reservation_by_brand"),
            models.Index(fields=["expires_at"], condition=Q(status="PENDING"), name="reservation_due"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="reservation_amount_positive"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="reservation_expires_later"),
            models.CheckConstraint(
                condition=Q(status="PENDING", resolved_at=None, settled_amount=None, spend=None)
                | Q(status__in=["VOIDED", "EXPIRED"], resolved_at__isnull=False, settled_amount=None, spend=None)
                | Q(status="SETTLED", resolved_at__isnull=False, settled_amount__gt=0, spend__isnull=False),
                name="reservation_status_and_facts_agree",
            ),
        ]

    def __str__(self) -> str:
        return f"{money.display_text(self.amount, self.brand.currency)} {self.brand.currency} for {self.campaign}"


class DayMetrics(models.Model):
    """What a platform reported beside the cost of a campaign's day. Empty is not reported, which is not 0.

    Kept by source, so that the same day from two sources is not added up.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="day_metrics", db_index=False)
    day = models.DateField()
    source = models.CharField(max_length=60)
    impressions = models.BigIntegerField(null=True)
    clicks = models.BigIntegerField(null=True)
    conversions = CountField(null=True)
    revenue = MoneyField(null=True)
    spend_import = models.ForeignKey(
        SpendImport, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["campaign", "day", "source"]
        verbose_name = "day's metrics"
        verbose_name_plural = "metrics"
        constraints = [
            models.UniqueConstraint(fields=["campaign", "day", "source"], name="day_metrics_once"),
            models.CheckConstraint(
                condition=(Q(impressions=None) | Q(impressions__gte=0)) & (Q(clicks=None) | Q(clicks__gte=0)),
                name="day_metrics_counts_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} on {self.day}"
