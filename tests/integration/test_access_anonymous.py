"""Without saying who one is, one gets to the login, the API's documentation and the probes, and nowhere else."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

from campaigns.models import Campaign
from tests.factories import Story

OPEN = {"/admin/login/", "/api/docs", "/api/schema", "/healthz/live", "/healthz/ready", "/metrics"}
"""The metrics are for this machine alone, which the test's client is on (test_metrics.py)."""
RED = {"/healthz/deep/"}
"""Open too; it answers 503, as nothing is at work."""


def paths(patterns: Any, thing: str, prefix: str = "/") -> Iterator[str]:
    """The path of every page, with `thing` wherever an id is asked for."""
    for pattern in patterns:
        route = simplify_regex(str(pattern.pattern)) if isinstance(pattern.pattern, RegexPattern) else pattern.pattern
        path = prefix + re.sub(r"<[^>]+>", thing, str(route)).lstrip("/")
        if isinstance(pattern, URLResolver):
            yield from paths(pattern.url_patterns, thing, path)
        else:
            yield path.replace("?", "")


@pytest.mark.slow
@pytest.mark.need(1)
@pytest.mark.django_db
def test_nobody_gets_anywhere_without_saying_who_they_are() -> None:
    story = Story()
    campaign = story.campaign("Search")
    before = list(Campaign.objects.values())
    everywhere = sorted(set(paths(get_resolver().url_patterns, str(campaign.pk))))
    answered = set()

    for path in everywhere:
        client = Client()
        for answer in (client.get(path), client.post(path, {}), client.delete(path), client.put(path)):
            assert answer.status_code < 500 or path in RED, (path, answer.status_code)
            if answer.status_code < 300:
                answered.add(path)
            elif answer.status_code in {301, 302}:
                assert answer.headers["Location"].startswith(("/admin/", path)), (path, answer.headers["Location"])

    assert len(everywhere) > 100
    assert {path.rstrip("/") for path in answered} == {path.rstrip("/") for path in OPEN}
    assert list(Campaign.objects.values()) == before
