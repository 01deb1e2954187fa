"""Ad platforms in the admin, page by page."""

from platforms.admin.accounts import AccountAdmin
from platforms.admin.acts import ActAdmin
from platforms.admin.campaigns import RemoteStateAdmin
from platforms.admin.modes import SteeringAdmin
from platforms.admin.switch import OutgoingAdmin

__all__ = ["AccountAdmin", "ActAdmin", "OutgoingAdmin", "RemoteStateAdmin", "SteeringAdmin"]
