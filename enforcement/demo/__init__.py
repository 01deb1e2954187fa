"""Sample data (`manage.py setup_demo`): invented brands and months of spend with the shapes of real traffic."""
