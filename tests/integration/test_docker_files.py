"""What Docker reads: files that its tools accept, promises of docs/deployment.md, and entrypoint.sh."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from tests.integration.compose_files import BASE, PRODUCTION, ROOT, Service, stack

VARIABLES = {"SECRET_KEY": "s" * 50, "POSTGRES_PASSWORD": "owner", "ALLOWED_HOSTS": "budget.example.com"}
OURS = ("migrate", "web", "celery_worker", "celery_beat", "flower")
BIN = Path(sys.executable).parent
SETTINGS = (ROOT / "budget_system" / "settings.py").read_text()


@pytest.fixture(scope="module")
def base() -> dict[str, Service]:
    services: dict[str, Service] = stack(VARIABLES, BASE)["services"]
    return services


@pytest.fixture(scope="module")
def production() -> dict[str, Service]:
    services: dict[str, Service] = stack(VARIABLES, BASE, PRODUCTION)["services"]
    return services


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


# --- The files -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("file", [BASE, PRODUCTION], ids=lambda file: file.name)
def test_compose_files_follow_the_specification(file: Path) -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_dockerfile_has_no_known_fault() -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_every_image_is_of_one_version(base: dict[str, Service]) -> None:
    images = [base["db"]["image"], base["redis"]["image"]]
    images += re.findall(r"^ARG PYTHON_IMAGE=(.*)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert len(images) == 3
    assert all(re.search(r":\d+\.\d+(\.\d+)?-[\w-]+$", image) for image in images)


@pytest.mark.need(25)
def test_packages_are_installed_by_their_hashes_and_as_nobody_in_particular() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert all("--require-hashes" in line for line in dockerfile.splitlines() if "pip install" in line)
    runtime = dockerfile.split("AS runtime")[1].split("\nFROM ")[0]
    assert "USER 10001:10001" in runtime


# --- The services ----------------------------------------------------------------------------------------------------


def test_there_is_one_of_everything_and_one_beat(base: dict[str, Service]) -> None:
    assert set(base) == {"db", "redis", *OURS}
    assert base["celery_beat"]["deploy"]["replicas"] == 1
    assert sum("beat" in service["command"] for service in base.values()) == 1


def test_what_runs_for_long_is_looked_after(base: dict[str, Service]) -> None:
    for name in {"db", "redis", "web", "celery_worker", "celery_beat"}:
        assert base[name]["healthcheck"]["test"], name
        assert base[name]["restart"] == "unless-stopped", name


def test_only_the_migration_job_migrates_and_all_wait_for_it(base: dict[str, Service]) -> None:
    for name in ("web", "celery_worker", "celery_beat"):
        assert base[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert "MIGRATE" not in base[name]["environment"]
    assert base["migrate"]["restart"] == "no"


def test_a_worker_has_time_to_give_back_what_it_cannot_finish(base: dict[str, Service]) -> None:
    assert base["celery_worker"]["environment"]["REMAP_SIGTERM"] == "SIGQUIT"
    assert seconds(base["celery_worker"]["stop_grace_period"]) > settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT + 30


def test_no_queued_task_is_dropped_or_lost(base: dict[str, Service], production: dict[str, Service]) -> None:
    for services in (base, production):
        command = " ".join(services["redis"]["command"])
        assert "--appendonly yes" in command
        assert "--maxmemory-policy noeviction" in command
        assert services["redis"]["volumes"] == ["redis:/data"]


@pytest.mark.need(26)
def test_ports_are_open_to_this_machine_only(production: dict[str, Service]) -> None:
    open_to = {name: service["ports"] for name, service in production.items() if "ports" in service}

    assert set(open_to) == {"web", "flower"}
    assert all(port.startswith("127.0.0.1:") for ports in open_to.values() for port in ports)


@pytest.mark.need(25)
@pytest.mark.parametrize("name", ["db", "redis", *OURS])
def test_in_production_a_container_can_change_little(production: dict[str, Service], name: str) -> None:
    service = production[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert name in {"db", "redis"} or "cap_add" not in service
    assert "inside" in service["networks"]


@pytest.mark.need(8, 25)
def test_in_production_no_secret_is_in_the_environment(production: dict[str, Service]) -> None:
    [names] = re.findall(r"^for name in (.+); do$", (ROOT / "entrypoint.sh").read_text(), re.MULTILINE)
    secrets = {*names.split(), "POSTGRES_PASSWORD"} - {"DATABASE_URL"}

    assert len(secrets) == 8
    for name, service in production.items():
        given = service.get("environment", {})
        assert {variable for variable in secrets if given.get(variable)} == set(), name
        assert "@" not in given.get("DATABASE_URL", "").replace("budget@db", "").replace("budget_app@db", ""), name
        files = {value for variable, value in given.items() if variable.endswith("_FILE")}
        assert files <= {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}, name


@pytest.mark.parametrize("variable", ["ENCRYPTION_KEYS", "METRICS_TOKEN", "EMAIL_URL"])
def test_in_production_these_may_be_given_in_files(production: dict[str, Service], variable: str) -> None:
    for name in ("web", "celery_worker", "celery_beat"):
        assert production[name]["environment"][f"{variable}_FILE"] == f"/run/secrets/{variable.lower()}"


def test_in_production_what_mails_or_calls_others_may_leave_and_nothing_else(production: dict[str, Service]) -> None:
    leave = {name for name, service in production.items() if "outside" in service["networks"]}

    assert leave == {"web", "celery_worker", "celery_beat", "flower"}


@pytest.mark.need(4, 25)
def test_in_production_only_the_migration_job_owns_the_tables(production: dict[str, Service]) -> None:
    assert production["migrate"]["environment"]["DATABASE_URL"] == "postgres://budget@db:5432/budget"
    assert "db_owner_password" in production["migrate"]["secrets"]
    for name in ("web", "celery_worker", "celery_beat", "flower"):
        assert production[name]["environment"]["DATABASE_URL"] == "postgres://budget_app@db:5432/budget"
        assert "db_owner_password" not in production[name]["secrets"]


def test_settings_read_what_compose_sets(base: dict[str, Service], production: dict[str, Service]) -> None:
    read = set(re.findall(r'env(?:\.\w+)?\(\s*["\'](\w+)["\']', SETTINGS))
    by_others = {"PGPASSWORD", "REMAP_SIGTERM", "FLOWER_BASIC_AUTH"}

    for services in (base, production):
        for name in OURS:
            names = {variable.removesuffix("_FILE") for variable in services[name]["environment"]}
            assert names <= read | by_others, name


NOT_IN_CONTAINERS = {
    "DEBUG": "shows errors with their code",
    "DEMO": "has a known login, and is for this machine only",
    "BIND_HOST": "is looked at in demo mode only",
    "PLATFORM_URLS": "is for demo mode only",
}
"""Settings that compose does not pass on, each with the reason."""


def test_compose_passes_what_the_example_has_for_the_system(base: dict[str, Service]) -> None:
    ours, others = (ROOT / ".env.example").read_text().split("# --- Read by docker-compose.yml, not by the system")
    variable = re.compile(r"^(?:# )?([A-Z_]+)=", re.MULTILINE)
    named, read = set(variable.findall(ours)), set(re.findall(r'env(?:\.\w+)?\(\s*["\'](\w+)["\']', SETTINGS))

    assert named == read - {"PORT"}
    for name in OURS:
        assert named - NOT_IN_CONTAINERS.keys() <= base[name]["environment"].keys(), name
    compose = BASE.read_text() + PRODUCTION.read_text()
    assert all(f"${{{name}:" in compose for name in variable.findall(others))


def test_what_compose_passes_on_empty_is_the_default(base: dict[str, Service]) -> None:
    empty = {name: value for name, value in base["web"]["environment"].items() if value == ""}
    program = (
        "from budget_system import settings as s; print(s.LOG_FORMAT, s.LOG_LEVEL, s.PUBLIC_URL, s.WEBHOOK_PORTS,"
        " s.REQUESTS_PER_MINUTE, s.STATEMENT_TIMEOUT_MS, s.ENCRYPTION_KEYS, s.ADMINS, s.METRICS_TOKEN == '',"
        " s.EMAIL_HOST, s.EMAIL_PORT, s.DEFAULT_FROM_EMAIL, len(s.PASSWORD_HASHERS), s.SECURE_SSL_REDIRECT)"
    )
    needed = {"PATH": os.defpath, **VARIABLES, "DATABASE_URL": "postgres:///unused", "REDIS_URL": "memory://"}

    def said(**more: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**needed, **more},
        ).stdout

    assert {"LOG_FORMAT", "ENCRYPTION_KEYS", "WEBHOOK_PORTS", "STATEMENT_TIMEOUT_MS"} <= empty.keys()
    assert said() == said(**dict.fromkeys([*empty, "SECURE_SSL_REDIRECT"], ""))
    assert said().startswith("json INFO https://budget.example.com [443, 8443] 6000 5000 [] []")


def test_secrets_that_are_named_are_declared() -> None:
    merged = stack(VARIABLES, BASE, PRODUCTION)
    used = {secret for service in merged["services"].values() for secret in service.get("secrets", [])}

    assert used == set(merged["secrets"])
    assert yaml.safe_load(PRODUCTION.read_text())["networks"]["inside"] == {"internal": True}


# --- entrypoint.sh ---------------------------------------------------------------------------------------------------


@pytest.fixture
def python_that_tells(tmp_path: Path) -> Path:
    """A folder for the PATH whose `python` writes down how it was called."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\nexit "${{FAIL:-0}}"\n')
    program.chmod(0o755)
    return program.parent


def enter(path: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{path}:{os.defpath}", **variables}
    return subprocess.run(
        [ROOT / "entrypoint.sh", *command], check=False, env=environment, capture_output=True, text=True
    )


def calls(path: Path) -> list[str]:
    file = path.parent / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_a_secret_comes_from_its_file_without_the_last_newline(python_that_tells: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a$b 'c' \"d\"\n")

    done = enter(
        python_that_tells, "sh", "-c", 'printf "%s|%s" "$SECRET_KEY" "${SECRET_KEY_FILE-gone}"',
        SECRET_KEY="", SECRET_KEY_FILE=str(tmp_path / "secret"),
    )  # fmt: skip

    assert done.stdout == "a$b 'c' \"d\"|gone"


@pytest.mark.parametrize("name", ["PGPASSWORD", "ENCRYPTION_KEYS", "METRICS_TOKEN", "EMAIL_URL"])
def test_a_secret_given_twice_is_refused(python_that_tells: Path, name: str) -> None:
    done = enter(python_that_tells, "true", **{name: "a", f"{name}_FILE": "/run/secrets/b"})

    assert done.returncode == 1
    assert done.stderr == f"entrypoint.sh: both {name} and {name}_FILE are set; leave one out.\n"


def test_an_empty_file_is_an_empty_variable(python_that_tells: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    done = enter(
        python_that_tells, "sh", "-c", 'echo "${ENCRYPTION_KEYS?}|"', ENCRYPTION_KEYS_FILE=str(tmp_path / "empty")
    )

    assert done.stdout == "|\n", done.stderr


def test_a_file_that_is_not_there_is_named(python_that_tells: Path) -> None:
    done = enter(python_that_tells, "true", REDIS_URL_FILE="/nowhere")

    assert done.returncode == 1
    assert "REDIS_URL_FILE names /nowhere, which cannot be read by user" in done.stderr


def test_it_waits_for_the_database_and_migrates_only_when_told(python_that_tells: Path) -> None:
    enter(python_that_tells, "true", WAIT_FOR_DB="7")
    assert calls(python_that_tells) == ["-m tools.inside.wait_for_db 7"]

    enter(python_that_tells, "true", WAIT_FOR_DB="0", MIGRATE="1")
    assert calls(python_that_tells)[1:] == ["manage.py migrate --no-input"]


def test_without_a_database_nothing_starts(python_that_tells: Path) -> None:
    done = enter(python_that_tells, "echo", "started", FAIL="1")

    assert (done.returncode, done.stdout) == (1, "")


def test_the_command_takes_the_place_of_the_shell(python_that_tells: Path) -> None:
    process = subprocess.Popen(
        [ROOT / "entrypoint.sh", "sh", "-c", "echo $$"], env={"PATH": f"{python_that_tells}:{os.defpath}"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said, _ = process.communicate(timeout=10)

    assert int(said) == process.pid


def test_without_a_command_it_says_so(python_that_tells: Path) -> None:
    done = enter(python_that_tells)

    assert done.returncode == 2
    assert "which command?" in done.stderr
