"""The benchmark runs, on sizes too small to say anything about speed."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]

GOALS = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "–"}


def test_every_measure_runs_and_ours_does_what_bare_sql_does() -> None:
    if "postgres" not in settings.DATABASES["default"]["ENGINE"]:
        pytest.skip("it needs a real PostgreSQL")

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"], cwd=settings.BASE_DIR, env=os.environ, capture_output=True,
        text=True, timeout=280, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "| 0 campaigns" in done.stdout, "a sweep decides otherwise than the decision"
    assert {line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")} == {"#", *GOALS}
