"""What the admins of all rooms share. Importing it sets up the site: people, and how choices are named."""

from budget_system.admin import autocomplete as autocomplete
from budget_system.admin import people as people
