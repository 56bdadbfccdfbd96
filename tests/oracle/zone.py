"""Days and calendar units of a project's time zone, on top of the standard library alone.

Instants are milliseconds since 1970-01-01 UTC. A day is the set of instants whose local date it is.
"""

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def instant(text, zone="UTC"):
    """The instant of a local time such as `2024-01-31 10:00` or `2024-01-31T10:00:00.123`."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
    return round((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(milliseconds=1))


def text_of(ms):
    """An instant as `2024-01-31T10:00:00.123+00:00`, which Postgres reads without any rounding."""
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms)).isoformat()


class Calendar:
    """A zone and the weekday its weeks begin with."""

    def __init__(self, zone="UTC", week_start="monday"):
        self.name = zone
        self.zone = ZoneInfo(zone)
        self.week_start = week_start

    def local_date(self, ms):
        """The date the clocks of the zone show at an instant."""
        return datetime.fromtimestamp(ms // 1000, self.zone).date()

    def local_time(self, ms):
        """What the clocks of the zone show at an instant."""
        return datetime.fromtimestamp(ms // 1000, self.zone).time()

    def day_start(self, day):
        """First instant of a day: local midnight, or the end of the gap when the clocks skip midnight."""
        return instant(day.isoformat(), self.name)

    def unit_start(self, unit, day):
        """First day of the week, month, quarter or year a day lies in; a day is its own start."""
        if unit == "week":
            return day - timedelta(days=(day.weekday() - WEEKDAYS.index(self.week_start)) % 7)
        if unit == "month":
            return day.replace(day=1)
        if unit == "quarter":
            return day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)
        if unit == "year":
            return day.replace(day=1, month=1)
        return day

    def unit_index(self, unit, ms):
        """Number of the day, week or month an instant lies in; differences of it are distances in units."""
        start = self.unit_start(unit, self.local_date(ms))
        if unit == "month":
            return start.year * 12 + start.month
        return (start - date(1970, 1, 1)).days // (7 if unit == "week" else 1)

    def span(self, from_date, to_date):
        """The half-open span of instants of `from_date … to_date`, both inclusive."""
        return self.day_start(from_date), self.day_start(to_date + timedelta(days=1))

    def bucket(self, unit, from_date, ms):
        """Label of the interval an instant of the range falls into: its calendar start.

        Minutes and hours are elapsed time from the start of the range; `range` is one interval.
        """
        start = self.day_start(from_date)
        if unit == "range":
            return start
        if unit in ("minute", "hour"):
            step = MINUTE if unit == "minute" else HOUR
            return start + (ms - start) // step * step
        return self.day_start(self.unit_start(unit, self.local_date(ms)))

    def buckets(self, unit, from_date, to_date):
        """Labels of all intervals of a range, in order."""
        start, end = self.span(from_date, to_date)
        if unit in ("minute", "hour"):
            return list(range(start, end, MINUTE if unit == "minute" else HOUR))
        days = [from_date + timedelta(days=i) for i in range((to_date - from_date).days + 1)]
        return sorted({self.bucket(unit, from_date, self.day_start(day)) for day in days})
