"""Users and groups, in the look of the rest."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User

if TYPE_CHECKING:
    _UserBases = DjangoUserAdmin[User]
    _GroupBases = DjangoGroupAdmin
else:
    from unfold.admin import ModelAdmin

    class _UserBases(DjangoUserAdmin, ModelAdmin):
        pass

    class _GroupBases(DjangoGroupAdmin, ModelAdmin):
        pass


admin.site.index_title = "Overview"
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(_UserBases):
    pass


@admin.register(Group)
class GroupAdmin(_GroupBases):
    pass


if not TYPE_CHECKING:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    UserAdmin.form = UserChangeForm
    UserAdmin.add_form = UserCreationForm
    UserAdmin.change_password_form = AdminPasswordChangeForm
