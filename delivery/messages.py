"""What people read: a message of a few parts, written as e-mail (text and HTML) or as Slack takes it. Pure.

Every text is somebody's: it is escaped for where it goes.
"""

import json
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

SLACK_TEXT = 2_900
"""Slack takes 3,000 characters a block, and fifty blocks."""
SLACK_PARTS = 20


class Part(NamedTuple):
    """One thing to tell: a heading, lines below it, and the page to open."""

    heading: str
    lines: Sequence[str] = ()
    link: str = ""
    mark: str = ""
    """A word before the heading, such as how grave it is."""


class Message(NamedTuple):
    """`subject` is all that some people see of it."""

    subject: str
    parts: Sequence[Part]
    intro: str = ""
    foot: str = ""


def message_body(kind: str, message: Message) -> str:
    """The message as this kind of endpoint takes it, as JSON."""
    made = slack(message) if kind == "SLACK" else email(message)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))


def test_message(name: str, brands: str) -> Message:
    told = Part("This is a test", [f"“{name}” is set up to be told of {brands}. Nothing has to be done."])
    return Message(f"Test: {name}", [told])


# --- E-mail ----------------------------------------------------------------------------------------------------------


def email(message: Message) -> dict[str, object]:
    return {"subject": one_line(message.subject), "text": as_text(message), "html": as_html(message)}


def one_line(text: str, most: int = 180) -> str:
    """A header has one line: whatever breaks lines would begin another header."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def as_text(message: Message) -> str:
    blocks = [message.intro] if message.intro else []
    for part in message.parts:
        heading = f"{part.mark.upper()}: {part.heading}" if part.mark else part.heading
        blocks.append("\n".join(filter(None, [heading, *part.lines, part.link])))
    return "\n\n".join([*blocks, *filter(None, [message.foot])]) + "\n"


def as_html(message: Message) -> str:
    intro = f"<p>{escape(message.intro)}</p>" if message.intro else ""
    foot = f'<p style="color:#666;font-size:12px">{escape(message.foot)}</p>' if message.foot else ""
    return (
        '<!doctype html><html><body style="font-family:system-ui,sans-serif;font-size:14px;line-height:1.5;'
        f'max-width:640px">{intro}{"".join(map(_html_part, message.parts))}{foot}</body></html>'
    )


_COLOURS = {"critical": "#b91c1c", "warning": "#c2410c"}


def _html_part(part: Part) -> str:
    colour = _COLOURS.get(part.mark.lower(), "#1d4ed8")
    mark = f'<strong style="color:{colour}">{escape(part.mark)}</strong> ' if part.mark else ""
    lines = "".join(f"<br>{escape(line)}" for line in part.lines)
    link = f'<br><a href="{escape(part.link)}">Open the page</a>' if part.link else ""
    told = f"{mark}<strong>{escape(part.heading)}</strong>{lines}{link}"
    return f'<p style="border-left:3px solid {colour};padding-left:12px">{told}</p>'


# --- Slack -----------------------------------------------------------------------------------------------------------


def slack(message: Message) -> dict[str, object]:
    """`text` is what notifications show; blocks are what is read. What Slack itself reads is escaped."""
    intro = f"*{_mrkdwn(message.subject)}*" + (f"\n{_mrkdwn(message.intro)}" if message.intro else "")
    alone = len(message.parts) == 1 and message.parts[0].heading == message.subject
    blocks = [] if alone else [_section(intro)]
    blocks += [_section(_slack_part(part)) for part in message.parts[:SLACK_PARTS]]
    if len(message.parts) > SLACK_PARTS:
        blocks.append(_section(f"And {len(message.parts) - SLACK_PARTS} more, in the list of alerts."))
    if message.foot:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _mrkdwn(message.foot)[:SLACK_TEXT]}]})
    return {"text": _mrkdwn(one_line(message.subject)), "blocks": blocks}


def _slack_part(part: Part) -> str:
    mark = f"*{_mrkdwn(part.mark)}* " if part.mark else ""
    link = f"\n<{_mrkdwn(part.link)}|Open the page>" if part.link else ""
    text = f"{mark}*{_mrkdwn(part.heading)}*" + "".join(f"\n{_mrkdwn(line)}" for line in part.lines)
    return text[: SLACK_TEXT - len(link)] + link


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SLACK_TEXT]}}


def _mrkdwn(text: str) -> str:
    """Its three control characters; a * or _ can at most make something bold."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
