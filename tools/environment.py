"""The environment that tests and checks run in: settings.py stays as strict as it is, and gets what it asks for."""

import os
from urllib.parse import quote

from tools import valkey
from tools.bootstrap import LOCAL

TESTS = {
    "DEMO": "off",
    "DEBUG": "off",
    "BIND_HOST": "127.0.0.1",
    "SECRET_KEY": "for-tests-only-" + "0" * 50,
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    # Slow on purpose is right for passwords and wrong for a suite that makes hundreds of users.
    "PASSWORD_HASHERS": "django.contrib.auth.hashers.MD5PasswordHasher",
    # Django's test client speaks plain HTTP; the redirect itself is asserted where it matters.
    "SECURE_SSL_REDIRECT": "off",
    "BEHIND_TLS_PROXY": "off",
    "CSRF_TRUSTED_ORIGINS": "",
    "PLATFORM_URLS": "",
    # A test is one transaction, and may walk about for long without asking the database anything.
    "IDLE_IN_TRANSACTION_TIMEOUT_MS": "120000",
}
DJANGO = {"DJANGO_SETTINGS_MODULE": "budget_system.settings"}


def sqlite_url(path: object) -> str:
    """The DATABASE_URL of a SQLite file, whatever characters its path has."""
    return "sqlite:///" + quote(str(path))


def for_tests() -> dict[str, str]:
    """What tests and checks run with. A DATABASE_URL or REDIS_URL that is set already is kept."""
    return {
        "DATABASE_URL": os.environ.get("DATABASE_URL") or sqlite_url(LOCAL / "tests.sqlite3"),
        # No broker is at hand: messages stay in the process. tools.servers starts a real one.
        "REDIS_URL": os.environ.get("REDIS_URL") or "memory://",
        **TESTS,
        **DJANGO,
    }


def for_demo(host: str) -> dict[str, str]:
    """What `make run` runs with. The database is named, or a .env made for production would lend the demo its own."""
    return {
        "DEMO": "on",
        "DEBUG": "off",
        "BIND_HOST": host,
        "DATABASE_URL": sqlite_url(LOCAL / "budget.sqlite3"),
        "REDIS_URL": valkey.url(valkey.demo_socket()),
        **DJANGO,
    }


def for_deploy_check(database_url: str) -> dict[str, str]:
    """As production would be set up: what `check --deploy` judges."""
    return {
        "DEMO": "off",
        "DEBUG": "off",
        "SECRET_KEY": "Zu8-kq2.Vt5_Xw9-Lm3.Rp7_Ys1-Nd4.Hb6_Gc0-Jf8.Ke2_Ta5-Wq9",
        "ALLOWED_HOSTS": "budget.example.com",
        "CSRF_TRUSTED_ORIGINS": "https://budget.example.com",
        "PLATFORM_URLS": "",
        "BEHIND_TLS_PROXY": "on",
        "SECURE_SSL_REDIRECT": "on",
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        **DJANGO,
    }
