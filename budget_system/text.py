"""Names and notes that people type, made safe to store and compare."""

import unicodedata
from datetime import date


class InvalidText(ValueError):
    """The text is empty where it must not be, too long, or holds characters nobody can see or type."""


def clean_name(text: str, *, what: str, limit: int = 200) -> str:
    """A name as stored: NFC, trimmed, inner white space folded. Raises InvalidText when nothing visible is left."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    _refuse_controls(name, what)
    if not any(unicodedata.category(char)[0] in "LNPS" for char in name):
        raise InvalidText(f"The {what} is empty.")
    return _within(name, what, limit)


def clean_note(text: str, *, what: str, limit: int = 1000) -> str:
    """Free text such as a reason or a description: NFC, trimmed; may be empty, may have several lines."""
    note = unicodedata.normalize("NFC", text).strip()
    _refuse_controls(note.replace("\n", "").replace("\r", "").replace("\t", ""), what)
    return _within(note, what, limit)


def required_note(text: str, *, what: str) -> str:
    """Like clean_note, and not empty."""
    note = clean_note(text, what=what)
    if not note:
        raise InvalidText(f"A {what} is needed.")
    return note


def _refuse_controls(text: str, what: str) -> None:
    if not text.isprintable() and any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise InvalidText(f"The {what} holds control characters; remove them.")


def _within(text: str, what: str, limit: int) -> str:
    if len(text) > limit:
        raise InvalidText(f"The {what} is {len(text)} characters long; the limit is {limit}.")
    return text


def day_text(on: date) -> str:
    """“Sat 21 Nov 2026”: how days are written wherever a person reads them."""
    return f"{on:%a} {on.day} {on:%b %Y}"
