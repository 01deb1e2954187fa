"""How a campaign's money is paced: budgets by channel, what came in by the hour, breakers, alerts, and moved money.

Channel budgets and settings are inputs: people write them. The state of the pacer, the breaker columns and alerts are
outputs; `pacing.services` writes them, under the brand's lock.
"""

from django.db import models
from django.db.models import Q

from budget_pacer import AlertType, CircuitBreakerState, PacingStrategy
from budget_system.fields import CountField, MoneyField
from budget_system.ids import new_id
from campaigns.models import Campaign

CHANNEL_LENGTH = 40


class Strategy(models.TextChoices):
    """How a day's budget is laid out over its hours, in words."""

    ADAPTIVE_HYBRID = PacingStrategy.ADAPTIVE_HYBRID.value, "Adaptive: traffic and returns, even while data is short"
    EVEN_DISTRIBUTION = PacingStrategy.EVEN_DISTRIBUTION.value, "Even: the same for every open minute"
    HISTORICAL_PATTERN = PacingStrategy.HISTORICAL_PATTERN.value, "As traffic has come so far"
    PERFORMANCE_WEIGHTED = PacingStrategy.PERFORMANCE_WEIGHTED.value, "More where money has returned more"
    PREDICTIVE_ML = PacingStrategy.PREDICTIVE_ML.value, "As traffic and returns are predicted"


class BreakerState(models.TextChoices):
    CLOSED = CircuitBreakerState.CLOSED.value, "Closed"
    OPEN = CircuitBreakerState.OPEN.value, "Open"
    HALF_OPEN = CircuitBreakerState.HALF_OPEN.value, "Probing"


class PacedCampaign(models.Model):
    """What the pacer knows of a campaign: its settings, and the state that it decides on (`budget_pacer.store`).

    `settings` has what differs from the defaults of `budget_pacer.PacerConfig`, for all its channels. `version` is that
    of `state`: whoever writes names the one that was read.
    """

    campaign = models.OneToOneField(Campaign, models.PROTECT, primary_key=True, related_name="pacing")
    settings = models.JSONField(default=dict, blank=True)
    automatic = models.BooleanField(
        "moves money by itself",
        default=False,
        help_text="Unused money is moved between channels every hour. Otherwise a person approves each proposal.",
    )
    state = models.JSONField(null=True, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False, help_text="When its pace was last looked at.")

    class Meta:
        verbose_name = "paced campaign"

    def __str__(self) -> str:
        return str(self.campaign)


class ChannelBudget(models.Model):
    """What a channel of a campaign may spend a day, inside the campaign's own budget, and how it is paced.

    `settings` has what differs from the campaign's. The stop is an input; the breaker's columns are outputs, for lists.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="channel_budgets")
    channel = models.CharField(max_length=CHANNEL_LENGTH)
    daily_budget = MoneyField(help_text="Inside the campaign's daily budget.")
    strategy = models.CharField(max_length=30, choices=Strategy.choices, default=Strategy.ADAPTIVE_HYBRID)
    settings = models.JSONField(default=dict, blank=True)
    stopped_at = models.DateTimeField("emergency stop since", null=True, editable=False)
    stop_reason = models.TextField(blank=True, default="", editable=False)
    stopped_by = models.CharField(max_length=200, blank=True, default="", editable=False)
    breaker = models.CharField(max_length=10, choices=BreakerState.choices, default=BreakerState.CLOSED, editable=False)
    breaker_reason = models.TextField(blank=True, default="", editable=False)
    breaker_until = models.DateTimeField(
        null=True, editable=False, help_text="When an open breaker lets a probe through."
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["campaign", "channel"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "channel"],
                name="channel_budget_once",
                violation_error_message="This campaign has a budget for this channel already.",
            ),
            models.CheckConstraint(condition=Q(daily_budget__gte=0), name="channel_budget_not_negative"),
            models.CheckConstraint(
                condition=Q(stopped_at=None, stopped_by="") | (Q(stopped_at__isnull=False) & ~Q(stopped_by="")),
                name="channel_stop_has_an_author",
            ),
            models.CheckConstraint(
                condition=Q(breaker=BreakerState.OPEN, breaker_until__isnull=False)
                | (~Q(breaker=BreakerState.OPEN) & Q(breaker_until=None)),
                name="channel_breaker_open_until_a_probe",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign}: {self.channel}"


class HourTotal(models.Model):
    """What a campaign spent and got on a channel in one hour of its brand's day, by when it was reported.

    Spend moves it by the change that arrives, if that is of the day on which it arrives; what comes later for a former
    day has no hour. An empty channel is the campaign's own. Performance is what platforms and callers report.
    """

    id = models.BigAutoField(primary_key=True)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="hour_totals", db_index=False)
    channel = models.CharField(max_length=CHANNEL_LENGTH, blank=True, default="")
    starts_at = models.DateTimeField(help_text="When the local hour begins.")
    day = models.DateField(help_text="The brand's local day.")
    spent = MoneyField(default=0)
    impressions = models.BigIntegerField(default=0)
    clicks = models.BigIntegerField(default=0)
    conversions = CountField(default=0)
    revenue = MoneyField(default=0)

    class Meta:
        ordering = ["-starts_at", "channel"]
        constraints = [models.UniqueConstraint(fields=["campaign", "starts_at", "channel"], name="hour_total_once")]

    def __str__(self) -> str:
        return f"{self.campaign}: {self.channel or 'own channel'}, {self.starts_at:%Y-%m-%d %H:%M} UTC"


class FittedHistory(models.Model):
    """What the pacer has learned of a channel's hours of the week, as of the last fit; later hours are added to it."""

    id = models.BigAutoField(primary_key=True)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="fitted", db_index=False)
    channel = models.CharField(max_length=CHANNEL_LENGTH)
    history = models.JSONField()
    data_hours = models.PositiveIntegerField(help_text="Of how many different hours there is data.")
    until = models.DateTimeField(help_text="Hours that begin before this are in it.")
    fitted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "channel"], name="fitted_history_once")]
        verbose_name_plural = "fitted histories"

    def __str__(self) -> str:
        return f"{self.campaign}: {self.channel}, fitted on {self.data_hours} hours"


class AlertKind(models.TextChoices):
    EMERGENCY_STOP_REQUIRED = AlertType.EMERGENCY_STOP_REQUIRED.value, "Most of the budget is gone, far ahead of plan"
    CRITICAL_OVERPACING = AlertType.CRITICAL_OVERPACING.value, "Far ahead of plan"
    WARNING_OVERPACING = AlertType.WARNING_OVERPACING.value, "Ahead of plan"
    CIRCUIT_BREAKER_OPEN = AlertType.CIRCUIT_BREAKER_OPEN.value, "Circuit breaker open"
    PERFORMANCE_DEGRADATION = AlertType.PERFORMANCE_DEGRADATION.value, "Performance below its thresholds"
    UNDER_PACING = AlertType.UNDER_PACING.value, "Behind plan"


class PaceAlert(models.Model):
    """Something about a channel's pace that a person should know; raised once, and again only after it has cleared."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="pace_alerts")
    channel = models.CharField(max_length=CHANNEL_LENGTH)
    kind = models.CharField(max_length=30, choices=AlertKind.choices)
    severity = models.CharField(max_length=10, choices=[("critical", "Critical"), ("warning", "Warning")])
    message = models.TextField()
    action = models.TextField("what to do")
    pace = models.FloatField(help_text="Spent over planned so far: 1.0 is on plan.")
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    seen_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "channel", "kind"],
                condition=Q(cleared_at=None),
                name="pace_alert_once_until_cleared",
            ),
        ]

    def __str__(self) -> str:
        return self.message


class BreakerChange(models.Model):
    """A breaker that opened, let a probe through or closed, why and by whom. Written once, kept for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="breaker_changes")
    channel = models.CharField(max_length=CHANNEL_LENGTH)
    at = models.DateTimeField()
    from_state = models.CharField(max_length=10, choices=BreakerState.choices)
    to_state = models.CharField(max_length=10, choices=BreakerState.choices)
    reason = models.TextField(blank=True, default="")
    actor = models.CharField(max_length=200)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.campaign}, {self.channel}: {self.get_to_state_display()}"


class ReallocationState(models.TextChoices):
    PROPOSED = "PROPOSED", "Waits for a person"
    APPLIED = "APPLIED", "Applied"
    REJECTED = "REJECTED", "Rejected"
    LAPSED = "LAPSED", "Lapsed"


class Reallocation(models.Model):
    """Money of one day to be moved between the channels of a campaign, or that was moved. The sum stays the same.

    `moves` are {from, to, amount, reason}; `before` and `after` are the channels' budgets of the day; amounts as text.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="reallocations")
    day = models.DateField(help_text="The brand's local day; the next one starts from the budgets as they were set.")
    state = models.CharField(max_length=10, choices=ReallocationState.choices, default=ReallocationState.PROPOSED)
    moves = models.JSONField()
    notes = models.JSONField(default=list, help_text="Why other money stays where it is.")
    before = models.JSONField()
    after = models.JSONField()
    proposed_at = models.DateTimeField()
    proposed_by = models.CharField(max_length=200)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, blank=True, default="")
    reason = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(state="PROPOSED"), name="reallocation_one_proposal_a_campaign"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign}: {len(self.moves)} moves on {self.day}"
