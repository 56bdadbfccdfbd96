"""Counting: totals, uniques, rolling actives, breakdowns, numbers, companies."""

from . import A, RANGE, Query, pivot

IN_ORDER = {"settings": "optimize_aggregation_in_order = 1"}
TUNED = {"only": "tuned"}


def insights(metrics, *more):
    return f"SELECT metric, segment, bucket::date, value FROM {A}.insights('{metrics}', {', '.join([RANGE, *more])})"


def by_day(rows):
    return [(r[2], r[3]) for r in rows]


def day_counts(name, title, metric, clickhouse, duckdb, postgres):
    return Query(name, title, [insights(f"[{metric}]")], clickhouse, duckdb, postgres, shape=by_day, sparse=True)


def uniques(subject, where):
    """Distinct subjects by day, for each dialect."""
    plain = f"SELECT day, count(DISTINCT {subject}) FROM ev {where} GROUP BY day ORDER BY day"
    nested = f"SELECT day, count(*) FROM (SELECT DISTINCT day, {subject} FROM ev {where}) x GROUP BY day ORDER BY day"
    clickhouse = [
        f"SELECT day, uniqExact({subject}) FROM ev {where} GROUP BY day ORDER BY day",
        nested,
        (f"SELECT day, count() FROM (SELECT day, {subject} FROM ev {where} GROUP BY event, day, {subject}) GROUP BY day ORDER BY day", IN_ORDER),
        (f"SELECT day, groupBitmap({subject}) FROM ev {where} GROUP BY day ORDER BY day", TUNED),
    ]
    if not where:  # over all events the order by event is of no use
        clickhouse[2] = (f"SELECT day, count() FROM (SELECT day, {subject} FROM ev_user GROUP BY {subject}, day) GROUP BY day ORDER BY day",
                         IN_ORDER | TUNED)
    return clickhouse, [plain, nested], [plain, nested]


def covered_days(day_type, arrays):
    """Trailing 7 days without the sevenfold rows: a subject is active from each of its days until 7 days later or until its
    next one, whichever comes first; +1 where such a stretch begins, -1 where it ends, and a running sum."""
    if arrays:
        return f"""SELECT d, c FROM (SELECT d, sum(x) OVER (ORDER BY d) c FROM (SELECT p.1 d, sum(p.2) x FROM (
            SELECT arrayJoin(arrayConcat(arrayMap(y -> (toUInt32(y), 1), ds),
                arrayMap((y, n) -> (toUInt32(least(y + 7, n)), -1), ds, arrayPushBack(arrayPopFront(ds), toUInt16(65535))))) p
            FROM (SELECT arraySort(groupUniqArray(toUInt16(day))) ds FROM ev GROUP BY user_id)) GROUP BY d))
            WHERE d <= toUInt32(toDate('2025-04-01')) ORDER BY d"""
    return f"""WITH a AS (SELECT DISTINCT user_id, day FROM ev),
        s AS (SELECT day, least(day + 7, lead(day, 1, DATE '2030-01-01') OVER (PARTITION BY user_id ORDER BY day)) AS until FROM a),
        x AS (SELECT day AS d, count(*) AS n FROM s GROUP BY 1 UNION ALL SELECT until, -count(*) FROM s GROUP BY 1)
        SELECT d, c FROM (SELECT d, sum(sum(n)) OVER (ORDER BY d)::bigint AS c FROM x GROUP BY d) y WHERE d <= DATE '2025-04-01' ORDER BY d"""


ch2, du2, pg2 = uniques("user_id", "WHERE event = 'view_item'")
ch3, du3, pg3 = uniques("company_id", "WHERE event = 'view_item'")
ch5, du5, pg5 = uniques("user_id", "")
total_by_day = "SELECT day, count(*) FROM ev WHERE event = 'view_item' GROUP BY day ORDER BY day"
three = "event IN ('view_item', 'login', 'purchase')"
explode = """SELECT day + k AS d2, count(DISTINCT user_id) FROM (SELECT DISTINCT day, user_id FROM ev) x, {series}
    WHERE day + k <= DATE '2025-04-01' GROUP BY 1 ORDER BY 1"""
top_countries = """SELECT country, {count} AS c FROM ev WHERE event = 'view_item' AND browser = 'Chrome'
    GROUP BY country ORDER BY c DESC, country LIMIT 10"""
per_industry = """SELECT industry, count(DISTINCT company_id), count(DISTINCT user_id) FROM ev JOIN comp USING (company_id)
    WHERE event = 'click' GROUP BY industry ORDER BY industry"""
# Users first: a user and company once, however many clicks.
per_industry_pairs = """SELECT industry, count(DISTINCT company_id), count(DISTINCT user_id)
    FROM (SELECT DISTINCT user_id, company_id FROM ev WHERE event = 'click') e JOIN comp USING (company_id) GROUP BY industry ORDER BY industry"""
histogram = "SELECT c, count(*) FROM (SELECT user_id, count(*) AS c FROM ev WHERE event = 'view_item' GROUP BY user_id) x GROUP BY c ORDER BY c"
top_companies = """SELECT company_id, count(*) AS c, count(DISTINCT user_id) AS u FROM ev WHERE event = 'click'
    GROUP BY company_id ORDER BY c DESC, company_id LIMIT 10"""
# Users are counted in the ten that matter only.
top_companies_late = """WITH top AS (SELECT company_id, count(*) AS c FROM ev WHERE event = 'click' GROUP BY company_id ORDER BY c DESC, company_id LIMIT 10)
    SELECT company_id, max(c) AS c, count(DISTINCT user_id) AS u FROM ev JOIN top USING (company_id) WHERE event = 'click'
    GROUP BY company_id ORDER BY c DESC, company_id"""

QUERIES = [
    day_counts("q01", "events by day", '{"event": "view_item"}', [total_by_day], [total_by_day], [total_by_day]),
    day_counts("q02", "unique users by day", '{"event": "view_item", "measure": "unique"}', ch2, du2, pg2),
    day_counts("q03", "unique companies by day", '{"event": "view_item", "measure": "unique", "by": "company_id"}', ch3, du3, pg3),
    Query(
        "q04", "unique users in the range, 3 events",
        [insights('[{"event": "login", "measure": "unique", "label": "login"}, {"event": "purchase", "measure": "unique", "label": "purchase"}, '
                  '{"event": "view_item", "measure": "unique", "label": "view_item"}]', "unit => 'range'")],
        [f"SELECT event, uniqExact(user_id) FROM ev WHERE {three} GROUP BY event ORDER BY event",
         (f"SELECT event, groupBitmap(user_id) FROM ev WHERE {three} GROUP BY event ORDER BY event", TUNED)],
        [f"SELECT event, count(DISTINCT user_id) FROM ev WHERE {three} GROUP BY event",
         f"SELECT event, count(*) FROM (SELECT DISTINCT event, user_id FROM ev WHERE {three}) GROUP BY event"],
        [f"SELECT event, count(DISTINCT user_id) FROM ev WHERE {three} GROUP BY event",
         f"SELECT event, count(*) FROM (SELECT DISTINCT event, user_id FROM ev WHERE {three}) x GROUP BY event"],
        shape=lambda rows: [(r[0], r[3]) for r in rows],
    ),
    day_counts("q05a", "active users by day, any event", '{"event": "$any", "measure": "unique"}', ch5, du5, pg5),
    Query(
        "q05b", "active users of the trailing 7 days, by day",
        [insights('[{"event": "$any", "measure": "wau"}]')],
        ["SELECT d2, uniqExact(user_id) FROM (SELECT DISTINCT day, user_id FROM ev) ARRAY JOIN range(7) AS k "
         "WHERE (day + k AS d2) <= toDate('2025-04-01') GROUP BY d2 ORDER BY d2",
         covered_days("", True).replace("SELECT d, c FROM", "SELECT toDate(d), c FROM", 1),
         ("SELECT d2, groupBitmapMerge(b) FROM (SELECT day, groupBitmapState(user_id) b FROM ev GROUP BY day) ARRAY JOIN range(7) AS k "
          "WHERE (day + k AS d2) <= toDate('2025-04-01') GROUP BY d2 ORDER BY d2", TUNED)],
        [covered_days("", False), explode.format(series="unnest([0, 1, 2, 3, 4, 5, 6]) s(k)")],
        [covered_days("", False), explode.format(series="generate_series(0, 6) k")],
        shape=by_day, sparse=True,
    ),
    Query(
        "q06", "unique users by country, filtered by browser",
        [insights('[{"event": "view_item", "measure": "unique"}]', "unit => 'range'", "breakdown => '[\"country\"]'",
                  "filter => 'properties[\"browser\"] == \"Chrome\"'", "top => 10")],
        [top_countries.format(count="uniqExact(user_id)"), (top_countries.format(count="groupBitmap(user_id)"), TUNED)],
        [top_countries.format(count="count(DISTINCT user_id)")],
        [top_countries.format(count="count(DISTINCT user_id)")],
        shape=lambda rows: [(r[1][0], r[3]) for r in rows if r[1] != ["$other"]],
    ),
    Query(
        "q07", "companies and users by industry of the company",
        [insights('[{"event": "click", "measure": "unique", "by": "company_id", "label": "c"}, {"event": "click", "measure": "unique", "label": "u"}]',
                  "unit => 'range'", "breakdown => '[\"group.company_id.industry\"]'")],
        [per_industry, per_industry_pairs,
         "SELECT joinGet('comp_join', 'industry', company_id) i, uniqExact(company_id), uniqExact(user_id) FROM ev WHERE event = 'click' GROUP BY i ORDER BY i",
         "SELECT joinGet('comp_join', 'industry', company_id) i, uniqExact(company_id), uniqExact(user_id) "
         "FROM (SELECT DISTINCT user_id, company_id FROM ev WHERE event = 'click') GROUP BY i ORDER BY i",
         ("SELECT joinGet('comp_join', 'industry', company_id) i, groupBitmap(company_id), groupBitmap(user_id) FROM ev WHERE event = 'click' "
          "GROUP BY i ORDER BY i", TUNED)],
        [per_industry, per_industry_pairs],
        [per_industry, per_industry_pairs],
        shape=lambda rows: pivot(["c", "u"])([(r[0], r[1][0], r[3]) for r in rows]),
    ),
    Query(
        "q08", "sum and exact 90th percentile of an amount by day",
        [insights('[{"event": "purchase", "measure": "sum", "property": "amount", "label": "s"}, '
                  '{"event": "purchase", "measure": "p90", "property": "amount", "label": "p"}]')],
        ["SELECT day, sum(amount), quantileExactInclusive(0.9)(amount) FROM ev WHERE event = 'purchase' GROUP BY day ORDER BY day"],
        ["SELECT day, sum(amount), quantile_cont(amount, 0.9) FROM ev WHERE event = 'purchase' GROUP BY day ORDER BY day"],
        ["SELECT day, sum(amount), percentile_cont(0.9) WITHIN GROUP (ORDER BY amount) FROM ev WHERE event = 'purchase' GROUP BY day ORDER BY day"],
        shape=lambda rows: [r for r in pivot(["s", "p"], 0, (2,), 3)(rows) if r[2] is not None],
    ),
    Query(
        "q09", "users by how often they did it",
        [insights('[{"event": "view_item", "measure": "distribution", "per": "total"}]', "unit => 'range'", "top => 100000")],
        [histogram, (histogram, IN_ORDER)],
        [histogram], [histogram],
        shape=lambda rows: [(int(float(r[1][-1])), r[3]) for r in rows],
    ),
    Query(
        "q22", "top 10 companies: events and users",
        [insights('[{"event": "click", "label": "c"}, {"event": "click", "measure": "unique", "label": "u"}]',
                  "unit => 'range'", "breakdown => '[\"group.company_id\"]'", "top => 10")],
        [top_companies.replace("count(DISTINCT user_id)", "uniqExact(user_id)"),
         top_companies_late.replace("count(DISTINCT user_id)", "uniqExact(user_id)"),
         (top_companies.replace("count(DISTINCT user_id)", "groupBitmap(user_id)"), TUNED)],
        [top_companies, top_companies_late],
        [top_companies, top_companies_late],
        shape=lambda rows: pivot(["c", "u"])([(r[0], r[1][0], r[3]) for r in rows if r[1] != ["$other"]]),
        ids={0: "company"},
    ),
]
