"""What every answer carries, and what a fresh process of production is set to."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.factories import Story
from tests.figures import Figure
from tests.integration.people import at_the_admin
from tools.environment import for_deploy_check

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ROOT = Path(__file__).resolve().parents[2]


def in_production(code: str) -> str:
    """What a process with production's settings prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {code}"],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", **for_deploy_check("postgres:///unused")}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def policy(response: Any) -> dict[str, set[str]]:
    parts = (part.split() for part in response["Content-Security-Policy"].split(";") if part.strip())
    return {name: set(sources) for name, *sources in parts}


@pytest.mark.need(20)
def test_every_page_says_what_it_may_load_and_who_may_frame_it(figure: Figure) -> None:
    story = Story()
    campaign = story.campaign("A")
    boss = at_the_admin(User.objects.create_superuser("root"))
    pages = [
        "/admin/", "/admin/login/", "/api/", "/api/docs/", "/api/schema/", "/api/brands/", "/api/nowhere", "/nowhere",
        reverse("admin:brands_brand_changelist"), reverse("admin:brands_brand_change", args=[story.brand.pk]),
        reverse("admin:campaigns_campaign_changelist"), reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
        reverse("admin:spending_spend_changelist"), reverse("admin:access_apitoken_changelist"),
    ]  # fmt: skip
    for client in (boss, Client()):
        for page in pages:
            response = client.get(page, headers={"accept": "text/html"})
            found = policy(response)
            assert found["default-src"] == {"'self'"}, page
            assert found["script-src"] <= {"'self'", "'unsafe-eval'"}, page
            assert found["object-src"] == found["base-uri"] == found["frame-ancestors"] == {"'none'"}, page
            assert response["X-Frame-Options"] == "DENY", page
            assert response["X-Content-Type-Options"] == "nosniff", page
            assert response["Referrer-Policy"] == "same-origin", page
            assert response["Cross-Origin-Opener-Policy"] == "same-origin", page

    figure(f"{2 * len(pages)} answers, without inline scripts or foreign sources all of them")


@pytest.mark.need(16)
def test_no_other_site_is_let_in() -> None:
    response = Client().get("/api/me", headers={"origin": "https://evil.example"})

    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


@pytest.mark.need(7)
def test_passwords_are_kept_slow_to_try(figure: Figure) -> None:
    kept = in_production("from django.contrib.auth.hashers import make_password; print(make_password('a'))")

    algorithm, iterations, *_ = kept.split("$")
    figure(f"{algorithm}, {int(iterations):,} iterations")
    assert algorithm == "pbkdf2_sha256"
    assert int(iterations) >= 600_000


@pytest.mark.need(7)
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "budget.example.com"])
def test_the_demo_with_its_known_password_starts_on_this_machine_only(host: str) -> None:
    environment = {**for_deploy_check("postgres:///unused"), "DEMO": "on", "BIND_HOST": host}
    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"], cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "known password" in done.stderr


@pytest.mark.need(8)
@pytest.mark.parametrize("secret", [None, "", "short", "demo-only-" + "0" * 50])
def test_without_a_secret_of_its_own_production_does_not_start(secret: str | None) -> None:
    environment = {"PATH": "/usr/bin:/bin", **for_deploy_check("postgres:///unused")}
    environment.pop("SECRET_KEY")
    if secret is not None:
        environment["SECRET_KEY"] = secret
    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


@pytest.mark.need(9)
def test_djangos_check_for_deployment_finds_nothing(figure: Figure) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", **for_deploy_check("postgres:///unused")}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip

    figure(done.stdout.strip() or done.stderr.strip().rsplit("\n", 1)[-1])
    assert done.returncode == 0, done.stderr
