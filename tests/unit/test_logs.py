"""Logs: one event a line whatever it holds, nothing in them that lets somebody in, JSON for machines and lines for
people."""

import io
import json
import logging
import logging.config
import time
from collections.abc import Iterator

import pytest
import structlog
from django.conf import settings

from budget_system import logs

TOKEN = "bs_Ab3dEf9h_" + "x" * 43
PAYLOADS = {
    "a header": (f"Authorization: Bearer {TOKEN}", TOKEN),
    "a header in a dictionary": ("{'Authorization': 'Bearer abcdefgh12345'}", "abcdefgh12345"),
    "basic": ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    "a token by itself": (f"no such token {TOKEN}", TOKEN),
    "cookies": ("Cookie: sessionid=s3cr3t; csrftoken=an0ther", "an0ther"),
    "a cookie that is set": ("Set-Cookie: sessionid=s3cr3t; HttpOnly", "s3cr3t"),
    "a password": ("login failed, password=hunter2!", "hunter2!"),
    "a password in JSON": ('{"password": "hunter2 and more"}', "hunter2"),
    "a database": ("postgres://budget:hunter2@db.example.com:5432/budget", "hunter2"),
    "a broker": ("Cannot connect to redis://:hunter2@redis:6379/0", "hunter2"),
    "a webhook's secret": ("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqr"),
    "a signature": ("X-Signature: v1=5257a869e7ecebeda32affa62cdca3fa", "5257a869"),
    "a key": ("api_key=AKIAIOSFODNN7EXAMPLE", "AKIA"),
}


@pytest.fixture
def said(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a handler as in production (`json`) or development (`line`) writes."""
    stream = io.StringIO()
    config = logs.config(getattr(request, "param", "json"), "DEBUG")
    before = logging.getLogger().handlers[:], logging.getLogger().level
    config["handlers"]["console"]["stream"] = stream
    logging.config.dictConfig(config)
    yield stream
    logging.config.dictConfig(settings.LOGGING)
    logging.getLogger().handlers[:] = before[0]
    logging.getLogger().setLevel(before[1])


def fail(text: str) -> None:
    raise ValueError(text)


both = pytest.mark.parametrize("said", logs.FORMATS, indirect=True)


@pytest.mark.need(21)
@both
@pytest.mark.parametrize("what", PAYLOADS)
def test_secrets_are_taken_out_of_messages_values_and_tracebacks(said: io.StringIO, what: str) -> None:
    text, secret = PAYLOADS[what]

    logging.getLogger("a.room").warning("Something with %s", text)
    structlog.get_logger("a.room").warning("Something", said=text, nested={"deep": [text]})
    try:
        fail(text)
    except ValueError:
        logging.getLogger("a.room").exception("It failed")

    assert secret not in said.getvalue()
    assert said.getvalue().count(logs.REDACTED) >= 4


@both
def test_values_under_a_telling_name_are_taken_out_whatever_they_look_like(said: io.StringIO) -> None:
    names = [
        "password",
        "new_password",
        "Authorization",
        "session_id",
        "api_key",
        "METRICS_TOKEN",
        "webhook_secret",
        "cookie",
    ]

    structlog.get_logger("a.room").info("Settings", **dict.fromkeys(names, "plain"), list={"token": "plain"})

    assert "plain" not in said.getvalue()
    assert said.getvalue().count(logs.REDACTED) == len(names) + 1


@both
def test_what_is_no_secret_stays(said: io.StringIO) -> None:
    logging.getLogger("a.room").info("Budget enforcement completed: {'checked': 3} https://example.com:8000/a?b=c")

    assert "{'checked': 3} https://example.com:8000/a?b=c" in said.getvalue()


@pytest.mark.need(21)
@both
@pytest.mark.parametrize(
    "evil",
    ["a\r\n12:00:00 CRITICAL forged: b", "a\nb", "a\x1b[2J\x1b[31mred", "a\u2028b", "a\x85b", "a\x00b", "a\u202eb",
     "a\x9b31m"],
)  # fmt: skip
def test_no_value_makes_a_second_line_or_colours_a_terminal(said: io.StringIO, evil: str) -> None:
    logging.getLogger("a.room").warning("Not found: %s", evil)
    structlog.get_logger("a.room").warning("request", path=evil)

    written = said.getvalue()
    assert len(written.splitlines()) == written.count("\n") == 2
    assert not set(written) - {"\n"} & set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E]))


def test_a_long_text_takes_no_longer_than_its_length_says() -> None:
    def seconds(text: str) -> float:
        started = time.perf_counter()
        logs.redacted(text)
        return time.perf_counter() - started

    for piece in ("a", "token", "a-", "Bearer ", "cookie", "x://", "https", "a:", "=", "'", "bs_"):
        assert seconds(piece * (100_000 // len(piece))) < 1, piece


@pytest.mark.parametrize("said", ["line"], indirect=True)
def test_nothing_in_a_traceback_passes_for_a_line(said: io.StringIO) -> None:
    try:
        fail("a\n12:00:00 CRITICAL forged: b\x1b[31m")
    except ValueError:
        logging.getLogger("a.room").exception("It failed")

    first, *others = said.getvalue().splitlines()
    assert first.endswith("ERROR a.room: It failed")
    assert others
    assert all(line.startswith("    | ") for line in others)
    assert "\x1b" not in said.getvalue()


def test_json_says_when_where_and_for_whom(said: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="0193", task_id="7", task="a.task", run="check_books"):
        logging.getLogger("a.room").info("Done: %d", 3)

    event = json.loads(said.getvalue())
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "Done: 3", "level": "info", "logger": "a.room", "request_id": "0193", "task_id": "7",
        "task": "a.task", "run": "check_books",
    }  # fmt: skip


def test_json_has_a_traceback_in_its_one_line(said: io.StringIO) -> None:
    try:
        fail("wrong")
    except ValueError:
        logging.getLogger("a.room").exception("It failed")

    assert said.getvalue().count("\n") == 1
    assert "ValueError: wrong" in json.loads(said.getvalue())["exception"]


@pytest.mark.parametrize("said", ["line"], indirect=True)
def test_a_line_is_the_time_the_level_the_logger_and_what_happened(said: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="0193"):
        structlog.get_logger("a.room").info("request", path="/admin/", status=200)

    assert said.getvalue()[8:] == " INFO a.room: request path=/admin/ status=200\n"


@both
def test_tasks_that_run_every_few_seconds_are_heard_of_only_when_something_is_wrong(said: io.StringIO) -> None:
    celery = logging.getLogger("celery.app.trace")

    often = [
        entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()
        if isinstance(entry["schedule"], float) and entry["schedule"] < 60
    ]  # fmt: skip
    assert len(often) >= 3
    for name in often:
        celery.info("Task %s[1] succeeded in 0.1s", name)
        celery.error("Task %s[1] raised unexpected", name)

    assert "succeeded" not in said.getvalue()
    assert said.getvalue().count("raised") == len(often)
    celery.info("Task tasks.budget_tasks.health_check_task[1] succeeded in 0.1s: {'heartbeat_age_s': 3}")
    assert said.getvalue().count("succeeded") == 1
