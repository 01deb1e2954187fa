"""Expected errors: a request that cannot be carried out, said in words that tell what to do.

Interfaces turn these into an answer (400, 404, 409, 422, a message in the admin, exit code 1). Rooms define their own
kinds beside the functions that raise them.
"""


class Refused(Exception):
    """The request cannot be carried out. `field` names the input at fault, where there is one."""

    code = "refused"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class NotFound(Refused):
    """There is no such thing (any more)."""

    code = "not_found"


class Conflict(Refused):
    """Somebody else changed it meanwhile, or the same key came with other content."""

    code = "conflict"


class Busy(Refused):
    """Another change holds the same brand for longer than we wait. Trying again is safe."""

    code = "busy"
