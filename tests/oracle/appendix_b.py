"""The end-to-end data set of the law of meaning (appendix B): its table, by user and by company, through the functions.

Every number is written out here as in the law; the oracle is asked as well, so that the three agree. All of it runs on
fresh rows and again after maintenance, with the whole set ingested as one batch per key state and event by event.
"""

import sys
from datetime import date

from project import create, drop, ingest, refusals, statements_of
from session import Session, SqlError
from surface import check, query
from test_oracle import APPENDIX_B, REGISTERED, world
from zone import DAY, instant

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 3)
STEPS = ["Signup", "Invite", "Pay"]
ENTITIES = ["user", "company_id"]


def insights(measure, by, unit, last=LAST, **more):
    metric = {"event": "$any", "measure": measure, "by": by}
    return {"report": "insights", "metrics": [metric], "from_date": FIRST, "to_date": last, "unit": unit, **more}


def funnel(by):
    return {"report": "funnel", "steps": STEPS, "from_date": FIRST, "to_date": LAST, "by": by, "within": DAY}


def retention(by):
    return {
        "report": "retention",
        "born": "Signup",
        "returned": "Login",
        "from_date": FIRST,
        "to_date": LAST,
        "by": by,
        "unit": "day",
        "buckets": 2,
        "criterion": "on",
        "alignment": "rolling",
    }


def values(rows):
    return [r["value"] for r in sorted(rows, key=lambda r: r["bucket"])]


def counts(rows):
    return [r["count"] for r in sorted(rows, key=lambda r: r["step"])]


def first_row(rows):
    born = [r for r in rows if r["cohort"] == instant("2024-01-01")]
    return [born[0]["size"], *(r["retained"] for r in sorted(born, key=lambda r: r["bucket"]))]


def third_step_time(rows):
    (row,) = [r for r in rows if r["step"] == 3]
    return [row["avg_time_from_start"], row["median_time_from_start"]]


def by_segment(rows):
    return {tuple(r["segment"]): r["value"] for r in rows if r["value"]}


WHO_DID = insights(
    "unique", "company_id", "day", FIRST, breakdown=["group.company_id", {"users_who_did": "$any", "at_least": 1}]
)

# (what, question, how its rows are read, what the law says)
TABLE = [
    ("unique, any event, range: users", insights("unique", "user", "range"), values, [6]),
    ("unique, any event, range: companies", insights("unique", "company_id", "range"), values, [2]),
    ("total events: users", insights("total", "user", "range"), values, [9]),
    ("total events attributed: companies", insights("total", "company_id", "range"), values, [7]),
    ("daily uniques: users", insights("unique", "user", "day"), values, [4, 1, 3]),
    ("daily uniques: companies", insights("unique", "company_id", "day"), values, [2, 1, 2]),
    (
        "companies by name: `old` absent",
        insights("total", "company_id", "range", breakdown=["group.company_id"]),
        by_segment,
        {("acme",): 5, ("globex",): 3},
    ),
    ("funnel: users", funnel("user"), counts, [3, 1, 0]),
    ("funnel: companies", funnel("company_id"), counts, [2, 2, 1]),
    ("time Signup to Pay: companies", funnel("company_id"), third_step_time, [82_800_000, 82_800_000]),
    ("retention: users", retention("user"), first_row, [3, 0, 0, 1]),
    ("retention: companies", retention("company_id"), first_row, [2, 0, 0, 1]),
    ("number of users who did any event on 01-01", WHO_DID, by_segment, {("acme", "3"): 1, ("globex", "1"): 1}),
]


def load(session, way):
    """A project with the data set; the key is registered after the first event."""
    image = world(APPENDIX_B, REGISTERED)
    project = create(session, image.calendar, "appendix_b")
    register = statements_of(("key", "company_id"), project)
    before, after = APPENDIX_B[:1], APPENDIX_B[1:]
    for statement in [*ingest(way, before, project), *register, *ingest(way, after, project)]:
        problems = refusals(session.run(statement))
        if problems:
            raise SystemExit(f"not stored: {problems}\n0 passed, 1 failed")
    return project, image


def main():
    passed = failed = 0
    with Session() as session:
        for way in ("ndjson", "each"):
            project, image = load(session, way)
            for moment in ("before maintenance", "after maintenance"):
                if moment == "after maintenance":
                    session.run(f"CALL analytics_groups.maintain('{project}');")
                for what, question, read, expected in TABLE:
                    try:
                        got = read(session.rows(query(question, project)))
                        problems = [] if got == expected else [f"is {got}, the law says {expected}"]
                        problems += check(session, question, project, image)
                    except (SqlError, ValueError, LookupError) as e:
                        problems = [repr(e)]
                    passed, failed = (passed, failed + 1) if problems else (passed + 1, failed)
                    for problem in problems:
                        print(f"FAILED {way}, {moment}: {what}: {problem}")
                problems = session.rows(f"SELECT * FROM analytics_groups.verify(project => '{project}')")
                passed, failed = (passed, failed + 1) if problems else (passed + 1, failed)
                for problem in problems:
                    print(f"FAILED {way}, {moment}: verify: {problem}")
            drop(session, project)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
