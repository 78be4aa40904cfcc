"""The audit log over HTTP: `GET /audit/`."""

from typing import Any

from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL
from django_filters import rest_framework as filters
from drf_yasg.utils import swagger_auto_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access_app.audit import ACTIONS, ACTIONS_IN_SHORT
from access_app.models import AuditEntry
from access_app.principals import ONLY_ADMIN, Kind, project_of
from scheduler_service.swagger import answer
from tasks_app.filters import CreatedFilter, StrictFilterBackend, TextFilter
from tasks_app.pagination import KeysetPagination

EXAMPLE = {
    "entry_id": "0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f",
    "at": "2027-01-31T06:30:00Z",
    "actor": "key_0123456789ab",
    "actor_kind": "key",
    "action": "task.create",
    "target_type": "task",
    "target_ids": ["0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e80"],
    "target_count": 1,
    "request_id": "7f3a",
    "address": "198.51.100.7",
    "details": {},
}


class DetailsField(serializers.JSONField):
    """Texts, numbers, flags and lists of these, by name."""

    class Meta:
        swagger_schema_fields = {"type": "object", "additionalProperties": True}


class AuditEntrySerializer(serializers.ModelSerializer):
    """One change."""

    actor_kind = serializers.ChoiceField([kind.value for kind in Kind if kind is not Kind.ANYONE])
    target_ids = serializers.ListField(child=serializers.CharField(), help_text="The first 20.")
    details = DetailsField(help_text="More about the change, by its action.")

    class Meta:
        model = AuditEntry
        fields = list(EXAMPLE)
        read_only_fields = fields
        ref_name = "AuditEntry"
        swagger_schema_fields = {"example": EXAMPLE}


class AuditPageSerializer(serializers.Serializer):
    """A page of changes."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = AuditEntrySerializer(many=True)

    class Meta:
        ref_name = "AuditPage"


class ActionFilter(filters.ChoiceFilter):
    """One of the actions that entries have."""

    schema = {"type": "string", "enum": list(ACTIONS)}

    def __init__(self, **kwargs: Any) -> None:
        # All of them in full would be longer than a fault's text may be.
        messages = {"invalid_choice": f"There is no such action; use one of {ACTIONS_IN_SHORT}."}
        super().__init__(choices=[(one, one) for one in ACTIONS], error_messages=messages, **kwargs)


class AuditFilterSet(filters.FilterSet):
    """Filters of GET /audit/."""

    actor = TextFilter(max_length=150, help_text="A key's prefix, or a user's name.")
    action = ActionFilter(help_text="This action.")
    target_id = TextFilter(
        method="filter_target", max_length=100, help_text="An id among the `target_ids` of an entry."
    )
    after = CreatedFilter("at", "gte", help_text="At this time or later.")
    before = CreatedFilter("at", "lt", help_text="Before this time.")

    class Meta:
        model = AuditEntry
        fields: list[str] = []

    def filter_target(self, entries: QuerySet[AuditEntry], name: str, value: str) -> QuerySet[AuditEntry]:
        if connection.vendor == "postgresql":
            return entries.filter(target_ids__contains=[value])
        has_it = "EXISTS (SELECT 1 FROM json_each(access_audit_entry.target_ids) WHERE value = %s)"
        return entries.filter(RawSQL(has_it, [value], output_field=BooleanField()))  # noqa: S611 - constant text

    def walked(self, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """The entries among which those that are asked for have to be searched."""
        given = self.form.cleaned_data
        bounds = [self.filters[name].of_ids(given[name]) for name in ("after", "before") if given.get(name)]
        return entries.filter(*bounds)


class AuditListView(generics.GenericAPIView):
    """Who changed what in the project."""

    scopes = ONLY_ADMIN
    serializer_class = AuditEntrySerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = AuditFilterSet
    filterset: AuditFilterSet
    pagination_class = KeysetPagination
    orderings = {"-at": "-pk", "at": "pk"}

    def get_queryset(self) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.filter(project_id=project_of(self.request))

    def walked(self) -> QuerySet[AuditEntry]:
        """The entries among which those of the list have to be searched."""
        return self.filterset.walked(self.get_queryset())

    def leading(self) -> tuple[str, ...]:
        """What all of them have alike, and what stands before the ids in their index."""
        return ("project_id",)

    @swagger_auto_schema(
        operation_id="audit_list",
        operation_summary="See who changed what",
        operation_description=(
            "The changes in the key's project, newest first: by requests with a key or a login, in the admin, and by "
            "commands; and the logins and logouts of people who act in it. What schedules and workers do by themselves "
            "is not among them. As in the list of tasks, a page may have fewer entries than `page_size`, or none, "
            "where few match; the list ends where `next` is null."
        ),
        responses={
            200: answer(
                "A page.", AuditPageSerializer, {"next": None, "previous": None, "results": [EXAMPLE]}
            )
        },
        tags=["audit"],
    )
    def get(self, request: Request) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(AuditEntrySerializer(page, many=True).data)
