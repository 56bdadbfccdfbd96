"""Random projects and questions, full of what goes wrong: ties, duplicates, late events, odd ids, clock changes."""

import copy
from datetime import date, timedelta

import cohorts
from project import TRANSACTIONS, WAYS, is_strict
from zone import DAY, HOUR, MINUTE, WEEKDAYS, Calendar

# Zones with dates around which something happens to their clocks.
ZONES = {
    "UTC": [date(2024, 2, 28)],
    "Europe/Berlin": [date(2024, 3, 31), date(2023, 10, 29)],
    "America/Sao_Paulo": [date(2018, 11, 4), date(2018, 2, 18)],
    "Pacific/Chatham": [date(2024, 4, 7), date(2023, 9, 24)],
    "Asia/Kolkata": [date(2023, 12, 31)],
}
EVENTS = ["A", "B", "C", "D e"]
OFTEN = [8, 6, 3, 2]
USERS = ["u1", "u2", "u3", "u4", "U1", "ü5"]
DEVICES = ["D1", "D2", "D3"]
COMPANIES = ["acme", "Acme", "globex", "42", "ünï", "1.5"]
TEAMS = ["eng", "ops"]
BUCKETS = [{"size": 2, "min": 0, "max": 5}, {"size": 0.5, "min": -1, "max": 2.5}, {"size": 100, "min": 1, "max": 2}, {"at": [0, 1.5, 4]}, {"at": [2]},
           [{"name": "small", "values": [1, 2, "a"]}, {"name": "others", "values": [True, "b", 2, 2.5, "x"]}]]
KEYS = {"company_id": COMPANIES, "team_id": TEAMS}


class Generator:
    """Draws a project and questions about it from one random source."""

    def __init__(self, random):
        self.random = random
        self.zone = random.choice(list(ZONES))
        self.week_start = random.choice(WEEKDAYS)
        self.calendar = Calendar(self.zone, self.week_start)
        self.centre = random.choice(ZONES[self.zone])
        self.complete_profiles = random.random() < 0.5
        self.in_cohort = False

    def chance(self, p):
        return self.random.random() < p

    # -- events

    def day(self, most=25):
        """A date near the clock change, most often very near."""
        reach = self.random.choice([1, 1, 3, 3, most])
        return self.centre + timedelta(days=self.random.randint(-reach, reach))

    def time(self, sent):
        """An instant: of an event already drawn, near one, a step of a unit from one, or around midnight."""
        r = self.random
        if sent and self.chance(0.55):
            far = [MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, DAY, -DAY, 7 * DAY, 30 * DAY]
            jump = r.choice(r.choice([[0], [-2000, -1000, 1000, 2000], far]))
            return r.choice(sent)["ms"] + jump + r.choice([0, 0, 0, 1, -1])
        start = self.calendar.day_start(self.day())
        return start + r.choice([0, -1, 1, r.randrange(3) * HOUR, r.randrange(DAY), r.randrange(24) * HOUR])

    def sent_time(self, ms):
        """A time as clients write it."""
        choices = [ms, ms / 1000]
        if ms % 1000 == 0:
            choices += [ms // 1000]
        return self.random.choice(choices)

    def identity(self):
        r = self.random
        user, device = r.choice(USERS), r.choice(DEVICES)
        forms = [
            (50, {"distinct_id": user}),
            (12, {"$user_id": user}),
            (10, {"$device_id": device}),
            (6, {"$user_id": user, "$device_id": device}),
            (5, {"distinct_id": "$device:" + device}),
            (2, {"$device_id": "$device:" + device}),
            (2, {"$user_id": user, "distinct_id": "overwritten"}),
            (2, {"distinct_id": 7}),
            (3, {"distinct_id": ""}),
            (4, {}),
        ]
        return dict(r.choices([f for _, f in forms], [w for w, _ in forms])[0])

    def group_value(self, ids):
        """A value of a group key: one id, several, odd ones, none."""
        r = self.random

        def one():
            known = r.choice(ids)
            if known == "42":
                return r.choice(["42", 42, 42.0])
            if known == "1.5":
                return r.choice(["1.5", 1.5])
            return known

        roll = r.random()
        if roll < 0.6:
            return one()
        if roll < 0.85:
            return [one() for _ in range(r.randint(0, 4))] + r.choice([[], [], [""], [None]])
        return r.choice(["", None, [], [""], True])

    def event(self, sent):
        r = self.random
        ms = self.time(sent)
        p = {"time": self.sent_time(ms), **self.identity()}
        if sent and self.chance(0.3):  # a burst of one user
            ms = sent[-1]["ms"] + r.choice([0, 0, 1, -1000, 1000, -2000, 2000, 2001, MINUTE])
            sender = {k: v for k, v in sent[-1]["properties"].items() if k in ("distinct_id", "$user_id", "$device_id")}
            p = {"time": self.sent_time(ms), **sender}
        if self.chance(0.7):
            p["company_id"] = self.group_value(COMPANIES)
        if self.chance(0.4):
            p["team_id"] = self.group_value(TEAMS)
        if self.chance(0.7):
            p["plan"] = r.choice(["free", "pro", "Pro", "", None])
        if self.chance(0.7):
            p["n"] = r.choice([0, 1, 1.0, 2, 2.5, 10, -3])
        if self.chance(0.3):
            p["ok"] = r.choice([True, False])
        if self.chance(0.4):
            p["tags"] = [r.choice("abc") for _ in range(r.randint(1, 3))] + r.choice([[], [""]])
        if self.chance(0.3):
            p["mixed"] = r.choice([1, "1", True, "x", None, ["x"], 2.5])
        if self.chance(0.6):
            p["$insert_id"] = f"i-{r.randint(1, 10**6)}"
        return {"event": r.choices(EVENTS, OFTEN)[0], "properties": p, "ms": ms}

    def duplicate(self, original):
        """An event that equals an earlier one in all of its identity, or in all but one part."""
        r = self.random
        twin, fresh = copy.deepcopy(original), self.event([original])
        p, new = twin["properties"], fresh["properties"]
        for name in ("company_id", "team_id", "plan", "n", "tags"):
            p.pop(name, None)
            if name in new:
                p[name] = new[name]
        p["time"] = self.sent_time(twin["ms"])
        change = r.choice(
            ["nothing", "nothing", "nothing", "nothing", "form", "time", "event", "user", "insert_id", "no id"]
        )
        if change == "form" and set(p) & {"distinct_id", "$user_id"} == {"distinct_id"} and p["distinct_id"] in USERS:
            p["$user_id"] = p.pop("distinct_id")
        elif change == "time":
            twin["ms"] += 1
            p["time"] = twin["ms"]
        elif change == "event":
            twin["event"] = r.choice(EVENTS)
        elif change == "user":
            for name in ("distinct_id", "$user_id", "$device_id"):
                p.pop(name, None)
            p |= self.identity()
        elif change == "insert_id":
            p["$insert_id"] = f"i-{r.randint(1, 10**6)}"
        elif change == "no id":
            p.pop("$insert_id", None)
        return twin

    def events(self):
        """All events in the order of ingestion."""
        r = self.random
        total = r.choices(
            [r.randint(3, 20), r.randint(20, 100), r.randint(100, 250), r.randint(250, 1200)], [2, 4, 3, 1]
        )[0]
        sent = []
        for _ in range(total):
            sent.append(self.event(sent[-40:]))
        if self.chance(0.7):
            sent.sort(key=lambda e: e["ms"])
            late = [e for e in sent if self.chance(0.1)]
            sent = [e for e in sent if not any(e is x for x in late)] + late
        with_twins = []
        for e in sent:
            with_twins.append(e)
            marked = [x for x in with_twins[-60:] if "$insert_id" in x["properties"]]
            while marked and self.chance(0.2):
                with_twins.append(self.duplicate(r.choice(marked)))
        return [{"event": e["event"], "properties": e["properties"]} for e in with_twins]

    # -- scripts

    def profiles(self):
        r = self.random
        users = {}
        for u in USERS:
            if self.chance(0.6):
                users[u] = {"plan": r.choice(["gold", "silver", ""]), "age": r.choice([20, 30])}
                if self.chance(0.6):
                    users[u]["company_id"] = r.choice([["acme"], ["globex", "42"], "Acme", []])
        for d in DEVICES:
            if self.chance(0.2):
                users["$device:" + d] = {"plan": r.choice(["gold", "iron"]), "age": 40, "company_id": ["acme"]}
        groups = {}
        for key, ids in KEYS.items():
            for g in ids:
                if self.complete_profiles or self.chance(0.6):
                    groups[key, g] = {"tier": r.choice(["high", "low", ""])}
                    if self.chance(0.5):
                        groups[key, g]["seats"] = r.choice([5, 50])
                    if self.chance(0.5):
                        groups[key, g]["$time"] = self.second()
        return users, groups

    def second(self):
        """When a profile was updated: a second near the events."""
        return (self.calendar.day_start(self.day()) + self.random.choice([0, HOUR, self.random.randrange(DAY)])) // 1000

    def changes(self):
        """Groups that change their tier, in any order of time."""
        r = self.random
        found = {}
        for key, ids in KEYS.items():
            for g in ids:
                if self.chance(0.5):
                    found[key, g] = {"tier": r.choice(["high", "low", "mid"]), "$time": self.second()}
        return found

    def identities(self):
        """What is said of who is whom: two devices alone can not be merged."""
        r = self.random
        verbs = []
        for _ in range(r.choice([1, 1, 2, 4])):
            pair = [r.choice(USERS), r.choice([*USERS, *("$device:" + d for d in DEVICES)])]
            r.shuffle(pair)
            verbs.append((r.choice(["identify", "alias", "merge"]), *pair))
        return verbs

    def sticky(self):
        """Groups that users are in until further notice."""
        r = self.random
        changes = []
        for _ in range(r.choice([1, 2, 4])):
            key = r.choice(list(KEYS))
            verb = r.choice(["set", "add", "add", "remove"])
            ids = r.sample(KEYS[key], r.randint(0, min(2, len(KEYS[key])))) if verb == "set" else [r.choice(KEYS[key])]
            changes.append((verb, r.choice(USERS), key, ids))
        return changes

    def same_groups(self):
        """Two groups that are one: a key, the one that is given up, and the one that stays."""
        key = self.random.choice([key for key, ids in KEYS.items() if len(ids) > 1])
        return key, *self.random.sample(KEYS[key], 2)

    def governance(self):
        """Something to say of the lexicon. Nothing is merged into an event that is merged: only A and D e are."""
        r = self.random
        verbs = {"hide_event": 4, "merge_events": 4, "unmerge_events": 1, "block_event": 1, "block_property": 1}
        verbs |= {"merge_properties": 4, "unmerge_properties": 1}
        verb = r.choices(list(verbs), list(verbs.values()))[0]
        if verb == "merge_properties":
            return verb, r.choice([["n"], ["tags"], ["n", "tags"]]), r.choice(["plan", "mixed", "All of them"])
        if verb == "unmerge_properties":
            return verb, r.choice([["n"], ["n", "tags"]]), None
        if verb == "hide_event":
            return verb, [r.choice(EVENTS)], self.chance(0.8)
        if verb == "merge_events":
            return verb, r.choice([["A"], ["A"], ["D e"], ["A", "D e"]]), r.choice(["B", "B", "C", "All of them"])
        if verb == "unmerge_events":
            return verb, r.choice([["A"], ["A", "D e"]]), None
        if verb == "block_event":
            return verb, [r.choice(EVENTS)], True
        return verb, [r.choice(["plan", "n", "tags", "mixed"])], True

    def deletion(self):
        """Somebody or something to delete."""
        r = self.random
        what = r.choices(["user", "group", "events", "key"], [5, 5, 3, 1])[0]
        if what == "user":
            return what, r.choice([*USERS, *("$device:" + d for d in DEVICES)])
        if what == "key":
            return what, r.choice(list(KEYS))
        if what == "group":
            key = r.choice(list(KEYS))
            return what, key, r.choice(KEYS[key]), self.chance(0.7)
        days = sorted([self.day(), self.day()])
        return what, r.choices(EVENTS, OFTEN)[0], days[0], days[1]

    def way(self, events):
        """One of the ways in; those that have no lax mode only for batches that need none."""
        ways = [w for w in WAYS if w in ("ndjson", "array") or is_strict(events)]
        return self.random.choice([w for w in ways if w != "each" or len(events) <= 150])

    def script(self, questions):
        """A project from its creation to its last questions."""
        r = self.random
        events = self.events()
        cuts = sorted(r.choices(range(len(events) + 1), k=r.randint(0, 6)))
        chunks = [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)])]
        steps = [("events", self.way(c), r.choices(TRANSACTIONS, [7, 1, 1, 1])[0], c) for c in chunks]
        for _ in range(r.choice([0, 1, 2, 3])):
            # As somebody asks for it, or as ingestion does it by the way.
            steps.insert(r.randint(0, len(steps)), ("maintain", r.choice(["now", "later", "fold"])))
        for _ in range(r.choice([0, 0, 0, 0, 1, 2])):
            steps.insert(r.randint(0, len(steps)), ("identities", self.identities()))
        keys = list(KEYS)
        places = sorted(r.choice([0, 0, 0, 1, len(steps) // 2]) for _ in keys)
        for place, key in reversed(list(zip(places, keys))):
            steps.insert(place, ("key", key))
        registered = max(i for i, s in enumerate(steps) if s[0] == "key") + 1
        steps.insert(r.randint(registered, len(steps)), ("profiles", *self.profiles()))
        for _ in range(r.choice([0, 0, 1, 3])):
            steps.insert(r.randint(registered, len(steps)), ("profiles", {}, self.changes()))
        if self.chance(0.3):
            steps.append(("profiles", {"u1": {"plan": "gold"}}, {("company_id", "acme"): {"tier": "low"}}))
        for _ in range(r.choice([0, 0, 1, 2])):
            steps.insert(r.randint(registered, len(steps)), ("sticky", self.sticky()))
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            steps.insert(r.randint(registered, len(steps)), ("merge groups", *self.same_groups()))
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            steps.insert(r.randint(registered, len(steps)), ("delete", self.deletion()))
        for _ in range(r.choice([0, 0, 0, 1, 2, 3])):
            steps.insert(r.randint(registered, len(steps)), ("govern", *self.governance()))
        if self.chance(0.5):
            steps.insert(r.randint(registered, len(steps)), ("ask", questions[: len(questions) // 2]))
        return [*steps, ("ask", questions), ("maintain", r.choice(["now", "later"])), ("ask", questions)]

    # -- questions

    def cohort(self, by):
        """The name of a random cohort; the filters inside of it name no further ones."""
        self.in_cohort = True
        try:
            return cohorts.cohort(self, by)
        finally:
            self.in_cohort = False

    def cohorts(self):
        name = self.cohort(self.by())
        if self.chance(0.5):
            return {"report": "cohort_members", "cohort": name}
        unit = self.random.choice(["day", "day", "week", "month", "range"])
        return {"report": "cohort_size", "cohort": name, **self.dates(), "unit": unit}

    def filter(self, by, depth=1):
        """A filter that the law gives a meaning for reports of this entity."""
        r = self.random
        if depth and self.chance(0.35):
            op = r.choice(["and", "or", "not"])
            parts = [self.filter(by, depth - 1) for _ in range(1 if op == "not" else 2)]
            return (op, *parts)
        if not self.in_cohort and self.chance(0.12):
            return ("cohort", self.cohort(by))
        n, plan = ("prop", "n"), ("prop", "plan")
        choices = [
            (r.choice(["==", "!="]), plan, ("lit", r.choice(["free", "pro", "none"]))),
            (r.choice(["<", "<=", ">", ">=", "==", "!="]), n, ("lit", r.choice([0, 1, 2, 2.5, -3]))),
            ("in", r.choice([plan, ("prop", "mixed")]), r.choice([["free", "pro"], ["x"], [1, "x"]])),
            ("defined", ("prop", r.choice(["plan", "n", "tags", "team_id", "nowhere"]))),
            ("part", "ro", plan),
            ("any", ("prop", "tags"), r.choice(["a", "b", ""])),
            ("==", ("prop", "ok"), ("lit", r.choice([True, False]))),
            (r.choice(["==", "!="]), ("prop", "mixed"), ("lit", r.choice([1, "1", True]))),
            (">=", ("number", ("prop", "mixed")), ("lit", 1)),
            (">", ("+", n, ("lit", 1)), ("lit", 2)),
            (r.choice(["==", "!="]), ("prop", r.choice(["lookup.plan.kind", "lookup.mixed.kind"])), ("lit", "paid")),
            (r.choice(["<", ">="]), ("prop", r.choice(["lookup.plan.weight", "lookup.n.weight"])), ("lit", 1)),
            ("any", ("prop", r.choice(["lookup.tags.labels", "lookup.tags.kind"])), r.choice(["b", "paid"])),
            ("defined", ("prop", r.choice(["lookup.plan.labels", "lookup.tags.weight", "lookup.mixed.kind"]))),
            (r.choice(["==", "!="]), ("prop", r.choice(["group.company_id.tier@event", "group.team_id.tier@event"])), ("lit", r.choice(["high", "low"]))),
        ]
        if by == "user":
            choices += [
                (r.choice(["==", "!="]), ("user", "plan"), ("lit", "gold")),
                (">", ("user", "age"), ("lit", 25)),
            ]
        else:
            choices += [
                (r.choice(["==", "!="]), ("group", by, "tier"), ("lit", "high")),
                ("<", ("group", by, "seats"), ("lit", 10)),
            ]
        return r.choice(choices)

    def selector(self, by, any_of=True):
        r = self.random
        roll = r.random()
        if roll < 0.6:
            return r.choice([*EVENTS * 4, *["A", "B", "$any"] * 3, "nobody sends this"])
        if any_of and roll < 0.65:  # first times of the lot
            once = self.selector(by, False)
            if self.chance(0.3):
                once = {"any": [r.choice(EVENTS), once]}
            return ({"event": once} if isinstance(once, str) else once) | {"first_time": True}
        if any_of and roll < 0.75:
            each = [self.selector(by, False), self.selector(by, False)]
            if self.chance(0.2):
                each[0] = ({"event": each[0]} if isinstance(each[0], str) else each[0]) | {"first_time": True}
            return {"any": each}
        return {"event": r.choice([*EVENTS, "$any"]), "filter": self.filter(by)}

    def dates(self, most=20):
        r = self.random
        first = self.centre - timedelta(days=r.choice([0, 1, 2, 3, most])) if self.chance(0.8) else self.day(most)
        return {"from_date": first, "to_date": first + timedelta(days=r.choice([0, 1, 3, 3, 7, most, 2 * most]))}

    def by(self):
        return self.random.choice(["user", "user", "company_id", "company_id", "team_id"])

    def breakdown(self, bys):
        """At most two properties whose meaning is the same for every entity of the report."""
        r = self.random
        choices = [
            "plan",
            "n",
            "ok",
            "tags",
            "mixed",
            r.choice(["lookup.plan.kind", "lookup.mixed.labels", "lookup.n.kind"]),
            {"property": "$time", "unit": r.choice(["hour", "day", "week", "month", "quarter", "hour_of_day", "day_of_week"])},
            {"property": r.choice(["n", "mixed", "tags"]), "bucket": r.choice(BUCKETS)},
            r.choice(["group.company_id.tier@event", "group.team_id.tier@event"]),
        ]
        (only,) = bys if len(bys) == 1 else (None,)
        if only is not None and self.chance(0.2):
            choices += [f"cohort.{self.cohort(only)}"] * 2
        if only == "user":
            choices += ["user.plan", "user.age"]
        elif only is not None:
            choices += [f"group.{only}", f"group.{only}.tier", f"group.{only}.seats"]
            choices += [{"users_who_did": r.choice([*EVENTS, "$any"]), "at_least": r.choice([1, 1, 2])}] * 2
        if self.complete_profiles and "team_id" not in bys:
            choices += ["group.company_id.tier"]
        drawn = r.sample(choices, r.choice([0, 0, 1, 1, 1, 2]))
        return drawn if drawn.count(drawn[0] if drawn else None) < 2 else drawn[:1]

    def measure(self):
        """A measure and what goes with it."""
        r = self.random
        kind = r.random()
        name = r.choice(["n", "n", "mixed", "tags", "lookup.plan.weight"])
        if kind < 0.4:
            return {"measure": r.choice(["total", "unique", "sessions"])}
        if kind < 0.55:
            return {"measure": r.choice(["dau", "wau", "mau", "cumulative_unique"])}
        numeric = ["sum", "average", "median", "p25", "p90", "min", "max", "percentile"]
        inner = r.choice(["total", "total", "sum", "average", "min", "max", "distinct"])
        if kind < 0.75:
            measure = {"measure": r.choice([*numeric, "distinct", "distinct"]), "property": name}
        else:
            per = "total" if inner == "total" else {"measure": inner, "property": name}
            measure = {"measure": r.choice([*numeric, "distribution", "distribution"]), "per": per}
        if measure["measure"] == "percentile":
            measure["percentile"] = r.choice([0, 10, 33.3, 50, 99.9, 100])
        return measure

    def formula(self, labels, depth=2):
        r = self.random
        if depth == 0 or self.chance(0.2):
            return r.choice([*labels, *labels, 2, 0.5])
        return (r.choice("+-*/"), self.formula(labels, depth - 1), self.formula(labels, depth - 1))

    def lifecycle(self):
        by, unit = self.by(), self.random.choice(["day", "week", "month"])
        return {"report": "lifecycle", "event": self.selector(by), **self.dates(), "by": by, "unit": unit}

    def frequency(self):
        by, unit = self.by(), self.random.choice(["day", "week", "month"])
        question = {"report": "frequency", "event": self.selector(by), **self.dates(), "by": by, "unit": unit}
        return question | {"cumulative": self.chance(0.5)}

    def profile_metrics(self):
        """Metrics of profiles, alone or beside one of events."""
        r = self.random
        by = self.by()
        names = ["age", "age", "plan"] if by == "user" else ["seats", "seats", "tier"]

        def filter():
            choices = [("user", "plan"), ("user", "age")] if by == "user" else [("group", by, "tier"), ("group", by, "seats")]
            source = r.choice(choices)
            return r.choice([("==", source, ("lit", r.choice(["gold", "high", 30]))), ("defined", source), ("not", (">", source, ("lit", 10)))])

        metrics = []
        for i in range(r.choice([1, 1, 2])):
            metric = {"profiles": by}
            if self.chance(0.6):
                measure = r.choice(["sum", "average", "median", "p90", "min", "max", "distinct"])
                metric |= {"measure": measure, "property": r.choice(names)}
            elif self.chance(0.5):
                metric["measure"] = "total"
            if self.chance(0.4):
                metric["filter"] = filter()
            metrics.append(metric)
        if self.chance(0.4):
            event = {"event": r.choice([*EVENTS, "$any"]), "measure": r.choice(["total", "unique"]), "by": by}
            metrics.insert(r.choice([0, len(metrics)]), event)
        unit = r.choice(["day", "day", "week", "month", "range"])
        question = {"report": "insights", "metrics": metrics, **self.dates(), "unit": unit}
        items = ["user.plan", "user.age", "group.company_id"] if by == "user" else [f"group.{by}", f"group.{by}.tier", f"group.{by}.seats"]
        if by == "user" and self.complete_profiles:
            items.append("group.company_id.tier")
        if self.chance(0.2):
            items += [f"cohort.{self.cohort(by)}"] * 2
        question["breakdown"] = r.sample(items, r.choice([0, 1, 1, 2]))
        if len(set(question["breakdown"])) < len(question["breakdown"]):
            question["breakdown"] = question["breakdown"][:1]
        if question["breakdown"] and metrics[0].get("measure", "total") == "total" and self.chance(0.3):
            question["top"] = r.choice([1, 2])
        if self.chance(0.2):
            question["filter"] = filter()
        if unit != "range" and self.chance(0.2):
            question["rolling"] = r.choice([2, 3])
        elif self.chance(0.2):
            question["cumulative"] = True
        if self.chance(0.1):
            question["compare"] = r.choice([(1, 0), (7, 0)])
        if self.chance(0.25):
            question["formulas"] = [("made up", self.formula(["A", "B"][: len(metrics)]))]
        return question

    def groups(self, by):
        """Only groups of which so many users did something."""
        r = self.random
        compare = {r.choice(["at_least", "at_most", "exactly"]): r.choice([0, 1, 1, 2])}
        return {"users_who_did": self.selector(by), **compare} | r.choice([{}, {}, {"times": 2}])

    def insights(self):
        r = self.random
        if self.chance(0.12):
            return self.profile_metrics()
        unit = r.choice(
            ["minute", "hour", "day", "day", "day", "week", "week", "month", "quarter", "year", "range", "range"]
        )
        dates = self.dates(
            {"minute": 0, "hour": 3}.get(unit, 20) if unit in ("minute", "hour") else r.choice([20, 70, 400])
        )
        if unit in ("minute", "hour"):
            dates["to_date"] = min(dates["to_date"], dates["from_date"] + timedelta(days=0 if unit == "minute" else 3))
        metrics = []
        shared = self.by() if self.chance(0.5) else None
        for i in range(r.choice([1, 1, 2, 3])):
            by = shared or self.by()
            metric = {"event": r.choice([*EVENTS, "$any"]), **self.measure(), "by": by}
            if self.chance(0.4):
                metric["filter"] = self.filter(by)
            if self.chance(0.1):
                metric["first_time"] = True
            if metric["measure"] == "unique" and self.chance(0.4):
                metric["attribution"] = r.choice(["first", "last"])
            if by != "user" and metric["measure"] not in ("dau", "wau", "mau", "cumulative_unique") and self.chance(0.15):
                metric["groups"] = self.groups(by)
            if self.chance(0.2):
                metric["label"] = f"label {i}"
            metrics.append(metric)
        bys = {m["by"] for m in metrics}
        question = {"report": "insights", "metrics": metrics, **dates, "unit": unit}
        question["breakdown"] = [] if unit == "minute" else self.breakdown(bys)
        who_did = any(isinstance(b, dict) and "users_who_did" in b for b in question["breakdown"])
        if len(bys) == 1 and not who_did and self.chance(0.3):
            question["filter"] = self.filter(metrics[0]["by"])
        if who_did:  # is about one interval, a trailing window has several
            for metric in metrics:
                if metric["measure"] in ("dau", "wau", "mau"):
                    metric["measure"] = "unique"
        if question["breakdown"] and self.chance(0.3):
            for key in ("property", "percentile", "per", "attribution"):
                metrics[0].pop(key, None)
            metrics[0]["measure"] = "total"  # whose rank nobody can argue about
            question["top"] = r.choice([1, 2, 3])
        if unit != "range" and unit != "minute" and self.chance(0.2):
            question["rolling"] = r.choice([1, 2, 3, 7])
        elif self.chance(0.1):
            question["cumulative"] = True
        if self.chance(0.15):
            question["compare"] = r.choice([(1, 0), (7, 0), (0, 1), (3, 12)])
        labels = [m.get("label") or "ABCDEFGHIJ"[i] for i, m in enumerate(metrics) if m["measure"] != "distribution"]
        if labels and self.chance(0.25):
            question["formulas"] = [("made up", self.formula(labels))]
        return question

    def funnel(self):
        """A plain funnel, or one with some of the options; or its trend, its times or its significance."""
        r = self.random
        by = self.by()
        question = {
            "report": "funnel",
            "steps": [self.selector(by) for _ in range(r.randint(2, 4))],
            **self.dates(),
            "by": by,
            "within": r.choice([2000, MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, DAY, DAY - 1, 7 * DAY, 30 * DAY]),
            "grace": r.choice([0, 2000]),
        }
        if self.chance(0.2):
            return question
        question["count"] = r.choice(["unique", "total", "sessions"])
        if question["count"] == "sessions":
            del question["within"]
        question["reentry"] = r.choice(["default", "optimized"])
        question["ordering"] = r.choice(["loose", "loose", "loose", "any", "strict"])
        if question["ordering"] != "strict":
            if self.chance(0.3):
                question["steps"] = [self.floating(s) for s in question["steps"]]
            if self.chance(0.4):
                question["exclude"] = [self.exclusion(by, len(question["steps"])) for _ in range(r.choice([1, 1, 2]))]
        if self.chance(0.35):
            question["hold"] = r.sample(["plan", "n", "ok", "mixed", "tags"], r.choice([1, 1, 1, 2, 3]))
        if self.chance(0.6):
            items = self.breakdown({by})
            question["breakdown"] = [b for b in items if not (isinstance(b, dict) and "users_who_did" in b)]
            question["attribution"] = r.choice(["first", "first", "last", "step1", "step2"])
            if self.chance(0.3):
                question["top"] = r.choice([1, 2, 3])
        if self.chance(0.3):
            question["filter"] = self.filter(by)
        kind = r.random()
        if kind < 0.15:
            question |= {"report": "funnel_trend", "unit": r.choice(["day", "week", "month"])}
        elif kind < 0.3:
            question |= {"report": "funnel_times", "buckets": r.choice([1, 3, 10, 20])}
        elif kind < 0.4 and question.get("breakdown"):
            question["report"] = "funnel_significance"
        if question["report"] in ("funnel", "funnel_trend") and self.chance(0.35):
            question["property"] = r.choice(["n", "n", "mixed"])
        return question

    def floating(self, step):
        order = self.random.choice([{}, {"order": "any"}, {"order": "any"}, {"order": "loose"}])
        return ({"event": step} if isinstance(step, str) else step) | order

    def exclusion(self, by, steps):
        selector = self.selector(by)
        if self.chance(0.4):
            return selector
        first = self.random.randint(1, steps - 1)
        between = {"between": [first, self.random.randint(first + 1, steps)]}
        return ({"event": selector} if isinstance(selector, str) else selector) | between

    def retention(self):
        """The plain question, or one with some of the options; or its average row."""
        r = self.random
        by = self.by()
        question = {
            "report": "retention",
            "born": self.selector(by),
            "returned": self.selector(by),
            **self.dates(),
            "by": by,
            "unit": r.choice(["day", "day", "week", "month"]),
            "buckets": r.choice([0, 1, 3, 7]),
            "criterion": r.choice(["on", "on_or_after", "on_or_before", "streak"]),
            "alignment": r.choice(["rolling", "calendar"]),
            "births": r.choice(["every", "first"]),
        }
        if self.chance(0.3):
            return question
        if self.chance(0.3):
            question["filter"] = self.filter(by)
        if self.chance(0.3):
            question["brackets"] = sorted(r.sample(range(1, 12), r.choice([1, 2, 3])))
        if self.chance(0.6):
            items = self.breakdown({by})
            question["breakdown"] = [b for b in items if not (isinstance(b, dict) and "users_who_did" in b)]
            if self.chance(0.4):
                question["top"] = r.choice([1, 2])
        question["measure"] = r.choice(["rate", "count", "sum", "average"])
        if question["measure"] in ("sum", "average"):
            question["property"] = r.choice(["n", "n", "mixed"])
        if self.chance(0.2):
            question |= {"report": "retention_summary", "average": r.choice(["weighted", "pooled"])}
        return question

    def members(self):
        """Who is behind a number of another question."""
        reports = [self.insights] * 3 + [self.funnel] * 2 + [self.retention] * 2
        question = self.random.choice([*reports, self.lifecycle, self.frequency, self.sessions, self.flow_paths, self.flows])()
        while any("profiles" in m for m in question.get("metrics", [])):  # which have nobody behind them
            question = self.insights()
        for key in ("rolling", "cumulative", "formulas") if question["report"] == "insights" else ():
            question.pop(key, None)
        # Its kin have numbers of their own.
        question["report"] = {"retention_summary": "retention"}.get(question["report"], question["report"])
        if question["report"].startswith("funnel"):
            question["report"] = "funnel"
        for key in ("unit", "buckets", "property") if question["report"] == "funnel" else ("average",):
            question.pop(key, None)
        return {"report": "members", "of": question, "pick": self.random.random()}

    def subjects(self):
        """A question about one user or group."""
        r = self.random
        key = r.choice(list(KEYS))
        report = r.choice(["group_members", "user_groups", "activity", "activity", "company_profile"])
        if report == "company_profile":
            as_of = self.day() + timedelta(days=r.choice([0, 1, 10, 40, 70]))
            return {"report": report, "group_id": r.choice(COMPANIES), "as_of": as_of}
        if report == "user_groups":
            return {"report": report, "distinct_id": r.choice([*USERS, "7", "nobody", "$device:D1"])}
        if report == "group_members":
            question = {"report": report, "group_key": key, "group_id": r.choice([*KEYS[key], "nobody"])}
            return question | ({"at": self.calendar.day_start(self.day())} if self.chance(0.3) else {})
        by = r.choice(["user", key])
        question = {"report": report, "by": by, "id": r.choice([*USERS, "$device:D1"] if by == "user" else KEYS[key]), **self.dates()}
        if self.chance(0.3):
            question["hide"] = r.sample(EVENTS, r.choice([1, 2]))
        if self.chance(0.2):
            question["before"] = self.calendar.day_start(self.day())
        return question | {"page_size": r.choice([None, 1, 3, 20])}

    def sessions(self):
        r = self.random
        by = self.by()
        unit = r.choice(["hour", "day", "day", "week", "month", "range"])
        dates = self.dates(3 if unit == "hour" else 20)
        if unit == "hour":
            dates["to_date"] = min(dates["to_date"], dates["from_date"] + timedelta(days=3))
        question = {"report": "sessions", **dates, "by": by, "unit": unit}
        roll = r.random()
        if roll < 0.2:
            question |= {"starts": self.selector(by), "ends": self.selector(by)}
        elif roll < 0.35:
            question["property"] = r.choice(["plan", "n", "mixed"])
        else:
            question["timeout"] = r.choice([30 * MINUTE, 30 * MINUTE, 2000, HOUR, 3 * HOUR, DAY])
        if self.chance(0.2):
            question["filter"] = self.filter(by)
        if self.chance(0.5):
            items = [b for b in self.breakdown({by}) if not (isinstance(b, dict) and "users_who_did" in b)]
            own = ["$duration_s", "$event_count", "$origin_start", "$origin_end"]
            own.append({"property": "$duration_s", "bucket": r.choice(BUCKETS)})
            items += r.sample(own, r.choice([0, 1, 1, 2]))
            question["breakdown"] = items
            if items and self.chance(0.3):
                question["top"] = r.choice([1, 2, 3])
        return question

    def flow_paths(self):
        r = self.random
        by = self.by()
        forward, reverse = r.choice([(3, 0), (3, 0), (1, 0), (5, 0), (2, 2), (0, 3), (1, 5)])
        anchors = self.selector(by)
        if self.chance(0.5):
            anchors = r.choice([*EVENTS, "$any"])
        question = {
            "report": "flow_paths",
            "anchors": anchors,
            **self.dates(),
            "by": by,
            "forward": forward,
            "reverse": reverse,
            "within": r.choice([2000, HOUR, 3 * HOUR, DAY, 7 * DAY, 30 * DAY, 30 * DAY, 366 * DAY]),
            "count": r.choice(["unique", "unique", "total"]),
            "collapse": self.chance(0.3),
            "top": r.choice([1, 3, 50, 1000]),
        }
        if self.chance(0.5):
            self.journey(question, by)
            anchors = question["anchors"]
        hidden = r.choice(EVENTS)
        if self.chance(0.3) and f"'{hidden}'" not in repr(anchors):
            question["hide"] = [hidden]
        return question

    def journey(self, question, by):
        """Makes flows of several anchors, or with the options that only they have."""
        r = self.random

        def anchor():
            selector = self.selector(by) if self.chance(0.3) else r.choice([*EVENTS, "$any"])
            if self.chance(0.3):
                selector = selector if isinstance(selector, dict) else {"event": selector}
                selector = selector | {"forward": r.choice([0, 1, 2]), "reverse": r.choice([1, 2])}
            return selector

        question["anchors"] = [anchor() for _ in range(r.choice([1, 2, 2, 3]))]
        question["count"] = r.choice(["unique", "total", "sessions"])
        if question["count"] == "sessions":
            del question["within"]
        steps = len(question["anchors"])
        if steps > 1 and self.chance(0.4):
            question["exclude"] = [self.exclusion(by, steps) for _ in range(r.choice([1, 2]))]
        if self.chance(0.3):
            question["hold"] = r.sample(["plan", "n", "ok", "mixed", "tags"], r.choice([1, 1, 2]))
        if self.chance(0.4):
            by_what = ["plan", "n", "tags", {"property": "n", "bucket": r.choice(BUCKETS)}]
            by_what += ["user.plan"] if by == "user" else [f"group.{by}.tier"]
            question["split"] = {e: r.choice(by_what) for e in r.sample([*EVENTS, "$any"], r.choice([1, 2]))}
        if self.chance(0.3):
            question["filter"] = self.filter(by)

    def flows(self):
        question = self.flow_paths() | {"report": "flows", "rows": self.random.choice([1, 2, 3, 50])}
        del question["top"]
        return question

    def question(self):
        often = [self.insights] * 4 + [self.members] * 4
        funnels = [self.funnel] * 3
        others = [self.lifecycle, self.frequency, self.sessions, self.flow_paths, self.flows]
        return self.random.choice([*often, *funnels, self.retention, *others, self.subjects, self.subjects, self.cohorts, self.cohorts])()
