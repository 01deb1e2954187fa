"""The login that everybody knows: of demo mode only, which serves this machine only."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from budget_system.errors import Refused

USERNAME: str = settings.DEMO_USERNAME
PASSWORD = "admin123"  # noqa: S105 - known on purpose; demo mode listens on the loopback address only


def ensure_login() -> bool:
    """Make the superuser of the demo unless there is one; whether it was made. Raises Refused outside demo mode.

    An existing one is left as it is: its password may have been changed.
    """
    if not settings.DEMO:
        raise Refused("A login with a known password is made in demo mode only. Use: manage.py createsuperuser")
    users = get_user_model().objects
    if users.filter(username=USERNAME).exists():
        return False
    try:
        with transaction.atomic():
            users.create_superuser(USERNAME, "", PASSWORD)
    except IntegrityError:
        return False  # another process has just made it
    return True
