"""Task schedules, their occurrences, calendars and backfills: columns, constraints, indexes. No behaviour.

Columns that came after the first release have a default in the database: an older process that still runs
beside a newer one inserts rows without them.
"""

from django.db import models
from django.db.models import F, Q, Value

from access_app.principals import DEFAULT_PROJECT
from schedules_app.records import BackfillStatus, Origin, Overlap
from schedules_app.recurrence import CatchUp, Fold, Gap, Roll
from tasks_app.ids import new_id

VERDICTS = ("FIRED", "LATE", "SKIPPED")
KINDS = ("every_x_days", "every_x_hours", "every_x_minutes", "every_x_seconds", "cron", "rrule")


def _word(words: type, first: str, length: int = 15) -> models.CharField:
    choices = [(word.value, word.value) for word in words]  # type: ignore[attr-defined]
    return models.CharField(max_length=length, choices=choices, default=first, db_default=first)


def _is_one_of(column: str, words: type) -> Q:
    return Q(**{f"{column}__in": [word.value for word in words]})  # type: ignore[attr-defined]


def _project() -> models.IntegerField:
    # No foreign key, as of tasks: projects that own something are never deleted.
    return models.IntegerField(default=DEFAULT_PROJECT, db_default=DEFAULT_PROJECT)


def _any_recurrence() -> Q:
    given = Q()
    for name in KINDS:
        given |= Q(**{f"{name}__isnull": False})
    return given


def _positive_intervals() -> Q:
    positive = Q()
    for name in KINDS[:4]:
        positive &= Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": 1})
    return positive


class Calendar(models.Model):
    """A named set of days that schedules of a project share, such as public holidays."""

    name = models.CharField(max_length=64)
    description = models.CharField(max_length=200, default="")
    dates = models.JSONField(default=list)  # ISO dates
    rrules = models.JSONField(default=list)  # RFC 5545 texts, read as whole days
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    project_id = _project()

    class Meta:
        db_table = "schedules_calendar"
        constraints = [
            models.UniqueConstraint(fields=["project_id", "name"], name="calendar_name_of_project")
        ]

    def __str__(self) -> str:
        return self.name


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
    callback_url = models.TextField(null=True)

    every_x_days = models.PositiveIntegerField(null=True)
    every_x_hours = models.PositiveIntegerField(null=True)
    every_x_minutes = models.PositiveIntegerField(null=True)
    every_x_seconds = models.PositiveIntegerField(null=True)
    cron = models.CharField(max_length=200, null=True)
    rrule = models.TextField(null=True)
    timezone = models.CharField(max_length=64, default="UTC")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    schedule_x_times = models.PositiveIntegerField(null=True)

    gap = _word(Gap, Gap.SHIFT)
    fold = _word(Fold, Fold.FIRST)
    excluded_dates = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    calendars = models.ManyToManyField(Calendar, through="ScheduleCalendar", related_name="schedules")
    roll = _word(Roll, Roll.SKIP)
    # Nominal times that a person moved (to a time) or skipped (null), spelled in ISO 8601.
    overrides = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    jitter_seconds = models.PositiveIntegerField(default=0, db_default=0)

    catch_up = _word(CatchUp, CatchUp.LATEST)
    # null: as the service is configured.
    catch_up_window_seconds = models.FloatField(null=True)
    catch_up_limit = models.PositiveIntegerField(default=100, db_default=100)
    overlap = _word(Overlap, Overlap.ALLOW)
    # Nominal times that wait until the task before them has finished, oldest first.
    buffered = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    buffered_count = models.PositiveIntegerField(default=0, db_default=0)
    expires_after_seconds = models.FloatField(null=True)

    alert_after_failures = models.PositiveIntegerField(null=True)
    # A local time of day, HH:MM, by which a task of the day has to have succeeded.
    expect_success_by = models.CharField(max_length=5, null=True)
    consecutive_failures = models.PositiveIntegerField(default=0, db_default=0)
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    # When `expect_success_by` is looked at next, and since when it is missed.
    success_due_at = models.DateTimeField(null=True)
    success_overdue_since = models.DateTimeField(null=True)

    # The first occurrence that has no verdict yet, in UTC; null when none is left.
    next_run_at = models.DateTimeField(null=True)
    # When a tick has to look at it: a little before next_run_at, or at paused_until; null: never.
    due_at = models.DateTimeField(null=True)
    # The nominal time of the latest occurrence that gave a task.
    last_run_at = models.DateTimeField(null=True)
    tasks_created = models.PositiveIntegerField(default=0)
    paused_at = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    pause_note = models.CharField(max_length=200, default="")
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    project_id = _project()

    class Meta:
        db_table = "schedules_taskschedule"
        constraints = [
            # Spelled with IS NULL: a bare comparison with NULL is unknown, and a CHECK lets unknown pass.
            models.CheckConstraint(name="schedule_has_recurrence", condition=_any_recurrence()),
            models.CheckConstraint(name="schedule_intervals_positive", condition=_positive_intervals()),
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
            models.CheckConstraint(
                name="schedule_words_known",
                condition=_is_one_of("gap", Gap)
                & _is_one_of("fold", Fold)
                & _is_one_of("roll", Roll)
                & _is_one_of("catch_up", CatchUp)
                & _is_one_of("overlap", Overlap),
            ),
        ]
        indexes = [
            # A tick reads this from its start: what it costs depends on what is due, not on what exists.
            models.Index("due_at", name="schedule_due_at", condition=Q(due_at__isnull=False)),
            # What an older process has written, which knows no due_at: looked for and mended now and then.
            models.Index(
                "task_schedule_id",
                name="schedule_stranded",
                condition=Q(due_at__isnull=True, paused_at__isnull=True, next_run_at__isnull=False),
            ),
            models.Index("next_run_at", name="schedule_next_run", condition=Q(next_run_at__isnull=False)),
            models.Index("task_schedule_id", name="schedule_buffered", condition=Q(buffered_count__gt=0)),
            models.Index(
                "success_due_at", name="schedule_success_due", condition=Q(success_due_at__isnull=False)
            ),
            models.Index(
                "task_schedule_id",
                name="schedule_alerts",
                condition=Q(success_overdue_since__isnull=False)
                | Q(alert_after_failures__isnull=False, consecutive_failures__gte=F("alert_after_failures")),
            ),
            # The lists of a project. The default one has those above: where there is no other, nobody pays.
            models.Index(
                "project_id",
                "task_schedule_id",
                name="schedule_of_project",
                condition=~Q(project_id=DEFAULT_PROJECT),
            ),
            models.Index(
                "project_id",
                "next_run_at",
                name="schedule_next_of_project",
                condition=~Q(project_id=DEFAULT_PROJECT) & Q(next_run_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.operation} {self.task_schedule_id}"


class ScheduleCalendar(models.Model):
    """That a schedule keeps a calendar's days. A calendar that is in use cannot be deleted."""

    task_schedule = models.ForeignKey(TaskSchedule, models.CASCADE, db_index=False)
    calendar = models.ForeignKey(Calendar, models.PROTECT)

    class Meta:
        db_table = "schedules_schedulecalendar"
        constraints = [
            models.UniqueConstraint(fields=["task_schedule", "calendar"], name="schedule_calendar_once")
        ]

    def __str__(self) -> str:
        return f"{self.task_schedule_id} {self.calendar_id}"


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
    origin = _word(Origin, Origin.SCHEDULE)
    decided_at = models.DateTimeField()
    task_id = models.UUIDField(null=True)
    count = models.PositiveBigIntegerField(default=1)
    last_occurs_at = models.DateTimeField(null=True)
    revision = models.PositiveIntegerField()
    # How the task ended, kept here because the ledger outlives it; empty: not yet, or not looked at yet.
    task_status = models.CharField(max_length=9, default="", db_default="")
    task_finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "schedules_occurrence"
        indexes = [
            models.Index("id", name="occurrence_open", condition=Q(task_id__isnull=False, task_status=""))
        ]
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


class Backfill(models.Model):
    """A person's wish to have the occurrences of a range fired now; ticks work it off, slice by slice."""

    backfill_id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task_schedule = models.ForeignKey(TaskSchedule, models.CASCADE, related_name="backfills")
    range_from = models.DateTimeField()
    range_to = models.DateTimeField()  # inclusive
    priority = models.SmallIntegerField()
    # The first nominal time that is not looked at yet.
    cursor = models.DateTimeField()
    total = models.PositiveIntegerField()
    tasks_created = models.PositiveIntegerField(default=0)
    already_fired = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=9, choices=[(s.value, s.value) for s in BackfillStatus])
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "schedules_backfill"
        constraints = [
            models.CheckConstraint(
                name="backfill_status_known", condition=_is_one_of("status", BackfillStatus)
            ),
            models.CheckConstraint(name="backfill_priority_range", condition=Q(priority__range=(0, 9))),
        ]
        indexes = [
            models.Index("backfill_id", name="backfill_running", condition=Q(status=BackfillStatus.RUNNING))
        ]

    def __str__(self) -> str:
        return f"backfill {self.backfill_id}"
