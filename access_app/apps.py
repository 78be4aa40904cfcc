"""The start of the app of projects and of who may do what in them."""

from django.apps import AppConfig
from django.db.models.signals import pre_delete


class AccessAppConfig(AppConfig):
    """Projects, keys, limits and the audit log."""

    name = "access_app"
    verbose_name = "Access"

    def ready(self) -> None:
        from access_app import checks, logins, projects  # noqa: F401  (the check registers itself)
        from access_app.models import Project

        logins.watch()
        pre_delete.connect(projects.keep_what_has_rows, Project, dispatch_uid="access_app.keep_what_has_rows")
