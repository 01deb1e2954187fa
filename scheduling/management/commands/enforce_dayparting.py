"""Evaluate the campaigns that time alone may have changed."""

from enforcement import jobs
from enforcement.management.console import JobCommand


class Command(JobCommand):
    help = "Evaluate the campaigns whose next check is due: windows, midnights, flights, pauses and overrides that end."
    job = jobs.DAYPARTING
