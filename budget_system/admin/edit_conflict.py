"""Somebody else saved first: what they changed stays, and what this person changed is put on top of it.

A page brings along what it showed when it was opened (`seen`). What was typed is compared with that, and not with what
is stored by now: the one tells what this person changed, the difference of the other two what somebody else did.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError

SEEN = "seen"
WEEK = "week"


class Merged(NamedTuple):
    """What a form goes on with after a conflict, and what to say about it."""

    data: dict[str, Any]
    theirs: list[str]
    """What somebody else changed, in words: from what to what."""
    both: list[str]
    """The fields that both changed, to other values."""
    week: object
    """The rows of the schedule as this person was shown them."""


def seen_text(form: forms.BaseForm, names: Iterable[str], week: object) -> str:
    """What the page shows as it is opened."""
    fields = {name: _text(form.fields[name], form.initial.get(name)) for name in names if name in form.fields}
    return json.dumps({"fields": fields, WEEK: week})


def merged(form: forms.BaseForm, names: Iterable[str], week: object) -> Merged | None:
    """What this person changed on top of what is stored; None if the page does not say what it showed."""
    try:
        seen = json.loads(form.data.get(form.add_prefix(SEEN), ""))
        shown: Mapping[str, str] = {str(name): str(text) for name, text in seen["fields"].items()}
        former_week = seen[WEEK]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    data, theirs, both = dict(form.data.items()), [], []
    for name in names:
        if name not in form.fields or name not in shown:
            continue
        field, stored = form.fields[name], _text(form.fields[name], form.initial.get(name))
        label = str(field.label or name).lower()
        is_mine, is_theirs = _is_changed(form, name, shown[name]), shown[name] != stored
        if is_theirs:
            theirs.append(f"{label} from {_quoted(shown[name])} to {_quoted(stored)}")
        if is_theirs and is_mine and _is_changed(form, name, stored):
            both.append(label)
        if not is_mine:
            data[form.add_prefix(name)] = stored
    if former_week != week:
        theirs.append("the week")
    return Merged({**data, form.add_prefix(SEEN): seen_text(form, names, week)}, theirs, both, former_week)


def _text(field: forms.Field, value: object) -> str:
    shown = field.prepare_value(value)
    return "" if shown is None else str(shown)


def _is_changed(form: forms.BaseForm, name: str, before: str) -> bool:
    """Whether what was typed is another value than `before`."""
    field = form.fields[name]
    typed = field.widget.value_from_datadict(form.data, form.files, form.add_prefix(name))
    try:
        return field.has_changed(field.to_python(before), typed)
    except ValidationError:
        return True


def _quoted(text: str) -> str:
    return f"“{text}”" if text else "nothing"
