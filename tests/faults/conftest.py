"""A whole system of its own for these tests: each breaks it in its way and leaves it mended."""

from collections.abc import Iterator

import pytest

from tools import system
from tools.system import System


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "faults":
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.xdist_group("processes"))


@pytest.fixture(scope="package")
def running() -> Iterator[System]:
    """Database, broker and web at work, and a token."""
    with system.temporary(LOG_LEVEL="WARNING") as whole:
        whole.let_in()
        whole.web.start()
        yield whole


@pytest.fixture
def whole(running: System) -> Iterator[System]:
    """The system, mended before each test; its books are equal afterwards."""
    if not running.database.answers():
        running.database.start()
    for part in (running.broker, running.web):
        if not part.runs:
            part.start()
    yield running
    assert running.proof()["differences"] == 0
