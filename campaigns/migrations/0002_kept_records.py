"""What is written once is kept (PostgreSQL)."""

from django.db import migrations

from budget_system.append_only import keep_records, leave_room


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]
    operations = [
        keep_records("campaigns_statechange"),
        leave_room("campaigns_campaign", 70),
    ]
