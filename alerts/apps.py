from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "alerts"

    def ready(self) -> None:
        from alerts.sources import SOURCES
        from delivery.sources import register

        for source in SOURCES:
            register(source)
