"""Databases of their own on the server of DATABASE_URL, one a size, dropped afterwards."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2.extensions import connection as Connection

from benchmarks import data


def server_url() -> str:
    return os.environ["DATABASE_URL"]


def url_of(name: str) -> str:
    return urlunsplit(urlsplit(server_url())._replace(path=f"/{name}"))


class Database:
    """So many campaigns, for Django's default connection and for a bare one."""

    def __init__(self, campaigns: int) -> None:
        self.campaigns = campaigns
        self.name = f"bench_{campaigns}_{os.getpid()}"
        self.url = url_of(self.name)
        _on_server(f"CREATE DATABASE {self.name}")
        self.django = connections.create_connection("default")
        self.django.settings_dict = {**self.django.settings_dict, "NAME": self.name}
        self.bare: Connection = psycopg2.connect(self.url)

    def fill(self) -> None:
        connections["default"] = self.django
        call_command("migrate", verbosity=0)
        data.load(self.bare, self.campaigns)

    def vacuum(self, *tables: str) -> None:
        """Leave no dead rows to the next run."""
        data.vacuum(self.bare, *tables)

    def drop(self) -> None:
        self.django.close()
        self.bare.close()
        _on_server(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


class Databases:
    """One database a size, made when first used. The one last used is Django's default connection."""

    def __init__(self) -> None:
        self._made: dict[int, Database] = {}

    def use(self, campaigns: int) -> Database:
        if campaigns not in self._made:
            self._made[campaigns] = Database(campaigns)
            self._made[campaigns].fill()
        connections["default"] = self._made[campaigns].django
        return self._made[campaigns]

    def drop(self) -> None:
        for database in self._made.values():
            database.drop()


@contextlib.contextmanager
def temporary() -> Iterator[Databases]:
    before: BaseDatabaseWrapper = connections["default"]
    databases = Databases()
    try:
        yield databases
    finally:
        databases.drop()
        connections["default"] = before


def _on_server(sql: str) -> None:
    with closing(psycopg2.connect(server_url())) as server:
        server.autocommit = True
        with server.cursor() as cursor:
            cursor.execute(sql)
