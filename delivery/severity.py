"""How grave something is, which decides whom it is told to and when. Pure."""

from enum import IntEnum


class Severity(IntEnum):
    NOTICE = 10
    WARNING = 20
    CRITICAL = 30

    @property
    def label(self) -> str:
        return self.name.capitalize()

    @property
    def code(self) -> str:
        """As programs call it."""
        return self.name.lower()

    @classmethod
    def of(cls, code: str) -> "Severity":
        return cls[code.upper()]
