"""Report files through the API: what an account manager sends, and what becomes of it."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.contrib.auth.models import User
from kombu.exceptions import OperationalError

from brands.models import Brand
from budget_system import clock
from enforcement import imports
from spending.models import Spend, SpendImport
from tasks.import_tasks import pick_up_imports_task, run_import_task, undo_import_task
from tests.integration.api_client import Api, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
REPORT = b"""Day,Campaign,Cost,Currency,Clicks
2026-05-04,Summer Sale,40.00,EUR,12
2026-05-05,Summer Sale,70.50,EUR,20
2026-05-05,Winter Sale,10.00,EUR,3
2026-05-05,Summer Sale,ten,EUR,1
"""


@pytest.fixture
def api() -> Any:
    with time_machine.travel(NOON, tick=True):
        yield Api(User.objects.create_superuser("anna"))


@pytest.fixture
def brand(api: Api) -> Any:
    brand = api.post("brands/", {"name": "Acme", "currency": "EUR", "daily_budget": "70.50"})
    api.post("campaigns/", {"brand": brand["id"], "name": "Summer Sale"})
    return brand


def send(api: Api, content: bytes, status: int = 201, *, key: str | None = None, **said: Any) -> Any:
    file = BytesIO(content)
    file.name = "report.csv"
    headers: Any = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
    response = api.client.post("/api/imports/", {"file": file, **said}, format="multipart", **headers)
    assert response.status_code == status, response.content[:2000]
    return response.json()


def test_a_file_is_imported_and_accounted_for_line_by_line(api: Api, brand: Any) -> None:
    report = send(api, REPORT.replace(b"2026-05-05,Summer Sale,ten,EUR,1\n", b""), brand=brand["id"])

    assert (report["state"], report["rows"], report["accepted"], report["rejected"]) == ("DONE", 3, 2, 1)
    assert report["totals"] == {"EUR": "110.50"}
    assert (report["first_day"], report["last_day"]) == ("2026-05-04", "2026-05-05")
    assert report["brands"] == [brand["id"]]
    assert report["rejects"][0]["line"] == 4
    assert "Winter Sale" in report["rejects"][0]["reason"]
    assert [change["to"] for change in report["changes"]] == [["DAILY_BUDGET_EXCEEDED"]]
    assert api.get("campaigns/?hold=DAILY_BUDGET_EXCEEDED")["count"] == 1
    assert api.get(f"spends/?spend_import={report['id']}")["count"] == 2


def test_rejected_lines_are_downloaded_mended_and_sent_again(api: Api, brand: Any) -> None:
    report = send(api, REPORT, brand=brand["id"])
    assert report["rejected"] == 3, "a day of which a line cannot be read is not taken in part"

    response = api.call("get", f"imports/{report['id']}/rejects")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    mended = response.content.replace(b"ten", b"10")
    again = send(api, mended, brand=brand["id"], create_campaigns="true")

    assert (again["accepted"], again["rejected"]) == (3, 0)
    assert again["created_campaigns"] == ["Winter Sale"]
    api.get(f"imports/{again['id']}/rejects", status=404)


def test_a_dry_run_shows_what_would_come_of_it_and_changes_nothing(api: Api, brand: Any) -> None:
    report = send(api, REPORT, brand=brand["id"], dry_run="true", create_campaigns="true")

    assert (report["dry_run"], report["accepted"], report["created_campaigns"]) == (True, 2, ["Winter Sale"])
    assert Spend.objects.count() == 0
    assert api.get("campaigns/")["count"] == 1
    api.post(f"imports/{report['id']}/undo", {"reason": "x"}, status=409)


def test_the_same_file_again_changes_nothing_and_an_undo_takes_all_of_it_back(api: Api, brand: Any) -> None:
    first = send(api, REPORT, brand=brand["id"], create_campaigns="true")
    second = send(api, REPORT, brand=brand["id"], create_campaigns="true")

    assert (second["accepted"], second["unchanged"]) == (0, first["accepted"])
    assert second["seen_before"][0]["id"] == first["id"]
    api.post(f"imports/{first['id']}/undo", {}, status=400)
    undone = api.post(f"imports/{first['id']}/undo", {"reason": "Wrong brand"}, status=200)
    assert (undone["state"], undone["undo"]["voided"]) == ("UNDONE", 2)
    assert (undone["undone_by"], undone["undo_reason"]) == ("user: anna", "Wrong brand")
    assert api.get("spends/")["count"] == 0
    assert api.get("campaigns/?status=PAUSED")["count"] == 0


def test_a_large_file_waits_for_a_worker(api: Api, brand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "INLINE_BYTES", 10)
    asked: list[str] = []
    monkeypatch.setattr(run_import_task, "apply_async", lambda args, **_: asked.append(args[0]))

    waiting = send(api, REPORT, status=202, brand=brand["id"])
    assert (waiting["state"], asked) == ("QUEUED", [waiting["id"]])
    run_import_task(asked[0])

    assert api.get(f"imports/{waiting['id']}/")["state"] == "DONE"


def test_an_import_is_not_lost_with_the_broker(api: Api, brand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "INLINE_BYTES", 10)
    with mock.patch.object(run_import_task, "apply_async", side_effect=OperationalError("no broker")):
        waiting = send(api, REPORT, status=202, brand=brand["id"])

    with (
        mock.patch.object(run_import_task, "apply_async", side_effect=lambda args, **_: run_import_task(*args)),
        time_machine.travel(NOON + timedelta(minutes=1), tick=True),
    ):
        pick_up_imports_task()

    assert api.get(f"imports/{waiting['id']}/")["state"] == "DONE"


def test_a_large_undo_is_left_to_a_worker_and_gone_on_with(
    api: Api, brand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "UNDONE_AT_ONCE", 1)
    done = send(api, REPORT, brand=brand["id"], create_campaigns="true")
    with mock.patch.object(undo_import_task, "apply_async", side_effect=OperationalError("no broker")):
        waiting = api.post(f"imports/{done['id']}/undo", {"reason": "Wrong brand"}, status=202)
    standing = api.get("spends/")["count"]

    with mock.patch.object(undo_import_task, "apply_async", side_effect=lambda args, **_: undo_import_task(*args)):
        pick_up_imports_task()

    assert (waiting["state"], waiting["undo_reason"], standing) == ("UNDOING", "Wrong brand", 2)
    undone = api.get(f"imports/{done['id']}/")
    assert (undone["state"], undone["undo"]["voided"], undone["undo"]["done"]) == ("UNDONE", 2, 2)
    assert api.get("spends/")["count"] == 0
    api.post(f"imports/{done['id']}/undo", {"reason": "Again"}, status=409)


def test_the_same_request_sent_twice_is_one_import(api: Api, brand: Any) -> None:
    first = send(api, REPORT, brand=brand["id"], key="nightly 5 May")
    again = send(api, REPORT, brand=brand["id"], key="nightly 5 May")
    send(api, REPORT + b"\n", status=422, brand=brand["id"], key="nightly 5 May")

    assert first["id"] == again["id"]
    assert SpendImport.objects.count() == 1


def test_a_file_that_cannot_be_read_says_why(api: Api, brand: Any) -> None:
    failed = send(api, b"\x00\x01\x02 nothing", brand=brand["id"])

    assert failed["state"] == "FAILED"
    assert failed["error"]
    assert send(api, b"", status=400, colour="red")["errors"][0]["field"] == "colour"
    send(api, REPORT, status=400, delimiter="#")
    send(api, REPORT, status=400, timezone="Berlin")
    assert send(api, REPORT, brand=brand["id"], encoding="klingon")["state"] == "FAILED"


def test_a_file_touches_only_brands_that_its_sender_sees(api: Api, brand: Any) -> None:
    own = Brand.objects.create(name="Own", currency="EUR", created_at=clock.now(), updated_at=clock.now())
    operator = Api(person("otto", "operator", [own]))

    hidden = send(operator, REPORT, status=400, brand=brand["id"])
    by_name = send(operator, b"Day,Account,Campaign,Cost\n2026-05-05,Acme,Summer Sale,5\n")
    unknown = send(operator, b"Day,Account,Campaign,Cost\n2026-05-05,Nobody,Summer Sale,5\n")

    assert hidden["errors"] == [{"field": "brand", "code": "not_found", "message": "There is no such brand."}]
    told = by_name["rejects"][0]["reason"]
    assert told == unknown["rejects"][0]["reason"].replace("Nobody", "Acme")
    assert Spend.objects.count() == 0
    send(operator, REPORT, status=403, brand=str(own.pk), create_campaigns="true")
    colleague = Api(person("mia", "manager", [own]))
    colleague.get(f"imports/{by_name['id']}/", status=404)
    assert operator.get("imports/")["count"] == 2
    send(colleague, REPORT, status=403, create_brands="true")


def test_lines_that_were_left_out_are_shown_to_their_sender_only(api: Api, brand: Any) -> None:
    report = send(api, REPORT, brand=brand["id"])
    own = Brand.objects.get(pk=brand["id"])
    colleague = Api(person("vera", "viewer", [own]))

    seen = colleague.get(f"imports/{report['id']}/")

    assert (seen["rejected"], seen["rejects"]) == (3, [])
    colleague.get(f"imports/{report['id']}/rejects", status=404)


@pytest.mark.parametrize("name", sorted(path.name for path in Path("tests/data").glob("*.csv")))
def test_every_kind_of_report_is_taken_and_its_counts_add_up(api: Api, name: str) -> None:
    content = Path("tests/data", name).read_bytes()

    report = send(api, content, create_campaigns="true", create_brands="true", currency="USD")

    assert report["state"] in {"DONE", "FAILED"}
    counted = ("accepted", "unchanged", "corrected", "duplicate", "rejected")
    assert sum(report[count] for count in counted) == report["rows"]
