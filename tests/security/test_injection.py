"""Texts that mean something in SQL, wherever the API and the admin take a text."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from tests.factories import Story
from tests.figures import Figure
from tests.integration.api_client import Api

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PAYLOADS = (
    "'", "''", '"', "\\", "%", "_", "1' OR '1'='1", "1) OR (1=1", "x'; DROP TABLE spending_spend; --",
    "' UNION SELECT NULL, password FROM auth_user --", "1; SELECT pg_sleep(5)", "') OR EXISTS(SELECT 1) --",
    "${1+1}", "{{7*7}}", "%s %(x)s", "$1", "\N{FULLWIDTH APOSTROPHE} OR 1=1", "/**/OR/**/1=1", "0x27", "NULL",
)  # fmt: skip
LISTS = {
    "brands/": ("search", "name", "timezone", "ordering"),
    "campaigns/": ("search", "brand", "status", "hold", "ordering"),
    "spends/": ("search", "brand", "campaign", "channel", "source", "ordering"),
    "imports/": ("search", "brand", "state", "ordering"),
}
ADMIN = ("brands/brand", "campaigns/campaign", "spending/spend", "brands/auditentry", "access/apitoken")


@pytest.mark.need(18)
def test_no_text_in_a_query_becomes_sql(figure: Figure) -> None:
    story = Story()
    story.spend(story.campaign("A"), "5")
    boss = User.objects.create_superuser("root")
    api, admin = Api(boss), Client()
    admin.force_login(boss)
    statuses = []
    for payload in PAYLOADS:
        for path, names in LISTS.items():
            for name in names:
                response = api.client.get(f"/api/{path}", {name: payload})
                statuses.append(response.status_code)
                if response.status_code == 200 and " OR " in payload:
                    assert response.json()["count"] == 0, (path, name, payload)
        for page in ADMIN:
            statuses.append(admin.get(f"/admin/{page}/", {"q": payload}).status_code)
            statuses.append(admin.get(f"/admin/{page}/", {"o": payload, "p": payload}, follow=True).status_code)

    figure(f"{len(PAYLOADS)} payloads, {len(statuses)} requests, answered 5xx: {sum(s >= 500 for s in statuses)}")
    assert max(statuses) < 500
    assert "spending_spend" in connection.introspection.table_names()


@pytest.mark.need(18)
def test_a_text_that_is_sql_is_kept_as_it_is_written(figure: Figure) -> None:
    api = Api(User.objects.create_superuser("root"))
    for payload in PAYLOADS:
        made = api.post("brands/", {"name": f"Brand {payload}"})
        assert api.get(f"brands/{made['id']}")["name"] == f"Brand {payload}"

    figure(f"{len(PAYLOADS)} names written and read back")
