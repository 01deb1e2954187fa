"""What the database itself refuses, whoever asks."""

import io
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from enforcement import reservations
from enforcement.imports import start_import
from platforms.models import Account, Act, ActKind
from spending.import_options import ImportOptions
from tests.factories import ACTOR, Story
from tests.figures import Figure
from tests.integration.people import life_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def kept() -> list[tuple[str, str]]:
    """Tables and what is refused on them, as their triggers say."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, verb FROM pg_trigger,"
            " (VALUES (8, 'DELETE FROM {}'), (16, 'UPDATE {} SET id = id')) AS bits(bit, verb)"
            " WHERE tgname LIKE '%_is_kept' AND tgtype & bit <> 0 ORDER BY 1, 2"
        )
        return [(table, statement) for table, statement in cursor.fetchall()]


@pytest.mark.need(4, 17)
def test_records_are_kept_as_they_were_written(figure: Figure) -> None:
    story = Story()
    campaign = life_of(story, "A", "why", "5")
    other = story.campaign("B")
    ttl = timedelta(minutes=1)
    reservations.reserve(uuid4(), other.pk, Decimal(1), ttl=ttl, actor=ACTOR, now=story.now)
    start_import(
        io.BytesIO(f"Day,Brand,Campaign,Cost\n2026-05-01,Acme,{campaign.name},1.00".encode()), "a.csv", ImportOptions(),
        actor=ACTOR, now=story.now,
    )  # fmt: skip
    account = Account.objects.create(
        brand=campaign.brand, platform="GOOGLE", account_id="1", created_at=story.now, updated_at=story.now
    )
    Act.objects.create(campaign=campaign, account=account, at=story.now, kind=ActKind.SENT, actor=ACTOR)
    refused = []
    rules = kept()
    for table, statement in rules:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement.format(table))
        except DatabaseError as error:
            refused.append("rows are kept" in str(error))

    figure(f"{len({table for table, _ in rules})} tables of records, {sum(refused)} of {len(rules)} statements refused")
    assert {"brands_auditentry", "campaigns_statechange", "spending_spend"} <= {table for table, _ in rules}
    assert refused == [True] * len(rules)
