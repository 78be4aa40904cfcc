"""The task store's tables: columns, constraints, indexes. No behaviour; `store` is the only writer."""

from enum import StrEnum

from django.db import models
from django.db.models import F, Q

from access_app.principals import DEFAULT_PROJECT
from tasks_app.ids import new_id
from tasks_app.lifecycle import TERMINAL, WAITING, Curve, Outcome, Status


def _choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    return [(word.value, word.value) for word in words]


class Task(models.Model):
    """A stored request to run one operation. See docs/lifecycle.md for its states."""

    task_id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    operation = models.CharField(max_length=200)
    arguments = models.JSONField(default=dict)
    priority = models.SmallIntegerField(default=5)
    queue = models.CharField(max_length=64, default="tasks")
    tags = models.JSONField(default=list)

    status = models.CharField(max_length=9, choices=_choices(Status))
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)
    progress = models.JSONField(null=True)

    attempt = models.SmallIntegerField(default=0)
    max_attempts = models.SmallIntegerField()
    retry_backoff = models.CharField(max_length=11, choices=_choices(Curve), default=Curve.EXPONENTIAL)
    retry_base_seconds = models.FloatField(default=2.0)
    retry_cap_seconds = models.FloatField(default=3600.0)
    crashes = models.SmallIntegerField(default=0)
    fence = models.BigIntegerField(default=0)
    worker = models.CharField(max_length=200, default="")
    lease_expires_at = models.DateTimeField(null=True)
    timeout_seconds = models.FloatField()
    cancel_requested_at = models.DateTimeField(null=True)

    run_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    # No foreign keys: a deleted schedule or a pruned task must not touch terminal rows, which never change.
    task_schedule = models.UUIDField(null=True)
    retry_of = models.UUIDField(null=True)
    unique_key = models.CharField(max_length=200, null=True)

    # No foreign key: it would be checked for each new task, and projects with tasks are never deleted.
    project_id = models.IntegerField(default=DEFAULT_PROJECT, db_default=DEFAULT_PROJECT)
    # `batch_ids`: it says where the ids of its tasks lie, so that it needs no index, for which every update would pay.
    batch_id = models.UUIDField(null=True)
    callback_url = models.TextField(null=True)

    class Meta:
        db_table = "tasks_task"
        constraints = [
            models.CheckConstraint(
                name="task_status_known", condition=Q(status__in=[s.value for s in Status])
            ),
            models.CheckConstraint(name="task_priority_range", condition=Q(priority__range=(0, 9))),
            models.CheckConstraint(
                name="task_attempts_bounded",
                condition=Q(attempt__gte=0, max_attempts__gte=1, attempt__lte=F("max_attempts")),
            ),
            models.CheckConstraint(
                name="task_lease_iff_started",
                condition=Q(status="STARTED", lease_expires_at__isnull=False, attempt__gte=1)
                | (~Q(status="STARTED") & Q(lease_expires_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="task_finished_iff_terminal",
                condition=Q(status__in=sorted(TERMINAL), finished_at__isnull=False)
                | (~Q(status__in=sorted(TERMINAL)) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="task_backoff_known", condition=Q(retry_backoff__in=[c.value for c in Curve])
            ),
            # At most one unfinished task per project and key. Tasks without a key never enter this index.
            models.UniqueConstraint(
                fields=["project_id", "unique_key"],
                name="task_unique_key_of_project",
                condition=Q(unique_key__isnull=False, status__in=sorted(set(Status) - TERMINAL)),
            ),
        ]
        indexes = [
            # The claim reads this index from its start; finished rows never enter it.
            models.Index(
                "queue", "priority", "run_at", "task_id", name="task_claim", condition=Q(status="PENDING")
            ),
            models.Index("run_at", name="task_promote", condition=Q(status__in=["SCHEDULED", "RETRY"])),
            # Keyed by id, not by the lease: a heartbeat then stays a heap-only update.
            models.Index("task_id", name="task_started", condition=Q(status="STARTED")),
            models.Index(
                "expires_at",
                name="task_expire",
                condition=Q(status__in=sorted(WAITING), expires_at__isnull=False),
            ),
            models.Index("status", "finished_at", name="task_prune", condition=Q(finished_at__isnull=False)),
            models.Index(
                "task_schedule", "task_id", name="task_of_schedule", condition=Q(task_schedule__isnull=False)
            ),
            # The lists of a project. The default one has the primary key: where there is no other, nobody pays.
            models.Index(
                "project_id", "task_id", name="task_of_project", condition=~Q(project_id=DEFAULT_PROJECT)
            ),
            # An overlap policy asks for a schedule's unfinished tasks; its finished ones may be millions.
            models.Index(
                "task_schedule",
                name="task_unfinished",
                condition=Q(task_schedule__isnull=False, status__in=sorted(set(Status) - TERMINAL)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.task_id}"


class Attempt(models.Model):
    """One numbered run of a task, written once when it ends; the running one stands in the task's row."""

    # No database constraint: checking it costs a quarter of the finishing rate, and only `store` writes here.
    task = models.ForeignKey(
        Task, models.DO_NOTHING, related_name="attempts", db_constraint=False, db_index=False
    )
    number = models.SmallIntegerField()
    fence = models.BigIntegerField()
    worker = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    runtime_seconds = models.FloatField(null=True)
    outcome = models.CharField(max_length=9, choices=_choices(Outcome))
    error = models.JSONField(null=True)

    class Meta:
        db_table = "tasks_attempt"
        constraints = [
            # One ending per claim: the fence names the claim. Also the index that finds a task's attempts.
            models.UniqueConstraint(fields=["task", "fence"], name="attempt_once"),
            models.CheckConstraint(
                name="attempt_outcome_known", condition=Q(outcome__in=[o.value for o in Outcome])
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.task_id}"


class Callback(models.Model):
    """That somebody is to be told of a task's end.

    The trigger of `guards` writes the first row in the transaction in which a task with a `callback_url` ends; until
    `delivery_task_id` is there, no task has been made that tells it. All zeros stand there if none can be made.
    """

    # No database constraints, as for an attempt.
    task = models.ForeignKey(
        Task, models.DO_NOTHING, related_name="callbacks", db_constraint=False, db_index=False
    )
    number = models.IntegerField(default=0)  # 0: of the task's end; above: a delivery was repeated
    project_id = models.IntegerField(default=DEFAULT_PROJECT, db_default=DEFAULT_PROJECT)
    ended_at = models.DateTimeField()
    delivery_task_id = models.UUIDField(null=True)

    class Meta:
        db_table = "tasks_callback"
        constraints = [
            # One delivery per end, whoever writes. Also the index that finds a task's deliveries.
            models.UniqueConstraint(fields=["task", "number"], name="callback_once"),
        ]
        indexes = [
            models.Index("id", name="callback_undelivered", condition=Q(delivery_task_id__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"callback {self.number} of {self.task_id}"


class IdempotencyKey(models.Model):
    """A request that was answered, by the client's `Idempotency-Key`: the answer is given again for the same one.

    Written in the transaction that creates what the answer names; it outlives those rows.
    """

    project_id = models.IntegerField(default=DEFAULT_PROJECT, db_default=DEFAULT_PROJECT)
    key = models.CharField(max_length=255)
    endpoint = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64)
    status_code = models.SmallIntegerField()
    answer = models.BinaryField()  # the JSON that was sent, compressed
    location = models.CharField(max_length=200, default="")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "tasks_idempotencykey"
        constraints = [
            models.UniqueConstraint(
                fields=["project_id", "endpoint", "key"], name="idempotency_key_once_per_project"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.key}"
