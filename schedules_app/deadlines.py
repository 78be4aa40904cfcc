"""Local times of day by which a schedule has to have succeeded. Pure: no clock."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from schedules_app.recurrence.zones import resolve


def deadline_after(moment: datetime, time_of_day: str, timezone: str) -> datetime:
    """The first instant strictly after `moment` at which the zone's clocks show HH:MM.

    On a day that leaves the time out it is read with the offset before the gap, on one that has it twice as the
    first (RFC 5545, 3.3.5).
    """
    return min(instant for instant in _around(moment, time_of_day, timezone) if instant > moment)


def deadline_before(moment: datetime, time_of_day: str, timezone: str) -> datetime:
    """The last such instant strictly before `moment`."""
    return max(instant for instant in _around(moment, time_of_day, timezone) if instant < moment)


def _around(moment: datetime, time_of_day: str, timezone: str) -> list[datetime]:
    zone = ZoneInfo(timezone)
    today = moment.astimezone(zone).date()
    # A few days to each side: zones have left out whole days.
    return [_on(today + timedelta(days=shift), time_of_day, zone) for shift in range(-3, 4)]


def _on(day: date, time_of_day: str, zone: ZoneInfo) -> datetime:
    return resolve(datetime.combine(day, time.fromisoformat(time_of_day)), zone)[0].at
