#!/usr/bin/env python3
"""Runs docs/incidents.md over an incident log and over a plain table of the same events: both must give the same rows.

    check.py FILE               newline-delimited JSON events, gzipped or not; the answers shown in the page are compared as well
    check.py --update FILE      writes them into the page instead
    check.py --own FILE         another log, so only the two kinds of SQL are compared
    check.py --made-up [SEED]   the same with a small log made here

A server with the extension is chosen by the usual PG* variables; a project `incidents` and a schema `incident_log` are made in its
database and dropped at the end. In the page, the block after `<!-- not run -->` is where the events come in. Every block with
an answer is followed by a link to a file of this directory: the same question to the plain table, without a limit, which
is taken off the question as well.
"""

import gzip
import json
import random
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "incidents.md"
sys.path[:0] = [str(ROOT / "tests" / "oracle"), str(ROOT / "tests" / "doc")]

import run as document  # noqa: E402
from session import Session, SqlError, quote  # noqa: E402

BATCH = 5000
LINK = re.compile(r"\]\(\.\./tests/incidents/(\w+)\.sql\)")
LIMIT = re.compile(r"\s*\bLIMIT\s+\d+\s*;?\s*$", re.IGNORECASE)
CONTEXT = "SET analytics_groups.project = 'incidents';"
PLAIN = "SET search_path = incident_log, pg_catalog;"
QUIET = "SET client_min_messages = warning; SET statement_timeout = '10min'; SET TimeZone = 'UTC'; "


def lines_of(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        return [line.rstrip("\n") for line in f if line.strip()]


def made_up(seed=7, cases=900):
    """Lines of a log that looks like one: incidents that wait, are worked on, handed over, completed and at times come back."""
    rng = random.Random(seed)
    teams = [f"T{i}" + rng.choice(["", "", " 2nd", " 3rd"]) for i in range(60)]
    people = [f"person {i}" for i in range(150)] + ["Siebel"]
    start, end = 1_327_968_000, 1_337_990_400  # 2012-01-31 to 2012-05-26
    queued, work = "Queued / Awaiting Assignment", "Accepted / In Progress"
    after = [
        (work, 45), (queued, 20), ("Completed / Resolved", 12), ("Completed / In Call", 5), ("Accepted / Wait - User", 8), ("Completed / Closed", 8),
    ]
    lines = []
    for case in range(cases):
        at = int(start + (end - start) * rng.random() ** 0.5)
        fixed = {
            "case": f"1-{case}", "product": f"PROD{int(rng.paretovariate(0.7)) % 120}",
            "impact": rng.choices(["Low", "Medium", "High", "Major"], [40, 50, 9, 1])[0],
        }  # fmt: skip
        event = rng.choices([work, queued], [3, 1])[0]
        for _ in range(rng.randint(1, 14)):
            team = rng.choice(teams)
            properties = {
                "distinct_id": rng.choices(people, [1] * 150 + [12])[0], "time": at * 1000, "$insert_id": f"made-{len(lines)}",
                "org_line": f"Org line {'ABCDE'[sum(map(ord, team)) % 5]}", "team": team, **fixed,
            }  # fmt: skip
            lines.append(json.dumps({"event": event, "properties": properties}))
            at += int(rng.expovariate(1 / rng.choice([90, 600, 20_000, 200_000]))) + 1
            if at >= end:
                break
            event = rng.choices([e for e, _ in after], [w for _, w in after])[0]
    return lines


class Question:
    """A block of the page that has an answer, and its plain SQL."""

    def __init__(self, match, following):
        self.sql = match["sql"].strip()
        link = LINK.search(following)
        if not link:
            raise SystemExit(f"no plain SQL is linked behind\n{self.sql}")
        self.name = link[1]
        self.plain = "\n".join(s for s in (HERE / f"{self.name}.sql").read_text().splitlines() if not s.startswith("--"))


def read_page():
    """(text, matches of all blocks that run, place where the events come in, questions)"""
    text = PAGE.read_text()
    found = list(document.FENCE.finditer(text))
    loading = [m.start() for m in found if m["skip"]]
    if len(loading) != 1:
        raise SystemExit("the page must have one block that is not run: where the events come in")
    blocks = [m for m in found if not m["skip"]]
    answered = [m for m in blocks if m["text"] is not None]
    ends = [m.start() for m in answered[1:]] + [len(text)]
    return text, blocks, loading[0], [Question(m, text[m.end() : end]) for m, end in zip(answered, ends)]


def load(session, lines):
    session.run(CONTEXT)
    for start in range(0, len(lines), BATCH):
        batch = lines[start : start + BATCH]
        answer = session.json(f"analytics_groups.track_ndjson({quote(chr(10).join(batch))})")
        if answer.get("failed_records") or answer["num_records_imported"] != len(batch):
            raise SystemExit(f"not stored: {str(answer)[:1000]}\n0 passed, 1 failed")
    session.run("CALL analytics_groups.maintain();")
    session.run("CREATE TABLE incident_log.line (line jsonb);")
    for start in range(0, len(lines), BATCH):
        text = "\n".join(line.replace("\\", "\\\\") for line in lines[start : start + BATCH])
        session.run(f"COPY incident_log.line FROM STDIN;\n{text}\n\\.\n")
    session.run(PLAIN + (HERE / "table.sql").read_text() + "RESET search_path;")


def plain_value(value):
    """One spelling for numbers that differ in their last digits at most."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return [plain_value(v) for v in value] if isinstance(value, list) else value
    return float(f"{value:.9g}")


def rows_of(session, before, sql):
    session.run(before)
    rows = session.rows(LIMIT.sub("", sql.rstrip().rstrip(";")))
    session.run("RESET search_path;")
    return sorted(json.dumps({k: plain_value(v) for k, v in r.items()}, sort_keys=True) for r in rows)


def compare(session, questions):
    """Names of the questions whose two answers are not one."""
    wrong = []
    for q in questions:
        try:
            ours, plain = rows_of(session, CONTEXT, q.sql), rows_of(session, CONTEXT + PLAIN, q.plain)
        except SqlError as e:
            wrong.append(q.name)
            print(f"  failed   {q.name}: {e}")
            continue
        if ours != plain or not ours:
            wrong.append(q.name)
        print(f"  {'equal' if ours == plain else 'differs':8} {q.name}: {len(ours)} rows")
        for sign, rows, others in (("page", ours, plain), ("plain", plain, ours)):
            for row in [r for r in rows if r not in others][:3]:
                print(f"      {sign}: {row}")
    return wrong


def clean(session):
    """Takes away what a run has made. The schema is the sign of one: a project without it is somebody's."""
    there = "SELECT project FROM analytics_groups.projects WHERE project = 'incidents'"
    if session.rows(there) and not session.rows("SELECT FROM pg_namespace WHERE nspname = 'incident_log'"):
        raise SystemExit("this database has a project incidents already: run in another one\n0 passed, 1 failed")
    session.run(
        "DO $$ BEGIN PERFORM analytics_groups.drop_project(project) FROM analytics_groups.projects "
        "WHERE project = 'incidents'; END $$; DROP SCHEMA IF EXISTS incident_log CASCADE;"
    )


def main():
    arguments = sys.argv[1:]
    option = arguments.pop(0) if arguments[:1] and arguments[0].startswith("--") else ""
    if option not in ("", "--update", "--own", "--made-up"):
        raise SystemExit(__doc__)
    if not arguments and option != "--made-up":
        print("no incident log given\n0 passed, 0 failed")
        return 0
    update = option == "--update"
    lines = made_up(*map(int, arguments)) if option == "--made-up" else lines_of(arguments[0])
    text, blocks, place, questions = read_page()
    with Session(QUIET) as session:
        clean(session)
        session.run("CREATE SCHEMA incident_log;")
        failed = 0
        before, after = [m for m in blocks if m.start() < place], [m for m in blocks if m.start() > place]
        out = document.outputs([m["sql"] for m in before])
        load(session, lines)
        out += document.outputs([CONTEXT] + [m["sql"] for m in after])[1:]
        for m, answer in zip(blocks, out):
            line = text.count("\n", 0, m.start("sql")) + 1
            if "ERROR:" in answer:
                failed += 1
                print(f"  {PAGE.name}:{line}: {answer}")
            elif m["text"] is not None and not option and document.plain(answer) != document.plain(m["text"]):
                failed += 1
                print(f"  {PAGE.name}:{line}: the answer is\n{answer}")
        if update:
            for m, answer in reversed(list(zip(blocks, out))):
                if m["text"] is not None:
                    text = text[: m.start("text")] + document.plain(answer) + "\n" + text[m.end("text") :]
            PAGE.write_text(text)
        failed += len(compare(session, questions))
        clean(session)
    checks = len(questions) + len(blocks)
    print(f"{checks - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
