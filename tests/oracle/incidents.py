"""A large real data set: figures by user and three group keys equal the oracle's in every state of the store.

    incidents.py FILE       newline-delimited JSON events, gzipped or not; without FILE nothing runs

Expects the events and the group keys of an incident log (org_line, team, product). Everything is loaded through
track_ndjson in batches of 5000, and asked before maintenance, with half of the events maintained, and after all of it.
"""

import gzip
import json
import sys
import time
from datetime import timedelta

from oracle import World
from project import create, drop, statements_of
from session import Session, SqlError, quote
from surface import actual, differences, expected, query
from zone import DAY, Calendar

KEYS = ["org_line", "team", "product"]
BATCH = 5000
WORK = "Accepted / In Progress"
STEPS = ["Queued / Awaiting Assignment", WORK, "Completed / Resolved"]


def lines_of(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        return [line.rstrip("\n") for line in f if line.strip()]


def questions(first, last):
    """(what, question) of every figure."""
    dates = {"from_date": first, "to_date": last}
    asked = []
    for by in ["user", *KEYS]:
        metrics = [{"event": WORK, "measure": measure, "by": by} for measure in ("unique", "total")]
        for unit in ("month", "range"):
            asked.append((f"{unit}: {by}", {"report": "insights", "metrics": metrics, **dates, "unit": unit}))
    for by in ["user", "team", "product"]:
        asked.append(
            (f"funnel, 7 days: {by}", {"report": "funnel", "steps": STEPS, **dates, "by": by, "within": 7 * DAY})
        )
    for returned in (WORK, "$any"):
        for alignment in ("rolling", "calendar"):
            for criterion in ("on", "on_or_after"):
                question = {
                    "report": "retention",
                    "born": WORK,
                    "returned": returned,
                    **dates,
                    "by": "org_line",
                    "unit": "week",
                    "buckets": 8,
                    "criterion": criterion,
                    "alignment": alignment,
                }
                asked.append((f"weekly retention of org_line, {alignment}, {criterion}, {returned}", question))
    return asked


def figures(question, answer):
    """An answer in a few numbers, for the table."""
    if question["report"] == "insights":
        numbers = [int(row["value"]) for (label, _, _), row in sorted(answer.items()) if label == "A"]
    elif question["report"] == "funnel":
        numbers = [row["count"] for _, row in sorted(answer.items())]
    else:
        totals = {}
        for (_, _, bucket), row in answer.items():
            totals[bucket] = totals.get(bucket, 0) + row["retained"]
        numbers = [
            sum(row["size"] for (_, _, b), row in answer.items() if b == 0),
            *(n for _, n in sorted(totals.items())),
        ]
    return " ".join(map(str, numbers))


def ingest(session, project, lines):
    for start in range(0, len(lines), BATCH):
        batch = lines[start : start + BATCH]
        answer = session.json(
            f"analytics_groups.track_ndjson({quote(chr(10).join(batch))}, project => {quote(project)})"
        )
        if answer.get("failed_records") or answer["num_records_imported"] != len(batch):
            raise SystemExit(f"not stored: {str(answer)[:1000]}\n0 passed, 1 failed")


class Checks:
    """Counts and prints comparisons with the oracle's answers, which are computed once."""

    def __init__(self, session, asked, world):
        self.session, self.asked = session, asked
        started = time.time()
        self.wanted = [expected(question, world) for _, question in asked]
        print(f"oracle: {time.time() - started:.1f} s")
        for (what, question), wanted in zip(asked, self.wanted):
            print(f"  {what}: {figures(question, wanted)}")
        self.passed = self.failed = 0

    def result(self, moment, what, seconds, problems):
        self.passed, self.failed = (self.passed, self.failed + 1) if problems else (self.passed + 1, self.failed)
        print(f"  {'differs' if problems else 'equal':8}{seconds * 1000:8.0f} ms  {moment}  {what}", flush=True)
        for line in problems[:5]:
            print(f"      {line}")

    def run(self, moment, project):
        for (what, question), wanted in zip(self.asked, self.wanted):
            started = time.time()
            try:
                rows = self.session.rows(query(question, project))
                seconds = time.time() - started
                problems = differences(question, wanted, actual(question, rows))
            except (SqlError, AssertionError) as e:
                seconds, problems = time.time() - started, [str(e)]
            self.result(moment, what, seconds, problems)
        started = time.time()
        problems = self.session.rows(f"SELECT * FROM analytics_groups.verify(project => {quote(project)})")
        self.result(moment, "verify", time.time() - started, [str(p) for p in problems])


def main():
    if len(sys.argv) < 2:
        print("no data set given\n0 passed, 0 failed")
        return
    lines = lines_of(sys.argv[1])
    events = [json.loads(line) for line in lines]
    calendar = Calendar()
    world = World(events, dict.fromkeys(KEYS, 0), calendar)
    days = sorted(calendar.local_date(e.time) for e in world.events)
    off = (
        "SET client_min_messages = warning; SET statement_timeout = '10min'; SET analytics_groups.auto_maintain = off;"
    )
    with Session(off) as session:
        checks = Checks(session, questions(days[0], days[-1] + timedelta(days=1)), world)
        for halves in (False, True):
            project = create(session, calendar, "incidents")
            for key in KEYS:
                for statement in statements_of(("key", key), project):
                    session.run(statement)
            half = len(lines) // 2 if halves else 0
            started = time.time()
            ingest(session, project, lines[:half])
            if halves:
                session.run(f"CALL analytics_groups.maintain({quote(project)});")
            ingest(session, project, lines[half:])
            print(f"{len(lines)} events in {time.time() - started:.1f} s")
            checks.run("half maintained" if halves else "not maintained", project)
            started = time.time()
            session.run(f"CALL analytics_groups.maintain({quote(project)});")
            print(f"maintained in {time.time() - started:.1f} s")
            checks.run("maintained, second half late" if halves else "maintained", project)
            drop(session, project)
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
