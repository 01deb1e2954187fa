"""What the admins of all rooms share. Importing it sets up the site: people, how choices are named, dead ends."""

from budget_system.admin import autocomplete as autocomplete
from budget_system.admin import missing as missing
from budget_system.admin import people as people
