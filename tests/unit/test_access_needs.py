"""A view of the API is closed unless it says what it needs."""

from typing import Any

import pytest
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from access.permissions import LOGGED_IN, needed_for


class Things(ViewSet):
    needs = {"list": "brands.view_brand", "create": "brands.add_brand", "pause": "campaigns.pause_campaign"}


class Plain(APIView):
    needs = {"GET": "brands.view_brand"}

    def get(self) -> None: ...

    def post(self) -> None: ...


def view(**action_map: str) -> Any:
    things = Things()
    things.action_map = action_map
    return things


@pytest.mark.parametrize(
    ("actions", "method", "needed"),
    [
        ({"get": "list", "post": "create"}, "GET", "brands.view_brand"),
        ({"get": "list", "post": "create"}, "POST", "brands.add_brand"),
        ({"get": "list", "head": "list", "post": "create"}, "HEAD", "brands.view_brand"),
        ({"get": "list", "post": "create"}, "OPTIONS", "brands.view_brand"),
        ({"post": "pause"}, "OPTIONS", "campaigns.pause_campaign"),
        ({"post": "pause"}, "GET", LOGGED_IN),  # there is no such method: the answer is 405
        ({"delete": "destroy"}, "DELETE", None),
    ],
)
def test_an_action_needs_what_its_view_set_says_and_is_closed_if_it_says_nothing(
    actions: dict[str, str], method: str, needed: str | None
) -> None:
    assert needed_for(view(**actions), method) == needed


@pytest.mark.parametrize(
    ("method", "needed"),
    [
        ("GET", "brands.view_brand"), ("HEAD", "brands.view_brand"), ("OPTIONS", "brands.view_brand"), ("POST", None),
        ("PUT", LOGGED_IN),
    ],
)  # fmt: skip
def test_a_plain_view_says_it_by_method(method: str, needed: str | None) -> None:
    assert needed_for(Plain(), method) == needed


def test_a_view_without_needs_is_closed() -> None:
    class Silent(APIView):
        def get(self) -> None: ...

    assert needed_for(Silent(), "GET") is None
