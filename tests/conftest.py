"""Lets `pytest` work by itself: settings need an environment, and pytest-django reads them early.

DJANGO_SETTINGS_MODULE is therefore set here and not in pyproject.toml, where it would be read before this file.
"""

import os

from tools.environment import for_tests

os.environ.update(for_tests())

import django
import hypothesis
import pytest
import time_machine
from django.conf import settings
from django.db.backends.signals import connection_created
from pytest_django import DjangoDbBlocker

from budget_system import clock
from budget_system.db import follow_its_clock
from tests import emptying

pytest_plugins = ["tests.figures"]

# Production serves static files that collectstatic has named by their content. Tests use them as they lie.
settings.STATIC_ROOT = None
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")

LONG = 32

# Conftests further down may import models.
django.setup()

if moment := os.environ.get("SUITE_CLOCK"):
    # The suite as it would run on another day: tests/faults/test_clock.py.
    time_machine.travel(moment, tick=True).start()

# Tests move the clock of their own process; that of PostgreSQL would not come along.
connection_created.disconnect(follow_its_clock)
clock.follow_whom(None)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """On SQLite use a file: one in memory knows no write-ahead log, no second connection and no waiting for a lock."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database.setdefault("TEST", {})["NAME"] = str(tmp_path_factory.mktemp("sqlite") / "tests.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Tests that commit are cleared up after in a way of our own."""
    with django_db_blocker.unblock():
        emptying.begin()


def pytest_make_parametrize_id(val: object) -> str | None:
    """A file as a parameter names no test: what is packed holds the time, and two workers must find the same names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > LONG else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs PostgreSQL where there is none, so that plain `pytest` works."""
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        for item in items:
            if item.get_closest_marker("postgres"):
                item.add_marker(pytest.mark.skip(reason="needs PostgreSQL, which `make test` starts"))
