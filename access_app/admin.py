"""Projects, keys and memberships for operators. A key is shown once, on the page that made it, and kept nowhere."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import ModelAdmin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from access_app import audit, issuing, projects
from access_app.audited import Audited
from access_app.in_projects import OwnProjectFilter
from access_app.limits import LOWEST_RATE, is_rate
from access_app.models import ApiKey, AuditEntry, Membership, Project
from access_app.principals import DEFAULT_PROJECT, Kind, Scope, spell_scopes
from access_app.read_only import ReadOnlyAdmin

OVERLAP_HOURS = 24


class ScopesField(forms.MultipleChoiceField):
    """Boxes for a text of scopes."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self) -> None:
        super().__init__(
            choices=[(scope.value, scope.value) for scope in Scope], help_text="`admin` includes all others."
        )

    def prepare_value(self, value: Any) -> Any:
        return value.split() if isinstance(value, str) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value: Any) -> str:
        return spell_scopes(super().clean(value))


class ScopesForm(forms.ModelForm):
    """A form whose model has scopes."""

    scopes = ScopesField()


class KeyForm(ScopesForm):
    """What of a key can be chosen or changed; never its secret."""

    def clean_expires_at(self) -> Any:
        end = self.cleaned_data["expires_at"]
        if "expires_at" in self.changed_data and end is not None and end <= timezone.now():
            raise ValidationError("Use a time to come; to end a key now, revoke it.")
        return end

    def clean_requests_per_second(self) -> Any:
        most = self.cleaned_data["requests_per_second"]
        if most is not None and not is_rate(most):
            raise ValidationError(f"Use 0, which is no limit, or a number from {LOWEST_RATE:g}.")
        return most


@admin.register(Project)
class ProjectAdmin(Audited):
    """Projects; one that has rows stays."""

    list_display = ("name", "created_at")
    readonly_fields = ("created_at",)
    search_fields = ("name",)
    ordering = ("name",)
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and (obj is None or not (obj.is_default or projects.has_rows(obj)))


@admin.register(ApiKey)
class ApiKeyAdmin(Audited):
    """Keys: make, change what they may do, rotate, revoke."""

    form = KeyForm
    list_display = ("prefix", "name", "project", "scopes", "expires_at", "revoked_at", "last_used_at")
    list_filter = (OwnProjectFilter,)
    list_select_related = ("project",)
    search_fields = ("prefix", "name")
    ordering = ("-pk",)
    actions = ("revoke_keys", "rotate_key")
    chosen = ("project", "name", "scopes", "expires_at", "requests_per_second", "waiting_tasks")
    told = ("prefix", "created_at", "created_by", "revoked_at", "last_used_at", "previous_expires_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.chosen if obj is None else ("prefix", *self.chosen, *self.told[1:])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("project", *self.told)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """As the command has it: the default project, and all scopes but `admin`."""
        usual = spell_scopes(set(Scope) - {Scope.ADMIN})
        return {"project": DEFAULT_PROJECT, "scopes": usual, **super().get_changeform_initial_data(request)}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Which key it was must be found as long as it could have been used.
        return super().has_delete_permission(request, obj) and (obj is None or obj.revoked_at is not None)

    def get_actions(self, request: HttpRequest) -> Any:
        return {
            name: kept for name, kept in super().get_actions(request).items() if name != "delete_selected"
        }

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            # Not the columns that the page only shows: the key may have been revoked or rotated since it was read.
            obj.save(update_fields=form.changed_data)
            return
        by = audit.person_of(request)
        obj.created_by = by.name
        request.META["scheduler.issued"] = issuing.issue(obj, by)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Issuing has left its entry already."""
        return ModelAdmin.log_addition(self, request, obj, message)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        return self._shown_once(request, request.META.pop("scheduler.issued"))

    def _shown_once(self, request: HttpRequest, issued: issuing.Issued) -> HttpResponse:
        # On the answer's page itself: a message would travel in a cookie or lie in the session.
        context = {
            **self.admin_site.each_context(request),
            "title": "New key",
            "issued": issued,
            "opts": self.opts,
        }
        return TemplateResponse(
            request, "access_app/new_key.html", context, headers={"Cache-Control": "no-store"}
        )

    @admin.action(description="Revoke, for good", permissions=["change"])
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End the chosen keys at once."""
        by, prefixes = audit.person_of(request), queryset.values_list("prefix", flat=True)
        revoked = sum(issuing.revoke(prefix, by=by) for prefix in prefixes)
        self.message_user(request, f"{revoked} of {len(queryset)} keys revoked.", messages.SUCCESS)

    @admin.action(description=f"Rotate one, with {OVERLAP_HOURS} h of overlap", permissions=["change"])
    def rotate_key(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """Give one key a new secret and show it."""
        prefixes = list(queryset.values_list("prefix", flat=True)[:2])
        if len(prefixes) != 1:
            self.message_user(request, "Choose one key: its new secret is shown once.", messages.WARNING)
            return None
        try:
            by, overlap = audit.person_of(request), timedelta(hours=OVERLAP_HOURS)
            issued = issuing.rotate(prefixes[0], overlap, by=by)
        except issuing.NotPossible as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        return self._shown_once(request, issued)


@admin.register(Membership)
class MembershipAdmin(Audited):
    """To which project people belong who log in."""

    form = ScopesForm
    list_display = ("user", "project", "scopes")
    list_filter = (OwnProjectFilter,)
    list_select_related = ("user", "project")
    search_fields = ("user__username",)


class ActorKindFilter(admin.SimpleListFilter):
    """All kinds: refused logins are of `anyone`. Django would look for them in all of the log."""

    title = parameter_name = "actor_kind"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(kind.value, kind.value) for kind in Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(actor_kind=value) if value in set(Kind) else queryset.none()


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who changed what; of all projects, newest first. Nobody edits it."""

    list_display = ("at", "actor_kind", "actor", "action", "target_count", "project_id", "address")
    list_filter = (ActorKindFilter,)
    sortable_by = ()
    ordering = ("-pk",)
    search_fields = ("actor", "action")
    search_help_text = "The beginning of an actor or of an action"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        term = search_term.strip()
        begins = Q(actor__startswith=term) | Q(action__startswith=term)
        return (queryset.filter(begins) if term else queryset), False


admin.site.unregister([User, Group])


@admin.register(User)
class AuditedUserAdmin(Audited, UserAdmin):
    """Django's own pages of users."""


@admin.register(Group)
class AuditedGroupAdmin(Audited, GroupAdmin):
    """Django's own pages of groups."""
