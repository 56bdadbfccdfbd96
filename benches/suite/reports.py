"""The second set: options of the reports that the suite leaves out, where the same question can be written in SQL of the peers.

They are checked and timed like all others and have a table of their own in the report; the geometric mean of the suite is
without them. Plain PostgreSQL is not asked.
"""

from . import A, DAY, RANGE, WEEK, Query, first
from .behaviour import COHORT_JOIN, DEFINE, DUCK_WEEK, MONTH, TIMEOUT
from .counts import by_day, insights
from .funnels import THREE, by_segment, cascade, ch_arrays, duck_asof, duck_best, events, ours

TUNED = {"only": "tuned"}
USER_ORDER = {"only": "tuned", "settings": "optimize_aggregation_in_order = 1"}
LEVELS = "countIf(level >= 1), countIf(level >= 2), countIf(level >= 3)"
CH_WEEK = "toInt32(toMonday(day))"


def tables(text, settings=USER_ORDER):
    """The question to the one table, and to the second copy by user."""
    return [text.format(table="ev"), (text.format(table="ev_user"), settings)]


def retention(columns, born, returned, *more, tail=""):
    return (f"SELECT {columns} FROM {A}.{'retention_summary' if 'average' in str(more) else 'retention'}('\"{born}\"', '\"{returned}\"', "
            f"{', '.join([RANGE, *more])}, births => 'first', criterion => 'on'){tail}")


# ---- retention: 7 or 30 days and weeks from the first birth, a return later than it ------------------------------------------

BIRTH = "b AS (SELECT user_id, min(t) AS t0 FROM ev WHERE event = 'view_item' GROUP BY user_id)"
IN_BRACKETS = ", ".join(f"count(DISTINCT user_id) FILTER (WHERE age >= {lo * DAY} AND age < {hi * DAY})" for lo, hi in ((0, 1), (1, 7), (7, 30)))
BRACKETS = f"""WITH {BIRTH}, a AS (SELECT e.user_id, e.t - b.t0 AS age FROM ev e JOIN b ON e.user_id = b.user_id WHERE e.event = 'purchase' AND e.t > b.t0)
        SELECT (SELECT count(*) FROM b), {IN_BRACKETS} FROM a"""
BRACKETS_BITS = f"""WITH {BIRTH}, a AS (SELECT e.user_id, max(CASE WHEN e.t - b.t0 < {DAY} THEN 1 ELSE 0 END) AS b0,
            max(CASE WHEN e.t - b.t0 >= {DAY} AND e.t - b.t0 < {7 * DAY} THEN 1 ELSE 0 END) AS b1,
            max(CASE WHEN e.t - b.t0 >= {7 * DAY} AND e.t - b.t0 < {30 * DAY} THEN 1 ELSE 0 END) AS b2
            FROM ev e JOIN b ON e.user_id = b.user_id WHERE e.event = 'purchase' AND e.t > b.t0 GROUP BY e.user_id)
        SELECT (SELECT count(*) FROM b), sum(b0), sum(b1), sum(b2) FROM a"""
BRACKETS_ARRAYS = "SELECT countIf(t0 > 0), " + ", ".join(
    f"countIf(t0 > 0 AND arrayExists(x -> x > t0 AND x >= t0 + {lo * DAY} AND x < t0 + {hi * DAY}, a))" for lo, hi in ((0, 1), (1, 7), (7, 30))
) + """ FROM (SELECT minIf(t, event = 'view_item') t0, groupArrayIf(t, event = 'purchase') a FROM {table} WHERE event IN ('view_item', 'purchase') GROUP BY user_id)"""
BORN_WEEK = "b AS (SELECT user_id, min(t) AS t0, {week} AS w FROM ev WHERE event = 'view_item' GROUP BY user_id)"
RETURNS = f"""WITH {BORN_WEEK}
        SELECT {{keys}}, {{age}} AS k, count(DISTINCT e.user_id){{more}} FROM ev e JOIN b ON e.user_id = b.user_id
        WHERE e.event = 'purchase' AND e.t > b.t0{{limit}} GROUP BY {{group}} ORDER BY 1, 2, 3"""
RETURNS_PAIRS = f"""WITH {BORN_WEEK},
        p AS (SELECT e.user_id, {{keys}}, {{age}} AS k{{inner}} FROM ev e JOIN b ON e.user_id = b.user_id WHERE e.event = 'purchase' AND e.t > b.t0{{limit}} GROUP BY {{pairs}})
        SELECT {{names}}, k, count(*){{outer}} FROM p GROUP BY {{names}}, k ORDER BY 1, 2, 3"""
AGE = {"clickhouse": f"intDiv(e.t - b.t0, {WEEK})", "duckdb": f"(e.t - b.t0) // {WEEK}"}
BIRTH_WEEK = {"clickhouse": "toMonday(toDate(intDiv(min(t), 86400000)))", "duckdb": "date_trunc('week', min(day))::DATE"}


def returns(engine, country):
    week, age = BIRTH_WEEK[engine], AGE[engine]
    limit = f" AND e.t < b.t0 + {5 * WEEK if country else 13 * WEEK}"
    keys, names = ("e.country AS country, b.w AS w", "country, w") if country else ("b.w AS w", "w")
    more = "" if country else ", round(sum(e.amount), 2)"
    return [
        RETURNS.format(week=week, keys=keys, age=age, more=more, limit=limit, group=f"{names}, k"),
        RETURNS_PAIRS.format(week=week, keys=keys, age=age, inner="" if country else ", sum(e.amount) AS s", limit=limit, pairs=f"e.user_id, {names}, k",
                             names=names, outer="" if country else ", round(sum(s), 2)"),
    ]


# ---- funnels -----------------------------------------------------------------------------------------------------------------

# An excluded event after the entry ends the attempt: a step counts that comes before the first of them.
EXCLUDED_ARRAYS = ch_arrays(THREE, "user_id", "{table}").replace(
    "SELECT t1, ", "SELECT t1, arrayMin(arrayFilter(x -> x > t1, a4)) x, ").replace(
    "FROM (SELECT user_id", "FROM (SELECT user_id, groupArrayIf(t, event = 'search') a4").replace(
    events(THREE), events([*THREE, "search"]))
EXCLUDED_COUNTS = "countIf(t1 > 0), countIf(t2 > 0 AND (x = 0 OR t2 < x)), countIf(t3 > 0 AND (x = 0 OR t3 < x))"
EXCLUDED_TAIL = """, x AS (SELECT f1.user_id, {first} AS x FROM f1 {join})
        SELECT (SELECT count(*) FROM f1), (SELECT count(*) FROM f2 LEFT JOIN x USING (user_id) WHERE x IS NULL OR te < x),
            (SELECT count(*) FROM f3 LEFT JOIN x USING (user_id) WHERE x IS NULL OR te < x)"""
EXCLUDED_JOIN = EXCLUDED_TAIL.format(first="min(e.t)", join="JOIN ev e ON e.user_id = f1.user_id AND e.event = 'search' AND e.t > f1.t1 GROUP BY f1.user_id")
EXCLUDED_ASOF = EXCLUDED_TAIL.format(first="e.t", join="ASOF JOIN (SELECT user_id, t FROM ev WHERE event = 'search') e ON e.user_id = f1.user_id AND f1.t1 < e.t")

HOLD_CH = f"""SELECT {LEVELS} FROM (SELECT user_id, max(l) level FROM (SELECT user_id, item_id, windowFunnel({WEEK})(t, event = 'view_item', event = 'add_to_cart', event = 'purchase') l
        FROM ev WHERE {events(THREE)} GROUP BY user_id, item_id) GROUP BY user_id)"""
HOLD_DUCK = f"""WITH f1 AS (SELECT user_id, item_id, t, t AS t1 FROM ev WHERE event = 'view_item'),
        f2 AS (SELECT p.user_id, p.item_id, e.t, p.t1 FROM (SELECT * FROM ev WHERE event = 'add_to_cart') e ASOF JOIN f1 p
            ON e.user_id = p.user_id AND e.item_id = p.item_id AND e.t >= p.t WHERE e.t - p.t1 <= {WEEK}),
        f3 AS (SELECT p.user_id FROM (SELECT * FROM ev WHERE event = 'purchase') e ASOF JOIN f2 p
            ON e.user_id = p.user_id AND e.item_id = p.item_id AND e.t >= p.t WHERE e.t - p.t1 <= {WEEK})
        SELECT (SELECT count(DISTINCT user_id) FROM f1), (SELECT count(DISTINCT user_id) FROM f2), (SELECT count(DISTINCT user_id) FROM f3)"""
HOLD_JOIN = f"""WITH v AS (SELECT user_id, item_id, t FROM ev WHERE event = 'view_item'),
        c AS (SELECT v.user_id AS user_id, v.item_id AS item_id, v.t AS t1, e.t AS t FROM v JOIN ev e ON e.user_id = v.user_id AND e.item_id = v.item_id
            WHERE e.event = 'add_to_cart' AND e.t >= v.t AND e.t <= v.t + {WEEK}),
        p AS (SELECT c.user_id FROM c JOIN ev e ON e.user_id = c.user_id AND e.item_id = c.item_id WHERE e.event = 'purchase' AND e.t >= c.t AND e.t <= c.t1 + {WEEK})
        SELECT (SELECT count(DISTINCT user_id) FROM v), (SELECT count(DISTINCT user_id) FROM c), (SELECT count(DISTINCT user_id) FROM p)"""

# Events with the number of their session: all events of a user are read for it, whatever is counted then.
NUMBERED = f"""s AS (SELECT user_id, day, t, event, sum(fresh) OVER (PARTITION BY user_id ORDER BY t ROWS UNBOUNDED PRECEDING) AS no FROM (
            SELECT user_id, day, t, event, CASE WHEN t - lag(t) OVER w <= {TIMEOUT} AND day = lag(day) OVER w THEN 0 ELSE 1 END AS fresh FROM {{table}}
            WINDOW w AS (PARTITION BY user_id ORDER BY t)) g)"""
NUMBERED_CH = NUMBERED.replace("lag(t) OVER w", "lagInFrame(t, 1, 0) OVER w").replace("lag(day) OVER w", "lagInFrame(day, 1) OVER w").replace(
    "ORDER BY t)) g", "ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)) g")
SESSION_FUNNEL = """SELECT count(t1), count(t2), count(list_min(list_filter(a3, lambda x: x > t2))) FROM (SELECT t1, a3, list_min(list_filter(a2, lambda x: x > t1)) AS t2 FROM (
            SELECT min(t) FILTER (WHERE event = 'view_item') AS t1, list(t) FILTER (WHERE event = 'add_to_cart') AS a2, list(t) FILTER (WHERE event = 'purchase') AS a3
            FROM s WHERE """ + events(THREE) + """ GROUP BY user_id, no))"""
# The events of one user and day are cut where the gap is too long; each part is a session.
CUT_ARRAYS = f"""SELECT day, arrayJoin(arraySplit((x, g) -> g > {TIMEOUT}, arr, arrayDifference(arrayMap(x -> x.1, arr)))) s FROM (
            SELECT day, arraySort(groupArray((t, event))) arr FROM {{table}} GROUP BY {{keys}} HAVING has(arrayMap(x -> x.2, arr), '{{needs}}'))"""
SESSION_FUNNEL_CH = f"""SELECT countIf(i > 0), countIf(j > 0), countIf(k > 0) FROM (SELECT arrayFirstIndex(x -> x.2 = 'view_item', s) i,
            if(i = 0, 0, arrayFirstIndex((x, n) -> n > i AND x.2 = 'add_to_cart', s, arrayEnumerate(s))) j,
            if(j = 0, 0, arrayFirstIndex((x, n) -> n > j AND x.2 = 'purchase', s, arrayEnumerate(s))) k FROM ({CUT_ARRAYS}))"""
SESSION_FUNNEL_FAST = f"""WITH {NUMBERED_CH} SELECT countIf(t1 > 0), countIf(t2 > 0), countIf(t3 > 0) FROM (SELECT minIf(t, event = 'view_item') t1,
            arrayMin(arrayFilter(x -> t1 > 0 AND x > t1, groupArrayIf(t, event = 'add_to_cart'))) t2,
            arrayMin(arrayFilter(x -> t2 > 0 AND x > t2, groupArrayIf(t, event = 'purchase'))) t3 FROM s WHERE {events(THREE)} GROUP BY user_id, no)"""

STRICT = f"""SELECT count(DISTINCT user_id), count(DISTINCT CASE WHEN e1 = 'add_to_cart' AND t1 - t <= {WEEK} THEN user_id END),
        count(DISTINCT CASE WHEN e1 = 'add_to_cart' AND e2 = 'purchase' AND t2 - t <= {WEEK} THEN user_id END) FROM (SELECT user_id, event, t,
            lead(event, 1) OVER w AS e1, lead(event, 2) OVER w AS e2, lead(t, 1) OVER w AS t1, lead(t, 2) OVER w AS t2
            FROM {{table}} WINDOW w AS (PARTITION BY user_id ORDER BY t)) x WHERE event = 'view_item'"""
STRICT_CH = STRICT.replace("lead(event, 1)", "leadInFrame(toString(event), 1)").replace("lead(event, 2)", "leadInFrame(toString(event), 2)").replace("lead(t", "leadInFrame(t").replace(
    "ORDER BY t)", "ORDER BY t ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING)")
STRICT_ARRAYS = f"""SELECT countIf(level >= 1), countIf(level >= 2), countIf(level >= 3) FROM (SELECT arraySort(groupArray((t, event))) arr,
            arrayMax(arrayMap((x, y, z) -> if(x.2 != 'view_item', 0, if(y.2 != 'add_to_cart' OR y.1 - x.1 > {WEEK}, 1, if(z.2 != 'purchase' OR z.1 - x.1 > {WEEK}, 2, 3))),
                arr, arrayShiftLeft(arr, 1), arrayShiftLeft(arr, 2))) level FROM {{table}} GROUP BY user_id)""".replace(
    "arrayShiftLeft(arr, 1)", "arrayResize(arrayPopFront(arr), length(arr), (0, 'logout'))").replace(
    "arrayShiftLeft(arr, 2)", "arrayResize(arrayPopFront(arrayPopFront(arr)), length(arr), (0, 'logout'))")


def trend(steps, week, asof):
    """A cascade per user and week of entry."""
    text = [f"f1 AS (SELECT user_id, {week} AS w, min(t) AS t1, min(t) AS te FROM ev WHERE event = '{steps[0]}' GROUP BY user_id, w)"]
    for i, s in enumerate(steps[1:], 2):
        if asof:
            text.append(f"f{i} AS (SELECT f.user_id, f.w, f.t1, e.t AS te FROM f{i - 1} f ASOF JOIN (SELECT user_id, t FROM ev WHERE event = '{s}') e "
                        f"ON f.user_id = e.user_id AND f.te <= e.t WHERE e.t <= f.t1 + {WEEK})")
        else:
            text.append(f"f{i} AS (SELECT f.user_id AS user_id, f.w AS w, min(f.t1) AS t1, min(e.t) AS te FROM f{i - 1} f JOIN ev e ON e.user_id = f.user_id "
                        f"WHERE e.event = '{s}' AND e.t >= f.te AND e.t <= f.t1 + {WEEK} GROUP BY f.user_id, f.w)")
    levels = " UNION ALL ".join(f"SELECT w, {i} AS n, count(*) AS c FROM f{i} GROUP BY w" for i in range(1, len(steps) + 1))
    sums = ", ".join(f"sum(CASE WHEN n = {i} THEN c ELSE 0 END)" for i in range(1, len(steps) + 1))
    return "WITH " + ",\n        ".join(text) + f" SELECT w, {sums} FROM ({levels}) x GROUP BY w ORDER BY w"


TREND_ARRAYS = f"""SELECT toDate(w), count(), countIf(t2 > 0), countIf(t3 > 0) FROM (SELECT w, t1, arrayMin(arrayFilter(x -> x >= t1 AND x <= t1 + {WEEK}, c)) t2,
            if(t2 = 0, 0, arrayMin(arrayFilter(x -> x >= t2 AND x <= t1 + {WEEK}, p))) t3 FROM (SELECT user_id, {CH_WEEK} w, min(t) t1 FROM ev WHERE event = 'view_item' GROUP BY user_id, w) f
            LEFT JOIN (SELECT user_id, groupArrayIf(t, event = 'add_to_cart') c, groupArrayIf(t, event = 'purchase') p FROM ev WHERE event IN ('add_to_cart', 'purchase') GROUP BY user_id) a
            USING (user_id)) GROUP BY w ORDER BY w"""

PLAN_CH = f"""SELECT plan, countIf(level >= 1), countIf(level >= 2), countIf(level >= 3) FROM (SELECT company_id, windowFunnel({WEEK})(t, event = 'view_item', event = 'add_to_cart', event = 'purchase') level
        FROM {{table}} WHERE {events(THREE)} GROUP BY company_id) f {{join}} WHERE level > 0 GROUP BY plan ORDER BY plan"""
PLAN_DUCK = duck_best(THREE, "company_id").split(" SELECT (SELECT count")[0] + """ SELECT plan, count(*), count(b), count(c) FROM (SELECT DISTINCT k FROM f1) a
        LEFT JOIN (SELECT DISTINCT k, 1 AS b FROM f2) USING (k) LEFT JOIN (SELECT DISTINCT k, 1 AS c FROM f3) USING (k) JOIN comp ON comp.company_id = k GROUP BY plan ORDER BY plan"""

# ---- flows -------------------------------------------------------------------------------------------------------------------

SPLIT_TAIL = "ORDER BY c DESC, 1, 2, 3 LIMIT 20"
SPLIT_CH = f"""WITH f AS (SELECT user_id, min(t) t0 FROM ev WHERE event = 'login' GROUP BY user_id)
        SELECT p[1] e0, if(n > 1, p[2], '(drop-off)') e1, if(n > 2, p[3], if(n > 1, '(drop-off)', '')) e2, sum(k) c FROM (SELECT arrayMap(x -> concat(toString(x.1), ' [', toString(x.2), ']'), q) p, n, k
            FROM (SELECT q, n, count() k FROM (SELECT groupArraySorted(3)((t, event, country)) a, arrayMap(x -> (x.2, x.3), a) q, length(a) n FROM {{table}} e JOIN f USING (user_id)
                WHERE t >= t0 AND t <= t0 + {MONTH} GROUP BY user_id) GROUP BY q, n)) GROUP BY 1, 2, 3 {SPLIT_TAIL}"""
SPLIT_DUCK = f"""WITH f AS (SELECT user_id, min(t) AS t0 FROM ev WHERE event = 'login' GROUP BY user_id),
        n AS (SELECT arg_min({{{{e: event, c: country}}}}, t, 3) AS a FROM {{table}} JOIN f USING (user_id) WHERE t >= t0 AND t <= t0 + {MONTH} GROUP BY user_id),
        p AS (SELECT a, count(*) AS c FROM n GROUP BY a),
        q AS (SELECT list_transform(a, lambda x: x.e::VARCHAR || ' [' || x.c::VARCHAR || ']') AS p, c FROM p)
        SELECT p[1] AS e0, coalesce(p[2], '(drop-off)') AS e1, coalesce(p[3], CASE WHEN len(p) >= 2 THEN '(drop-off)' ELSE '' END) AS e2, c FROM q {SPLIT_TAIL}"""
SPLIT_LEAD = f"""SELECT e0, coalesce(e1, '(drop-off)') AS e1, coalesce(e2, CASE WHEN e1 IS NULL THEN '' ELSE '(drop-off)' END) AS e2, c FROM (SELECT e0, e1, e2, count(*) AS c FROM (SELECT
            event::VARCHAR || ' [' || country::VARCHAR || ']' AS e0, CASE WHEN t1 <= t + {MONTH} THEN n1::VARCHAR || ' [' || c1::VARCHAR || ']' END AS e1,
            CASE WHEN t2 <= t + {MONTH} THEN n2::VARCHAR || ' [' || c2::VARCHAR || ']' END AS e2, row_number() OVER (PARTITION BY user_id ORDER BY t) AS r
            FROM (SELECT user_id, t, event, country, lead(event, 1) OVER w AS n1, lead(event, 2) OVER w AS n2, lead(country, 1) OVER w AS c1, lead(country, 2) OVER w AS c2,
                lead(t, 1) OVER w AS t1, lead(t, 2) OVER w AS t2 FROM {{table}} WINDOW w AS (PARTITION BY user_id ORDER BY t)) l WHERE event = 'login') x WHERE r = 1 GROUP BY ALL) y {SPLIT_TAIL}"""

# From the first view to the purchase: what came right after the one, and right before the other.
ANCHOR_TAIL = "ORDER BY c DESC, 1 LIMIT 20"
ANCHORS_DUCK = f"""WITH x AS (SELECT user_id, t, event, row_number() OVER w AS r, lead(event) OVER w AS after, lead(t) OVER w AS after_t, lag(event) OVER w AS before
            FROM {{table}} WINDOW w AS (PARTITION BY user_id ORDER BY t)),
        v AS (SELECT user_id, min(t) AS t, arg_min({{{{r: r, after: after, after_t: after_t}}}}, t) AS s FROM x WHERE event = 'view_item' GROUP BY user_id),
        p AS (SELECT v.user_id, v.t, v.s.r AS r0, v.s.after AS after, v.s.after_t AS after_t, b.r AS r1, b.before AS before, b.t AS t1
            FROM v ASOF LEFT JOIN (SELECT user_id, t, r, before FROM x WHERE event = 'purchase') b ON b.user_id = v.user_id AND v.t < b.t),
        g AS (SELECT CASE WHEN t1 IS NULL OR t1 > t + {MONTH} THEN -1 ELSE least(r1 - r0 - 1, 3) END AS n, CASE WHEN after_t <= t + {MONTH} THEN after END AS after, before FROM p),
        k AS (SELECT n, CASE WHEN n <> 0 THEN after END AS after, CASE WHEN n > 1 THEN before END AS before, count(*) AS c FROM g GROUP BY ALL)
        SELECT 'view_item' || CASE WHEN after IS NULL THEN '' ELSE ' > ' || after::VARCHAR END || CASE WHEN n = 3 THEN ' > ≈' ELSE '' END
            || CASE WHEN n > 1 THEN ' > ' || before::VARCHAR ELSE '' END || CASE WHEN n < 0 THEN ' > (drop-off)' ELSE ' > purchase' END AS path, c FROM k {ANCHOR_TAIL}"""
ANCHORS_CH = f"""SELECT concat('view_item', if(after = '', '', concat(' > ', after)), if(n = 3, ' > ≈', ''), if(n > 1, concat(' > ', before), ''), if(n < 0, ' > (drop-off)', ' > purchase')) path, sum(k) c
        FROM (SELECT n, after, before, count() k FROM (SELECT arraySort(groupArray((t, event))) a, arrayFirstIndex(x -> x.2 = 'view_item', a) i, a[i].1 t0,
                arrayFirstIndex((x, m) -> m > i AND x.2 = 'purchase' AND x.1 <= t0 + {MONTH}, a, arrayEnumerate(a)) j,
                if(j = 0, -1, least(toInt32(j) - toInt32(i) - 1, 3)) n, if(n != 0 AND i < length(a) AND a[i + 1].1 <= t0 + {MONTH}, toString(a[i + 1].2), '') after,
                if(n > 1, toString(a[j - 1].2), '') before FROM {{table}} GROUP BY user_id HAVING i > 0) GROUP BY n, after, before) GROUP BY path {ANCHOR_TAIL}"""

# ---- lifecycle, frequency, sessions ------------------------------------------------------------------------------------------

LIFE = """WITH a AS (SELECT DISTINCT user_id, {week} AS w FROM {table}), f AS (SELECT w, {lag} AS p, {lead} AS n FROM a),
        s AS (SELECT w, CASE WHEN {none} THEN 1 ELSE 0 END AS fresh, CASE WHEN p = w - 7 THEN 1 ELSE 0 END AS kept, CASE WHEN NOT ({none}) AND p < w - 7 THEN 1 ELSE 0 END AS back, 0 AS gone FROM f
            UNION ALL SELECT w + 7, 0, 0, 0, 1 FROM f WHERE ({last} OR n > w + 7) AND w < {end})
        SELECT {date}, sum(fresh), sum(kept), sum(back), sum(gone) FROM s GROUP BY w ORDER BY w"""
LIFE_DUCK = LIFE.format(week=DUCK_WEEK, lag="lag(w) OVER (PARTITION BY user_id ORDER BY w)", lead="lead(w) OVER (PARTITION BY user_id ORDER BY w)", none="p IS NULL", last="n IS NULL",
                        end="DATE '2025-03-31'", date="w", table="{table}")
LIFE_CH = LIFE.format(week=CH_WEEK, lag="lagInFrame(w, 1, 0) OVER (PARTITION BY user_id ORDER BY w ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)",
                      lead="leadInFrame(w, 1, 0) OVER (PARTITION BY user_id ORDER BY w ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)", none="p = 0", last="n = 0",
                      end="toInt32(toDate('2025-03-31'))", date="toDate(w)", table="{table}")
LIFE_ARRAYS = f"""SELECT toDate(s.1), sum(s.2 = 0), sum(s.2 = 1), sum(s.2 = 2), sum(s.2 = 3) FROM (SELECT arraySort(groupUniqArray({CH_WEEK})) ws, arrayDifference(ws) gs,
            arrayJoin(arrayConcat(arrayMap((w, g) -> (w, if(g = 0, 0, if(g = 7, 1, 2))), ws, gs),
                arrayFilter(x -> x.1 <= toInt32(toDate('2025-03-31')), arrayMap(w -> (w + 7, 3), arrayFilter(w -> NOT has(ws, w + 7), ws))))) s
            FROM {{table}} GROUP BY user_id) GROUP BY s.1 ORDER BY s.1"""
AT_LEAST = ", ".join(f"sum(CASE WHEN d >= {k} THEN 1 ELSE 0 END)" for k in range(1, 8))
FREQUENCY = f"""SELECT w, {AT_LEAST} FROM (SELECT user_id, {{week}} AS w, count(DISTINCT day) AS d FROM {{table}} GROUP BY user_id, w) x GROUP BY w ORDER BY w"""
FREQUENCY_DAYS = f"""SELECT w, {AT_LEAST} FROM (SELECT user_id, {{week}} AS w, count(*) AS d FROM (SELECT DISTINCT user_id, day FROM {{table}}) y GROUP BY user_id, w) x GROUP BY w ORDER BY w"""

ITEMS = f"WHERE {events(THREE)}"
BY_ITEM = f"""SELECT day, sum(fresh), count(*) * 1.0 / sum(fresh), sum(dur) / sum(fresh) FROM (SELECT day, CASE WHEN same THEN 0 ELSE 1 END AS fresh, CASE WHEN same THEN t - before ELSE 0 END AS dur FROM (
            SELECT day, t, lag(t) OVER w AS before, coalesce(item_id = lag(item_id) OVER w, false) AS same FROM ev {ITEMS} WINDOW w AS (PARTITION BY user_id, day ORDER BY t)) g) x
        GROUP BY day ORDER BY day"""
BY_ITEM_CH = f"""SELECT day, countIf(f) s, count() / s, sumIf(gap, NOT f) / s FROM (SELECT day, item_id != lagInFrame(item_id) OVER w OR lagInFrame(t) OVER w = 0 f, toInt64(t) - toInt64(lagInFrame(t) OVER w) gap
            FROM ev {ITEMS} WINDOW w AS (PARTITION BY user_id, day ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)) GROUP BY day ORDER BY day"""
BY_ITEM_ARRAYS = f"""SELECT day, sum(s), sum(n) / sum(s), sum(dur) / sum(s) FROM (SELECT day, count() n, arraySort(groupArray((t, assumeNotNull(item_id)))) a,
            arrayMap((x, y) -> x.2 = y.2, a, arrayPushFront(arrayPopBack(a), (toUInt64(0), a[1].2))) same0, arrayConcat([0], arrayPopFront(same0)) same,
            arrayCount(x -> x = 0, same) s, arraySum((x, d) -> if(x = 1, d, 0), same, arrayDifference(arrayMap(x -> x.1, a))) dur
            FROM ev {ITEMS} GROUP BY user_id, day) GROUP BY day ORDER BY day"""
BOUGHT = " SELECT day, count(*) FROM (SELECT DISTINCT day, user_id, no FROM s WHERE event = 'purchase') x GROUP BY day ORDER BY day"
BOUGHT_ARRAYS = f"""SELECT day, countIf(has(arrayMap(x -> x.2, s), 'purchase')) FROM ({CUT_ARRAYS}) GROUP BY day ORDER BY day"""

# ---- cohorts and first times -------------------------------------------------------------------------------------------------

IN_COHORT = """WITH m AS ({members}) SELECT CASE WHEN user_id IN (SELECT user_id FROM m) THEN 'In lookers' ELSE 'Not In lookers' END AS who, day, count(DISTINCT user_id)
        FROM ev WHERE event = 'click' GROUP BY who, day ORDER BY 1, 2""".format(members=COHORT_JOIN.split("WITH m AS (")[1].split(")\n        SELECT day")[0])
IN_COHORT_LEFT = """WITH m AS ({members}) SELECT CASE WHEN m.user_id IS NULL THEN 'Not In lookers' ELSE 'In lookers' END AS who, day, count(DISTINCT c.user_id)
        FROM (SELECT DISTINCT day, user_id FROM ev WHERE event = 'click') c LEFT JOIN m ON c.user_id = m.user_id GROUP BY who, day ORDER BY 1, 2""".format(
    members=COHORT_JOIN.split("WITH m AS (")[1].split(")\n        SELECT day")[0])
IN_COHORT_ARRAYS = """SELECT if(v >= 3 AND p = 0, 'In lookers', 'Not In lookers') who, day, count() FROM (SELECT countIf(event = 'view_item') v, countIf(event = 'purchase') p,
            groupUniqArrayIf(day, event = 'click') ds FROM {table} WHERE event IN ('click', 'view_item', 'purchase') GROUP BY user_id) ARRAY JOIN ds AS day GROUP BY who, day ORDER BY who, day"""
EVER = "SELECT d, sum(count(*)) OVER (ORDER BY d) FROM (SELECT user_id, min(day) AS d FROM ev WHERE event = 'click' GROUP BY user_id) x GROUP BY d ORDER BY d"
EVER_CH = "SELECT d, sum(c) OVER (ORDER BY d) FROM (SELECT d, count() c FROM (SELECT user_id, min(day) AS d FROM {table} WHERE event = 'click' GROUP BY user_id) GROUP BY d) ORDER BY d"
DEBUT = "SELECT d, count(*) FROM (SELECT user_id, min(day) AS d FROM {table} WHERE event = 'purchase' GROUP BY user_id) x GROUP BY d ORDER BY d"
MEMBERS_CH = "SELECT user_id FROM (SELECT user_id, " + ch_arrays(THREE, "user_id", "{table}").split("FROM (SELECT ", 1)[1] + " WHERE t2 > 0 AND t3 = 0"
MEMBERS_TAIL = " SELECT user_id FROM f2 WHERE user_id NOT IN (SELECT user_id FROM f3)"
MEMBERS_ANTI = " SELECT user_id FROM f2 ANTI JOIN f3 USING (user_id)"


def by_step(rows):
    """(bucket, step, count) to a row per bucket."""
    out = {}
    for bucket, step, count in rows:
        out.setdefault(bucket, {})[step] = count
    return [(b, *(n for _, n in sorted(steps.items()))) for b, steps in out.items() if any(steps.values())]


def all_states(rows):
    out = {}
    for bucket, state, count in rows:
        out.setdefault(bucket, {})[state] = count
    return [(b, *(s.get(x, 0) for x in ("new", "retained", "resurrected", "dormant"))) for b, s in out.items()]


def more(name, title, ask, clickhouse, duckdb, **options):
    return Query(name, title, [ask] if isinstance(ask, str) else ask, clickhouse, duckdb, [], apart=True, **options)


QUERIES = [
    more(
        "r01", "retention of users in brackets: within a day, a week, a month",
        retention("bucket, size, retained", "view_item", "purchase", "brackets => '{1,7,30}'", "average => 'pooled'"),
        [BRACKETS.replace("count(DISTINCT user_id) FILTER (WHERE ", "uniqExactIf(user_id, "), BRACKETS_BITS, *tables(BRACKETS_ARRAYS)],
        [BRACKETS, BRACKETS_BITS],
        shape=lambda rows: [(rows[0][1], *(r[2] for r in sorted(rows)))],
    ),
    more(
        "r02", "what each week's new users are worth in the weeks after",
        retention("cohort::date, bucket, retained, round(value::numeric, 2)", "view_item", "purchase", "unit => 'week'", "buckets => 12", "measure => 'sum'", "property => 'amount'", tail=" WHERE retained > 0"),
        returns("clickhouse", False), returns("duckdb", False),
    ),
    more(
        "r03", "weekly retention of users by country",
        retention("segment[1], cohort::date, bucket, retained", "view_item", "purchase", "unit => 'week'", "buckets => 4", "breakdown => '[\"country\"]'", "top => 1000", tail=" WHERE retained > 0"),
        returns("clickhouse", True), returns("duckdb", True),
    ),
    more(
        "r04", "funnel of 3 steps that a search ends",
        ours(THREE, "user_id", "exclude => '[\"search\"]'"),
        [EXCLUDED_ARRAYS.format(out=EXCLUDED_COUNTS, table="ev"), (EXCLUDED_ARRAYS.format(out=EXCLUDED_COUNTS, table="ev_user"), USER_ORDER)],
        [cascade(THREE, "user_id") + EXCLUDED_JOIN, duck_asof(THREE, "user_id") + EXCLUDED_ASOF],
        shape=first,
    ),
    more(
        "r05", "funnel of 3 steps with the same item, best of all entries",
        ours(THREE, "user_id", "hold => '{item_id}'", "reentry => 'optimized'"),
        [HOLD_CH, HOLD_JOIN], [HOLD_DUCK, HOLD_JOIN],
        shape=first,
    ),
    more(
        "r06", "funnel of 3 steps in one session, sessions counted",
        f"SELECT step, count FROM {A}.funnel('[\"view_item\", \"add_to_cart\", \"purchase\"]', {RANGE}, count => 'sessions', grace => '0')",
        [SESSION_FUNNEL_CH.format(table="ev", keys="day, user_id", needs="view_item"), (SESSION_FUNNEL_CH.format(table="ev_user", keys="user_id, day", needs="view_item"), USER_ORDER),
         SESSION_FUNNEL_FAST.format(table="ev"), (SESSION_FUNNEL_FAST.format(table="ev_user"), TUNED)],
        tables("WITH " + NUMBERED + SESSION_FUNNEL, TUNED),
        shape=first,
    ),
    more(
        "r07", "funnel of 3 steps in strict order: nothing in between, best of all entries",
        ours(THREE, "user_id", "ordering => 'strict'", "reentry => 'optimized'"),
        [*tables(STRICT_ARRAYS), *tables(STRICT_CH, TUNED)], tables(STRICT, TUNED),
        shape=first,
    ),
    more(
        "r08", "funnel of 3 steps for each week of entry",
        f"SELECT bucket::date, step, count FROM {A}.funnel_trend('[\"view_item\", \"add_to_cart\", \"purchase\"]', {RANGE}, within => '7 days', grace => '0', unit => 'week')",
        [TREND_ARRAYS, trend(THREE, "toMonday(day)", False)], [trend(THREE, DUCK_WEEK, True), trend(THREE, DUCK_WEEK, False)],
        shape=by_step,
    ),
    more(
        "r09", "funnel of 3 steps of companies by their plan, best of all entries",
        ours(THREE, "company_id", "reentry => 'optimized'", "breakdown => '[\"group.company_id.plan\"]'", columns="segment, step, count"),
        [PLAN_CH.format(table="ev", join="JOIN comp USING (company_id)"), PLAN_CH.replace("SELECT plan,", "SELECT joinGet('comp_join', 'plan', company_id) plan,").format(table="ev", join="")],
        [PLAN_DUCK],
        shape=by_segment,
    ),
    more(
        "r10", "20 most common next two events after the first login, with the country of each",
        f"SELECT path, count FROM {A}.flow_paths('\"login\"', {RANGE}, forward => 2, split => '{{\"$any\": \"country\"}}', top => 20)",
        tables(SPLIT_CH), [*tables(SPLIT_DUCK, TUNED), *tables(SPLIT_LEAD, TUNED)],
        shape=lambda rows: [(*(list(path) + ["", ""])[:3], count) for path, count in rows],
    ),
    more(
        "r11", "20 most common ways from the first view to the purchase, one event after and one before",
        f"SELECT array_to_string(path, ' > '), count FROM {A}.flow_paths('[\"view_item\", {{\"event\": \"purchase\", \"forward\": 0, \"reverse\": 1}}]', {RANGE}, forward => 1, top => 20)",
        tables(ANCHORS_CH), tables(ANCHORS_DUCK, TUNED),
    ),
    more(
        "r12", "weekly lifecycle of users, any event, with the dormant",
        f"SELECT bucket::date, state, count FROM {A}.lifecycle('\"$any\"', {RANGE}, unit => 'week')",
        [*tables(LIFE_ARRAYS), *tables(LIFE_CH, TUNED)], tables(LIFE_DUCK, TUNED),
        shape=all_states, sparse=True,
    ),
    more(
        "r13", "users by the number of their active days, by week",
        f"SELECT bucket::date, active, count FROM {A}.frequency('\"$any\"', {RANGE}, unit => 'week')",
        [*tables(FREQUENCY.format(week="toMonday(day)", table="{table}").replace("count(DISTINCT day)", "uniqExact(day)")), *tables(FREQUENCY_DAYS.format(week="toMonday(day)", table="{table}"))],
        [*tables(FREQUENCY.format(week=DUCK_WEEK, table="{table}"), TUNED), *tables(FREQUENCY_DAYS.format(week=DUCK_WEEK, table="{table}"), TUNED)],
        shape=by_step,
    ),
    more(
        "r14", "sessions with one item by day: number, events, duration",
        f"SELECT bucket::date, sessions, events_per_session, extract(epoch FROM avg_duration) * 1000 FROM {A}.sessions({RANGE}, property => 'item_id')",
        [BY_ITEM_CH, BY_ITEM_ARRAYS], [BY_ITEM], sparse=True,
    ),
    more(
        "r15", "sessions with a purchase by day",
        insights('[{"event": "purchase", "measure": "sessions"}]'),
        [BOUGHT_ARRAYS.format(table="ev", keys="day, user_id", needs="purchase"), (BOUGHT_ARRAYS.format(table="ev_user", keys="user_id, day", needs="purchase"), USER_ORDER),
         *tables("WITH " + NUMBERED_CH + BOUGHT, TUNED)],
        tables("WITH " + NUMBERED + BOUGHT, TUNED),
        shape=by_day, sparse=True,
    ),
    more(
        "r16", "who put something into the cart and did not buy: members of a funnel step",
        f"SELECT id FROM {A}.funnel_members('[\"view_item\", \"add_to_cart\", \"purchase\"]', {RANGE}, within => '7 days', grace => '0', step => 3, outcome => 'dropped')",
        [*tables(MEMBERS_CH), cascade(THREE, "user_id") + MEMBERS_TAIL], [cascade(THREE, "user_id") + MEMBERS_ANTI, duck_asof(THREE, "user_id") + MEMBERS_ANTI],
        ids={0: "user"}, note="ours finds the profile of each member as well; the tuned peers give dense numbers, ours and the natural ones the ids as they came",
    ),
    more(
        "r17", "daily users of a cohort beside everybody else (breakdown by the cohort of q19)",
        f"""SELECT segment[1], bucket::date, value FROM {A}.insights('[{{"event": "click", "measure": "unique"}}]', {RANGE}, breakdown => '["cohort.lookers"]')""",
        [IN_COHORT, IN_COHORT_LEFT.replace("m.user_id IS NULL", "m.c = 0").replace("SELECT user_id FROM ev WHERE event IN", "SELECT user_id, 1 AS c FROM ev WHERE event IN"), *tables(IN_COHORT_ARRAYS)],
        [IN_COHORT, IN_COHORT_LEFT],
        setup=DEFINE, sparse=True,
    ),
    more(
        "r18", "different users since the first day, by day",
        insights('[{"event": "click", "measure": "cumulative_unique"}]'),
        tables(EVER_CH), [EVER],
        shape=by_day,
    ),
    more(
        "r19", "first purchases of users by day",
        insights('[{"event": "purchase", "first_time": true}]'),
        tables(DEBUT), [DEBUT.format(table="ev")],
        shape=by_day, sparse=True,
    ),
]
