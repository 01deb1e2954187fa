"""What several modules of this directory share."""

from collections.abc import Iterator

import pytest

from tests.integration.processes import PATIENT, Crew


@pytest.fixture(scope="session")
def crew(django_db_setup: None) -> Iterator[Crew]:
    """Eight processes, which all tests that race use in turn: each takes seconds to start."""
    with Crew(8, **PATIENT) as workers:
        yield workers
