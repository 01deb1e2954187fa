"""Ticks stop: whoever is still alive notices, says so once, mails once, and says when it is over."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from budget_system import clock, health
from budget_system.watch import Watch, send_mails
from enforcement import alarms
from enforcement.models import Alarm, AlarmKind, Heartbeat
from tests.figures import Figure
from tests.integration.test_celery import Starter
from tests.integration.web import Web, serving
from tools import valkey
from tools.processes import ProcessGroup, short_temporary_directory, stop

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
ADMINS = [("ops@example.com", "ops@example.com")]


def beat(at: datetime) -> None:
    Heartbeat.objects.update_or_create(name=Heartbeat.TICK, defaults={"at": at})


class Clock:
    """A watch and the clock that it is asked at, in seconds since noon."""

    def __init__(self) -> None:
        self.watch = Watch()

    def look(self, second: float) -> list[str]:
        """Look; which alarms stand then."""
        self.watch.look(NOON + timedelta(seconds=second), second)
        return list(Alarm.objects.filter(cleared_at=None).values_list("kind", flat=True))


@pytest.mark.django_db
class TestWatch:
    def test_silence_is_noticed_once_and_so_is_its_end(self, caplog: pytest.LogCaptureFixture) -> None:
        one, other = Clock(), Clock()
        beat(NOON)
        for second in range(0, 75, 10):
            assert one.look(second) == other.look(second) == []

        noticed = [one.look(75), other.look(80), one.look(90)]
        beat(NOON + timedelta(seconds=100))
        over = [one.look(101), other.look(102)]

        assert noticed == [[AlarmKind.TICKS]] * 3
        assert over == [[], []]
        assert Alarm.objects.get().cleared_at == NOON + timedelta(seconds=101)
        said = [(record.levelname, record.name) for record in caplog.records if record.name != "budget_system.health"]
        assert said == [
            ("CRITICAL", "enforcement.alarms"), ("ERROR", "budget_system.watch"), ("WARNING", "enforcement.alarms"),
        ]  # fmt: skip

    def test_a_second_silence_soon_after_the_first_is_noticed_as_soon(self) -> None:
        one = Clock()
        beat(NOON)
        first = [one.look(0), one.look(75)]
        beat(NOON + timedelta(seconds=100))

        again = [one.look(101), one.look(170), one.look(176)]

        assert first == [[], [AlarmKind.TICKS]]
        assert again == [[], [], [AlarmKind.TICKS]]
        assert Alarm.objects.count() == 2

    def test_a_start_long_after_the_last_heartbeat_raises_nothing(self) -> None:
        """As in the morning: what counts is for how long this process has seen nothing new."""
        beat(NOON - timedelta(hours=12))
        morning = Clock()

        assert morning.look(0) == morning.look(70) == []
        beat(NOON + timedelta(seconds=72))
        assert morning.look(80) == morning.look(150) == []

    def test_a_system_in_which_nothing_has_ever_beaten(self) -> None:
        silent = Clock()
        silent.look(0)

        assert silent.look(76) == [AlarmKind.TICKS]

    def test_a_process_that_starts_while_the_alarm_stands_does_not_clear_it_by_itself(
        self,
    ) -> None:
        beat(NOON)
        alarms.raise_alarm(AlarmKind.TICKS, "Silence.", NOON + timedelta(seconds=75))

        late = Clock()

        assert late.look(80) == [AlarmKind.TICKS]
        beat(NOON + timedelta(seconds=85))
        assert late.look(90) == []

    def test_a_silence_that_lasts_is_said_again_every_five_minutes(self, caplog: pytest.LogCaptureFixture) -> None:
        beat(NOON)
        watch = Clock()
        for second in range(0, 700, 10):
            watch.look(second)

        said = [record.levelname for record in caplog.records if "Ticks have stopped" in record.getMessage()]
        assert said == ["CRITICAL", "ERROR", "ERROR"]

    def test_the_overview_says_it_before_a_tick_is_missing(self, admin_client: Client) -> None:
        cache.clear()
        beat(clock.now() - health.SILENT - timedelta(seconds=1))

        page = admin_client.get("/admin/").content.decode()

        assert "The last sign of life was" in page


@pytest.mark.django_db
class TestMail:
    @pytest.fixture(autouse=True)
    def admins(self, settings: Any) -> None:
        settings.ADMINS = ADMINS

    def test_one_for_an_alarm_and_one_for_its_end_however_many_processes_there_are(self) -> None:
        alarms.raise_alarm(AlarmKind.BOOKS, "Differences: 2.", NOON)
        for _ in range(3):
            send_mails(NOON)
        alarms.clear(AlarmKind.BOOKS, NOON + timedelta(minutes=5))
        for _ in range(3):
            send_mails(NOON)

        assert [(message.subject, message.to) for message in mail.outbox] == [
            ("[Budget system] The books differ", ["ops@example.com"]),
            ("[Budget system] Over: the books differ", ["ops@example.com"]),
        ]
        assert "Differences: 2." in mail.outbox[0].body
        assert "docs/operations.md" in mail.outbox[0].body

    def test_one_that_cannot_be_sent_is_sent_later(self, settings: Any) -> None:
        alarms.raise_alarm(AlarmKind.TICKS, "Silence.", NOON)
        settings.EMAIL_BACKEND, kept = "django.core.mail.backends.smtp.EmailBackend", settings.EMAIL_BACKEND
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

        send_mails(NOON)
        unsent = Alarm.objects.get().mailed_at
        settings.EMAIL_BACKEND = kept
        send_mails(NOON)

        assert unsent is None
        assert len(mail.outbox) == 1

    def test_none_about_what_was_over_before_anybody_was_to_be_told(self) -> None:
        alarms.raise_alarm(AlarmKind.TICKS, "Silence.", NOON)
        alarms.clear(AlarmKind.TICKS, NOON)

        send_mails(NOON)

        assert mail.outbox == []


class System:
    """Web, worker and beat with a broker of their own, as in production."""

    def __init__(self, directory: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._group = stack.enter_context(ProcessGroup())
        self._programs = Starter(self._group, directory)
        self._where = short_temporary_directory("budget-watch-")
        self._broker = ExitStack()
        stack.callback(self._broker.close)
        monkeypatch.setenv("REDIS_URL", self._broker.enter_context(valkey.temporary(self._group, self._where)))
        self.mails = directory / "mails"
        self.web: Web = stack.enter_context(
            serving(directory, ADMINS="ops@example.com", EMAIL_URL=f"filemail:///{self.mails}")
        )
        self.start("worker")
        self.start("beat")

    def start(self, part: str) -> None:
        if part == "broker":
            self._broker.enter_context(valkey.temporary(self._group, self._where))
        elif part == "worker":
            self.worker = self._programs.worker()
        else:
            self.beat = self._programs.beat(15)

    def kill(self, part: str) -> None:
        if part == "broker":
            self._broker.close()
        elif part == "worker":
            self.worker.kill_all()
        else:
            self.beat.process.kill()

    def end(self) -> None:
        for program in self._programs.started:
            stop(program.process, signal.SIGKILL)

    def mail_texts(self) -> str:
        return "".join(path.read_text() for path in self.mails.glob("*")) if self.mails.exists() else ""


def seconds_until(condition: Any, limit_s: float, what: str) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s, f"Not within {limit_s:.0f} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - began


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    with ExitStack() as stack:
        made = System(tmp_path, stack, monkeypatch)
        yield made
        made.end()


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.fault(22)
@pytest.mark.timeout(400)
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("part", "cause"),
    [
        ("beat", "the beat sends nothing"),
        ("worker", "no worker takes them"),
        ("broker", "The broker cannot be reached"),
    ],
)
def test_what_is_killed_is_noticed_within_two_minutes_and_so_is_its_return(
    system: System, part: str, cause: str, figure: Figure
) -> None:
    seconds_until(lambda: health.last_heartbeat() is not None, 60, "the first heartbeat")
    assert system.web.get("/healthz/live")[0] == 200

    system.kill(part)
    noticed_s = seconds_until(
        lambda: Alarm.objects.filter(kind=AlarmKind.TICKS, cleared_at=None, mailed_at__isnull=False).exists(),
        120,
        "the alarm and its mail",
    )
    red = system.web.get("/healthz/deep")[0]
    alarm = Alarm.objects.get()
    system.start(part)
    back_s = seconds_until(
        lambda: Alarm.objects.filter(cleared_at__isnull=False, clear_mailed_at__isnull=False).exists(), 120, "its end"
    )

    figure(f"{part} killed, noticed after {noticed_s:.0f} s, its return after {back_s:.0f} s")
    assert red == 503
    assert cause in alarm.message
    assert system.web.says("Ticks have stopped") + system.beat.says("Ticks have stopped") >= 1
    texts = system.mail_texts()
    assert texts.count("Subject: [Budget system] Ticks have stopped") == 1
    assert texts.count("Subject: [Budget system] Over: ticks have stopped") == 1
