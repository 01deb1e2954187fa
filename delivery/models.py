"""Who is told, what they are told, and what came of each attempt."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q

from brands.models import Brand
from budget_system.ids import new_id
from budget_system.sealed import SealedField
from delivery.payload import EventType, message_id
from delivery.severity import Severity

LABELS = {
    EventType.STATE_CHANGED: "A campaign starts, stops, or has other holds",
    EventType.ALERT_RAISED: "A pace alert is raised",
    EventType.ALERT_CLEARED: "A pace alert is over",
    EventType.BREAKER_CHANGED: "A circuit breaker opens, probes or closes",
    EventType.IMPORT_FINISHED: "An import is done, or could not be read",
    EventType.IMPORT_UNDONE: "An import was undone",
    EventType.ISSUE_RAISED: "People are alerted",
    EventType.ISSUE_RESOLVED: "What people were alerted of is over, or resolved",
    EventType.PING: "A test message",
    EventType.MESSAGE: "Alerts, for people",
    EventType.DIGEST: "The day's digest, for people",
}
SEVERITIES = [(severity.value, severity.label) for severity in Severity]


class EndpointKind(models.TextChoices):
    WEBHOOK = "WEBHOOK", "Webhook"
    EMAIL = "EMAIL", "E-mail"
    SLACK = "SLACK", "Slack"


PEOPLE = (EndpointKind.EMAIL, EndpointKind.SLACK)


class EndpointState(models.TextChoices):
    """How it goes. What was not used yet works; `last_sent_at` says so."""

    WORKS = "works", "Works"
    FAILS = "fails", "Fails"
    OFF = "off", "Switched off"


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def in_state(self, state: str) -> "EndpointQuerySet":
        match state:
            case EndpointState.OFF:
                return self.exclude(off_at=None)
            case EndpointState.FAILS:
                return self.filter(off_at=None, failures__gt=0)
            case _:
                return self.filter(off_at=None, failures=0)


class Endpoint(models.Model):
    """An address that is told what happens to a brand.

    A webhook is signed with a secret that is encrypted here; a former one signs too until `former_until`. The address
    of a Slack channel is itself a secret: it is what is encrypted, and `url` shows its host. Receivers of people's
    kinds may belong to no brand: they are told of all brands and of the system. `failures` are those in a row;
    `leave_until` is the endpoint's circuit breaker; `gave_up`: it was switched off because nothing arrived.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=EndpointKind.choices, default=EndpointKind.WEBHOOK)
    brand = models.ForeignKey(Brand, models.PROTECT, null=True, related_name="endpoints")
    name = models.CharField(max_length=100, help_text="What listens there, such as “Bidder” or “Client's dashboard”.")
    url = models.CharField("address", max_length=1_000)
    events = models.JSONField(default=list, help_text="The types of events that it is told.")
    secret = SealedField(blank=True, default="", editable=False)
    former_secret = SealedField(blank=True, default="", editable=False)
    former_until = models.DateTimeField(null=True, editable=False)
    starts_at = models.DateTimeField(editable=False, help_text="What happened before is not told.")
    off_at = models.DateTimeField("switched off", null=True, editable=False)
    off_reason = models.TextField(blank=True, default="", editable=False)
    gave_up = models.BooleanField(default=False, editable=False)
    minimum_severity = models.PositiveSmallIntegerField(
        "from", choices=SEVERITIES, default=Severity.WARNING.value, help_text="What is less grave is not told here."
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="By the brand's wall clock.")
    quiet_until = models.TimeField(
        null=True, blank=True, help_text="What still stands is told then. May lie on the next day."
    )
    quiet_for_critical = models.BooleanField(
        "critical ones wait too", default=False, help_text="Off: what is critical comes through in quiet hours."
    )
    digest_hour = models.PositiveSmallIntegerField(
        "daily digest at", null=True, blank=True, help_text="The hour by the brand's clock, 0 to 23. Empty: none."
    )
    digest_on = models.DateField(null=True, editable=False, help_text="The local day of the last digest.")
    failures = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    leave_until = models.DateTimeField(null=True, editable=False)
    last_sent_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ["brand", "name"]
        verbose_name = "webhook"
        constraints = [
            models.CheckConstraint(
                condition=Q(off_at=None, off_reason="") | (Q(off_at__isnull=False) & ~Q(off_reason="")),
                name="endpoint_off_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(former_secret="", former_until=None)
                | (~Q(former_secret="") & Q(former_until__isnull=False)),
                name="endpoint_former_secret_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(kind="WEBHOOK", brand__isnull=False) & ~Q(secret="")
                | Q(kind="SLACK", events=[]) & ~Q(secret="")
                | Q(kind="EMAIL", events=[], secret=""),
                name="endpoint_has_what_its_kind_needs",
            ),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None) | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="endpoint_quiet_hours_have_two_ends",
            ),
            models.CheckConstraint(
                condition=Q(digest_hour=None) | Q(digest_hour__lte=23), name="endpoint_digest_hour_exists"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> EndpointState:
        if self.off_at is not None:
            return EndpointState.OFF
        return EndpointState.FAILS if self.failures else EndpointState.WORKS

    def secrets_at(self, now: datetime) -> list[str]:
        """The sealed secrets that sign at this moment."""
        overlap = self.former_until is not None and now < self.former_until
        return [self.secret, self.former_secret] if overlap else [self.secret]


def noun(endpoint: Endpoint) -> str:
    """What the records call it."""
    return "webhook" if endpoint.kind == EndpointKind.WEBHOOK else "receiver"


class DeliveryState(models.TextChoices):
    PENDING = "PENDING", "Waits"
    SENT = "SENT", "Arrived"
    PARKED = "PARKED", "Parked"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def first_of_their_order(self) -> "DeliveryQuerySet":
        """Those that wait and may be sent: of one order key only the earliest that has not arrived."""
        waiting = self.filter(state=DeliveryState.PENDING)
        earlier = Delivery.objects.filter(
            endpoint=OuterRef("endpoint"), order_key=OuterRef("order_key"), id__lt=OuterRef("id"),
            state=DeliveryState.PENDING,
        )  # fmt: skip
        return waiting.filter(~Exists(earlier))


class Delivery(models.Model):
    """A message to an endpoint: its bytes, and how far it is. Kept for 30 days.

    Messages of one `order_key` (a campaign, an import) are told in the order of their numbers. While one is being
    sent, `next_at` is when another relay may take it over.
    """

    id = models.BigAutoField(primary_key=True)
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="deliveries", db_index=False)
    type = models.CharField(max_length=40, choices=[(kind.value, LABELS[kind]) for kind in EventType])
    source_id = models.UUIDField(help_text="The record of what happened.")
    order_key = models.UUIDField()
    happened_at = models.DateTimeField()
    body = models.TextField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_index=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "message"
        indexes = [
            models.Index(fields=["next_at", "endpoint"], condition=Q(state="PENDING"), name="delivery_due"),
            models.Index(
                fields=["endpoint", "order_key", "id"], condition=Q(state="PENDING"), name="delivery_in_order"
            ),
            models.Index(fields=["endpoint", "id"], name="delivery_by_endpoint"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["source_id", "type", "endpoint"], name="delivery_once_an_endpoint"),
            models.CheckConstraint(
                condition=Q(state="PENDING", next_at__isnull=False, sent_at=None)
                | Q(state="SENT", next_at=None, sent_at__isnull=False)
                | Q(state="PARKED", next_at=None, sent_at=None),
                name="delivery_state_agrees",
            ),
        ]

    def __str__(self) -> str:
        return LABELS[EventType(self.type)]

    @property
    def message_id(self) -> str:
        return message_id(self.type, self.source_id)


class Receiver(Endpoint):
    """An endpoint of people, e-mail or Slack, as the admin lists it."""

    class Meta:
        proxy = True
        ordering = ["brand", "name"]
        verbose_name = "receiver"


class Attempt(models.Model):
    """One attempt to send a message, and what was answered. Kept as long as the message."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="log")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    seconds = models.FloatField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.TextField(blank=True, default="")
    answer = models.TextField(blank=True, default="", help_text="The beginning of it.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Attempt {self.number}: {self.status or self.error}"


class Relay(models.Model):
    """The one relay at work, and how far it has looked. It holds the office until `held_until`, and renews it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    holder = models.UUIDField(null=True)
    held_until = models.DateTimeField(null=True)
    looked_until = models.DateTimeField(null=True, help_text="What happened before is taken up, but for a look back.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="relay_is_one")]

    def __str__(self) -> str:
        return "The relay"
