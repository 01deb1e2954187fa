"""Schedules (dayparting) through the API: the windows of campaigns, one by one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.rest.fields import Id, LocalTime, Moment, Strict
from budget_system.rest.filters import Filters
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import Changeable
from enforcement import services
from scheduling.models import Schedule, Weekday
from scheduling.services import ScheduleRow
from scheduling.windows import Window


class WindowSerializer(Strict):
    """A window [start, end) on a weekday in the brand's time zone."""

    day_of_week = serializers.IntegerField(min_value=0, max_value=6, help_text="0 is Monday.")
    start_time = LocalTime()
    end_time = LocalTime(help_text="00:00, 23:59 and 23:59:59 mean the end of the day.")
    ends_next_day = serializers.BooleanField(
        required=False, default=False, help_text="It runs into the next day, such as Friday 22:00 to 06:00."
    )
    is_active = serializers.BooleanField(required=False, default=True)


class ScheduleSerializer(WindowSerializer):
    """A window of a campaign. A campaign that has none runs around the clock."""

    id = serializers.UUIDField(read_only=True)
    campaign = Id(source="campaign_id")
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)


def rows_of(values: Mapping[str, Any]) -> ScheduleRow:
    """The row that these values of a window make."""
    window = Window(values["day_of_week"], values["start_time"], values["end_time"], values["ends_next_day"])
    return ScheduleRow(window, values["is_active"])


class ScheduleFilters(Filters):
    campaign = filters.UUIDFilter("campaign_id")
    brand = filters.UUIDFilter("campaign__brand_id")
    day_of_week = filters.ChoiceFilter(choices=Weekday.choices)
    is_active = filters.BooleanFilter()


@extend_schema_view(
    list=extend_schema(summary="List windows"),
    retrieve=extend_schema(summary="Show a window"),
    create=extend_schema(
        summary="Add a window to a campaign",
        description="A campaign runs whenever any of its windows is open. A new one has seven whole days: to narrow it "
        "down, replace its week (PUT campaigns/{id}/week) or remove what it has.",
    ),
    update=extend_schema(summary="Change a window"),
    partial_update=extend_schema(summary="Change some of a window"),
    destroy=extend_schema(
        summary="Remove a window", description="When the last one goes, the campaign runs around the clock."
    ),
)
class ScheduleViewSet(Changeable):
    serializer_class = ScheduleSerializer
    filterset_class = ScheduleFilters
    ordering_fields = ("day_of_week", "start_time", "created_at")
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {
        "list": "scheduling.view_schedule",
        "retrieve": "scheduling.view_schedule",
        "create": "scheduling.add_schedule",
        "update": "scheduling.change_schedule",
        "partial_update": "scheduling.change_schedule",
        "destroy": "scheduling.delete_schedule",
    }

    def things(self) -> QuerySet[Schedule]:
        return Schedule.objects.filter(campaign__archived_at=None)

    @answered_once
    def create(self, request: Request) -> Response:
        values = self.values(ScheduleSerializer)
        campaign_id = self.campaign(values.pop("campaign_id")).id
        schedule, _verdict = services.add_window(campaign_id, rows_of(values), actor=self.caller.name, now=clock.now())
        return self.show(schedule, status.HTTP_201_CREATED)

    def change(self, thing: Schedule, values: dict[str, Any], now: datetime) -> None:
        if values.pop("campaign_id", thing.campaign_id) != thing.campaign_id:
            raise ValidationError({"campaign": ["A window stays with its campaign. Add one to the other campaign."]})
        present = {
            "day_of_week": thing.day_of_week,
            "start_time": thing.start_time,
            "end_time": thing.end_time,
            "ends_next_day": thing.ends_next_day,
            "is_active": thing.is_active,
        }
        given = {name: value for name, value in values.items() if name in self.request.data}  # no defaults
        services.change_window(thing.pk, rows_of({**present, **given}), actor=self.caller.name, now=now)

    def destroy(self, request: Request, id: str) -> Response:
        services.remove_window(self.get_object().pk, actor=self.caller.name, now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
