"""URLs: the admin is the product, and / leads to it; the API is beside it."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from budget_system.admin import home

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/today/", admin.site.admin_view(home.refreshed), name="today"),
    path("admin/", admin.site.urls),
    path("", include("budget_system.probes")),
    path("api/", include("budget_system.rest.urls")),
]
