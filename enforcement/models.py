"""The run log: what ran when, what it counted, and whether it finished; and what is seen of the system at work."""

from django.db import models
from django.db.models import F, Q

from budget_system.ids import new_id


class RunKind(models.TextChoices):
    BUDGETS = "enforce_budgets", "Budget enforcement"
    DAYPARTING = "enforce_dayparting", "Dayparting enforcement"
    DAILY_RESET = "daily_reset", "Daily reset"
    MONTHLY_RESET = "monthly_reset", "Monthly reset"
    PACE = "check_pace", "Pace check"
    REALLOCATION = "move_unused", "Reallocation between channels"
    REFIT = "refit_pacing", "Refit of the pacer's models"
    BOOKS = "check_books", "Check of the books"


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


class Heartbeat(models.Model):
    """When something was last seen at work: a row each, written again and again."""

    TICK = "tick"
    """A worker did what the beat had asked for: beat, broker, worker and database are at work."""
    WEB = "web"
    """The web could write."""

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S} UTC"


class AlarmKind(models.TextChoices):
    TICKS = "ticks_stopped", "Ticks have stopped"
    BOOKS = "books_differ", "The books differ"


class Alarm(models.Model):
    """Something is wrong with the system itself; raised once, and again only after it has cleared."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=30, choices=AlarmKind.choices)
    message = models.TextField()
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)
    clear_mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=Q(cleared_at=None), name="alarm_once_until_cleared")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.message}"


class TaskTotal(models.Model):
    """How often workers have run a task since it was first run, how often it failed, and how long that took."""

    name = models.CharField(max_length=200, primary_key=True)
    runs = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def count(cls, name: str, *, failed: bool, seconds: float) -> None:
        """Add one run."""
        more = {"runs": F("runs") + 1, "failures": F("failures") + int(failed), "seconds": F("seconds") + seconds}
        if not cls.objects.filter(name=name).update(**more):
            cls.objects.get_or_create(name=name)
            cls.objects.filter(name=name).update(**more)
