"""The kill switch through the API."""

from collections.abc import Mapping

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.rest.fields import Moment, NeededReasonSerializer, ReasonSerializer, Strict
from budget_system.rest.views import Resource
from platforms import services
from platforms.models import Outgoing, RemoteState
from platforms.steps import Step


class OutgoingSerializer(Strict):
    """The kill switch: while it is on, no change leaves to any platform, for any brand. Reading goes on."""

    stopped = serializers.SerializerMethodField()
    stopped_at = Moment(read_only=True, allow_null=True)
    stopped_by = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True)
    held = serializers.IntegerField(read_only=True, help_text="Campaigns that you see whose change it holds.")

    def get_stopped(self, switch: Outgoing) -> bool:
        return switch.stopped_at is not None


class OutgoingViewSet(Resource):
    serializer_class = OutgoingSerializer
    pagination_class = None
    filter_backends = ()
    needs: Mapping[str, str] = {
        "outgoing": "platforms.view_outgoing",
        "stop": "platforms.stop_outgoing",
        "resume": "platforms.resume_outgoing",
    }

    def things(self) -> QuerySet[Outgoing]:
        return Outgoing.objects.all()

    def _answer(self) -> Response:
        switch = services.outgoing()
        held = self.caller.only_theirs(RemoteState.objects.filter(step=Step.STOPPED), "campaign__brand")
        switch.held = held.count()  # type: ignore[attr-defined] # as `dress` does for things that have figures
        return Response(self.get_serializer(switch).data)

    @extend_schema(summary="Show the kill switch")
    @action(detail=False)
    def outgoing(self, request: Request) -> Response:
        self.allow_parameters()
        return self._answer()

    @extend_schema(
        summary="Stop all changes to all platforms",
        description="From this moment nothing leaves, for any brand, until somebody lets it.",
        request=NeededReasonSerializer,
    )
    @action(detail=False, methods=["post"], url_path="outgoing/stop")
    def stop(self, request: Request) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        services.stop_all(reason=reason, actor=self.caller.name, now=clock.now())
        return self._answer()

    @extend_schema(
        summary="Let changes leave again",
        description="What is wanted now is sent within seconds; what was wanted meanwhile and is not any more is not.",
        request=ReasonSerializer,
    )
    @action(detail=False, methods=["post"], url_path="outgoing/resume")
    def resume(self, request: Request) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        services.go_on(reason=reason, actor=self.caller.name, now=clock.now())
        return self._answer()
