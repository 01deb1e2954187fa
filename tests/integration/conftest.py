"""What several modules of this directory share."""

from collections.abc import Iterator

import pytest

from tests.integration.processes import PATIENT, Crew

ALONE = (
    "test_races",
    "test_reservation_races",
    "test_kill",
    "test_delivery_kill",
    "test_import_kill",
    "test_celery",
    "test_import_faults",
    "test_benchmarks",
    "test_docker_services",
    "test_make_stack",
)
"""Modules that start processes: two of them at once would only be slow and hit their time limits."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in ALONE:
            item.add_marker(pytest.mark.xdist_group("processes"))


@pytest.fixture(scope="session")
def crew(django_db_setup: None) -> Iterator[Crew]:
    """Eight processes, which all tests that race use in turn: each takes seconds to start."""
    with Crew(8, **PATIENT) as workers:
        yield workers
