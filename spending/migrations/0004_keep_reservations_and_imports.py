"""Reservations and imports are never deleted (PostgreSQL)."""

from django.db import migrations

from budget_system.append_only import keep_records


class Migration(migrations.Migration):
    dependencies = [("spending", "0003_reservations_and_imports")]
    operations = [
        keep_records("spending_reservation", "DELETE"),
        keep_records("spending_spendimport", "DELETE"),
    ]
