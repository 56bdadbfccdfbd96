"""Questions in both languages: the oracle's, and the SQL surface's.

A question is a dict `{"report": "insights" | "funnel" | "retention" | "lifecycle" | "frequency" | "sessions" | "flows" |
"flow_paths", …}` with the arguments of the oracle's function of that name (filters and formulas as trees). Answers of both
sides are brought to one shape and compared number for number.
"""

import math
import time
from datetime import timedelta

import cohorts
import expression
import funnels
import members
import oracle
import sequences
import subjects
from session import jsonb, quote
from zone import DAY

TIMES = ["avg_time", "median_time", "avg_time_from_start", "median_time_from_start"]
DURATIONS = ["avg_duration", "median_duration", "p90_duration"]
SEQUENCES = ["sessions", "flows", "flow_paths"]


def selector_json(selector):
    """A selector with its filters as text."""
    if isinstance(selector, str):
        return selector
    written = dict(selector)
    if "groups" in selector:
        who_did = selector_json(selector["groups"]["users_who_did"])
        written["groups"] = selector["groups"] | {"users_who_did": who_did}
    if "any" in selector:
        written["any"] = [selector_json(s) for s in selector["any"]]
    if written.get("filter") is None:
        written.pop("filter", None)
    else:
        written["filter"] = expression.render(written["filter"])
    return written


def formula_text(tree):
    if isinstance(tree, (int, float)):
        return repr(tree)
    if isinstance(tree, str):
        return tree if tree.isalnum() else f'"{tree}"'
    return f"({formula_text(tree[1])} {tree[0]} {formula_text(tree[2])})"


def interval(ms):
    return f"interval '{ms // DAY} days'" if ms % DAY == 0 and ms else f"interval '{ms} milliseconds'"


def epoch_ms(column):
    return f"(extract(epoch from {column}) * 1000)::float8"


def call(question, project):
    """The SQL query of a question, as a person would type it."""
    q = question
    if q["report"] in subjects.REPORTS:
        return subjects.call(q, project)
    if q["report"] == "members":
        inner = call(q["of"], project)
        _, arguments = inner.split("(", 1)
        kind = {"flow_paths": "flow", "flows": "flow"}.get(q["of"]["report"], q["of"]["report"])
        if q["of"]["report"] == "flow_paths":
            arguments = arguments.replace(f"top => {q['of']['top']}, ", "")
        cell = "".join(f"{k} => {v}, " for k, v in members.arguments(q).items())
        place = arguments.rindex("project => ")
        return f"analytics_groups.{kind}_members({arguments[:place]}{cell}{arguments[place:]}"
    if q["report"] == "cohort_members":
        return f"analytics_groups.cohort_members({quote(q['cohort'])}, project => {quote(project)})"
    arguments = []
    if q["report"] == "cohort_size":
        arguments.append(f"name => {quote(q['cohort'])}")
    if q["report"] == "insights":
        arguments.append(f"metrics => {jsonb([selector_json(m) for m in q['metrics']])}")
    elif "steps" in q:
        arguments.append(f"steps => {jsonb([selector_json(s) for s in q['steps']])}")
    elif "event" in q:
        arguments.append(f"event => {jsonb(selector_json(q['event']))}")
    else:
        selectors = [name for name in ("born", "returned", "anchors", "starts", "ends") if q.get(name) is not None]
        for name in selectors:
            several = isinstance(q[name], list)
            written = [selector_json(s) for s in q[name]] if several else selector_json(q[name])
            arguments.append(f"{name} => {jsonb(written)}")
    arguments += [f"{name} => date {quote(q[name].isoformat())}" for name in ("from_date", "to_date")]
    arguments += [f"{name} => {interval(q[name])}" for name in ("within", "grace", "timeout") if name in q]
    texts = ("by", "unit", "criterion", "alignment", "births", "measure", "average", "property")
    texts += ("count", "ordering", "reentry", "attribution")
    for name in texts:
        if q.get(name) is not None:
            arguments.append(f"{name} => {quote(q[name])}")
    numbers = ("buckets", "top", "rolling", "cumulative", "forward", "reverse", "rows", "collapse")
    arguments += [f"{name} => {q[name]}" for name in numbers if name in q]
    if q.get("brackets"):
        arguments.append(f"brackets => ARRAY{q['brackets']}")
    if q.get("compare"):
        days, months = q["compare"]
        arguments.append(f"compare => interval '{months} months {days} days'")
    if q.get("formulas"):
        written = ", ".join(quote(f"{name} = {formula_text(tree)}") for name, tree in q["formulas"])
        arguments.append(f"formulas => ARRAY[{written}]")
    if q.get("exclude"):
        arguments.append(f"exclude => {jsonb([selector_json(s) for s in q['exclude']])}")
    for name in ("hold", "control"):
        if q.get(name):
            arguments.append(f"{name} => ARRAY[{', '.join(map(quote, q[name]))}]")
    if q.get("split"):
        arguments.append(f"split => {jsonb(q['split'])}")
    if q.get("hide"):
        arguments.append("hide => array[" + ", ".join(quote(e) for e in q["hide"]) + "]")
    if q.get("breakdown"):
        arguments.append(f"breakdown => {jsonb(q['breakdown'])}")
    if q.get("filter") is not None:
        arguments.append(f"filter => {quote(expression.render(q['filter']))}")
    arguments.append(f"project => {quote(project)}")
    return f"analytics_groups.{q['report']}({', '.join(arguments)})"


def query(question, project):
    """The same with instants and intervals as milliseconds, for comparison."""
    if question["report"] in subjects.REPORTS:
        return f"SELECT {subjects.columns(question)} FROM {call(question, project)}"
    if question["report"] == "members":
        return f"SELECT {members.columns(question)} FROM {call(question, project)}"
    steps = "step, event, count, step_conversion, overall_conversion, " + ", ".join(
        f"{epoch_ms(t)} AS {t}" for t in TIMES
    )
    steps += ", sum, average, median, min, max"
    columns = {
        "insights": f"metric, segment, {epoch_ms('bucket')} AS bucket, value",
        "funnel": f"segment, {steps}",
        "funnel_trend": f"segment, {epoch_ms('bucket')} AS bucket, {steps}",
        "funnel_times": f"segment, {epoch_ms('at_least')} AS low, {epoch_ms('below')} AS high, count",
        "funnel_significance": "segment, entered, converted, conversion, p_value, significant, verdict",
        "lifecycle": f"segment, {epoch_ms('bucket')} AS bucket, state, count",
        "frequency": f"segment, {epoch_ms('bucket')} AS bucket, active, count",
        "retention": f"segment, {epoch_ms('cohort')} AS cohort, size, bucket, retained, value, complete",
        "retention_summary": "segment, bucket, size, retained, value",
        "sessions": f"segment, {epoch_ms('bucket')} AS bucket, sessions, events_per_session, "
        + ", ".join(f"{epoch_ms(t)} AS {t}" for t in DURATIONS),
        "flows": "anchor, step, event, kind, next_anchor, next_step, next_event, next_kind, count",
        "flow_paths": "path, count, share",
        "cohort_members": "id",
        "cohort_size": f"{epoch_ms('bucket')} AS bucket, size",
    }[question["report"]]
    return f"SELECT {columns} FROM {call(question, project)}"


def keyed(rows, key):
    """Rows by key; a key that comes twice is an error of its own."""
    answer = {}
    for row in rows:
        if key(row) in answer:
            raise AssertionError(f"two rows for {key(row)}")
        answer[key(row)] = row
    return answer


def expected(question, world):
    """The oracle's answer as {key: {column: value}}."""
    arguments = {k: v for k, v in question.items() if k != "report"}
    if question["report"] in ("cohort_members", "cohort_size"):
        return getattr(cohorts, question["report"])(world, **arguments)
    if question["report"] in SEQUENCES:
        return getattr(sequences, question["report"])(world, **arguments)
    if question["report"] in subjects.REPORTS:
        return getattr(subjects, question["report"])(world, **arguments)
    if question["report"] == "members":
        return members.expected(question, world)
    if question["report"].startswith("retention"):
        return retention(question, world)
    module = funnels if "steps" in question else oracle
    answer = getattr(module, question["report"])(world, **arguments)
    if question["report"] == "insights":
        return without_empty_segments({key: {"value": value} for key, value in answer.items()})
    if "steps" in question:
        return answer
    if question["report"] in ("lifecycle", "frequency"):
        return {key: {"count": n} for key, n in answer.items()}
    raise AssertionError(f"unknown report {question['report']}")


def retention(question, world):
    """Retention with its column complete, or the average row of what is."""
    arguments = {k: v for k, v in question.items() if k not in ("report", "average")}
    rows = oracle.retention(world, **arguments)
    for (_, cohort, bucket), row in rows.items():
        complete = is_complete(question, world.calendar, cohort, bucket)
        if complete is not None:
            row["complete"] = complete
        elif question["report"] == "retention_summary":
            raise oracle.Undetermined("a bucket that may be over when the server is asked")
    if question["report"] == "retention":
        return rows
    summary = {}
    for segment, bucket in {(key[0], key[2]) for key in rows}:
        here = [r for key, r in rows.items() if (key[0], key[2]) == (segment, bucket) and r["complete"]]
        p, c, v = ([r[k] for r in here] for k in ("size", "retained", "value"))
        v = [x or 0 for x in v]

        def total(*factors):
            return sum(math.prod(f) for f in zip(*factors))

        measure, weighted = question.get("measure", "rate"), question.get("average", "weighted") == "weighted"
        size, kept = (total(p, p), total(p, c)) if weighted else (total(p), total(c))
        by = total(p) if weighted else 1
        row = {"size": None, "retained": None, "value": None}
        if here:
            row = {"size": size / by, "retained": kept / by}
            row["value"] = {
                "rate": kept / size,
                "count": kept / by,
                "sum": total(p, v) / by if weighted else total(v),
                "average": total(p, v) / by if weighted else (total(c, v) / total(c) if total(c) else None),
            }[measure]
        summary[segment, bucket] = row
    return summary


def is_complete(question, calendar, cohort, bucket):
    """Whether the youngest possible member's bucket is over; None when that is being decided about now."""
    unit, now = question.get("unit", "day"), time.time() * 1000
    first = calendar.unit_start(unit, calendar.local_date(cohort))
    last = calendar.unit_start(unit, first + timedelta(days={"day": 1, "week": 7, "month": 31}[unit]))
    end = min(calendar.day_start(last), calendar.span(question["from_date"], question["to_date"])[1])
    units = question["brackets"][bucket] if question.get("brackets") else bucket + 1
    if question.get("alignment", "rolling") == "rolling":
        end += units * oracle.UNIT_MS[unit]
    else:
        for _ in range(units):
            last = calendar.unit_start(unit, last + timedelta(days={"day": 1, "week": 7, "month": 31}[unit]))
        end = calendar.day_start(last)
    return None if abs(end - now) < 40 * DAY else end <= now


def actual(question, rows):
    """The server's rows in the same shape."""
    if question["report"] in subjects.REPORTS:
        return subjects.actual(question, rows)
    if question["report"] == "members":
        return keyed(rows, lambda r: r["id"])
    if question["report"] == "retention":
        return keyed([r for r in rows if r["size"]], lambda r: (tuple(r["segment"]), r["cohort"], r["bucket"]))
    if question["report"] == "retention_summary":
        rows = [r for r in rows if r["size"] is not None or r["segment"]]
        return keyed(rows, lambda r: (tuple(r["segment"]), r["bucket"]))
    if question["report"] == "insights":
        return without_empty_segments(keyed(rows, lambda r: (r["metric"], tuple(r["segment"]), r["bucket"])))
    if "steps" in question:
        place = {"funnel": ["step"], "funnel_trend": ["bucket", "step"], "funnel_times": ["low", "high"]}
        names = place.get(question["report"])
        if names is None:
            return keyed(rows, lambda r: tuple(r["segment"]))
        return keyed(rows, lambda r: (tuple(r["segment"]), *[r[n] for n in names]))
    if question["report"] == "flows":
        node = ("anchor", "step", "event", "kind")
        return in_order(
            rows,
            lambda r: tuple(r[n] for n in [*node, *(f"next_{n}" for n in node)]),
            lambda r: (r["anchor"], r["step"], -r["count"]),
        )
    if question["report"] == "flow_paths":
        return in_order(rows, lambda r: tuple(r["path"]), lambda r: (-r["count"], [p.encode() for p in r["path"]]))
    if question["report"] == "cohort_members":
        return {key: {"member": True} for key in keyed(rows, lambda r: r["id"])}
    if question["report"] == "cohort_size":
        return keyed(rows, lambda r: r["bucket"])
    if any(row["segment"] for row in rows) and not question.get("breakdown"):
        raise AssertionError("segments without a breakdown")
    if question["report"] in ("lifecycle", "frequency"):
        return keyed(rows, lambda r: (r["bucket"], r["state"] if "state" in r else r["active"]))
    if question["report"] == "sessions":
        return keyed(rows, lambda r: (tuple(r["segment"]), r["bucket"]))
    raise AssertionError(f"unknown report {question['report']}")


def in_order(rows, key, rank):
    """Rows by key, which must have come in the order of their rank."""
    if any(rank(a) > rank(b) for a, b in zip(rows, rows[1:])):
        raise AssertionError("rows out of order")
    return keyed(rows, key)


def without_empty_segments(rows):
    """Leaves out segments that are zero everywhere: whether an event nobody counts opens a segment is not law."""
    alive = {segment for (_, segment, _), row in rows.items() if row["value"] or segment == ()}
    return {key: row for key, row in rows.items() if key[1] in alive}


def same(column, a, b):
    """Exact for counts, 1e-9 for ratios, the microsecond an interval can hold for times."""
    if a is None or b is None:
        return a is None and b is None
    if isinstance(a, (bool, str)) or isinstance(b, (bool, str)):
        return a == b
    return abs(a - b) <= (0.001 if column in TIMES + DURATIONS else 1e-9 * max(1, abs(a)))


def differences(question, wanted, got):
    """What differs, one line each; empty when the answers agree."""
    lines = []
    for key in sorted(set(wanted) | set(got), key=repr):
        if key not in got:
            lines.append(f"{key}: expected {wanted[key]}, no row")
        elif key not in wanted:
            lines.append(f"{key}: unexpected row {got[key]}")
        else:
            for column, value in wanted[key].items():
                if not same(column, value, got[key].get(column)):
                    lines.append(f"{key}: {column} is {got[key].get(column)}, expected {value}")
    return lines


def check(session, question, project, world):
    """Asks both sides. Returns the differences, one line each."""
    if question["report"] == "members":
        question = members.resolved(question, world)
    wanted = expected(question, world)
    for statement in cohorts.statements(question, project) + subjects.statements(question, project):
        session.run(statement)
    try:
        return differences(question, wanted, actual(question, session.rows(query(question, project))))
    except AssertionError as e:
        return [str(e)]
