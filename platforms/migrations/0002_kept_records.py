"""What was done at platforms is kept as it was written."""

from django.db import migrations

from budget_system.append_only import keep_records


class Migration(migrations.Migration):
    dependencies = [("platforms", "0001_initial")]

    operations = [keep_records("platforms_act")]
