"""The API of the demo, where nobody logs in: who gets in all the same, and who does not. And cookies beside tokens."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from rest_framework.views import APIView

from access.authentication import DemoAuthentication
from brands.models import AuditEntry, Brand
from tests.integration.api_client import token_for

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

BRAND = {"name": "Acme"}


def post(client: Client, **headers: Any) -> Any:
    return client.post("/api/brands/", BRAND, content_type="application/json", **headers)


@pytest.fixture
def demo(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Client:
    """As with DEMO=1. Settings decide it when the process starts."""
    settings.DEMO, settings.ALLOWED_HOSTS = True, ["localhost", "127.0.0.1", "[::1]"]
    monkeypatch.setattr(APIView, "authentication_classes", [*APIView.authentication_classes, DemoAuthentication])
    User.objects.create_superuser(settings.DEMO_USERNAME)
    return Client(SERVER_NAME="localhost", enforce_csrf_checks=True)


def test_on_this_machine_anybody_may_and_is_recorded_as_anonymous(demo: Client) -> None:
    for number, address in enumerate(("127.0.0.1", "::1", "127.8.8.8")):
        assert post(demo, REMOTE_ADDR=address).status_code == 201
        assert AuditEntry.objects.filter(actor="demo: anonymous").count() == number + 1


@pytest.mark.parametrize(
    "headers",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": "10.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_ORIGIN": "https://evil.example"},
        {"HTTP_ORIGIN": "http://localhost:9000"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_SEC_FETCH_SITE": "same-site"},
        {"HTTP_AUTHORIZATION": "Bearer wrong"},
    ],
    ids=str,
)
def test_nobody_gets_in_from_elsewhere_or_through_a_page_of_another_site(demo: Client, headers: Any) -> None:
    assert post(demo, **headers).status_code == 401
    assert demo.get("/api/brands/", **headers).status_code == 401
    assert not Brand.objects.exists()


def test_a_name_that_was_pointed_at_this_machine_is_refused(demo: Client) -> None:
    assert post(demo, HTTP_HOST="evil.example").status_code == 400
    assert post(demo, HTTP_HOST="evil.example", HTTP_ORIGIN="http://evil.example").status_code == 400
    assert not Brand.objects.exists()


def test_pages_say_that_it_is_the_demo_and_load_nothing_from_elsewhere(demo: Client) -> None:
    for path in ("/api/", "/api/brands/", "/api/docs/", "/api/nowhere"):
        page = demo.get(path, HTTP_ACCEPT="text/html").content.decode()
        assert 'src="http' not in page
        assert 'href="http' not in page.replace('href="http://localhost', "")
        assert path == "/api/docs/" or page.index('class="breadcrumb"') < page.index("Demo: sample data")


def test_without_demo_mode_nobody_gets_in(demo: Client, settings: Settings) -> None:
    settings.DEMO = False

    assert post(demo).status_code == 401


def test_a_session_needs_the_token_of_its_forms_and_a_machines_token_needs_no_session() -> None:
    person, machine = User.objects.create_superuser("anna"), User.objects.create_user("machine")
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)

    assert client.get("/api/brands/").status_code == 200
    assert post(client).status_code == 403
    assert not Brand.objects.exists()
    both: Any = {"HTTP_AUTHORIZATION": f"Bearer {token_for(machine)}"}
    assert client.get("/api/me", **both).json()["name"].endswith("for machine"), "the cookie is not looked at"
    assert post(client, **both).status_code == 403, "the machine has no role, whoever's cookie it carries"
    assert post(client, HTTP_AUTHORIZATION=f"Bearer {token_for(person)}").status_code == 201
