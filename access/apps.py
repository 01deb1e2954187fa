from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccessConfig(AppConfig):
    name = "access"

    def ready(self) -> None:
        from access import openapi as openapi
        from access.roles import make_groups

        # After the permissions that the groups hold were made, which Django does after migrating, too.
        post_migrate.connect(make_groups, sender=self, dispatch_uid="access.roles")
