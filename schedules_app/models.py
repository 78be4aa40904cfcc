"""Task schedules and their occurrences: columns, constraints, indexes. No behaviour: `store` writes."""

from django.db import models
from django.db.models import F, Q

from tasks_app.ids import new_id

VERDICTS = ("FIRED", "LATE", "SKIPPED")


class TaskSchedule(models.Model):
    """A rule that creates tasks: what to run, and when. Recurrence columns are the schedule's own."""

    task_schedule_id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200, default="")

    operation = models.CharField(max_length=200)
    arguments = models.JSONField(default=dict)
    priority = models.SmallIntegerField(default=5)
    queue = models.CharField(max_length=64, default="tasks")
    tags = models.JSONField(default=list)
    max_attempts = models.SmallIntegerField()
    timeout_seconds = models.FloatField()

    every_x_days = models.PositiveIntegerField(null=True)
    every_x_hours = models.PositiveIntegerField(null=True)
    timezone = models.CharField(max_length=64, default="UTC")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    schedule_x_times = models.PositiveIntegerField(null=True)

    # The first occurrence that has no verdict yet, in UTC; null when none is left.
    next_run_at = models.DateTimeField(null=True)
    # The nominal time of the latest occurrence that gave a task.
    last_run_at = models.DateTimeField(null=True)
    tasks_created = models.PositiveIntegerField(default=0)
    paused_at = models.DateTimeField(null=True)
    pause_note = models.CharField(max_length=200, default="")
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "schedules_taskschedule"
        constraints = [
            # Spelled with IS NULL: a bare comparison with NULL is unknown, and a CHECK lets unknown pass.
            models.CheckConstraint(
                name="schedule_has_recurrence",
                condition=Q(every_x_days__isnull=False) | Q(every_x_hours__isnull=False),
            ),
            models.CheckConstraint(
                name="schedule_intervals_positive",
                condition=(Q(every_x_days__isnull=True) | Q(every_x_days__gte=1))
                & (Q(every_x_hours__isnull=True) | Q(every_x_hours__gte=1)),
            ),
            models.CheckConstraint(
                name="schedule_ends_after_start",
                condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("starts_at")),
            ),
            # What a task's own constraints refuse must not get as far as a tick: it would stop the slice.
            models.CheckConstraint(name="schedule_attempts_positive", condition=Q(max_attempts__gte=1)),
            models.CheckConstraint(name="schedule_priority_range", condition=Q(priority__range=(0, 9))),
            models.CheckConstraint(
                name="schedule_times_positive",
                condition=Q(schedule_x_times__isnull=True) | Q(schedule_x_times__gte=1),
            ),
        ]
        indexes = [
            # A tick reads this from its start: what it costs depends on what is due, not on what exists.
            models.Index(
                "next_run_at",
                name="schedule_due",
                condition=Q(paused_at__isnull=True, next_run_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.operation} {self.task_schedule_id}"


class Occurrence(models.Model):
    """One nominal time of a schedule and its verdict: the ledger. It outlives the pruned task.

    After a long outage one SKIPPED row may stand for a run of `count` occurrences, from `occurs_at` to
    `last_occurs_at`, so that two weeks of downtime do not flood the ledger.
    """

    task_schedule = models.ForeignKey(
        TaskSchedule, models.CASCADE, related_name="occurrences", db_index=False
    )
    occurs_at = models.DateTimeField()
    verdict = models.CharField(max_length=7, choices=[(v, v) for v in VERDICTS])
    reason = models.CharField(max_length=40, default="")
    decided_at = models.DateTimeField()
    task_id = models.UUIDField(null=True)
    count = models.PositiveBigIntegerField(default=1)
    last_occurs_at = models.DateTimeField(null=True)
    revision = models.PositiveIntegerField()

    class Meta:
        db_table = "schedules_occurrence"
        constraints = [
            models.UniqueConstraint(fields=["task_schedule", "occurs_at"], name="occurrence_once"),
            models.CheckConstraint(name="occurrence_verdict_known", condition=Q(verdict__in=VERDICTS)),
            models.CheckConstraint(
                name="occurrence_task_iff_fired",
                condition=Q(verdict="SKIPPED", task_id__isnull=True)
                | (~Q(verdict="SKIPPED") & Q(task_id__isnull=False)),
            ),
            models.CheckConstraint(
                name="occurrence_count_iff_run",
                condition=Q(count=1, last_occurs_at__isnull=True)
                | Q(count__gte=2, verdict="SKIPPED", last_occurs_at__gt=F("occurs_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} {self.occurs_at:%Y-%m-%dT%H:%M:%SZ}"
