"""The project package: settings, Celery, the clock, money and what every room shares."""

from budget_system.celery import app as celery_app

__all__ = ["celery_app"]
