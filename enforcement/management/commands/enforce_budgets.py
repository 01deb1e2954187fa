"""Look at every campaign and set right what differs."""

from enforcement import jobs
from enforcement.management.console import JobCommand


class Command(JobCommand):
    help = "Look at every campaign, and pause or start what its budgets, schedule, flight and holds call for."
    job = jobs.BUDGETS
