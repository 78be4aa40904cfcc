"""Projects, and who may do what in them: columns and constraints. No behaviour."""

import uuid_utils.compat
from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from access_app.principals import DEFAULT_PROJECT


class Project(models.Model):
    """Whose tasks, schedules, calendars and idempotency keys they are; nothing of one is seen from another.

    The first one, `default`, owns what is made where keys are not required.
    """

    name = models.SlugField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "access_project"

    def __str__(self) -> str:
        return self.name

    @property
    def is_default(self) -> bool:
        return self.pk == DEFAULT_PROJECT


class ApiKey(models.Model):
    """What a program shows to act in a project. Of its secret only a digest is kept."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="keys")
    name = models.CharField(max_length=100)
    # Public: by it a key is found, logged and revoked.
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    # The secret before the last rotation, which still opens until then.
    previous_digest = models.CharField(max_length=64, default="", db_default="", editable=False)
    previous_expires_at = models.DateTimeField(null=True, editable=False)
    scopes = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=150, default="", db_default="", editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)
    # At most a minute late.
    last_used_at = models.DateTimeField(null=True, editable=False)
    requests_per_second = models.FloatField(null=True, blank=True)
    waiting_tasks = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        db_table = "access_api_key"
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix} ({self.name})"


class Membership(models.Model):
    """In which project somebody who logs in acts, and what is allowed there."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="membership")
    project = models.ForeignKey(Project, models.PROTECT, related_name="memberships")
    scopes = models.CharField(max_length=200)

    class Meta:
        db_table = "access_membership"

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"


class LoginFailure(models.Model):
    """A login that was refused: what bounds how often passwords can be guessed."""

    at = models.DateTimeField(db_default=Now())
    address = models.CharField(max_length=64)
    # A digest: people type passwords into the field of the name.
    name_digest = models.CharField(max_length=64)

    class Meta:
        db_table = "access_login_failure"
        indexes = [
            models.Index(fields=["address", "at"], name="login_failure_address"),
            models.Index(fields=["name_digest", "at"], name="login_failure_name"),
            models.Index(fields=["at"], name="login_failure_at"),
        ]


class AuditEntry(models.Model):
    """Who changed what. Written with the change, never changed, removed after RETENTION_AUDIT_DAYS."""

    # Ordered by time, so that the primary key's index gives the order and what is old enough to be removed.
    entry_id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    at = models.DateTimeField(db_default=Now())
    # No foreign key: an entry stays when its project goes. Null: of no project, such as a user's.
    project_id = models.IntegerField(null=True)
    actor = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=7)
    action = models.CharField(max_length=40)
    target_type = models.CharField(max_length=20)
    # The first of them; `target_count` says how many there are.
    target_ids = models.JSONField(default=list)
    target_count = models.IntegerField()
    request_id = models.CharField(max_length=128, default="", db_default="")
    address = models.CharField(max_length=64, default="", db_default="")
    details = models.JSONField(default=dict)

    class Meta:
        db_table = "access_audit_entry"
        verbose_name_plural = "audit entries"
        indexes = [models.Index("project_id", "entry_id", name="audit_of_project")]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target_count}"
