"""Random projects and random questions: every answer of the server must equal the oracle's.

    random_check.py [PROJECTS] [SEED] [REPORT]        default 60 projects, questions of every report

Project number i of a run is drawn from the seed SEED + i (and REPORT) alone, so `random_check.py 1 SEED` repeats one
project. At the end stands how many questions of each report were asked, and with which options.
"""

import json
import random
import sys
import time
from collections import Counter

import cohorts
import members
from generate import Generator
from oracle import Undetermined
from project import Image, Refused, as_sql, create, drop, perform
from session import Session, SqlError
from surface import call, check, expected

QUESTIONS = 12
SHRINKING_SECONDS = 60
REDUCED_PROJECTS = 3  # further failures are only named


def answerable(generator, script, only=None):
    """Replaces questions that the law leaves open at any moment they are asked."""
    image = Image(generator.zone, generator.week_start)
    for step in script:
        image.perform(step)
        if step[0] == "ask":
            world = image.world()
            for i, question in enumerate(step[1]):
                tries = 0
                while not determined(question, world):
                    # Of some projects the law leaves open every question of one report.
                    tries += 1
                    step[1][i] = question = drawn(generator, only if tries < 50 else None)
    return script


def drawn(generator, only):
    """A random question, of one report if there is one."""
    while True:
        question = generator.question()
        if only in (None, question["report"]):
            return question


def determined(question, world):
    try:
        expected(question, world)
    except Undetermined:
        return False
    return True


def play(session, generator, script, tell):
    """Runs a script on both sides. `tell(place, question, differences, rows)` hears of every answer."""
    project = create(session, generator.calendar)
    # Threads from the first row on, and now as many as there are processors, now one, now more than that.
    session.run(f"SET analytics_groups.thread_rows = 0; SET analytics_groups.max_threads = {len(script) % 5};")
    # Segments as small as they can be: runs beside one another, days cut between users.
    session.run(f"SET analytics_groups.segment_rows = {16 if len(script) % 2 else 65536};")
    # Decoded batches are kept from question to question: none, some of them, all.
    session.run(f"SET analytics_groups.session_cache = {[0, 16, 32768][len(script) % 3]};")
    image = Image(generator.zone, generator.week_start)
    try:
        for place, step in enumerate(script):
            image.perform(step)
            perform(session, step, project, image.blocked_events)
            if step[0] == "ask":
                world = image.world()
                for question in step[1]:
                    tell(place, question, check(session, question, project, world))
        tell(len(script), "export_events()", export_differs(session, project, image.world()))
        problems = session.rows(f"SELECT * FROM analytics_groups.verify(project => '{project}')")
        tell(len(script), "verify()", [str(p) for p in problems])
    finally:
        drop(session, project)


def canonical(value):
    """Numbers that are equal written alike."""
    if isinstance(value, list):
        return [canonical(v) for v in value]
    if isinstance(value, dict):
        return {k: canonical(v) for k, v in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def export_differs(session, project, world):
    """Every event that counts must come out once, with its user, its time, what was sent and the groups it counts for.

    But for the device: an image forgets those of a deleted user, which events of others still name.
    """

    def line(event, user, time, properties, groups=None):
        gone = ("time", "distinct_id", "$device_id")
        sent = {k: v for k, v in properties.items() if k not in gone and v is not None}
        return json.dumps([event, user or "", time, canonical(sent), groups], sort_keys=True, ensure_ascii=False)

    def differences(found, wanted):
        return [f"too many: {x}" for x in found - wanted] + [f"missing: {x}" for x in wanted - found]

    # From after the event that every test project has beside the script.
    sql = f"SELECT e FROM analytics_groups.export_events('1990-01-01', '2100-01-01', project => '{project}') AS e"
    rows = [row["e"] for row in session.rows(sql)]
    exported = Counter(
        line(r["event"], r["properties"]["distinct_id"], r["properties"]["time"], r["properties"]) for r in rows
    )
    rows = session.rows(
        f"SELECT event, distinct_id, (extract(epoch FROM \"time\") * 1000)::bigint AS time, properties, groups "
        f"FROM analytics_{project}.events WHERE \"time\" >= '1990-01-01'"
    )
    related = Counter(line(r["event"], r["distinct_id"], r["time"], r["properties"], r["groups"]) for r in rows)
    plain = Counter(line(e.sent, e.user, e.time, e.properties) for e in world.events)
    grouped = Counter(
        line(e.sent, e.user, e.time, e.properties, {key: sorted(set(ids)) for key, ids in e.groups.items() if ids})
        for e in world.events
    )
    return differences(exported, plain) + differences(related, grouped)


def failure(session, generator, script):
    """The first complaint about a script, or None."""
    found = []
    try:
        play(
            session,
            generator,
            script,
            lambda place, question, lines: found.append((question, lines)) if lines else None,
        )
    except Undetermined:  # a smaller script may leave nothing to ask about
        return None
    except (SqlError, Refused) as e:
        return "error", [str(e)]
    return found[0] if found else None


def reduced(session, generator, script, place, question):
    """The script up to a failing question, with as few events and steps as it still fails with."""
    deadline = time.time() + SHRINKING_SECONDS
    asked = [question] if isinstance(question, dict) else []
    best = [s for s in script[: place + 1] if s[0] != "ask"] + [("ask", asked)]

    def fails(candidate):
        if time.time() > deadline:
            return False
        found = failure(session, generator, candidate)
        return found is not None and (found[0] == question or question == "error")

    def without(candidate, dropped):
        """The candidate without the events whose running number is in `dropped`, and without empty steps."""
        kept, number = [], 0
        for step in candidate:
            if step[0] == "events":
                events = [e for i, e in enumerate(step[3], number) if i not in dropped]
                number += len(step[3])
                step = (*step[:3], events)
            if step[0] != "events" or step[3]:
                kept.append(step)
        return kept

    size = sum(len(s[3]) for s in best if s[0] == "events")
    piece = max(1, size // 2)
    while piece and time.time() < deadline:
        start = 0
        while start < sum(len(s[3]) for s in best if s[0] == "events"):
            candidate = without(best, set(range(start, start + piece)))
            if fails(candidate):
                best = candidate
            else:
                start += piece
        piece //= 2
    for i in reversed(range(len(best) - 1)):
        candidate = best[:i] + best[i + 1 :]
        if fails(candidate):
            best = candidate
    return best


def report(session, generator, repeat, script, place, question, lines):
    """Prints everything one needs to repeat a failure."""
    print(f"\nFAILED: random_check.py 1 {repeat}", flush=True)
    small = reduced(session, generator, script, place, question)
    print("-- the shortest way to it:")
    print(as_sql(small, generator.zone, generator.week_start))
    if isinstance(question, dict):
        image = Image(generator.zone, generator.week_start)
        for step in small:
            image.perform(step)
        if question["report"] == "members":
            question = members.resolved(question, image.world())
        print("\n".join(cohorts.statements(question, "repro")))
        print(f"SELECT * FROM {call(question, 'repro')};")
        found = failure(session, generator, small)
        lines = found[1] if found else lines
        print("-- what the oracle says, zeros left out:")
        rows = expected(question, image.world()).items()
        for key, row in [(k, r) for k, r in rows if any(r.values())][:20]:
            print(f"--   {key}: {row}")
    else:
        print(f"-- {question}")
    print("-- what differs:")
    for line in lines[:20]:
        print(f"--   {line}")


def with_options(question):
    """The options of a question, those of its metrics and steps among them."""

    def of(value, names):
        if isinstance(value, dict):
            for name, inner in value.items():
                if name != "report" and inner not in (None, False, [], {}):
                    names.add(name)
                    of(inner, names)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                of(inner, names)
        return names

    return of(question, set())


def main():
    projects = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    first = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    only = sys.argv[3] if len(sys.argv) > 3 else None
    print(f"{projects} projects from seed {first}" + (f", only {only}" if only else ""))
    passed = failed = reports = 0
    agree, differ, options = Counter(), Counter(), {}
    with Session() as session:
        for seed in range(first, first + projects):
            generator = Generator(random.Random(seed))
            questions = [drawn(generator, only) for _ in range(QUESTIONS)]
            script = answerable(generator, generator.script(questions), only)
            complaints = []

            def tell(place, question, lines):
                nonlocal passed, failed
                kind = question["report"] if isinstance(question, dict) else question.split("(")[0]
                (differ if lines else agree)[kind] += 1
                if isinstance(question, dict):
                    options.setdefault(kind, Counter()).update(with_options(question))
                if lines:
                    failed += 1
                    complaints.append((place, question, lines))
                else:
                    passed += 1

            try:
                play(session, generator, script, tell)
            except (SqlError, Refused) as e:
                failed += 1
                complaints.append((len(script), "error", [str(e)]))
            if complaints and reports == REDUCED_PROJECTS:
                print(
                    f"FAILED with seed {seed}: {len(complaints)} answers, the first: {complaints[0][1:]}"[:600],
                    flush=True,
                )
            elif complaints:
                reports += 1
                report(session, generator, f"{seed} {only or ''}".strip(), script, *complaints[0])
    for kind in sorted({*agree, *differ}):
        print(f"{kind}: {agree[kind]} agree, {differ[kind]} differ")
    for kind, used in sorted(options.items()):
        print(f"  {kind} with " + ", ".join(f"{option} {n}" for option, n in sorted(used.items())))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
