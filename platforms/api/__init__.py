"""Ad platforms through the API, by resource."""

from platforms.api.accounts import AccountViewSet
from platforms.api.acts import ActViewSet
from platforms.api.campaigns import StateViewSet
from platforms.api.modes import ModeViewSet
from platforms.api.switch import OutgoingViewSet

__all__ = ["AccountViewSet", "ActViewSet", "ModeViewSet", "OutgoingViewSet", "StateViewSet"]
