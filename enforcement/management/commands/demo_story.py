"""Tell a newcomer what the system does, by doing it."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from budget_system import clock
from budget_system.errors import Refused
from enforcement.demo.story import NAME, Scene, Story
from enforcement.management.console import errors_as_exit_code
from enforcement.management.screen import is_terminal, paragraphs, width_of

PACE_S, LONGEST_S = 2.0, 60.0


class Command(BaseCommand):
    help = (
        "Tell one brand's day: set up, normal spend, a budget used up, dayparting, the next day. Demo mode only. Each "
        "telling has a brand of its own and archives that of the last one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--pace", type=float, metavar="S", help=f"Seconds between scenes. Default: {PACE_S:g}, in a pipe 0."
        )
        parser.add_argument("--no-pause", action="store_true", help="The same as --pace 0.")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="Where the demo is (http://127.0.0.1:8000).")

    def handle(self, *args: Any, **options: Any) -> None:
        pace = self._pace(options)
        with errors_as_exit_code():
            if not settings.DEMO:
                raise Refused(
                    "The story is for demo mode: here it would leave a brand and spend that nobody asked for."
                )
            story = Story(clock.now)
            try:
                for number, scene in enumerate(story.scenes(), 1):
                    if number > 1:
                        time.sleep(pace)
                    self._tell(number, scene)
            except KeyboardInterrupt:
                raise CommandError(f"Broken off. “{NAME}” stays as it is; the next telling archives it.") from None
        self._where(story, options["url"].rstrip("/"))

    def _pace(self, options: dict[str, Any]) -> float:
        if options["no_pause"]:
            return 0.0
        pace: float | None = options["pace"]
        if pace is None:
            return PACE_S if is_terminal(self.stdout) else 0.0
        if not 0 <= pace <= LONGEST_S:
            raise CommandError(f"--pace is from 0 to {LONGEST_S:g} seconds.")
        return pace

    def _tell(self, number: int, scene: Scene) -> None:
        self.stdout.write(f"{number}. {scene.title}")
        for line in scene.lines:
            indent = "   " + " " * (len(line) - len(line.lstrip()))
            for part in paragraphs(line.strip(), indent, width_of(self.stdout)):
                self.stdout.write(part)
        self.stdout.write("")
        self.stdout.flush()

    def _where(self, story: Story, url: str) -> None:
        self.stdout.write("Look at it in the admin, while make run is up:")
        brand = reverse("admin:brands_brand_change", args=[story.brand.pk])
        search = reverse("admin:campaigns_campaign_change", args=[story.campaigns["Search"].pk])
        for what, path in (("the overview", reverse("admin:index")), ("the brand", brand), ("Search", search)):
            self.stdout.write(f"   {what}\n     {url}{path}")
        for part in paragraphs(
            f"Left in the demo: “{NAME}” with today's spend, its campaigns paused until midnight there. The next "
            "telling archives it."
        ):
            self.stdout.write(part)
