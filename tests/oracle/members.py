"""Who is behind a number: `{"report": "members", "of": question, "pick": 0 … 1}` picks one number of a report's answer.

The members are worked out from the facts, attempts, births and paths that make up the number, never from the number; that
their count, or sum, is the number is checked on the way.
"""

import math
from collections import defaultdict

import funnels
import oracle
import sequences
from oracle import Undetermined, intervals_of, number_of, per_subject
from session import quote


def answer(question, world):
    """The whole report, {key: number}."""
    arguments = {k: v for k, v in question.items() if k != "report"}
    report = question["report"]
    if report == "insights":
        # What is none has nobody behind it.
        return {k: v for k, v in oracle.insights(world, **arguments).items() if v is not None}
    if report == "funnel":
        return {k: r["count"] for k, r in funnels.funnel(world, **arguments).items()}
    if report == "retention":
        return {k: r["retained"] for k, r in oracle.retention(world, **arguments).items()}
    if report == "sessions":
        return {k: r["sessions"] for k, r in sequences.sessions(world, **arguments).items()}
    if report in ("lifecycle", "frequency"):
        return getattr(oracle, report)(world, **arguments)
    return {k: r["count"] for k, r in getattr(sequences, report)(world, **arguments).items()}


def resolved(question, world):
    """The question with the number it is about."""
    found = answer(question["of"], world)
    if not found:
        raise Undetermined("an answer without a number")
    keys = sorted((k for k, n in found.items() if n), key=repr) or sorted(found, key=repr)
    # Every third question is about those who are not in the number.
    pick = question["pick"]
    cell = {"key": keys[int(pick * len(keys))], "others": int(pick * 3000) % 3 == 0}
    return question | {"cell": cell, "number": found[cell["key"]]}


def instant(ms):
    return f"to_timestamp({ms} / 1000.0)"


def texts(values):
    return "ARRAY[" + ", ".join(map(quote, values)) + "]::text[]"


def arguments(question):
    """The arguments that name the number, as SQL."""
    of, key = question["of"], question["cell"]["key"]
    others = question["cell"]["others"]
    report = of["report"]
    if report == "insights":
        return {"metric": quote(key[0]), "segment": texts(key[1]), "bucket": instant(key[2])}
    if report == "funnel":
        outcome = "dropped" if others and key[1] > 1 else "converted"
        return {"segment": texts(key[0]), "step": key[1], "outcome": quote(outcome)}
    if report == "retention":
        outcome = "lost" if others else "retained"
        return {"segment": texts(key[0]), "cohort": instant(key[1]), "bucket": key[2], "outcome": quote(outcome)}
    if report == "lifecycle":
        return {"bucket": instant(key[0]), "state": quote(key[1])}
    if report == "frequency":
        return {"bucket": instant(key[0]), "active": key[1]}
    if report == "sessions":
        segment = {"segment": texts(key[0])} if of.get("breakdown") else {}
        return segment | {"bucket": instant(key[1])}
    if report == "flow_paths":
        return {"path": texts(key)}
    anchor, step, event, _, next_anchor, next_step, next_event, _ = key
    node = {"anchor": anchor, "step": step, "event": quote(event)}
    if others:  # a node is all its edges
        return node
    return node | {"next_anchor": next_anchor, "next_step": next_step, "next_event": quote(next_event)}


def columns(question):
    """What is compared beside the id."""
    return {
        "insights": "id, events, value",
        "retention": "id, (extract(epoch from born_at) * 1000)::float8 AS born_at, value",
        "lifecycle": "id",
        "sessions": "id, sessions, events",
        "frequency": "id, active_in",
    }.get(question["of"]["report"], "id, times")


def agree(question, number):
    """The members must make up the number."""
    if abs(number - question["number"]) > 1e-9 * max(1, abs(number)):
        raise AssertionError(f"members of {question['cell']['key']} are {number}, the report says {question['number']}")


def expected(question, world):
    """{id: row}"""
    if "cell" not in question:
        question = resolved(question, world)
    of = {k: v for k, v in question["of"].items() if k != "report"}
    return globals()["of_" + question["of"]["report"]](question, world, question["cell"]["key"], of)


def times(whom):
    """How often each comes."""
    rows = defaultdict(lambda: {"times": 0})
    for who in whom:
        rows[who]["times"] += 1
    return dict(rows)


def of_insights(question, world, key, of):
    label, segment, bucket = key
    compare = of.pop("compare", None)
    n = world.calendar.buckets(of["unit"], of["from_date"], of["to_date"]).index(bucket)
    if compare is not None and label.endswith(" (compared)"):
        _, lines = oracle.insights_of(world, **of)
        days = oracle.earlier_days(compare, of["from_date"], of["to_date"])
        of |= {"from_date": days[0], "to_date": days[1], "shown": lines}
        label = label.removesuffix(" (compared)")
        if n >= len(intervals_of(world.calendar, of["unit"], *days)):
            return {}
    name = segment[: len(of.get("breakdown") or [])]
    metric, facts = oracle.insights_of(world, **of, cell=(label, name, n))
    measure = metric.get("measure", "average" if "per" in metric else "total")
    own = defaultdict(list)
    for fact in facts:
        # A session is known by its subject and its start.
        own[fact.subject[0] if measure == "sessions" else fact.subject].append(fact)
    rows = {}
    for subject, mine in own.items():
        events = {id(f.event): f for f in mine}
        value = 1.0
        if per_subject(metric):
            value = (oracle.of_subjects(metric, mine) or [None])[0]
        elif measure == "total":
            value = len(events)
        elif measure == "sessions":
            value = len({f.subject for f in mine})
        elif "property" in metric:
            value = oracle.of_values(measure, [f.value for f in events.values()], metric.get("percentile"))
        row = {"value": value, "events": len(events)}
        distinct = measure == "distinct"
        if subject is None:  # nobody: events without a user
            if distinct:
                continue
            if measure not in ("total", "sum", "average"):
                row["value"] = None
        elif value is None:
            continue
        if distinct:
            del row["events"]
        if measure == "distribution" and oracle.text_of(value) != segment[-1]:
            continue
        rows[subject or ""] = row
    group = metric.get("by", "user") != "user"
    if measure == "unique" or measure in oracle.DAYS or measure in ("cumulative_unique", "distribution"):
        agree(question, len(rows))
    elif measure == "sessions":
        agree(question, sum(r["value"] for r in rows.values()))
    elif measure == "total" and not group:
        agree(question, sum(r["events"] for r in rows.values()))
    elif measure == "sum" and not (group and "property" in metric):
        agree(question, math.fsum(r["value"] for r in rows.values()))
    return rows


def of_funnel(question, world, key, of):
    segment, step = key
    ask = funnels.Ask(of.pop("steps"), **{k: v for k, v in of.items() if k not in ("from_date", "to_date")})
    outcomes = ask.outcomes(ask.streams(world), *world.calendar.span(of["from_date"], of["to_date"]))
    chosen = ask.chosen(outcomes, ask.shown([outcomes])[segment])
    reached = [who for (who, _), at in chosen if len(at) >= step]
    agree(question, len(reached))
    if question["cell"]["others"] and step > 1:
        return times(who for (who, _), at in chosen if len(at) == step - 1)
    return times(reached)


def of_retention(question, world, key, of):
    name, cohort, n = key
    criterion, measure = of.get("criterion", "on_or_after"), of.get("measure", "rate")
    found, shown = oracle.retention_births(world, **of)
    kept, lost = {}, {}
    for birth in found:
        if birth.cohort == cohort and birth.segments & shown[name]:
            retained, total = oracle.own_cell(birth, n, criterion)
            value = total if measure in ("sum", "average") else 1
            (kept if retained else lost)[birth.subject] = {"born_at": birth.time, "value": value}
    agree(question, len(kept))
    return lost if question["cell"]["others"] else kept


def of_lifecycle(question, world, key, of):
    unit = of.get("unit", "week")
    first = world.calendar.unit_start(unit, of["from_date"])
    spans = intervals_of(world.calendar, unit, first, of["to_date"], before=1)
    (at,) = [i for i, s in enumerate(spans) if s.label == key[0]]
    before, now = spans[at - 1], spans[at]
    rows = {}
    for who, seen in oracle.times_of(world, of["event"], of["by"]).items():
        here = any(now.start <= t < now.end for t in seen)
        just = any(before.start <= t < before.end for t in seen)
        known = any(t < now.start for t in seen)
        state = "retained" if just else "resurrected" if known else "new"
        state = state if here else "dormant" if just else None
        if state == key[1]:
            rows[who] = {"member": True}
    agree(question, len(rows))
    return {who: {} for who in rows}


def of_frequency(question, world, key, of):
    bucket, n = key
    unit = of["unit"]
    (interval,) = [
        i for i in intervals_of(world.calendar, unit, of["from_date"], of["to_date"]) if i.label == bucket
    ]

    def part(t):
        return (t - bucket) // oracle.HOUR if unit == "day" else world.calendar.local_date(t)

    rows = {}
    for who, seen in oracle.times_of(world, of["event"], of["by"]).items():
        active = len({part(t) for t in seen if interval.start <= t < interval.end})
        if active == n or of["cumulative"] and active > n:
            rows[who] = {"active_in": active}
    agree(question, len(rows))
    return rows


def of_sessions(question, world, key, of):
    unit, top = of.pop("unit"), of.pop("top", 200)
    found = sequences.cuts(world, **of)
    segments = sequences.shown_segments(found, of.get("breakdown"), top)[key[0]]
    rows = defaultdict(lambda: {"sessions": 0, "events": 0})
    for events, _, own, who in found:
        if own & segments and world.calendar.bucket(unit, of["from_date"], events[0].time) == key[1]:
            rows[who]["sessions"] += 1
            rows[who]["events"] += len(events)
    agree(question, sum(r["sessions"] for r in rows.values()))
    return dict(rows)


def of_flow_paths(question, world, key, of):
    del of["top"]
    whom = [who for who, blocks in sequences.Ways(world, **of).entries() if sequences.sequence(blocks) == key]
    agree(question, len(whom))
    return times(whom)


def of_flows(question, world, key, of):
    paths = sequences.seen(world, **of)
    edge = [who for who, path in paths if key in sequences.edges(path)]
    agree(question, len(edge))
    if question["cell"]["others"]:
        place, node = key[:2], key[2:4]
        return times(who for who, path in paths if path.get(place) == node)
    return times(edge)
