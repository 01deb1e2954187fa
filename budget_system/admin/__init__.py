"""What the admins of all rooms share. Importing it also brings users and groups into the look of the rest."""

from budget_system.admin import people as people
