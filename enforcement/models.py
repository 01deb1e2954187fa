"""The run log: what ran when, what it counted, and whether it finished."""

from django.db import models
from django.db.models import Q

from budget_system.ids import new_id


class RunKind(models.TextChoices):
    BUDGETS = "enforce_budgets", "Budget enforcement"
    DAYPARTING = "enforce_dayparting", "Dayparting enforcement"
    DAILY_RESET = "daily_reset", "Daily reset"
    MONTHLY_RESET = "monthly_reset", "Monthly reset"
    PACE = "check_pace", "Pace check"
    REALLOCATION = "move_unused", "Reallocation between channels"
    REFIT = "refit_pacing", "Refit of the pacer's models"


class Run(models.Model):
    """One run of a sweep or a turn.

    At most one run of a kind is unfinished: the constraint is the guard against two beats. A run whose worker died is
    closed by the next one, after `LEASE`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=30, choices=RunKind.choices)
    trigger = models.CharField(max_length=200, help_text="Who or what started it.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["kind", "started_at"], name="run_by_kind")]
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=Q(finished_at=None), name="run_one_unfinished_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.started_at:%Y-%m-%d %H:%M:%S} UTC"
