"""`manage.py apikey`: keys for programs. The only place besides the admin that makes one; it shows the key once."""

import re
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from access_app import issuing
from access_app.audit import COMMAND
from access_app.limits import LOWEST_RATE, is_rate
from access_app.models import ApiKey
from access_app.principals import Scope
from access_app.projects import InvalidName, find_or_create

UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def read_duration(text: str) -> timedelta:
    """`90d`, `24h`, `30m`, or 0. Raises CommandError."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text, re.ASCII)
    if text == "0":
        return timedelta()
    if not found:
        raise CommandError(f"{text!r} is no duration; use a number with m, h or d: 30m, 24h, 90d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def read_end(text: str, now: datetime) -> datetime:
    """The moment that a duration from now, a date (its beginning, UTC) or a time names. Raises CommandError."""
    try:
        day, moment = parse_date(text), parse_datetime(text)
    except ValueError:
        raise CommandError(f"{text!r} is not a day or time that exists") from None
    if day is not None:
        moment = datetime.combine(day, datetime.min.time(), now.tzinfo)
    end = moment or now + read_duration(text)
    if end.tzinfo is None:
        raise CommandError(f"{text!r} has no offset; write it as 2027-01-31T12:00:00Z")
    if end <= now:
        raise CommandError(f"{text!r} is in the past")
    return end


class Command(BaseCommand):
    """Make, list, show, rotate and revoke keys."""

    help = "Keys for programs that call the API."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key and print it, once")
        create.add_argument("name", help="what it is for")
        create.add_argument("--project", default="default", help="whose tasks it reaches (default: default)")
        create.add_argument("--create-project", action="store_true", help="make the project if there is none")
        create.add_argument(
            "--scopes",
            default="tasks:read,tasks:write,schedules:read,schedules:write",
            help=f"comma-separated, of {', '.join(Scope)} (default: all but admin)",
        )
        self._end(create)
        create.add_argument("--requests-per-second", type=float, help="instead of KEY_REQUESTS_PER_SECOND")
        create.add_argument("--waiting-tasks", type=int, help="instead of KEY_WAITING_TASKS")
        listing = actions.add_parser("list", help="list keys, without those that are revoked")
        listing.add_argument("--project", help="of this project only")
        listing.add_argument("--all", action="store_true", help="also revoked ones")
        rotate = actions.add_parser("rotate", help="give a key a new secret and print it, once")
        rotate.add_argument("prefix")
        rotate.add_argument(
            "--overlap", default="24h", help="how long the old one still opens: 30m, 24h, 0 (default 24h)"
        )
        self._end(rotate)
        for action, text in (("revoke", "end a key at once and for good"), ("show", "all about one key")):
            actions.add_parser(action, help=text).add_argument("prefix")

    @staticmethod
    def _end(parser: ArgumentParser) -> None:
        parser.add_argument(
            "--expires-in", metavar="WHEN", help="90d, 24h, 2027-01-31 or a time (default: never)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if ApiKey._meta.db_table not in connection.introspection.table_names():
            raise CommandError(
                "This database has no tables for keys. If it is the right one, run `manage.py migrate`; if not, give "
                "DATABASE_URL or SCHEDULER_DATA_DIR as the service has it"
            )
        try:
            getattr(self, f"_{options['action']}")(options)
        except (issuing.NotPossible, InvalidName) as error:
            raise CommandError(str(error)) from None

    def _create(self, options: dict[str, Any]) -> None:
        rate, most = options["requests_per_second"], options["waiting_tasks"]
        if rate is not None and not is_rate(rate):
            raise CommandError(f"--requests-per-second: use 0 (no limit) or a number from {LOWEST_RATE:g}")
        if most is not None and most < 0:
            raise CommandError("--waiting-tasks: use a number from 0 (0: no limit)")
        scopes, end = _scopes(options["scopes"]), _end_of(options)
        project = find_or_create(options["project"], may_create=options["create_project"])
        issued = issuing.create(
            project,
            options["name"][:100],
            scopes,
            by=COMMAND,
            expires_at=end,
            requests_per_second=rate,
            waiting_tasks=most,
        )
        self._tell(issued)

    def _rotate(self, options: dict[str, Any]) -> None:
        prefix = _prefix(options)
        overlap, end = read_duration(options["overlap"]), _end_of(options)
        self._tell(issuing.rotate(prefix, overlap, by=COMMAND, expires_at=end))

    def _tell(self, issued: issuing.Issued) -> None:
        # The key alone on stdout: it can be piped into a secret store.
        self.stderr.write(f"{_line(issued.key)}\nThe key, shown only now:")
        self.stdout.write(issued.text)

    def _revoke(self, options: dict[str, Any]) -> None:
        prefix = _prefix(options)
        was_open = issuing.revoke(prefix, by=COMMAND)
        self.stdout.write(f"{prefix} is revoked." if was_open else f"{prefix} was revoked before.")

    def _list(self, options: dict[str, Any]) -> None:
        found = ApiKey.objects.select_related("project").order_by("project__name", "name", "pk")
        if options["project"]:
            found = found.filter(project=find_or_create(options["project"], may_create=False))
        if not options["all"]:
            found = found.filter(revoked_at=None)
        for key in found:
            self.stdout.write(_line(key))

    def _show(self, options: dict[str, Any]) -> None:
        key = ApiKey.objects.select_related("project").filter(prefix=_prefix(options)).first()
        if key is None:
            raise CommandError(
                f"There is no key {options['prefix']}; `manage.py apikey list --all` shows all."
            )
        for name in SHOWN:
            value = getattr(key, name)
            self.stdout.write(f"{name}: {'-' if value in (None, '') else value}")


SHOWN = (
    "prefix",
    "name",
    "project",
    "scopes",
    "created_at",
    "created_by",
    "expires_at",
    "previous_expires_at",
    "revoked_at",
    "last_used_at",
    "requests_per_second",
    "waiting_tasks",
)


def _prefix(options: dict[str, Any]) -> str:
    # Whoever pastes the whole key does not spread its secret any further.
    prefix: str = options["prefix"].partition(".")[0]
    return prefix


def _scopes(text: str) -> list[Scope]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in words if word not in set(Scope)]
    if wrong or not words:
        raise CommandError(f"--scopes: {', '.join(wrong) or 'none'}; there are {', '.join(Scope)}")
    return [Scope(word) for word in words]


def _end_of(options: dict[str, Any]) -> datetime | None:
    return read_end(options["expires_in"], timezone.now()) if options["expires_in"] else None


def _line(key: ApiKey) -> str:
    state = (
        "revoked"
        if key.revoked_at
        else f"until {key.expires_at:%Y-%m-%d %H:%M}"
        if key.expires_at
        else "open"
    )
    used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
    return f"{key.prefix}  {key.project}  {key.name}  [{key.scopes}]  {state}  used: {used}"
