"""setup_demo: the login of demo mode, and sample data that is made like live work."""

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)


def setup_demo(*arguments: str) -> str:
    out = StringIO()
    call_command("setup_demo", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_demo_mode_gets_its_login_once(settings: Settings) -> None:
    settings.DEMO = True

    first, second = setup_demo("--login-only"), setup_demo("--login-only")

    user = get_user_model().objects.get()
    assert first == "Login: user admin, password admin123\n"
    assert "left as it is" in second
    assert user.is_superuser
    assert user.check_password("admin123")


def test_an_existing_login_keeps_its_password(settings: Settings) -> None:
    settings.DEMO = True
    get_user_model().objects.create_superuser("admin", "", "another one")

    setup_demo("--login-only")

    assert get_user_model().objects.get().check_password("another one")


def test_outside_demo_mode_no_known_password_is_made(settings: Settings) -> None:
    settings.DEMO = False

    with pytest.raises(CommandError, match="demo mode only"):
        setup_demo("--login-only")

    assert not get_user_model().objects.exists()
