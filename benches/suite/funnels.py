"""Funnels. Two meanings of one funnel are measured: the default (the entry is the first step-1 event of a subject, it is never
restarted) and optimized re-entry (the best of all entries), which is what ClickHouse's windowFunnel counts. Grace is 0.

No event fills two steps and no two events of a user share a millisecond; two users of one company may, and then steps convert in
step order everywhere (>= below).
"""

from . import A, RANGE, WEEK, Query, first

THREE = ["view_item", "add_to_cart", "purchase"]
FIVE = ["page_view", "session_start", "click", "view_item", "search"]
TUNED = {"only": "tuned"}
USER_ORDER = {"only": "tuned", "settings": "optimize_aggregation_in_order = 1"}


def events(steps):
    return "event IN (" + ", ".join(f"'{s}'" for s in steps) + ")"


def ours(steps, by, *more, columns="step, count"):
    named = "[" + ", ".join(f'"{s}"' for s in steps) + "]"
    by = [] if by == "user_id" else [f"by => '{by}'"]
    return f"SELECT {columns} FROM {A}.funnel('{named}', {', '.join([RANGE, *by, *more])}, within => '7 days', grace => '0')"


# ---- default re-entry ---------------------------------------------------------------------------------------------------


def ch_arrays(steps, by, table="ev"):
    """One pass: the first step 1 and the times of each later step as arrays, then the earliest that qualifies, step by step."""
    arrays = ", ".join(f"groupArrayIf(t, event = '{s}') a{i}" for i, s in enumerate(steps[1:], 2))
    chain = ", ".join(
        f"if(t{i - 1} = 0, 0, arrayMin(arrayFilter(x -> x >= t{i - 1} AND x <= t1 + {WEEK}, a{i}))) t{i}" for i in range(2, len(steps) + 1)
    )
    return f"""SELECT {{out}} FROM (SELECT t1, {chain} FROM (SELECT {by},
        minIf(t, event = '{steps[0]}') t1, {arrays} FROM {table} WHERE {events(steps)} GROUP BY {by} HAVING t1 > 0))"""


def ch_entries(steps, by, union):
    """windowFunnel over the first step-1 event of each subject and all later steps, so that there is but one entry to choose."""
    rest = events(steps[1:])
    first_of = f"SELECT {by}, min(t) FROM ev WHERE event = '{steps[0]}' GROUP BY {by}"
    if union:
        number = "transform(toString(event), [" + ", ".join(f"'{s}'" for s in steps[1:]) + "], [" + ", ".join(map(str, range(2, len(steps) + 1))) + "], 0)"
        source = f"(SELECT {by}, min(t) t, 1 s FROM ev WHERE event = '{steps[0]}' GROUP BY {by} UNION ALL SELECT {by}, t, toUInt8({number}) FROM ev WHERE {rest})"
        conditions = ", ".join(f"s = {i}" for i in range(1, len(steps) + 1))
    else:
        source = f"ev WHERE (event = '{steps[0]}' AND ({by}, t) IN ({first_of})) OR {rest}"
        conditions = ", ".join(f"event = '{s}'" for s in steps)
    levels = ", ".join(f"countIf(level >= {i})" for i in range(1, len(steps) + 1))
    return f"SELECT {levels} FROM (SELECT {by}, windowFunnel({WEEK})(t, {conditions}) level FROM {source} GROUP BY {by})"


def cascade(steps, by):
    """Join by join: the earliest next step of each subject that is still in. Every dialect understands it."""
    text = [f"f1 AS (SELECT {by}, min(t) AS t1, min(t) AS te FROM ev WHERE event = '{steps[0]}' GROUP BY {by})"]
    for i, s in enumerate(steps[1:], 2):
        text.append(
            f"f{i} AS (SELECT e.{by}, min(f.t1) AS t1, min(e.t) AS te FROM ev e JOIN f{i - 1} f ON e.{by} = f.{by} "
            f"WHERE e.event = '{s}' AND e.t >= f.te AND e.t <= f.t1 + {WEEK} GROUP BY e.{by})"
        )
    return "WITH " + ",\n        ".join(text)


def duck_asof(steps, by):
    """The earliest later event is what an ASOF join finds."""
    text = [f"f1 AS (SELECT {by}, min(t) AS t1, min(t) AS te FROM ev WHERE event = '{steps[0]}' GROUP BY {by})"]
    for i, s in enumerate(steps[1:], 2):
        text.append(
            f"f{i} AS (SELECT f.{by}, f.t1, e.t AS te FROM f{i - 1} f ASOF JOIN (SELECT {by}, t FROM ev WHERE event = '{s}') e "
            f"ON f.{by} = e.{by} AND f.te <= e.t WHERE e.t <= f.t1 + {WEEK})"
        )
    return "WITH " + ",\n        ".join(text)


def pg_lateral(steps, by):
    """A look into the index per subject and step."""
    text = [f"f1 AS MATERIALIZED (SELECT {by}, min(t) AS t1, min(t) AS te FROM ev WHERE event = '{steps[0]}' GROUP BY {by})"]
    for i, s in enumerate(steps[1:], 2):
        text.append(
            f"f{i} AS MATERIALIZED (SELECT f.{by}, f.t1, e.te FROM f{i - 1} f CROSS JOIN LATERAL (SELECT min(t) AS te FROM ev "
            f"WHERE event = '{s}' AND {by} = f.{by} AND t >= f.te AND t <= f.t1 + {WEEK}) e WHERE e.te IS NOT NULL)"
        )
    return "WITH " + ",\n        ".join(text)


def count_all(steps):
    return " SELECT " + ", ".join(f"(SELECT count(*) FROM f{i})" for i in range(1, len(steps) + 1))


def reached(steps):
    return ", ".join(f"countIf(t{i} > 0)" for i in range(1, len(steps) + 1))


def default(name, title, steps, by):
    tail = count_all(steps)
    return Query(
        name, title, [ours(steps, by)],
        [ch_arrays(steps, by).format(out=reached(steps)), cascade(steps, by) + tail,
         (ch_arrays(steps, by, table="ev_user").format(out=reached(steps)), USER_ORDER),
         ch_entries(steps, by, False), ch_entries(steps, by, True)],
        [cascade(steps, by) + tail, duck_asof(steps, by) + tail],
        [cascade(steps, by).replace("AS (", "AS MATERIALIZED (") + tail, pg_lateral(steps, by) + tail],
        shape=first,
    )


# ---- optimized re-entry -------------------------------------------------------------------------------------------------


def window_funnel(steps, by, table="ev", country=False):
    levels = ", ".join(f"countIf(level >= {i})" for i in range(1, len(steps) + 1))
    conditions = ", ".join(f"event = '{s}'" for s in steps)
    text = f"""(SELECT {by}, {'any(country) country, ' if country else ''}windowFunnel({WEEK})(t, {conditions}) level FROM {table}
        WHERE {events(steps)} GROUP BY {by})"""
    if country:
        return f"SELECT country, {levels} FROM {text} WHERE level > 0 GROUP BY country ORDER BY country"
    return f"SELECT {levels} FROM {text}"


def duck_best(steps, by, country=False):
    """The latest chain that could be continued, step by step: an ASOF join each."""
    keep, carry = (", country", ", p.country") if country else ("", "")
    text = [f"f1 AS (SELECT {by} k, t, t AS t1{keep} FROM ev WHERE event = '{steps[0]}')"]
    for i, s in enumerate(steps[1:], 2):
        text.append(f"f{i} AS (SELECT p.k, e.t, p.t1{carry} FROM ev e ASOF JOIN f{i - 1} p ON e.{by} = p.k AND e.t >= p.t "
                    f"WHERE e.event = '{s}' AND e.t - p.t1 <= {WEEK})")
    if country:
        levels = " UNION ALL ".join(f"SELECT country, {i} AS n, count(DISTINCT k) AS c FROM f{i} GROUP BY country" for i in range(1, len(steps) + 1))
        sums = ", ".join(f"coalesce(sum(c) FILTER (WHERE n = {i}), 0)" for i in range(1, len(steps) + 1))
        return "WITH " + ",\n        ".join(text) + f" SELECT country, {sums} FROM ({levels}) GROUP BY country ORDER BY country"
    counts = ", ".join(f"(SELECT count(DISTINCT k) FROM f{i})" for i in range(1, len(steps) + 1))
    return "WITH " + ",\n        ".join(text) + " SELECT " + counts


def windows(steps, by, materialized="", country=False):
    """The same as a chain of running maxima."""
    keep = ", country" if country else ""
    cases = " ".join(f"WHEN '{s}' THEN {i}" for i, s in enumerate(steps))
    text = [f"e AS {materialized}(SELECT {by} AS k, t, CASE event {cases} END AS s{keep} FROM ev WHERE {events(steps)})",
            "p1 AS (SELECT *, CASE WHEN s = 0 THEN t END AS c1 FROM e)"]
    for i in range(1, len(steps)):
        text.append(f"p{i + 1} AS (SELECT *, CASE WHEN s = {i} AND t - max(c{i}) OVER w <= {WEEK} THEN max(c{i}) OVER w END AS c{i + 1} FROM p{i} "
                    "WINDOW w AS (PARTITION BY k ORDER BY t, s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))")
    counts = ", ".join(f"count(DISTINCT k) FILTER (WHERE c{i} IS NOT NULL)" for i in range(1, len(steps) + 1))
    if country:
        counts = f"country, {counts}"
    return "WITH " + ",\n        ".join(text) + f" SELECT {counts} FROM p{len(steps)}" + (
        " GROUP BY country HAVING count(c1) > 0 ORDER BY country" if country else "")


def optimized(name, title, steps, by):
    return Query(
        name, title, [ours(steps, by, "reentry => 'optimized'")],
        [window_funnel(steps, by), (window_funnel(steps, by, "ev_user"), USER_ORDER)],
        [duck_best(steps, by), windows(steps, by)],
        [windows(steps, by, "MATERIALIZED ")],
        shape=first,
    )


# ---- any order, breakdown, time to convert ------------------------------------------------------------------------------

ANY_WINDOW = f"""SELECT {{counts}} FROM (SELECT user_id, max(CASE WHEN t - l0 <= {WEEK} THEN 1 ELSE 0 END + CASE WHEN t - l1 <= {WEEK} THEN 1 ELSE 0 END
        + CASE WHEN t - l2 <= {WEEK} THEN 1 ELSE 0 END) AS m FROM (SELECT user_id, t,
            max(CASE WHEN event = 'view_item' THEN t END) OVER w AS l0, max(CASE WHEN event = 'add_to_cart' THEN t END) OVER w AS l1,
            max(CASE WHEN event = 'purchase' THEN t END) OVER w AS l2 FROM ev WHERE {events(THREE)}
            WINDOW w AS (PARTITION BY user_id ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) l GROUP BY user_id) n"""
# Which steps lie in the 7 days that end here, as bits.
ANY_RANGE = f"""SELECT {{counts}} FROM (SELECT user_id, max(bit_count(bits)) AS m FROM (SELECT user_id,
            bit_or(CASE event WHEN 'view_item' THEN 1 WHEN 'add_to_cart' THEN 2 ELSE 4 END) OVER
            (PARTITION BY user_id ORDER BY t RANGE BETWEEN {WEEK} PRECEDING AND CURRENT ROW) AS bits
            FROM ev WHERE {events(THREE)}) l GROUP BY user_id) n"""
# arrayFill carries the last event of each step forward.
ANY_ARRAYS = f"""SELECT countIf(m >= 1), countIf(m >= 2), countIf(m >= 3) FROM (SELECT user_id,
        arraySort(groupArray((t, transform(toString(event), ['view_item', 'add_to_cart', 'purchase'], [0, 1, 2], 3)::UInt8))) arr,
        arrayMax(arrayMap((x, a, b, c) -> toUInt8(a.2 = 0 AND x.1 - a.1 <= {WEEK}) + toUInt8(b.2 = 1 AND x.1 - b.1 <= {WEEK}) + toUInt8(c.2 = 2 AND x.1 - c.1 <= {WEEK}),
            arr, arrayFill(x -> x.2 = 0, arr), arrayFill(x -> x.2 = 1, arr), arrayFill(x -> x.2 = 2, arr))) m
        FROM {{table}} WHERE {events(THREE)} GROUP BY user_id)"""
IF = "countIf(m >= 1), countIf(m >= 2), countIf(m >= 3)"
FILTER = "count(*) FILTER (WHERE m >= 1), count(*) FILTER (WHERE m >= 2), count(*) FILTER (WHERE m >= 3)"
# The entry is the first of the three events, so each step's first time decides.
ANY_FIRST = f"""SELECT {{counts}} FROM (SELECT user_id, CASE WHEN f0 - t0 <= {WEEK} THEN 1 ELSE 0 END + CASE WHEN f1 - t0 <= {WEEK} THEN 1 ELSE 0 END
        + CASE WHEN f2 - t0 <= {WEEK} THEN 1 ELSE 0 END AS m FROM (SELECT user_id, min(t) AS t0,
            min(CASE WHEN event = 'view_item' THEN t END) AS f0, min(CASE WHEN event = 'add_to_cart' THEN t END) AS f1,
            min(CASE WHEN event = 'purchase' THEN t END) AS f2 FROM ev WHERE {events(THREE)} GROUP BY user_id) f) n"""

time_tail = " SELECT count(*), avg(te - t1), {median} FROM f3"


def by_segment(rows):
    out = {}
    for segment, step, count in rows:
        out.setdefault(segment[0], {})[step] = count
    return [(s, *(n for _, n in sorted(steps.items()))) for s, steps in out.items()]


QUERIES = [
    default("q10", "funnel of 3 steps in 7 days, users", THREE, "user_id"),
    optimized("q10o", "the same, best of all entries", THREE, "user_id"),
    default("q11", "funnel of 5 steps, users", FIVE, "user_id"),
    optimized("q11o", "the same, best of all entries", FIVE, "user_id"),
    default("q12", "funnel of 3 steps, companies", THREE, "company_id"),
    optimized("q12o", "the same, best of all entries", THREE, "company_id"),
    Query(
        "q12b", "funnel of 3 steps by country, best of all entries",
        [ours(THREE, "user_id", "reentry => 'optimized'", "breakdown => '[\"country\"]'", "top => 1000", columns="segment, step, count")],
        [window_funnel(THREE, "user_id", country=True), (window_funnel(THREE, "user_id", "ev_user", country=True), USER_ORDER)],
        [duck_best(THREE, "user_id", True), windows(THREE, "user_id", country=True)],
        [windows(THREE, "user_id", "MATERIALIZED ", True)],
        shape=by_segment, note="the country of a user is constant, so that every attribution gives the same. Without optimized re-entry a breakdown counts the best of "
        "the attempts that follow one another, which plain SQL can't say in one pass",
    ),
    Query(
        "q13", "3 events in any order within 7 days, best of all entries",
        [ours(THREE, "user_id", "ordering => 'any'", "reentry => 'optimized'")],
        [ANY_WINDOW.format(counts=IF), ANY_ARRAYS.format(table="ev"), (ANY_ARRAYS.format(table="ev_user"), USER_ORDER)],
        [ANY_WINDOW.format(counts=FILTER), ANY_RANGE.format(counts=FILTER)],
        [ANY_WINDOW.format(counts=FILTER)],
        shape=first,
    ),
    Query(
        "q13d", "the same from the first of them",
        [ours(THREE, "user_id", "ordering => 'any'")],
        [ANY_FIRST.format(counts=IF).replace("min(CASE WHEN event = ", "minOrNullIf(t, event = ").replace(" THEN t END)", ")")],
        [ANY_FIRST.format(counts=FILTER)],
        [ANY_FIRST.format(counts=FILTER)],
        shape=first,
    ),
    Query(
        "q15", "time to convert: converters, mean and median ms",
        [ours(THREE, "user_id", columns="step, count, extract(epoch FROM avg_time_from_start) * 1000, extract(epoch FROM median_time_from_start) * 1000")],
        [ch_arrays(THREE, "user_id").format(out="countIf(t3 > 0), avgIf(t3 - t1, t3 > 0), quantileExactInclusiveIf(0.5)(t3 - t1, t3 > 0)"),
         (ch_arrays(THREE, "user_id", table="ev_user").format(out="countIf(t3 > 0), avgIf(t3 - t1, t3 > 0), quantileExactInclusiveIf(0.5)(t3 - t1, t3 > 0)"), USER_ORDER)],
        [cascade(THREE, "user_id") + time_tail.format(median="quantile_cont(te - t1, 0.5)"),
         duck_asof(THREE, "user_id") + time_tail.format(median="quantile_cont(te - t1, 0.5)")],
        [cascade(THREE, "user_id").replace("AS (", "AS MATERIALIZED (") + time_tail.format(median="percentile_cont(0.5) WITHIN GROUP (ORDER BY te - t1)"),
         pg_lateral(THREE, "user_id") + time_tail.format(median="percentile_cont(0.5) WITHIN GROUP (ORDER BY te - t1)")],
        shape=lambda rows: [r[1:] for r in rows if r[0] == 3],
    ),
]
