"""What people should know, once per issue; and the rules that say of what they are told."""

from django.db import models
from django.db.models import F, Q

from alerts.kinds import LABELS, Kind, Severity
from brands.models import Brand
from budget_system.ids import new_id
from campaigns.models import Campaign
from delivery.models import Endpoint

KINDS = [(kind.value, LABELS[kind]) for kind in Kind]
SEVERITIES = [(severity.value, severity.label) for severity in Severity]


class AlertState(models.TextChoices):
    """What lists can be narrowed to."""

    OPEN = "open", "Open"
    UNREAD = "unread", "Open and unread"
    OVER = "over", "Over or resolved"


class AlertQuerySet(models.QuerySet["Alert"]):
    def in_state(self, state: str) -> "AlertQuerySet":
        match state:
            case AlertState.OVER:
                return self.exclude(ended_at=None)
            case AlertState.UNREAD:
                return self.unread()
            case _:
                return self.open()

    def open(self) -> "AlertQuerySet":
        """Those that stand and that nobody has resolved."""
        return self.filter(ended_at=None)

    def unread(self) -> "AlertQuerySet":
        return self.open().filter(read_at=None)


class Alert(models.Model):
    """An issue that a person should know of: raised once, and again only after it was gone.

    `key` names the issue. It has cleared when it is gone; a person may resolve it before. `ended_at` is whichever came
    first. What belongs to no brand is about the system, and for administrators. `series` and `level` are those of a
    budget and its thresholds: none is told twice, even if the figures fall below it meanwhile.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=30, choices=KINDS)
    key = models.CharField(max_length=200)
    series = models.CharField(max_length=200, blank=True, default="")
    level = models.PositiveIntegerField(default=0)
    brand = models.ForeignKey(Brand, models.PROTECT, null=True, related_name="alerts")
    campaign = models.ForeignKey(Campaign, models.PROTECT, null=True, related_name="alerts")
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    title = models.CharField(max_length=600)
    text = models.TextField()
    figures = models.JSONField(default=list, help_text="Pairs of a name and a figure.")
    next_step = models.TextField(help_text="What to do.")
    link = models.CharField(max_length=300, help_text="The page to do it on, within this system.")
    since = models.DateTimeField(help_text="When what it is about began.")
    raised_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    read_by = models.CharField(max_length=200, blank=True, default="")
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=200, blank=True, default="")
    cleared_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ending = models.TextField(blank=True, default="", help_text="What is told of its end. Empty: it ends silently.")

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["brand", "read_at"], condition=Q(ended_at=None), name="alert_open"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="alert_ended"),
            models.Index(fields=["series", "level"], condition=~Q(series=""), name="alert_series"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(cleared_at=None), name="alert_once_until_gone"),
            models.CheckConstraint(
                condition=Q(ended_at=None, resolved_at=None, cleared_at=None)
                | Q(ended_at__isnull=False, resolved_at__isnull=False, ended_at=F("resolved_at"))
                | Q(ended_at__isnull=False, cleared_at__isnull=False, resolved_at=None, ended_at=F("cleared_at")),
                name="alert_ended_when_resolved_or_cleared",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class AlertRule(models.Model):
    """What differs from the defaults for a kind of alert: for one brand, or for all that have no rule of their own."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    brand = models.ForeignKey(
        Brand, models.PROTECT, null=True, blank=True, related_name="alert_rules",
        help_text="Empty: for every brand without a rule of its own.",
    )  # fmt: skip
    kind = models.CharField("what it is about", max_length=30, choices=KINDS)
    on = models.BooleanField("told", default=True, help_text="Off: nobody is told of it.")
    limits = models.JSONField(default=list, help_text="Empty: those of the system.")
    severity = models.PositiveSmallIntegerField(
        choices=SEVERITIES, null=True, blank=True, help_text="Empty: that of the system."
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["brand", "kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "kind"],
                name="alert_rule_once_a_brand",
                violation_error_message="This brand has a rule for this already.",
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(brand=None),
                name="alert_rule_once_for_all",
                violation_error_message="There is a rule for this and all brands already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{LABELS[Kind(self.kind)]}: {self.brand or 'all brands'}"


class Look(models.Model):
    """How often the present was looked at: of two looks at the same time the one that ends first counts."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="look_is_one")]

    def __str__(self) -> str:
        return f"Look {self.number}"


class Told(models.Model):
    """That a receiver's people were told of an alert, or of its end. Once each."""

    id = models.BigAutoField(primary_key=True)
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="told", db_index=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="told")
    end = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "endpoint", "end"], name="told_once")]

    def __str__(self) -> str:
        return f"{self.alert}: {self.endpoint}"
