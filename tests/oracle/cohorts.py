"""Cohorts, the slow and obvious way: every subject is asked every condition.

A definition is the JSON of the server with filters as trees and dates as dates. Cohorts are named by what they say, so
that questions can name them: in filters as ("cohort", name), in breakdowns as "cohort.name".
"""

import hashlib
from collections import Counter
from datetime import date, timedelta

import expression
from oracle import Event, World, matches, of_values, sightings
from session import jsonb, quote

COHORTS = {}  # name -> (by, definition)
# What every test project knows beside the script: see create() and the step "key" in project.py.
SEED_PROPERTIES = {"plan": "x", "n": 1, "ok": True, "tags": ["x"], "mixed": 1, "nowhere": 1}
SEED_USER, SEED_GROUP = {"plan": "x", "age": 1}, {"tier": "x", "seats": 1}


def named(by, definition):
    """The name of a cohort with this definition, which is remembered."""
    name = "c_" + hashlib.sha1((by + repr(definition)).encode()).hexdigest()[:8]
    COHORTS[name] = (by, definition)
    return name


def written(definition):
    """The JSON of a definition, with filters as text and dates as dates are written."""

    def of(key, value):
        if key == "where":
            return expression.render(value)
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, dict):
            return selector(value) if "event" in value or key in ("did", "did_not", "first_time", "users_who_did") else written(value)
        if isinstance(value, list):
            return [of(key, v) if not isinstance(v, dict) or key in ("all", "any") else selector(v) for v in value]
        return value

    def selector(value):
        result = dict(value)
        if "any" in value:
            result["any"] = [selector(v) if isinstance(v, dict) else v for v in value["any"]]
        if value.get("filter") is not None:
            result["filter"] = expression.render(value["filter"])
        return result

    return {key: of(key, value) for key, value in definition.items()}


def mentioned(thing):
    """Names of the cohorts that a question or a definition needs, those they are made of first."""
    names = []
    if isinstance(thing, tuple) and thing[:1] == ("cohort",):
        names.append(thing[1])
    elif isinstance(thing, str) and thing.startswith("cohort."):
        names.append(thing.removeprefix("cohort."))
    elif isinstance(thing, dict):
        if isinstance(thing.get("cohort"), str):
            names.append(thing["cohort"])
        for value in thing.values():
            names += mentioned(value)
    elif isinstance(thing, (list, tuple)):
        for value in thing:
            names += mentioned(value)
    found = []
    for name in names:
        if name in COHORTS:
            found += [*mentioned(COHORTS[name][1]), name]
    return list(dict.fromkeys(found))


def statements(question, project):
    """What defines the cohorts of a question."""
    return [
        f"SELECT analytics_groups.define_cohort({quote(name)}, {jsonb(written(COHORTS[name][1]))}, "
        f"by => {quote(COHORTS[name][0])}, project => {quote(project)});"
        for name in mentioned(question)
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Members


def span(calendar, condition, last):
    """The instants of a condition's time, as of the end of the day `last`."""
    if "within" in condition:
        number, unit = condition["within"].split()
        days = int(number) * {"day": 1, "week": 7}[unit.removesuffix("s")]
        first, until = last - timedelta(days=days - 1), last
    else:
        first, until = condition["from_date"], min(condition["to_date"], last)
    return calendar.span(first, until) if first <= until else (0, 0)


def compared(condition, value):
    if value is None:
        return False
    if "at_least" in condition:
        return value >= condition["at_least"]
    if "at_most" in condition:
        return value <= condition["at_most"]
    return value == condition["exactly"]


def follows(world, by, subject, events, steps, used=()):
    """Are there different events for the steps, none earlier than the one before?"""
    if not steps:
        return True
    since = events[used[-1]].time if used else None
    return any(
        i not in used
        and (since is None or event.time >= since)
        and matches(steps[0], world, event, by, subject)
        and follows(world, by, subject, events, steps[1:], (*used, i))
        for i, event in enumerate(events)
    )


class Members:
    """Who is in cohorts of a world, as of the end of a day."""

    def __init__(self, world, last):
        self.world, self.last, self.known = World(
            [], {}, world.calendar, world.users, world.groups, hidden=world.hidden, merged=world.merged
        ), last, {}
        self.world.events = [*world.events, Event("Seed", "seed", 315532800000, None, SEED_PROPERTIES, {})]
        self.world.users = {**world.users, "seed": SEED_USER}
        self.end = world.calendar.span(last, last)[1]
        self.found = {}

    def profiles(self, by):
        if by == "user":
            return self.world.users
        return {g: p for (key, g), p in self.world.groups.items() if key == by} | {"seed": SEED_GROUP}

    def subjects(self, by):
        """Subject -> its events, for everybody of whom an event so far or a profile is known."""
        if by not in self.known:
            all_of_them = {subject: [] for subject in self.profiles(by)}
            for event, subject in sightings(self.world, by):
                if subject is not None and event.time < self.end:
                    all_of_them.setdefault(subject, []).append(event)
            self.known[by] = all_of_them
        return self.known[by]

    def of(self, name):
        """The members of a cohort."""
        if name not in self.found:
            by, definition = COHORTS[name]
            self.found[name] = {s for s, events in self.subjects(by).items() if self.holds(definition, by, s, events)}
        return self.found[name]

    def holds(self, c, by, subject, events):
        if "all" in c:
            return all(self.holds(x, by, subject, events) for x in c["all"])
        if "any" in c:
            return any(self.holds(x, by, subject, events) for x in c["any"])
        if "not" in c:
            return not self.holds(c["not"], by, subject, events)
        if "cohort" in c:
            return subject in self.of(c["cohort"])
        if "where" in c:
            own = self.profiles(by).get(subject, {})
            return expression.evaluate(c["where"], {}, own, lambda key: own) is True
        start, end = span(self.world.calendar, c, self.last)
        inside = [e for e in events if start <= e.time < end]

        def picked(selector, among):
            return [e for e in among if matches(selector, self.world, e, by, subject)]

        if "did_not" in c:
            return not picked(c["did_not"], inside)
        if "first_time" in c:
            every = picked(c["first_time"], events)
            return bool(every) and start <= min(e.time for e in every) < end
        if "sequence" in c:
            return follows(self.world, by, subject, inside, c["sequence"])
        if "users_who_did" in c:
            times = Counter(e.user for e in picked(c["users_who_did"], inside) if e.user is not None)
            return compared(c, sum(n >= c.get("times", 1) for n in times.values()))
        asked = picked(c["did"], inside)
        if "measure" in c:
            return compared(c, of_values(c["measure"], [e.properties.get(c["property"]) for e in asked]))
        return compared(c, len(asked))


def is_member(world, name, subject):
    """Whether a subject is in a cohort now."""
    if not hasattr(world, "members"):
        world.members = Members(world, date.today())
    return subject is not None and subject in world.members.of(name)


def resolved(tree, world, subject):
    """A filter with what it asks of cohorts answered for one subject."""
    if isinstance(tree, tuple) and tree[:1] == ("cohort",):
        return ("lit", is_member(world, tree[1], subject))
    return tuple(resolved(part, world, subject) for part in tree) if isinstance(tree, tuple) else tree


def segment(world, name, subject):
    return f"In {name}" if is_member(world, name, subject) else f"Not In {name}"


def cohort_members(world, cohort):
    """{id: {}} of everybody who is in it now."""
    members = Members(world, date.today()).of(cohort)
    return {subject: {"member": True} for subject in members}


def cohort_size(world, cohort, from_date, to_date, unit="day"):
    """{interval: members at its end}."""
    calendar, ends = world.calendar, {}
    for i in range((to_date - from_date).days + 1):
        day = from_date + timedelta(days=i)
        ends[calendar.bucket(unit, from_date, calendar.day_start(day))] = day
    return {bucket: {"size": len(Members(world, last).of(cohort))} for bucket, last in ends.items()}


# ---------------------------------------------------------------------------------------------------------------------
# Drawing them


def draw(generator, by, depth=2):
    """A random definition for the users or the groups of a key."""
    r = generator.random
    if depth and generator.chance(0.45):
        kind = r.choice(["all", "any", "not"])
        if kind == "not":
            return {"not": draw(generator, by, depth - 1)}
        return {kind: [draw(generator, by, depth - 1) for _ in range(r.choice([1, 2, 2, 3]))]}
    time = r.choice([{"within": r.choice(["1 day", "3 days", "2 weeks", "9000 days", "9000 days"])}, generator.dates()])
    compare = {r.choice(["at_least", "at_most", "exactly"]): r.choice([0, 1, 1, 2, 3])}
    kind = r.random()
    selector = generator.selector(by)
    if kind < 0.3:
        return {"did": selector, **compare, **time}
    if by != "user" and kind < 0.4:
        return {"users_who_did": selector, **compare, **time} | r.choice([{}, {}, {"times": 1}, {"times": 2}])
    if kind < 0.5:
        measure = r.choice(["sum", "average", "median", "median", "min", "max", "distinct"])
        return {"did": selector, **compare, **time, "measure": measure, "property": r.choice(["n", "n", "mixed", "tags"])}
    if kind < 0.6:
        return {"did_not": selector, **time}
    if kind < 0.7:
        return {"first_time": selector, **time}
    if kind < 0.8:
        return {"sequence": [generator.selector(by) for _ in range(r.choice([2, 2, 3]))], **time}
    if kind < 0.9:
        return {"cohort": named(by, draw(generator, by, 0))}
    source = ("user", r.choice(["plan", "age"])) if by == "user" else ("group", by, r.choice(["tier", "seats"]))
    return {
        "where": r.choice(
            [
                ("==", source, ("lit", r.choice(["gold", "high", 30]))),
                ("!=", source, ("lit", r.choice(["gold", "high", 5]))),
                ("defined", source),
                ("not", (">", source, ("lit", 10))),
            ]
        )
    }


def cohort(generator, by):
    """The name of a random cohort."""
    return named(by, draw(generator, by))

