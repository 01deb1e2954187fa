"""The project package: settings, Celery, the clock, money and what every room shares."""

import zoneinfo

from budget_system.celery import app as celery_app

# Days must turn at the same moment on every machine: the locked tzdata package decides, not what a host has installed.
zoneinfo.reset_tzpath(to=())

__all__ = ["celery_app"]
