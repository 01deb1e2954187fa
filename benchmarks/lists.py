"""Lists of the admin with 100,000 campaigns and a million spends, against a list that is empty: goal 10."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.test.utils import override_settings

from benchmarks import data
from benchmarks.data import NOW
from benchmarks.databases import Databases
from benchmarks.posting import restore
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, Work, alternate, duration, slower
from brands.models import Brand
from budget_system import clock
from budget_system.admin.lists import MOST_COUNTED

EMPTY = "enforcement/run/"
OPENED = {
    "campaigns": "campaigns/campaign/",
    "campaigns, the last page that is counted": "campaigns/campaign/?p={last}",
    "brands": "brands/brand/",
    "spends": "spending/spend/",
    "budget periods": "spending/budgetperiod/",
}
ASKED = {
    "campaigns, by what is used of today's budget": "campaigns/campaign/?o=-6",
    "campaigns over pace": "campaigns/campaign/?today=pace",
    "campaigns with a word in their name": "campaigns/campaign/?q=campaign+77",
    "brands, by what is used of the month's budget": "brands/brand/?o=-2",
    "spends of one brand": "spending/spend/?brand__id__exact={brand}",
    "spends with a word": "spending/spend/?q=campaign+77",
}
HOST = "localhost"


def lists(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """Whole pages, rendered and all, as an administrator is sent them, each in turn with the empty one. A list as it
    opens is compared with that; sorted, filtered and searched, it has to be there within 300 ms."""
    database = databases.use(sizes.middle)
    restore(database)
    data.load_spends(database.bare, sizes.spends, sizes.middle)
    user = User.objects.create_superuser("lists")
    storages = {**settings.STORAGES, "staticfiles": {"BACKEND": _PLAIN_FILES}}
    with override_settings(STORAGES=storages, ALLOWED_HOSTS=[HOST], SECURE_SSL_REDIRECT=False), _at(NOW):
        client = Client(headers={"host": HOST})
        client.force_login(user)
        brand = Brand.objects.order_by("pk").values_list("pk", flat=True)[0]
        for name, address in (*OPENED.items(), *ASKED.items()):
            page = address.format(last=max(min(sizes.middle, MOST_COUNTED) // 50, 1), brand=brand)
            ours, empty = alternate(
                Work(partial(_open, client, page)), Work(partial(_open, client, EMPTY)), rounds=sizes.rounds * 2
            )
            if name in OPENED:
                yield slower("10", f"list of {name}, against an empty list", ours, empty, 3, 2)
            else:
                yield Result(
                    "10", f"list of {name}, beside an empty list", ours.spread(duration), empty.spread(duration),
                    ours.median * 1000, 300, 150, unit="ms",
                )  # fmt: skip
    user.delete()
    restore(database)


_PLAIN_FILES = "django.contrib.staticfiles.storage.StaticFilesStorage"


@contextmanager
def _at(moment: datetime) -> Iterator[None]:
    """The clock stands at this moment, which the data was made for."""
    real = clock.now
    clock.now = lambda: moment
    try:
        yield
    finally:
        clock.now = real


def _open(client: Client, page: str) -> None:
    response = client.get(f"/admin/{page}")
    if response.status_code != 200:
        raise AssertionError(f"{page}: {response.status_code}")
