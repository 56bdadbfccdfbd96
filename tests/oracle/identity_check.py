"""Histories of identities: who is whom, said by events and by verbs, in any order of arrival.

    identity_check.py [HISTORIES] [SEED]        default 100

A history is a few users with a few devices and companies. Its events name them as clients do (a device alone, a device and
its user, a user alone), and identify, alias and merge say more of them. All of it arrives shuffled, in batches of any size,
with maintenance in between, and questions are asked twice: somewhere on the way and at the end. Users, funnels and retention
must be those of the oracle, which resolves identities first and counts then; companies must be what was sent, whoever was
merged with whom, which is counted here without any notion of an identity. History number i is drawn from SEED + i alone.
"""

import random
import sys
from datetime import date, timedelta

from oracle import group_ids
from project import Image, create, drop, perform
from session import Session
from surface import check
from zone import DAY, HOUR

USERS, DEVICES, COMPANIES = ["ann", "bob", "cid", "dee"], ["d1", "d2", "d3"], ["acme", "globex", "initech"]
FIRST = date(2024, 2, 1)
DAYS = 8


def question(report, **more):
    return {"report": report, "from_date": FIRST, "to_date": FIRST + timedelta(days=DAYS - 1), **more}


def questions():
    unique = {"event": "$any", "measure": "unique", "by": "user"}
    yield question("insights", metrics=[unique], unit="range", breakdown=[])
    yield question("insights", metrics=[{**unique, "event": "Open"}], unit="day", breakdown=["group.company_id"])
    yield question("funnel", steps=["Open", "Buy"], by="user", within=DAY)
    yield question("funnel", steps=["Open", "Send", "Buy"], by="user", within=3 * DAY, count="total", reentry="optimized")
    yield question("retention", born="Open", returned="$any", by="user", unit="day", buckets=4)
    yield question("frequency", event="$any", by="user", unit="day")


class History:
    def __init__(self, seed):
        self.random = random.Random(seed)
        r = self.random
        events = [self.event(n) for n in range(r.randint(5, 40))]
        said = [("identities", [self.verb()]) for _ in range(r.choice([0, 1, 2, 4, 8]))]
        steps = [*events, *said]
        r.shuffle(steps)
        self.steps = [("key", "company_id"), *self.batches(steps)]

    def name(self):
        """Who an event says it is of, in one of the ways of clients."""
        r = self.random
        user, device = r.choice(USERS), r.choice(DEVICES)
        return r.choice([
            {"$device_id": device},
            {"$device_id": device},
            {"$device_id": device, "$user_id": user},
            {"$user_id": user},
            {"distinct_id": user},
            {"distinct_id": "$device:" + device},
        ])

    def event(self, n):
        r = self.random
        start = 1706745600000 + r.randrange(DAYS) * DAY + r.randrange(24) * HOUR
        # No two events of one history at one instant: their order is another law's.
        properties = {**self.name(), "time": start + n * 1000, "$insert_id": f"i{n}"}
        if r.random() < 0.8:
            properties["company_id"] = r.choice([*COMPANIES, r.sample(COMPANIES, 2)])
        return {"event": r.choice(["Open", "Open", "Send", "Buy"]), "properties": properties}

    def verb(self):
        r = self.random
        pair = [r.choice(USERS), r.choice([*USERS, *("$device:" + d for d in DEVICES)])]
        r.shuffle(pair)
        return r.choice(["identify", "alias", "merge"]), *pair

    def batches(self, steps):
        """Events that follow one another in batches, with maintenance somewhere in between."""
        r = self.random
        batch, size = [], r.choice([1, 3, 10, 100])
        for step in steps:
            if isinstance(step, dict):
                batch.append(step)
            if batch and (not isinstance(step, dict) or len(batch) == size):
                yield "events", r.choice(["ndjson", "array"]), "plain", batch
                batch = []
                if r.random() < 0.15:
                    yield "maintain", r.choice(["now", "later", "fold"])
            if not isinstance(step, dict):
                yield step
        if batch:
            yield "events", "ndjson", "plain", batch


def companies(image):
    """Events of companies, and companies, of each day: of what was sent alone."""
    found = {}
    for event in image.raw:
        day = (event["properties"]["time"] - 1706745600000) // DAY
        if ids := group_ids(event["properties"].get("company_id")):
            found.setdefault(day, []).append(ids)
    return {day: (len(lists), len({i for ids in lists for i in ids})) for day, lists in found.items()}


def companies_of_server(session, project):
    metrics = '[{"event": "$any", "by": "company_id"}, {"event": "$any", "measure": "unique", "by": "company_id"}]'
    rows = session.rows(
        f"SELECT metric, (bucket::date - '{FIRST}') AS day, value FROM analytics_groups.insights('{metrics}', '{FIRST}', "
        f"'{FIRST + timedelta(days=DAYS - 1)}', 'day', project => '{project}') WHERE value > 0"
    )
    found = {}
    for row in rows:
        found.setdefault(row["day"], {})[row["metric"]] = int(row["value"])
    return {day: (of["A"], of["B"]) for day, of in found.items()}


def play(session, history):
    """What is wrong with a history, as texts."""
    image = Image("UTC", "monday")
    project = create(session, image.calendar, "idy")
    problems, ask_at = [], history.random.randrange(len(history.steps))
    try:
        for place, step in enumerate(history.steps):
            image.perform(step)
            perform(session, step, project)
            if place in (ask_at, len(history.steps) - 1):
                world = image.world()
                for q in questions():
                    problems += [f"step {place}: {q['report']}: {line}" for line in check(session, q, project, world)]
                found, sent = companies_of_server(session, project), companies(image)
                if found != sent:
                    problems.append(f"step {place}: companies {found}, sent {sent}")
    finally:
        drop(session, project)
    return problems


def main():
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    first = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    print(f"{histories} histories from seed {first}")
    failed = 0
    with Session() as session:
        for seed in range(first, first + histories):
            problems = play(session, History(seed))
            if problems:
                failed += 1
                print(f"FAILED: identity_check.py 1 {seed}", *problems[:5], sep="\n  ", flush=True)
    print(f"{histories - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
