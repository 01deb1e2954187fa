"""From where a write comes: kept with every record, beside who made it.

The web's middleware says it for the time of a request; a command or a worker has no address, and nothing is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LENGTH = 200
_origin: ContextVar[str] = ContextVar("origin", default="")


def current() -> str:
    """Such as “127.0.0.1, request 0193…”; empty for what does not come over the network."""
    return _origin.get()


@contextmanager
def coming_from(origin: str) -> Iterator[None]:
    """Records written in this block say that they come from here."""
    token = _origin.set(origin[:LENGTH])
    try:
        yield
    finally:
        _origin.reset(token)
