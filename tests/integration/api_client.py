"""A caller of the API in tests: a person with a role and some brands, or a machine with a token of theirs."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import Group, User
from rest_framework.test import APIClient

from access import tokens
from access.models import Membership, TokenScope
from brands.models import Brand

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


def person(name: str, role: str | None, brands: Iterable[Brand] = ()) -> User:
    """A person with this role who works for these brands."""
    user = User.objects.create_user(name)
    if role is not None:
        user.groups.add(Group.objects.get(name=role))
    for brand in brands:
        Membership.objects.create(user=user, brand=brand, created_at=BEGINNING, created_by="a test")
    return user


def token_for(user: User, scope: str = TokenScope.MANAGE, brands: Iterable[Brand] = (), **more: Any) -> str:
    options = {"expires_at": None, "requests_per_minute": None, **more}
    return tokens.issue("A test", user, scope, brands, actor="a test", now=BEGINNING, **options)[1]


class Api:
    """`api.post("brands/", name="Acme")`: the parsed answer, whose status must be the one expected."""

    def __init__(self, user: User | None = None, *, token: str | None = None) -> None:
        self.client = APIClient()
        if token is not None:
            self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        elif user is not None:
            self.client.force_login(user)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response. Header names are written with underscores."""
        extra = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        return getattr(self.client, method)(f"/api/{path}", body, format="json", **extra)

    def expect(self, status: int, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = self.call(method, path, body, **headers)
        assert response.status_code == status, (response.status_code, response.content[:2000])
        return response.json() if response.content else None

    def get(self, path: str, status: int = 200) -> Any:
        return self.expect(status, "get", path)

    def post(self, path: str, body: Any = None, status: int = 201, **headers: str) -> Any:
        return self.expect(status, "post", path, body, **headers)

    def put(self, path: str, body: Any, status: int = 200) -> Any:
        return self.expect(status, "put", path, body)

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return self.expect(status, "patch", path, body)

    def delete(self, path: str, status: int = 204) -> Any:
        return self.expect(status, "delete", path)
