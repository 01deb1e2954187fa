"""Logs: JSON, an event a line, for machines; readable lines for people. Both through the same steps.

No value can make a second line or colour a terminal, and what would let somebody in is taken out (`redacted`). Known
to gunicorn before Django is: this module imports neither.
"""

import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, cast

import structlog

Format = Literal["json", "line"]
FORMATS = ("json", "line")
REDACTED = "[redacted]"

_NAMES = r"(?:pass(?:word|wd|phrase)|secret|token|authorization|cookie|session_?id|credential|api[_-]?key|signature)"
_KEY = re.compile(_NAMES, re.IGNORECASE)
# Each begins at a word and has bounds, so that a long text takes no longer than its length says.
_IN_TEXT = (
    # Authorization: Bearer abc
    (re.compile(r"\b(Bearer|Basic|Token)(\s{1,5})[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1\2{REDACTED}"),
    # Cookie: a=b; c=d, to the end of the line
    (re.compile(r"\b((?:set-)?cookie['\"]?\s{0,5}[:=]\s{0,5})[^\r\n]+", re.IGNORECASE), rf"\1{REDACTED}"),
    # password=abc, "secret": "abc", X-Signature: abc
    (
        re.compile(
            rf"({_NAMES}[\w-]{{0,40}}['\"]?\s{{0,5}}[:=]\s{{0,5}})(?!\[redacted)(\"[^\"]*\"|'[^']*'|[^\s,;&}})\]]+)",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    # redis://user:abc@host
    (re.compile(r"(\b[a-z][\w+.-]{0,30}://[^\s:/@]{0,200}:)[^\s@/]{1,300}(@)", re.IGNORECASE), rf"\1{REDACTED}\2"),
    # Our tokens and webhook secrets, wherever they stand
    (re.compile(r"\bbs_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{20,}"), REDACTED),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), REDACTED),
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def redacted(value: Any, key: str = "") -> Any:
    """The value without passwords, tokens, cookies and keys, by the name it goes by and by what it looks like."""
    if key and _KEY.search(key):
        return REDACTED
    if isinstance(value, str):
        for pattern, instead in _IN_TEXT:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, Mapping):
        return {name: redacted(one, str(name)) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redacted(one) for one in value]
    return value if isinstance(value, (int, float, bool, type(None))) else redacted(str(value))


def on_one_line(text: str) -> str:
    """The text with line breaks, colours and other control characters shown as escapes."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A step of structlog."""
    return cast(MutableMapping[str, Any], redacted(event))


def as_line(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    """`17:59:00 INFO tasks.budget_tasks: …`, then a traceback, indented so that none of it passes for a line."""
    at, level, name = (str(event.pop(key, "")) for key in ("timestamp", "level", "logger"))
    traceback = str(event.pop("exception", ""))
    for context in CONTEXT:
        event.pop(context, None)
    text = on_one_line(str(event.pop("event", "")))
    more = "".join(f" {key}={on_one_line(str(value))}" for key, value in event.items())
    lines = [f"{at[11:19]} {level.upper()} {name}: {text}{more}"]
    lines += [f"    | {on_one_line(line)}" for line in traceback.splitlines()]
    return "\n".join(lines)


CONTEXT = ("request_id", "task_id", "task", "run")
"""What JSON says of where an event comes from. A line names the logger, which is enough for one person's machine."""


EVERY_FEW_SECONDS = (
    "alert_task", "deliver_task", "expire_reservations_task", "heartbeat_task", "look_at_platforms_task",
    "pull_platforms_task", "push_platforms_task",
)  # fmt: skip


class NotEveryFewSeconds(logging.Filter):
    """Drop the lines about tasks that run all the time, unless something is wrong with them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.INFO or not record.name.startswith("celery."):
            return True
        message = record.getMessage()
        return not any(name in message for name in EVERY_FEW_SECONDS)


STEPS: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def route() -> None:
    """Let structlog's loggers and Python's warnings go through the standard library's, and so to the same handler."""
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*STEPS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def config(format_: Format, level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`."""
    render = structlog.processors.JSONRenderer(default=str) if format_ == "json" else as_line
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "events": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": STEPS,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    redact,
                    render,
                ],
            }
        },
        "filters": {"not_every_few_seconds": {"()": NotEveryFewSeconds}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "events",
                "filters": ["not_every_few_seconds"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Of logins, what needs somebody's eye: all of them are kept in the database.
            "axes": {"level": "ERROR"},
            # Without Django's mail for each error: alarms are mailed once (budget_system.watch).
            "django": {"level": "INFO"},
            # Requests have a line of their own (budget_system.traffic).
            "gunicorn.error": {"propagate": True},
            "gunicorn.access": {"level": "WARNING"},
            # It carries ids from requests to tasks; what it says Celery says too.
            "django_structlog": {"level": "CRITICAL"},
        },
    }
