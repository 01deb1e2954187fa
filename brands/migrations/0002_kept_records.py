"""What is written once is kept (PostgreSQL)."""

from django.db import migrations

from budget_system.append_only import keep_records


class Migration(migrations.Migration):
    dependencies = [("brands", "0001_initial")]
    operations = [
        keep_records("brands_auditentry"),
    ]
