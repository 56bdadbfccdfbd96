"""Retention, cohorts, sessions, flows, lifecycle: what people leave Postgres for."""

from generate import EVENTS

from . import A, DAY, FROM, RANGE, TO, Query

TUNED = {"only": "tuned"}
USER_ORDER = {"only": "tuned", "settings": "optimize_aggregation_in_order = 1"}
TIMEOUT = 30 * 60_000
MONTH = 30 * DAY

# ---- retention ----------------------------------------------------------------------------------------------------------

DAILY = """WITH b AS (SELECT user_id, min(day) AS d0 FROM ev WHERE event = 'page_view' GROUP BY user_id),
        a AS (SELECT DISTINCT user_id, day FROM ev WHERE event = 'click')
        SELECT d0, {age} AS k, count(*) AS c FROM a JOIN b USING (user_id) WHERE day > d0 GROUP BY d0, {group} ORDER BY d0, k"""
# One pass: the day of birth and the days of return of each user.
DAILY_ARRAYS = """SELECT d0, toInt32(d) - toInt32(d0) k, count() c FROM (SELECT minIf(day, event = 'page_view') d0, countIf(event = 'page_view') born,
            arrayJoin(groupUniqArrayIf(day, event = 'click')) d FROM {table} WHERE event IN ('page_view', 'click') GROUP BY user_id)
        WHERE born > 0 AND d > d0 GROUP BY d0, k ORDER BY d0, k"""
WEEKLY = """WITH a AS (SELECT DISTINCT company_id, {week} AS w FROM ev WHERE event = 'click')
        SELECT x.w, {age} AS k, count(*) FROM a x JOIN a y ON x.company_id = y.company_id WHERE y.w > x.w GROUP BY x.w, {group} ORDER BY x.w, k"""
WEEKLY_DAYS = WEEKLY.replace("FROM ev WHERE event = 'click'", "FROM (SELECT DISTINCT company_id, day FROM ev WHERE event = 'click') z")
WEEKLY_ARRAYS = """SELECT w, intDiv(v - w, 7) k, count() FROM (SELECT arrayJoin(ws) w, ws FROM
            (SELECT groupUniqArray(toInt32(toMonday(day))) ws FROM ev WHERE event = 'click' GROUP BY company_id)) ARRAY JOIN ws AS v
        WHERE v > w GROUP BY w, k ORDER BY w, k"""

# ---- cohort -------------------------------------------------------------------------------------------------------------

COHORT = """SELECT day, count(DISTINCT user_id) FROM ev WHERE event = 'click'
        AND user_id IN (SELECT user_id FROM ev WHERE event = 'view_item' GROUP BY user_id HAVING count(*) >= 3)
        AND {without} GROUP BY day ORDER BY day"""
NOT_IN = "user_id NOT IN (SELECT user_id FROM ev WHERE event = 'purchase')"
COHORT_ONE_PASS = """SELECT day, count() FROM (SELECT user_id, countIf(event = 'view_item') v, countIf(event = 'purchase') p,
            groupUniqArrayIf(day, event = 'click') ds FROM {table} WHERE event IN ('click', 'view_item', 'purchase') GROUP BY user_id
            HAVING v >= 3 AND p = 0) ARRAY JOIN ds AS day GROUP BY day ORDER BY day"""
COHORT_JOIN = """WITH m AS (SELECT user_id FROM ev WHERE event IN ('view_item', 'purchase') GROUP BY user_id
            HAVING count(*) FILTER (WHERE event = 'purchase') = 0 AND count(*) >= 3)
        SELECT day, count(DISTINCT user_id) FROM ev JOIN m USING (user_id) WHERE event = 'click' GROUP BY day ORDER BY day"""
DEFINE = f"""SELECT {A}.define_cohort('lookers', '{{"all": [{{"did": "view_item", "at_least": 3, "from_date": "{FROM}", "to_date": "{TO}"}},
        {{"did_not": "purchase", "from_date": "{FROM}", "to_date": "{TO}"}}]}}')"""

# ---- sessions -----------------------------------------------------------------------------------------------------------
# No session numbers are needed: a gap over the timeout starts a session, the gaps up to it add up to the duration.

SESSION_ARRAYS = f"""SELECT day, sum(s), sum(n) / sum(s), sum(dur) / sum(s) FROM (SELECT day, count() n, arrayDifference(arraySort(groupArray(t))) g,
            1 + arrayCount(x -> x > {TIMEOUT}, g) s, arraySum(x -> if(x > {TIMEOUT}, 0, x), g) dur FROM {{table}} GROUP BY {{keys}}) GROUP BY day ORDER BY day"""
SESSION_WINDOW = f"""SELECT day, sum(fresh), count(*) * 1.0 / sum(fresh), sum(dur) / sum(fresh) FROM (SELECT day, CASE WHEN gap <= {TIMEOUT} THEN 0 ELSE 1 END AS fresh,
            CASE WHEN gap <= {TIMEOUT} THEN gap ELSE 0 END AS dur FROM (SELECT day, t - lag(t) OVER (PARTITION BY {{keys}} ORDER BY t) AS gap FROM {{table}}) g) x
        GROUP BY day ORDER BY day"""
# Partitioned by user alone; a session that would run over midnight is cut there.
SESSION_CUT = f"""SELECT day, sum(fresh), count(*) * 1.0 / sum(fresh), sum(dur) / sum(fresh) FROM (SELECT day, CASE WHEN goes_on THEN 0 ELSE 1 END AS fresh,
            CASE WHEN goes_on THEN t - before ELSE 0 END AS dur FROM (SELECT day, t, before, coalesce(t - before <= {TIMEOUT} AND {{same}}, false) AS goes_on
            FROM (SELECT day, t, lag(t) OVER (PARTITION BY user_id ORDER BY t) AS before FROM {{table}}) l) g) x GROUP BY day ORDER BY day"""
SESSION_LAG = f"""SELECT day, countIf(f) s, count() / s, sumIf(gap, NOT f) / s FROM (SELECT day, toInt64(t) - lagInFrame(toInt64(t), 1, -{10 * DAY}) OVER
            (PARTITION BY {{keys}} ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) gap, gap > {TIMEOUT} f FROM {{table}}) GROUP BY day ORDER BY day"""

# ---- flows --------------------------------------------------------------------------------------------------------------

FLOW_TAIL = "GROUP BY 1, 2, 3 ORDER BY c DESC, 1, 2, 3 LIMIT 20"
# The login itself is the first of the four, so users who do nothing after it stay in.
FLOW_CH = f"""WITH f AS (SELECT user_id, min(t) t0 FROM ev WHERE event = 'login' GROUP BY user_id)
        SELECT e1, e2, e3, count() c FROM (SELECT {{four}} a, length(a) n, if(n > 1, toString(a[2].2), '(drop-off)') e1, if(n > 2, toString(a[3].2), if(n > 1, '(drop-off)', '')) e2,
            if(n > 3, toString(a[4].2), if(n > 2, '(drop-off)', '')) e3 FROM {{table}} e {{join}} JOIN f USING (user_id)
            WHERE t >= t0 AND t <= t0 + {MONTH} GROUP BY user_id) {FLOW_TAIL}"""
# Paths are counted as numbers and named at the end.
FLOW_CH_LATE = f"""WITH f AS (SELECT user_id, min(t) t0 FROM ev WHERE event = 'login' GROUP BY user_id)
        SELECT if(n > 1, toString(p[1]), '(drop-off)') e1, if(n > 2, toString(p[2]), if(n > 1, '(drop-off)', '')) e2, if(n > 3, toString(p[3]), if(n > 2, '(drop-off)', '')) e3, sum(k) c
        FROM (SELECT p, n, count() k FROM (SELECT groupArraySorted(4)((t, event)) a, arrayMap(x -> x.2, arraySlice(a, 2)) p, length(a) n FROM {{table}} e JOIN f USING (user_id)
            WHERE t >= t0 AND t <= t0 + {MONTH} GROUP BY user_id) GROUP BY p, n) {FLOW_TAIL}"""
FLOW_DUCK = f"""WITH f AS (SELECT user_id, min(t) AS t0 FROM ev WHERE event = 'login' GROUP BY user_id),
        n AS (SELECT arg_min(event, t, 4) AS a FROM ev JOIN f USING (user_id) WHERE t >= t0 AND t <= t0 + {MONTH} GROUP BY user_id),
        p AS (SELECT a[2:4] AS p, count(*) AS c FROM n GROUP BY 1)
        SELECT coalesce(p[1]::VARCHAR, '(drop-off)') AS e1, coalesce(p[2]::VARCHAR, CASE WHEN len(p) >= 1 THEN '(drop-off)' ELSE '' END) AS e2,
        coalesce(p[3]::VARCHAR, CASE WHEN len(p) >= 2 THEN '(drop-off)' ELSE '' END) AS e3, c FROM p ORDER BY c DESC, 1, 2, 3 LIMIT 20"""
# Time and event packed into one number, which sorts and compares faster than a pair.
FLOW_CH_PACKED = f"""WITH f AS (SELECT user_id, min(t) t0 FROM ev WHERE event = 'login' GROUP BY user_id)
        SELECT if(n > 1, {{name1}}, '(drop-off)') e1, if(n > 2, {{name2}}, if(n > 1, '(drop-off)', '')) e2, if(n > 3, {{name3}}, if(n > 2, '(drop-off)', '')) e3, sum(k) c
        FROM (SELECT p, n, count() k FROM (SELECT groupArraySorted(4)(t * 64 + toUInt8(event)) a, arrayMap(x -> x % 64, arraySlice(a, 2)) p, length(a) n FROM {{table}} e JOIN f USING (user_id)
            WHERE t >= t0 AND t <= t0 + {MONTH} GROUP BY user_id) GROUP BY p, n) {FLOW_TAIL}""".format(
    table="{table}", **{f"name{i}": f"transform(p[{i}], {list(range(1, len(EVENTS) + 1))}, {sorted(EVENTS)}, '')" for i in (1, 2, 3)})
FLOW_DUCK_PACKED = f"""WITH f AS (SELECT user_id, min(t) AS t0 FROM ev WHERE event = 'login' GROUP BY user_id),
        n AS (SELECT min(t * 64 + enum_code(event), 4) AS a FROM {{table}} JOIN f USING (user_id) WHERE t >= t0 AND t <= t0 + {MONTH} GROUP BY user_id),
        p AS (SELECT list_transform(a[2:4], lambda x: x % 64) AS p, count(*) AS c FROM n GROUP BY 1)
        SELECT coalesce(enum_range(NULL::event_t)[p[1] + 1]::VARCHAR, '(drop-off)') AS e1, coalesce(enum_range(NULL::event_t)[p[2] + 1]::VARCHAR, CASE WHEN len(p) >= 1 THEN '(drop-off)' ELSE '' END) AS e2,
        coalesce(enum_range(NULL::event_t)[p[3] + 1]::VARCHAR, CASE WHEN len(p) >= 2 THEN '(drop-off)' ELSE '' END) AS e3, c FROM p ORDER BY c DESC, 1, 2, 3 LIMIT 20"""
FLOW_LEAD = f"""SELECT coalesce(e1, '(drop-off)') e1, coalesce(e2, CASE WHEN e1 IS NULL THEN '' ELSE '(drop-off)' END) e2,
        coalesce(e3, CASE WHEN e2 IS NULL THEN '' ELSE '(drop-off)' END) e3, c FROM (SELECT e1, e2, e3, count(*) AS c FROM (SELECT
            CASE WHEN t1 <= t + {MONTH} THEN e1 END e1, CASE WHEN t2 <= t + {MONTH} THEN e2 END e2, CASE WHEN t3 <= t + {MONTH} THEN e3 END e3,
            row_number() OVER (PARTITION BY user_id ORDER BY t) r FROM (SELECT user_id, t, event, lead(event::VARCHAR, 1) OVER w e1, lead(event::VARCHAR, 2) OVER w e2,
                lead(event::VARCHAR, 3) OVER w e3, lead(t, 1) OVER w t1, lead(t, 2) OVER w t2, lead(t, 3) OVER w t3 FROM ev WINDOW w AS (PARTITION BY user_id ORDER BY t)) l
            WHERE event = 'login') x WHERE r = 1 GROUP BY ALL) y ORDER BY c DESC, 1, 2, 3 LIMIT 20"""
FLOW_PG = f"""WITH f AS MATERIALIZED (SELECT user_id, min(t) AS t0 FROM ev WHERE event = 'login' GROUP BY user_id),
        p AS (SELECT n.p, count(*) AS c FROM f CROSS JOIN LATERAL (SELECT array_agg(event::text) AS p FROM (SELECT event FROM ev e
            WHERE e.user_id = f.user_id AND e.t > f.t0 AND e.t <= f.t0 + {MONTH} ORDER BY e.t LIMIT 3) o) n GROUP BY 1)
        SELECT coalesce(p[1], '(drop-off)'), coalesce(p[2], CASE WHEN p[1] IS NULL THEN '' ELSE '(drop-off)' END),
        coalesce(p[3], CASE WHEN p[2] IS NULL THEN '' ELSE '(drop-off)' END), c FROM p ORDER BY c DESC, 1, 2, 3 LIMIT 20"""


def paths(rows):
    return [(*(list(path[1:4]) + ["", "", ""])[:3], count) for path, count in rows]


# ---- lifecycle ----------------------------------------------------------------------------------------------------------

LIFECYCLE = """WITH a AS (SELECT DISTINCT company_id, {week} AS w FROM ev WHERE event = 'click'),
        f AS (SELECT w, lag(w) OVER (PARTITION BY company_id ORDER BY w) AS p FROM a)
        SELECT w, count(*) FILTER (WHERE p IS NULL), count(*) FILTER (WHERE p = w - {step}), count(*) FILTER (WHERE p < w - {step}) FROM f GROUP BY w ORDER BY w"""
LIFECYCLE_DAYS = LIFECYCLE.replace("FROM ev WHERE event = 'click'", "FROM (SELECT DISTINCT company_id, day FROM ev WHERE event = 'click') z")
LIFECYCLE_ARRAYS = """SELECT w, countIf(g = 0), countIf(g = 7), countIf(g > 7) FROM (SELECT arraySort(groupUniqArray(toInt32(toMonday(day)))) ws, arrayDifference(ws) gs
            FROM ev WHERE event = 'click' GROUP BY company_id) ARRAY JOIN ws AS w, gs AS g GROUP BY w ORDER BY w"""
LIFECYCLE_LAG = """WITH a AS (SELECT DISTINCT company_id, toInt32(toMonday(day)) w FROM ev WHERE event = 'click'),
        f AS (SELECT w, lagInFrame(w, 1, 0) OVER (PARTITION BY company_id ORDER BY w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) p FROM a)
        SELECT w, countIf(p = 0), countIf(p = w - 7), countIf(p > 0 AND p < w - 7) FROM f GROUP BY w ORDER BY w"""
DUCK_WEEK = "date_trunc('week', day)::DATE"
PG_WEEK = "day - (extract(isodow FROM day)::int - 1)"


def states(rows):
    out = {}
    for bucket, state, count in rows:
        out.setdefault(bucket, {})[state] = count
    return [(b, *(s.get(x, 0) for x in ("new", "retained", "resurrected"))) for b, s in out.items()]


def retention(born, returned, *more):
    return (f"SELECT cohort::date, bucket, retained FROM {A}.retention('\"{born}\"', '\"{returned}\"', {', '.join([RANGE, *more])}, "
            "criterion => 'on', alignment => 'calendar') WHERE bucket > 0 AND retained > 0")


QUERIES = [
    Query(
        "q17", "daily retention of users, 90 days",
        [retention("page_view", "click", "unit => 'day'", "buckets => 90", "births => 'first'")],
        [DAILY.format(age="toInt32(day) - toInt32(d0)", group="k"), DAILY_ARRAYS.format(table="ev"), (DAILY_ARRAYS.format(table="ev_user"), USER_ORDER)],
        [DAILY.format(age="day - d0", group="2")],
        [DAILY.format(age="day - d0", group="2")],
        note="buckets from 1: in bucket 0 a return must be later than the birth, which would cost the peers more",
    ),
    Query(
        "q18", "weekly retention of companies, every week a cohort",
        [retention("click", "click", "by => 'company_id'", "unit => 'week'", "buckets => 13")],
        [WEEKLY.format(week="toInt32(toMonday(day))", age="intDiv(y.w - x.w, 7)", group="k").replace("SELECT x.w,", "SELECT toDate(x.w),", 1),
         WEEKLY_ARRAYS.replace("SELECT w,", "SELECT toDate(w),", 1)],
        [WEEKLY.format(week=DUCK_WEEK, age="(y.w - x.w) // 7", group="2"), WEEKLY_DAYS.format(week=DUCK_WEEK, age="(y.w - x.w) // 7", group="2")],
        [WEEKLY.format(week=PG_WEEK, age="(y.w - x.w) / 7", group="2"), WEEKLY_DAYS.format(week=PG_WEEK, age="(y.w - x.w) / 7", group="2")],
        note="buckets from 1, as above",
    ),
    Query(
        "q19", "daily users of a cohort (3 or more views, no purchase)",
        [f"""SELECT bucket::date, value FROM {A}.insights('[{{"event": "click", "measure": "unique"}}]', {RANGE}, filter => 'cohort("lookers")')"""],
        [COHORT.format(without=NOT_IN).replace("count(DISTINCT user_id)", "uniqExact(user_id)"), COHORT_ONE_PASS.format(table="ev"),
         (COHORT_ONE_PASS.format(table="ev_user"), USER_ORDER)],
        [COHORT.format(without=NOT_IN), COHORT_JOIN],
        [COHORT.format(without="NOT EXISTS (SELECT 1 FROM ev p WHERE p.event = 'purchase' AND p.user_id = ev.user_id)"), COHORT_JOIN],
        sparse=True, setup=DEFINE, note="the cohort is dynamic: its members are found when the question is asked",
    ),
    Query(
        "q20", "sessions by day: number, events, duration",
        [f"SELECT bucket::date, sessions, events_per_session, extract(epoch FROM avg_duration) * 1000 FROM {A}.sessions({RANGE})"],
        [SESSION_ARRAYS.format(table="ev", keys="day, user_id"), (SESSION_ARRAYS.format(table="ev_user", keys="user_id, day"), USER_ORDER),
         (SESSION_LAG.format(table="ev_user", keys="user_id, day"), TUNED), SESSION_LAG.format(table="ev", keys="user_id, day")],
        [SESSION_WINDOW.format(keys="day, user_id", table="ev"), SESSION_CUT.format(same=f"t // {DAY} = before // {DAY}", table="ev"),
         (SESSION_CUT.format(same=f"t // {DAY} = before // {DAY}", table="ev_user"), TUNED)],
        [SESSION_WINDOW.format(keys="user_id, day", table="ev"), SESSION_CUT.format(same=f"t / {DAY} = before / {DAY}", table="ev")],
        sparse=True,
    ),
    Query(
        "q21", "20 most common next three events after the first login",
        [f"SELECT path, count FROM {A}.flow_paths('\"login\"', {RANGE}, forward => 3, top => 20)",
         f"SELECT path, count FROM {A}.flow_paths('[\"login\"]', {RANGE}, forward => 3, top => 20)"],
        [FLOW_CH.format(table="ev", join="", four="groupArraySorted(4)((t, event))"), FLOW_CH_LATE.format(table="ev"),
         FLOW_CH.format(table="ev", join="", four="arraySlice(arraySort(groupArray((t, event))), 1, 4)"),
         (FLOW_CH_LATE.format(table="ev_user"), USER_ORDER), (FLOW_CH_PACKED.format(table="ev"), TUNED),
         (FLOW_CH_PACKED.format(table="ev_user"), USER_ORDER)],
        [FLOW_DUCK, FLOW_LEAD, (FLOW_DUCK_PACKED.format(table="ev"), TUNED), (FLOW_DUCK_PACKED.format(table="ev_user"), TUNED)],
        [FLOW_PG],
        shape=paths, note="within 30 days, the default; a path that ends early ends with (drop-off)",
    ),
    Query(
        "q23", "weekly lifecycle of companies",
        [f"SELECT bucket::date, state, count FROM {A}.lifecycle('\"click\"', {RANGE}, by => 'company_id', unit => 'week') WHERE state <> 'dormant'"],
        [LIFECYCLE_LAG.replace("SELECT w, countIf", "SELECT toDate(w), countIf"), LIFECYCLE_ARRAYS.replace("SELECT w,", "SELECT toDate(w),", 1)],
        [LIFECYCLE.format(week=DUCK_WEEK, step=7), LIFECYCLE_DAYS.format(week=DUCK_WEEK, step=7)],
        [LIFECYCLE.format(week=PG_WEEK, step=7), LIFECYCLE_DAYS.format(week=PG_WEEK, step=7)],
        shape=states, sparse=True,
    ),
]
