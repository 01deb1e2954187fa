"""When: the weekly windows (dayparting) in which a campaign may run."""

from datetime import time

from django.db import models
from django.db.models import F, Q

from budget_system.ids import new_id
from campaigns.models import Campaign
from scheduling.windows import Window

END_OF_DAY = (time(0, 0), time(23, 59), time(23, 59, 59))


class Weekday(models.IntegerChoices):
    MONDAY = 0, "Monday"
    TUESDAY = 1, "Tuesday"
    WEDNESDAY = 2, "Wednesday"
    THURSDAY = 3, "Thursday"
    FRIDAY = 4, "Friday"
    SATURDAY = 5, "Saturday"
    SUNDAY = 6, "Sunday"


def hours_text(start: str, end: str) -> str:
    """A window within a day as people read it: “all day”, “22:00–24:00”."""
    if end in _ENDS_OF_DAY:
        end = "24:00"
    return "all day" if (start, end) == ("00:00", "24:00") else f"{start}–{end}"


_ENDS_OF_DAY = frozenset(("00:00", "23:59", "23:59:59"))


class Schedule(models.Model):
    """A window [start, end) on a weekday in the brand's time zone. No rows at all: around the clock."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="schedules")
    day_of_week = models.PositiveSmallIntegerField(choices=Weekday.choices)
    start_time = models.TimeField(default=time(0, 0))
    end_time = models.TimeField(default=time(0, 0), help_text="00:00, 23:59 and 23:59:59 mean the end of the day.")
    ends_next_day = models.BooleanField(
        default=False, help_text="The window starts on this weekday and runs into the next, such as 22:00 to 06:00."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["campaign", "day_of_week", "start_time"]
        verbose_name = "schedule window"
        verbose_name_plural = "schedules"
        constraints = [
            models.CheckConstraint(condition=Q(day_of_week__lte=6), name="schedule_weekday_exists"),
            models.CheckConstraint(
                condition=Q(end_time__gt=F("start_time")) | Q(ends_next_day=True) | Q(end_time__in=END_OF_DAY),
                name="schedule_ends_after_start",
                violation_error_message="The window ends before it starts. If it runs into the next day, say so.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_day_of_week_display()} {self.hours}"

    @property
    def hours(self) -> str:
        """“all day”, “22:00–24:00”, “22:00–06:00 next day”."""
        start, end = (moment.isoformat("seconds" if moment.second else "minutes") for moment in self.window[1:3])
        return f"{start}–{end} next day" if self.ends_next_day else hours_text(start, end)

    @property
    def window(self) -> Window:
        return Window(self.day_of_week, self.start_time, self.end_time, self.ends_next_day)
