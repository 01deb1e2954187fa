"""Accounts at ad platforms, how far this system may go there, and what each campaign shows there."""

from datetime import UTC

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from brands.models import Brand
from budget_system.ids import new_id
from budget_system.sealed import SealedField
from campaigns.models import Campaign
from campaigns.models import Platform as PlatformCode
from platforms.protocol import Status
from platforms.steps import Mode, Step, Why
from spending.models import SpendImport


class AccountState(models.TextChoices):
    """How it goes. What was not read yet works; `checked_at` says so."""

    WORKS = "works", "Works"
    FAILS = "fails", "Fails"
    NEEDS_PERSON = "needs_person", "Needs you"
    OFF = "off", "Switched off"


class AccountQuerySet(models.QuerySet["Account"]):
    def in_state(self, state: str) -> "AccountQuerySet":
        fails = Q(failing_since__isnull=False) | Q(pull_failing_since__isnull=False)
        match state:
            case AccountState.OFF:
                return self.exclude(off_at=None)
            case AccountState.NEEDS_PERSON:
                return self.filter(off_at=None, needs_person=True)
            case AccountState.FAILS:
                return self.filter(fails, off_at=None, needs_person=False)
            case _:
                return self.filter(~fails, off_at=None, needs_person=False)


class Account(models.Model):
    """A brand's account at an ad platform. Its credentials are encrypted here, as JSON.

    `leave_until` is when it may be asked again after it was throttled or did not answer; `needs_person` says that
    nothing is asked before somebody acts. `busy_until` and `pulling_until` are the leases of whoever sends to it, and
    of whoever reads its spend.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="platform_accounts")
    platform = models.CharField(max_length=20, choices=PlatformCode.choices)
    account_id = models.CharField("account id", max_length=100)
    by_file = models.BooleanField(
        default=False, editable=False, help_text="There is no access to its interface: changes go there in files."
    )
    credentials = SealedField(editable=False)

    name = models.CharField("name there", max_length=200, blank=True, default="", editable=False)
    currency = models.CharField(max_length=3, blank=True, default="", editable=False)
    time_zone = models.CharField(max_length=60, blank=True, default="", editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    unknown_campaigns = models.PositiveIntegerField(
        default=0, editable=False, help_text="Campaigns there that no campaign of the brand names by its id."
    )

    off_at = models.DateTimeField("switched off", null=True, editable=False)
    off_reason = models.TextField(blank=True, default="", editable=False)
    error = models.TextField(blank=True, default="", editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    needs_person = models.BooleanField(default=False, editable=False)
    leave_until = models.DateTimeField(null=True, editable=False)

    busy_until = models.DateTimeField(null=True, editable=False)
    pulling_until = models.DateTimeField(null=True, editable=False)
    look_at = models.DateTimeField(null=True, editable=False, help_text="When its campaigns are read next.")
    looked_at = models.DateTimeField(null=True, editable=False)
    pull_at = models.DateTimeField(null=True, editable=False, help_text="When its spend is read next.")
    pulled_at = models.DateTimeField(null=True, editable=False)
    pull_error = models.TextField(blank=True, default="", editable=False)
    pull_failing_since = models.DateTimeField(null=True, editable=False)
    restated_on = models.DateField(
        null=True, editable=False, help_text="The account's day on which days past were last read again."
    )
    digests = models.JSONField(default=dict, editable=False, help_text="Of the last figures, by what was asked for.")

    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ["brand", "platform", "account_id"]
        verbose_name = "platform account"
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "platform", "account_id"],
                name="account_once_a_brand",
                violation_error_message="This brand has this account already.",
            ),
            models.CheckConstraint(
                condition=Q(off_at=None, off_reason="") | (Q(off_at__isnull=False) & ~Q(off_reason="")),
                name="account_off_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        label = PlatformCode(self.platform).label
        return f"{label} {self.name} ({self.account_id})" if self.name else f"{label} {self.account_id}"

    @property
    def usable(self) -> bool:
        """Whether it may be asked at all; it may still have to wait."""
        return self.off_at is None and not self.needs_person


MOST_CAMPAIGNS = 1_000_000
MOST_SHARE = 100


class Steering(models.Model):
    """How far this system may go at a brand's platforms on its own. Inputs: only a person changes them."""

    brand = models.OneToOneField(Brand, models.PROTECT, primary_key=True, related_name="steering")
    mode = models.CharField(
        max_length=10,
        choices=[
            (Mode.OBSERVE.value, "Observe: only write down what would be done"),
            (Mode.SUGGEST.value, "Suggest: a person approves each change"),
            (Mode.ENFORCE.value, "Enforce: changes are sent"),
        ],
        default=Mode.OBSERVE.value,
    )
    most_campaigns = models.PositiveIntegerField(
        "at most, campaigns", default=20, help_text="More changes than this in a quarter of an hour wait for a person."
    )
    most_share = models.PositiveSmallIntegerField(
        "at most, % of the spend",
        default=50,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_SHARE)],
        help_text="Changes of campaigns that spent more than this share of the last seven days wait for a person.",
    )
    budgets_count = models.BooleanField(
        "spend and the clock count too",
        default=False,
        help_text="If not, only what people and programs change counts. A budget that is used up and a day that begins "
        "are then always sent: they are what this system is for.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["brand__name"]
        verbose_name = "mode"
        constraints = [
            models.CheckConstraint(condition=Q(most_share__lte=MOST_SHARE), name="steering_share_is_a_share"),
            models.CheckConstraint(condition=Q(mode__in=[mode.value for mode in Mode]), name="steering_mode_is_known"),
        ]

    def __str__(self) -> str:
        return f"Mode of {self.brand}"


class Outgoing(models.Model):
    """The kill switch, in one row: while it is on, no change leaves to any platform."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    only = models.BooleanField(default=True, unique=True, editable=False)
    stopped_at = models.DateTimeField(null=True, editable=False)
    stopped_by = models.CharField(max_length=200, blank=True, default="", editable=False)
    reason = models.TextField(blank=True, default="", editable=False)

    class Meta:
        verbose_name = "kill switch"
        verbose_name_plural = "kill switch"
        permissions = [
            ("stop_outgoing", "Can stop all changes to platforms"),
            ("resume_outgoing", "Can let changes to platforms leave again"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(only=True), name="outgoing_is_one_row"),
            models.CheckConstraint(
                condition=Q(stopped_at=None, stopped_by="", reason="")
                | (Q(stopped_at__isnull=False) & ~Q(stopped_by="") & ~Q(reason="")),
                name="outgoing_stopped_by_somebody_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return "Changes to platforms"


STATUS_LABELS = {Status.ENABLED: "Enabled", Status.PAUSED: "Paused", Status.ENDED: "Over", None: "Not found"}
STEP_LABELS = {
    Step.NOTHING: "Nothing to do",
    Step.IN_STEP: "In step",
    Step.DRIFT: "Changed there",
    Step.OBSERVED: "Would change",
    Step.WAITING: "Waits for approval",
    Step.LEFT: "Left as it is",
    Step.STOPPED: "Held: kill switch",
    Step.BROKEN: "Held: account",
    Step.SEND: "Being sent",
}
WHY_LABELS = {
    Why.NONE: "",
    Why.MODE: "The brand's mode asks for approval.",
    Why.NOT_OURS: "It was paused there by somebody else.",
    Why.LIMIT: "Too much would change at once.",
}


class RemoteStateQuerySet(models.QuerySet["RemoteState"]):
    def current(self) -> "RemoteStateQuerySet":
        """Those of campaigns that are not archived."""
        return self.filter(campaign__archived_at=None)


class RemoteState(models.Model):
    """What a campaign shows at its platform, and what is next. One row a campaign: only the latest wish is ever sent.

    `agreed` is our first hold when both last agreed. `attempts` counts what was sent for the present wish, and
    `next_at` is when it may be sent again.
    """

    campaign = models.OneToOneField(Campaign, models.PROTECT, primary_key=True, related_name="remote_state")
    account = models.ForeignKey(Account, models.PROTECT, related_name="campaigns")
    actual = models.CharField(max_length=10, blank=True, default="", choices=[(one.value, one.value) for one in Status])
    said = models.CharField("status there", max_length=100, blank=True, default="")
    name_there = models.CharField(max_length=300, blank=True, default="")
    seen_at = models.DateTimeField(null=True)
    agreed = models.CharField(max_length=30, null=True)  # noqa: DJ001 - empty means that both let it run
    ours = models.BooleanField(default=False)

    step = models.CharField(
        max_length=10, choices=[(step.value, label) for step, label in STEP_LABELS.items()], default=Step.NOTHING.value
    )
    why = models.CharField(max_length=10, blank=True, default="")
    step_since = models.DateTimeField()
    step_for = models.CharField(max_length=30, blank=True, default="", help_text="Our first hold when it was taken.")
    approved = models.CharField(max_length=10, blank=True, default="")
    left = models.CharField(max_length=30, null=True)  # noqa: DJ001 - empty: a person does not want it started
    limited = models.BooleanField(default=False)

    sent_at = models.DateTimeField(null=True)
    first_sent_at = models.DateTimeField(null=True, help_text="For the present wish.")
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")

    objects = RemoteStateQuerySet.as_manager()

    class Meta:
        ordering = ["campaign__brand__name", "campaign__name"]
        verbose_name = "campaign at its platform"
        verbose_name_plural = "campaigns at the platforms"
        indexes = [models.Index(fields=["account", "step"], name="remote_state_by_step")]

    def __str__(self) -> str:
        return str(self.campaign)

    @property
    def actual_status(self) -> Status | None:
        return Status(self.actual) if self.actual else None


class ActKind(models.TextChoices):
    OBSERVED = "OBSERVED", "Would be sent"
    ASKED = "ASKED", "Approval is asked for"
    APPROVED = "APPROVED", "Approved"
    LEFT = "LEFT", "Left as it is"
    SENT = "SENT", "Sent"
    REFUSED = "REFUSED", "Not accepted"
    NOT_SEEN = "NOT_SEEN", "Accepted, but not seen"
    CONFIRMED = "CONFIRMED", "Seen as wanted"
    DRIFT = "DRIFT", "Changed there"
    TAKEN_OVER = "TAKEN_OVER", "Taken over from there"
    BACK_IN_STEP = "IN_STEP", "In step again"
    STOPPED = "STOPPED", "Held by the kill switch"


class Act(models.Model):
    """What was sent to a platform about a campaign, answered, seen or decided. Written once, kept for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="platform_acts", db_index=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="acts", db_index=False)
    at = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=ActKind.choices)
    asked = models.CharField(max_length=10, blank=True, default="")
    shown = models.CharField("shown there", max_length=10, blank=True, default="")
    reason = models.CharField(max_length=30, blank=True, default="", help_text="Our first hold.")
    attempt = models.PositiveIntegerField(default=0)
    counts = models.BooleanField(default=False, help_text="It counts against the brand's limit.")
    seconds = models.FloatField(null=True, help_text="From our decision until it was seen there.")
    actor = models.CharField(max_length=200)
    note = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]
        verbose_name = "act at a platform"
        verbose_name_plural = "acts at platforms"
        indexes = [
            models.Index(fields=["campaign", "id"], name="act_by_campaign"),
            models.Index(fields=["account", "id"], name="act_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: {self.campaign}: {ActKind(self.kind).label}"


class Pull(models.Model):
    """Spend that was read from an account and differed from what was read before: an import of it is on record."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="pulls", db_index=False)
    at = models.DateTimeField()
    first_day = models.DateField()
    last_day = models.DateField()
    rows = models.PositiveIntegerField(default=0)
    spend_import = models.OneToOneField(SpendImport, models.PROTECT, null=True, related_name="pull")
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]
        verbose_name = "reading of spend"
        verbose_name_plural = "readings of spend"
        indexes = [models.Index(fields=["account", "id"], name="pull_by_account")]

    def __str__(self) -> str:
        return f"{self.account}, {self.first_day} to {self.last_day}"
