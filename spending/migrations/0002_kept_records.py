"""What is written once is kept (PostgreSQL)."""

from django.db import migrations

from budget_system.append_only import keep_records, leave_room


class Migration(migrations.Migration):
    dependencies = [("spending", "0001_initial")]
    operations = [
        keep_records("spending_spendrevision"),
        keep_records("spending_forcedreset"),
        keep_records("spending_spend", "DELETE"),
        leave_room("spending_budgetperiod", 50),
    ]
