"""The ledger, previews and forecasts as JSON. Requests say nothing of these."""

from drf_yasg.utils import swagger_serializer_method
from rest_framework import serializers

from schedules_app.examples import OCCURRENCE
from schedules_app.models import VERDICTS, Occurrence
from schedules_app.records import Origin, Reason
from schedules_app.recurrence import Note
from schedules_app.serializers.schedules import ScheduleSerializer
from tasks_app.fields import InstantField


class OccurrenceSerializer(serializers.Serializer):
    """One nominal time of a schedule and what became of it.

    After a long outage one SKIPPED entry may stand for a run of `count` occurrences, from `occurs_at` to
    `last_occurs_at`.
    """

    occurs_at = InstantField(
        read_only=True, help_text="The nominal time; of a manual run, when it was asked for."
    )
    verdict = serializers.ChoiceField(VERDICTS, read_only=True)
    reason = serializers.CharField(
        read_only=True,
        help_text=f"Why it was skipped: {', '.join(Reason)}.",
    )
    origin = serializers.ChoiceField([origin.value for origin in Origin], read_only=True)
    lateness_seconds = serializers.SerializerMethodField(
        help_text="From the nominal time to the verdict, 0 if it came ahead; for a run of several, from the last one's."
    )
    decided_at = InstantField(read_only=True)
    task_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The task; it may have been pruned since."
    )
    task_status = serializers.SerializerMethodField(
        help_text="The task's status, kept when the task is pruned; DELETED if it was removed; null: there is none."
    )
    task_finished_at = InstantField(read_only=True, allow_null=True)
    count = serializers.IntegerField(read_only=True)
    last_occurs_at = InstantField(read_only=True, allow_null=True)
    revision = serializers.IntegerField(read_only=True, help_text="The schedule's, when this was decided.")

    class Meta:
        ref_name = "Occurrence"
        swagger_schema_fields = {"example": OCCURRENCE}

    @swagger_serializer_method(serializers.FloatField())
    def get_lateness_seconds(self, occurrence: Occurrence) -> float:
        nominal = occurrence.last_occurs_at or occurrence.occurs_at
        return max(0.0, (occurrence.decided_at - nominal).total_seconds())

    @swagger_serializer_method(serializers.CharField(allow_null=True))
    def get_task_status(self, occurrence: Occurrence) -> str | None:
        return occurrence.task_status or None


class PreviewItemSerializer(serializers.Serializer):
    """One occurrence that lies ahead."""

    occurs_at = InstantField()
    local_time = serializers.CharField(help_text="The same on the wall clock of the schedule's zone.")
    fires = serializers.BooleanField(help_text="false: it comes, but gives no task; `notes` say why.")
    starts_at = InstantField(
        allow_null=True,
        help_text="When its task may start, with jitter; null: none, or not known before it is stored.",
    )
    notes = serializers.ListField(child=serializers.ChoiceField([note.value for note in Note]))

    class Meta:
        ref_name = "PreviewItem"


class PreviewSerializer(serializers.Serializer):
    """The next occurrences of a recurrence."""

    description = serializers.CharField(help_text="The recurrence in plain English.")
    occurrences = PreviewItemSerializer(many=True)

    class Meta:
        ref_name = "Preview"


class MoveSerializer(serializers.Serializer):
    """An occurrence that a change would move."""

    occurs_at = InstantField()
    to = InstantField()

    class Meta:
        ref_name = "MovedOccurrence"


class DryRunSerializer(serializers.Serializer):
    """What a change would do. Where as many go on a local day as come, they are told as moved, in their order."""

    schedule = ScheduleSerializer(help_text="As it would be.")
    until = InstantField(help_text="As far as occurrences are compared: 30 days, or less if `truncated`.")
    truncated = serializers.BooleanField(
        help_text="Whether there are too many occurrences to compare them all."
    )
    added = serializers.ListField(child=InstantField())
    removed = serializers.ListField(child=InstantField())
    moved = MoveSerializer(many=True)

    class Meta:
        ref_name = "ScheduleDryRun"


class MinuteSerializer(serializers.Serializer):
    """A minute in which tasks start."""

    minute = InstantField()
    tasks = serializers.IntegerField()

    class Meta:
        ref_name = "ForecastMinute"


class ForecastSerializer(serializers.Serializer):
    """How many tasks the schedules of a project will create, by the minute in which these may start."""

    until = InstantField(help_text="The counts are whole as far as here.")
    truncated = serializers.BooleanField(
        help_text="Whether `until` lies before what was asked for, since there are too many occurrences."
    )
    total = serializers.IntegerField()
    peak = MinuteSerializer(allow_null=True, help_text="The first of the fullest minutes; null: no tasks.")
    minutes = MinuteSerializer(many=True, help_text="Those with tasks, in order.")

    class Meta:
        ref_name = "Forecast"
