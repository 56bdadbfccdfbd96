"""The oracle against the worked examples of the law of meaning. Runs without a server: python3 -m unittest."""

import unittest
from collections import defaultdict
from datetime import date

import cohorts
import expression
import sequences
from funnels import funnel, p_value
import oracle
from oracle import World, frequency, group_ids, history, insights, lifecycle, retained, time_ms
from project import Image
from zone import DAY, HOUR, Calendar, instant

DAY1 = date(2024, 1, 1)


def ev(when, user, event, insert_id=None, **properties):
    """A raw event of January 2024; `when` is `01-02 10:00` or milliseconds."""
    time = when if isinstance(when, int) else instant(f"2024-{when}")
    properties |= {"time": time}
    if user is not None:
        properties["distinct_id"] = user
    if insert_id is not None:
        properties["$insert_id"] = insert_id
    return {"event": event, "properties": properties}


def world(raw, keys=("company_id",), **more):
    registered = keys if isinstance(keys, dict) else dict.fromkeys(keys, 0)
    return World(raw, registered, **more)


def value(w, event, measure, by="user", day=None, **more):
    """One number: a metric over January 2024, or over one day of it."""
    first, last = (DAY1, date(2024, 1, 31)) if day is None else (date(2024, 1, day),) * 2
    metric = {"event": event, "measure": measure, "by": by}
    (answer,) = insights(w, [metric], first, last, "range", **more).values()
    return answer


def counts(w, steps, by="user", **more):
    rows = funnel(w, steps, DAY1, date(2024, 1, 31), by=by, **more)
    return [rows[k]["count"] for k in sorted(rows)]


def segment_counts(w, steps, segment, by="user", **more):
    """The counts of one segment."""
    rows = funnel(w, steps, DAY1, date(2024, 1, 31), by=by, **more)
    return [row["count"] for (s, _), row in sorted(rows.items()) if s == (segment,)]


def retention(*question, **more):
    """{(row, bucket): (size, retained)} without segments."""
    rows = oracle.retention(*question, **more)
    return {(cohort, n): (row["size"], row["retained"]) for (_, cohort, n), row in rows.items()}


def retained_counts(w, born, returned, by="user", buckets=3, last=1, **more):
    """(size, [retained in bucket 0, 1, …]) of the row 2024-01-01."""
    rows = retention(w, born, returned, DAY1, date(2024, 1, last), by=by, buckets=buckets, **more)
    cohort = min(c for c, _ in rows)
    return rows[cohort, 0][0], [rows[cohort, n][1] for n in range(buckets + 1)]


class Attribution(unittest.TestCase):
    def test_values(self):  # §1.3
        cases = [
            ("acme", ["acme"]),
            (["a", "b"], ["a", "b"]),
            (["a", "b", "a"], ["a", "b"]),
            ("", []),
            (["", "a"], ["a"]),
            (None, []),
            ([], []),
            (128746312, ["128746312"]),
            (1.0, ["1"]),
            ([1, "1", 1.0], ["1"]),
            (True, []),
            ({"a": 1}, []),
            ([["a"], "b"], ["b"]),
            ([f"g{i}" for i in range(310)], [f"g{i}" for i in range(300)]),
        ]
        for sent, ids in cases:
            self.assertEqual(group_ids(sent), ids, sent)

    def test_example(self):  # §1.3
        w = world(
            [
                ev("01-01 01:00", "u1", "E", company_id="acme", team_id="eng"),
                ev("01-01 02:00", "u2", "E", company_id=["acme", "globex"]),
                ev("01-01 03:00", "u3", "E", company_id=""),
                ev("01-01 04:00", "u4", "E", Company_ID="acme"),
                ev("01-01 05:00", "u1", "E", company_id=42),
            ],
            ("company_id", "team_id"),
        )
        self.assertEqual(value(w, "E", "total"), 5)
        self.assertEqual(value(w, "E", "unique"), 4)
        self.assertEqual(value(w, "E", "unique", "company_id"), 3)
        self.assertEqual(value(w, "E", "total", "company_id"), 3)
        self.assertEqual(value(w, "E", "unique", "team_id"), 1)

    def test_identity_of_users(self):  # §3.3
        raw = [
            {"event": "E", "properties": {"time": i, **p}}
            for i, p in enumerate(
                [
                    {"$device_id": "D1"},
                    {"$device_id": "$device:D1"},
                    {"$device_id": "D1", "$user_id": "U1", "distinct_id": "overwritten"},
                    {"distinct_id": "$device:D1"},
                    {"$device_id": "D2"},
                    {"$device_id": "D2", "$user_id": "U1"},
                    {"$device_id": "D1", "$user_id": "U9"},
                    {"$device_id": "D1"},
                    {"distinct_id": ""},
                    {},
                    {"distinct_id": 7},
                ]
            )
        ]
        resolved = [e.user for e in history(raw, {})]
        self.assertEqual(resolved, ["U1"] * 6 + ["U9", "U1", None, None, "7"])
        self.assertEqual([e.user for e in history(raw[:2], {})], ["$device:D1"] * 2)

    def test_verbs(self):  # §3.4
        raw = [{"event": "E", "properties": {"time": i, "distinct_id": u}} for i, u in enumerate(["a", "b", "c", "$device:D"])]

        def users(*verbs):
            return [e.user for e in history(raw, {}, [(4, *v) for v in verbs])]

        self.assertEqual(users(("identify", "a", "b")), ["b", "b", "c", "$device:D"])
        self.assertEqual(users(("identify", "a", "b"), ("identify", "a", "c")), ["b", "b", "c", "$device:D"])
        self.assertEqual(users(("identify", "a", "b"), ("merge", "a", "c")), ["c", "c", "c", "$device:D"])
        self.assertEqual(users(("alias", "a", "b"), ("alias", "b", "c")), ["a", "a", "a", "$device:D"])
        self.assertEqual(users(("merge", "a", "$device:D")), ["a", "b", "c", "a"])

    def test_groups_until_further_notice(self):  # §1.4
        image = Image("UTC", "monday")
        sent = [ev(f"01-01 0{i}:00", "u1", "E", **p) for i, p in enumerate([{}, {"company_id": ""}, {"company_id": "own"}])]
        image.perform(("key", "company_id"))
        image.perform(("events", "ndjson", "plain", sent[:1]))
        image.perform(("sticky", [("set", "u1", "company_id", ["a", "b"]), ("add", "u1", "company_id", ["c"])]))
        image.perform(("sticky", [("add", "u1", "company_id", ["a"]), ("remove", "u1", "company_id", ["b"])]))
        image.perform(("events", "ndjson", "plain", sent))
        self.assertEqual([e["properties"].get("company_id") for e in image.raw], [None, ["a", "c"], "", "own"])
        self.assertEqual(image.users, {"u1": {"company_id": ["a", "c"]}})
        # Whoever turns out to be this user gets them; with the last group the list goes.
        image.perform(("identities", [("identify", "$device:D", "u1")]))
        image.perform(("events", "each", "plain", [ev("01-01 05:00", None, "E", **{"$device_id": "D"})]))
        self.assertEqual(image.raw[-1]["properties"]["company_id"], ["a", "c"])
        image.perform(("sticky", [("remove", "u1", "company_id", ["a"]), ("remove", "u1", "company_id", ["c"])]))
        image.perform(("events", "ndjson", "plain", sent[:1]))
        self.assertNotIn("company_id", image.raw[-1]["properties"])
        self.assertEqual(image.users, {"u1": {}})

    def test_times(self):
        self.assertEqual(
            [time_ms(t) for t in (1.7e9, 1700000000, 1700000000.123, 1700000000123)],
            [1700000000000, 1700000000000, 1700000000123, 1700000000123],
        )


class Identity(unittest.TestCase):
    def amounts(self, *raw):
        return [e.properties["amt"] for e in history(list(raw), {})]

    def test_last_wins(self):  # §2.3
        self.assertEqual(self.amounts(ev(100, "u1", "Buy", "x", amt=1), ev(100, "u1", "Buy", "x", amt=2)), [2])
        self.assertEqual(self.amounts(ev(100, "u1", "Buy", "x", amt=1), ev(101, "u1", "Buy", "x", amt=2)), [1, 2])

    def test_every_part_of_the_identity_counts(self):
        for other in (
            ev(100, "u2", "Buy", "x", amt=2),
            ev(100, "u1", "Pay", "x", amt=2),
            ev(100, "u1", "Buy", "y", amt=2),
            ev(100, "u1", "Buy", amt=2),
        ):
            self.assertEqual(self.amounts(ev(100, "u1", "Buy", "x", amt=1), other), [1, 2])
        self.assertEqual(self.amounts(ev(100, "u1", "Buy", amt=1), ev(100, "u1", "Buy", amt=1)), [1, 1])

    def test_before_identity_resolution(self):
        as_user = {"event": "E", "properties": {"time": 1, "$user_id": "u1", "$insert_id": "x", "amt": 2}}
        self.assertEqual(self.amounts(ev(1, "u1", "E", "x", amt=1), as_user), [2])
        on_device = {"event": "E", "properties": {"time": 1, "$device_id": "D", "$insert_id": "x", "amt": 3}}
        both = {
            "event": "E",
            "properties": {"time": 1, "$device_id": "D", "$user_id": "u1", "$insert_id": "x", "amt": 4},
        }
        self.assertEqual(self.amounts(on_device, both), [3, 4])

    def test_replacement_is_attributed_anew(self):
        raw = [
            ev(1, "u1", "E", "x", company_id="a"),
            ev(2, "u1", "E", "y", company_id="a"),
            ev(1, "u1", "E", "x", company_id="b"),
        ]
        self.assertEqual([e.groups for e in history(raw, {"company_id": 2})], [{}, {"company_id": ["b"]}])


class Insights(unittest.TestCase):
    def test_measures(self):  # §4.2
        sent = [
            ("u1", "acme", 10),
            ("u1", "acme", 30),
            ("u2", "acme", 20),
            ("u3", "globex", 60),
            ("u3", "globex", None),
            ("u4", None, 5),
            ("u1", None, 15),
        ]
        w = world([ev(f"01-01 0{i}:00", u, "watch", company_id=c, minutes=m) for i, (u, c, m) in enumerate(sent)])
        self.assertEqual(value(w, "watch", "total"), 7)
        self.assertEqual(value(w, "watch", "unique"), 4)
        self.assertEqual(value(w, "watch", "unique", "company_id"), 2)
        self.assertEqual(value(w, "watch", "total", "company_id"), 5)

    def test_lists(self):  # §4.8
        w = world([ev("01-01 01:00", "u1", "E", P=p) for p in (["P1", "P2", "P4"], ["P2", "P3", "P4"], ["P3", "P4"])])
        answer = insights(w, [{"event": "E", "measure": "total"}], DAY1, DAY1, "range", ["P"])
        self.assertEqual({s: n for (_, s, _), n in answer.items()}, {("P1",): 1, ("P2",): 2, ("P3",): 2, ("P4",): 3})
        self.assertEqual(value(w, {"event": "E", "filter": ("any", ("prop", "P"), "P1")}, "total"), 1)

    def test_even_buckets(self):  # §4.5
        values = [12, 50, 59.9, 60, 100, "a", None]
        w = world([ev("01-01 01:00", "u1", "E", n=n) for n in values])
        cut = {"property": "n", "bucket": {"size": 10, "min": 50, "max": 100}}
        answer = insights(w, [{"event": "E", "measure": "total"}], DAY1, DAY1, "range", [cut])
        self.assertEqual(
            {s[0]: n for (_, s, _), n in answer.items()},
            {"<50": 1, "[50,60)": 2, "[60,70)": 1, ">=100": 1, "(non-numeric values)": 1, "(not set)": 1},
        )

    def test_first_times(self):  # §4.7
        w = world(
            [
                ev("01-05 10:00", "ann", "Buy", company_id="acme", n=5),
                ev("01-08 10:00", "ben", "Buy", company_id="acme", n=70),
                ev("01-10 10:00", "ann", "Buy", company_id="acme", n=50),
                ev("01-10 12:00", "cat", "Buy", company_id=["acme", "globex"], n=20),
            ]
        )
        first = {"event": "Buy", "first_time": True}
        self.assertEqual(value(w, first, "total"), 3)
        self.assertEqual(value(w, first, "total", "company_id"), 2)
        self.assertEqual(value(w, first | {"filter": (">", ("prop", "n"), ("lit", 25))}, "total"), 2)

    def test_users_who_did(self):  # §4.9
        sent = [
            ("u1", "Login", "acme"),
            ("u2", "Login", "acme"),
            ("u1", "Download", "acme"),
            ("u3", "Download", "globex"),
            ("u4", "Login", "init"),
            ("u1", "Login", "acme"),
        ]
        w = world([ev("01-01 01:00", u, e, company_id=c) for u, e, c in sent])
        metric = [{"event": "Download", "measure": "unique", "by": "company_id"}]
        for at_least, expected in ((1, {"2": 1, "0": 1}), (2, {"1": 1, "0": 1})):
            answer = insights(w, metric, DAY1, DAY1, "day", [{"users_who_did": "Login", "at_least": at_least}])
            self.assertEqual({s[0]: n for (_, s, _), n in answer.items()}, expected)

    def test_groups_of_so_many_users(self):  # §4.9 as a filter: in the interval of the event
        raw = [
            ev("01-10 09:00", "u1", "Login", company_id="acme"),
            ev("01-10 09:30", "u1", "Login", company_id="acme"),
            ev("01-10 09:00", "u2", "Login", company_id="acme"),
            ev("01-11 09:00", "u3", "Login", company_id="globex"),
            *[ev(f"01-{d} 10:00", "u1", "Download", company_id=["acme", "globex"]) for d in (10, 11)],
        ]
        days = date(2024, 1, 10), date(2024, 1, 11)

        def companies(unit, **groups):
            metric = {"event": "Download", "measure": "unique", "by": "company_id", "groups": {"users_who_did": "Login"} | groups}
            return list(insights(world(raw), [metric], *days, unit=unit).values())

        self.assertEqual(companies("day", at_least=1), [1, 1])
        self.assertEqual(companies("day", at_least=2), [1, 0])
        self.assertEqual(companies("day", exactly=0), [1, 1])
        self.assertEqual(companies("day", times=2, exactly=1), [1, 0])
        self.assertEqual(companies("range", at_least=1), [2])
        self.assertEqual(companies("range", exactly=0), [0])

    def test_profiles(self):  # §4.2: of today, in every interval
        plans = {"acme": ("pro", 5), "globex": ("pro", 8), "init": ("free", None)}
        groups = {("company_id", g): {"plan": plan} | ({"seats": n} if n else {}) for g, (plan, n) in plans.items()}
        w = world([], groups=groups)
        pro = {"filter": ("==", ("group", "company_id", "plan"), ("lit", "pro"))}

        def value(**metric):
            answer = insights(w, [{"profiles": "company_id"} | pro | metric], date(2024, 1, 1), date(2024, 1, 2), cumulative=True)
            (one,) = set(answer.values())
            self.assertEqual(len(answer), 2)
            return one

        self.assertEqual(value(), 2)
        self.assertEqual(value(measure="sum", property="seats"), 13)
        self.assertEqual(value(measure="median", property="seats"), 6.5)
        by_plan = insights(w, [{"profiles": "company_id"}], DAY1, DAY1, breakdown=["group.company_id.plan"])
        self.assertEqual({key[1]: n for key, n in by_plan.items()}, {("pro",): 2, ("free",): 1, ("(not set)",): 1})

    def test_other(self):
        w = world(
            [
                ev("01-01 01:00", u, "E", p=p)
                for u, p in (("u1", "a"), ("u1", "a"), ("u1", "b"), ("u2", "b"), ("u1", ["c", "d"]), ("u3", "c"))
            ]
        )
        metrics = [{"event": "E", "measure": "total"}, {"event": "E", "measure": "unique"}]
        answer = insights(w, metrics, DAY1, DAY1, "range", ["p"], top=1)
        self.assertEqual(
            {(m, s[0]): n for (m, s, _), n in answer.items()},
            {("A", "a"): 2, ("A", "$other"): 4, ("B", "a"): 1, ("B", "$other"): 3},
        )

    def test_zones(self):
        sao_paulo = Calendar("America/Sao_Paulo", "sunday")
        first = sao_paulo.day_start(date(2018, 11, 4))
        self.assertEqual(first, instant("2018-11-04 03:00"))  # midnight does not exist
        self.assertEqual(sao_paulo.local_date(first - 1), date(2018, 11, 3))
        self.assertEqual(sao_paulo.day_start(date(2018, 11, 5)) - first, 23 * HOUR)
        w = world(
            [ev(first - 1, "u1", "E"), ev(first, "u1", "E"), ev(first + 23 * HOUR, "u2", "E")], calendar=sao_paulo
        )
        answer = insights(w, [{"event": "E", "measure": "unique"}], date(2018, 11, 3), date(2018, 11, 5), "day")
        self.assertEqual(list(answer.values()), [1, 1, 1])
        self.assertEqual(len(sao_paulo.buckets("hour", date(2018, 11, 4), date(2018, 11, 4))), 23)
        self.assertEqual(
            sao_paulo.buckets("week", date(2018, 11, 3), date(2018, 11, 4)), [instant("2018-10-28 03:00"), first]
        )
        chatham = Calendar("Pacific/Chatham")
        self.assertEqual(len(chatham.buckets("hour", date(2024, 4, 7), date(2024, 4, 7))), 25)
        self.assertEqual(len(chatham.buckets("quarter", date(2024, 3, 31), date(2024, 4, 1))), 2)


class Expressions(unittest.TestCase):
    def test_meaning(self):  # §2.15
        p, undefined = ("prop", "p"), ("prop", "missing")
        cases = [
            (("==", p, ("lit", 1)), 1, True),
            (("==", p, ("lit", 1)), "1", False),
            (("==", p, ("lit", 1)), True, False),
            (("!=", undefined, ("lit", "a")), 0, True),
            (("<", p, ("lit", 2)), "1", None),
            (("not", undefined), 0, True),
            (("not", ("<", p, ("lit", 2))), "1", True),
            (("or", undefined, ("==", p, ("lit", 1.0))), 1, True),
            (("number", p), "abc", None),
            (("number", p), True, 1),
            (("in", p, ["a", "b"]), "a", True),
            (("in", p, ["1"]), 1, False),
            (("part", "b", p), "abc", True),
            (("defined", undefined), 0, False),
            (("+", p, ("lit", "x")), "a", "ax"),
            (("+", p, ("lit", "x")), 1, None),
        ]
        for tree, sent, expected in cases:
            self.assertEqual(expression.evaluate(tree, {"p": sent}, {}, None), expected, tree)

    def test_text(self):
        tree = ("and", ("in", ("prop", "c"), ["a", "b"]), (">=", ("number", ("prop", "amt")), ("lit", 10)))
        self.assertEqual(
            expression.render(tree), '(properties["c"] in ["a", "b"] and (number(properties["amt"]) >= 10))'
        )


class Measures(unittest.TestCase):
    watched = [
        ev("01-01 09:00", "u1", "watch", company_id="acme", minutes=10),
        ev("01-01 09:00", "u1", "watch", company_id="acme", minutes=30),
        ev("01-01 09:00", "u2", "watch", company_id="acme", minutes=20),
        ev("01-01 09:00", "u3", "watch", company_id="globex", minutes=60),
        ev("01-01 09:00", "u3", "watch", company_id="globex"),
        ev("01-01 09:00", "u4", "watch", minutes=5),
        ev("01-01 09:00", "u1", "watch", minutes=15),
    ]

    def of(self, measure, by="user", **more):
        metric = {"event": "watch", "measure": measure, "by": by, **more}
        answer = insights(world(self.watched), [metric], DAY1, DAY1, "range")
        return [v for _, v in sorted(answer.items())]

    def test_example(self):  # §4.2
        minutes = {"property": "minutes"}
        self.assertEqual(self.of("sum", **minutes), [140])
        self.assertEqual(self.of("average", **minutes), [140 / 6])
        self.assertEqual(self.of("distinct", **minutes), [6])
        self.assertEqual(self.of("median", **minutes), [17.5])
        self.assertEqual(self.of("average", per="total"), [1.75])
        self.assertEqual(self.of("average", by="company_id", per="total"), [2.5])
        total = {"measure": "sum", "property": "minutes"}
        self.assertEqual(self.of("average", per=total), [35])
        self.assertEqual(self.of("max", by="company_id", per=total), [60])
        self.assertEqual(self.of("distribution", per="total"), [2, 1, 1])

    def test_in_one_segment_only(self):  # §4.4
        w = world(
            [
                ev("01-01 10:00", "u1", "A", shop="north"),
                ev("01-01 11:00", "u1", "A", shop="south"),
                ev("01-02 10:00", "u1", "A", shop="west"),
                ev("01-01 10:00", "u2", "A", shop=["south", "north"]),
            ]
        )

        def uniques(unit, **more):
            metric = {"event": "A", "measure": "unique", **more}
            rows = insights(w, [metric], DAY1, date(2024, 1, 2), unit=unit, breakdown=["shop"])
            return {(s[0], w.calendar.local_date(at).day): n for (_, s, at), n in rows.items() if n}

        days = {("north", 1): 2, ("south", 1): 2, ("west", 2): 1}
        self.assertEqual(uniques("day"), days)
        self.assertEqual(uniques("day", attribution="first"), {("north", 1): 2, ("west", 2): 1})
        self.assertEqual(uniques("day", attribution="last"), {("south", 1): 2, ("west", 2): 1})
        self.assertEqual(uniques("range", attribution="first"), {("north", 1): 2})
        self.assertEqual(uniques("range", attribution="last"), {("south", 1): 1, ("west", 1): 1})

    def test_trailing_windows(self):  # §4.3
        visits = [(1, "acme"), (8, "acme"), (3, "globex"), (10, "initech")]
        w = world([ev(f"01-{day:02} 12:00", "u", "E", company_id=c) for day, c in visits])
        metric = {"event": "E", "measure": "wau", "by": "company_id"}
        answer = insights(w, [metric], DAY1, date(2024, 1, 10))
        self.assertEqual([v for _, v in sorted(answer.items())][6:], [2, 2, 2, 2])

    def test_rolling_average(self):  # §4.4
        points = [3, 0, 6, 3, 0, 9, 7, 0, 3]
        raw = [ev(f"01-{day + 1:02} 12:00", "u", "E") for day, n in enumerate(points) for _ in range(n)]
        answer = insights(world(raw), [{"event": "E"}], date(2024, 1, 7), date(2024, 1, 9), rolling=7)
        self.assertEqual([v for _, v in sorted(answer.items())], [4.0, 25 / 7, 4.0])

    def test_frequency(self):  # §6.6
        days = {"u1": [1, 2, 3], "u2": [1], "u3": [1, 2, 3, 4, 5], "u4": [2, 3]}
        w = world([ev(f"01-{d:02} 12:00", u, "E") for u, ds in days.items() for d in ds])
        for cumulative, expected in [(True, [4, 3, 2, 1, 1, 0, 0]), (False, [1, 1, 1, 0, 1, 0, 0])]:
            rows = frequency(w, "E", DAY1, date(2024, 1, 7), cumulative=cumulative)
            self.assertEqual([rows[k] for k in sorted(rows)], expected)

    def test_lifecycle(self):
        days = {"a": [1, 2, 4], "b": [1, 3]}
        w = world([ev(f"01-{d:02} 12:00", u, "E") for u, ds in days.items() for d in ds])
        rows = lifecycle(w, "E", DAY1, date(2024, 1, 4), unit="day")
        found = defaultdict(list)
        for (_, state), n in sorted(rows.items()):
            found[state].append(n)
        self.assertEqual(found["new"], [2, 0, 0, 0])
        self.assertEqual(found["retained"], [0, 1, 0, 0])
        self.assertEqual(found["resurrected"], [0, 0, 1, 1])
        self.assertEqual(found["dormant"], [0, 1, 1, 1])


class Funnels(unittest.TestCase):
    def steps_reached(self, path, steps="ABCDE"):
        w = world([ev(i * 60_000 + instant("2024-01-01"), "u1", e) for i, e in enumerate(path.split())])
        return sum(counts(w, list(steps)))

    def test_order(self):  # §5.1
        self.assertEqual(
            [self.steps_reached(p) for p in ("A B C D E", "A B F C D E", "A B D C D E", "A B C E")], [5, 5, 5, 3]
        )

    def test_window(self):  # §5.1
        w = world(
            [ev(f"01-01 {t}", "u1", e) for t, e in (("01:00", "A"), ("01:30", "A"), ("01:45", "B"), ("02:15", "C"))]
        )
        self.assertEqual(counts(w, list("ABC"), within=HOUR), [1, 1, 0])
        w = world([ev("01-01 01:00", "u1", "A"), ev("01-01 02:00", "u1", "B")])
        self.assertEqual(counts(w, list("AB"), within=HOUR), [1, 1])  # inclusive
        self.assertEqual(counts(w, list("AB"), within=HOUR - 1), [1, 0])

    def test_numbers_of_the_events_that_fill_the_steps(self):  # §5.9
        w = world(
            [
                ev("01-01 10:00", "u1", "Add", amount=5),
                ev("01-01 10:01", "u1", "Add", amount=100),  # fills no step
                ev("01-01 10:02", "u1", "Buy", amount=4.5),
                ev("01-01 11:00", "u2", "Add", amount="7"),  # no number
                ev("01-01 11:01", "u2", "Buy", amount=-1),
                ev("01-01 12:00", "u3", "Add", amount=2),
            ]
        )
        rows = funnel(w, ["Add", "Buy"], DAY1, DAY1, property="amount")
        names = ("sum", "average", "median", "min", "max")
        self.assertEqual([rows[(), 1][n] for n in names], [7, 3.5, 3.5, 2, 5])
        self.assertEqual([rows[(), 2][n] for n in names], [3.5, 1.75, 1.75, -1, 4.5])
        rows = funnel(w, ["Add", "Nothing"], DAY1, DAY1, property="amount")
        self.assertEqual([rows[(), 2][n] for n in names], [0, None, None, None, None])

    def test_grace(self):  # §5.2
        for gap, grace, reached in ((1500, 2000, 1), (2000, 2000, 1), (2001, 2000, 0), (1500, 0, 0), (0, 0, 1)):
            t = instant("2024-01-01 10:00")
            w = world([ev(t, "u1", "B"), ev(t + gap, "u1", "A")])
            self.assertEqual(counts(w, list("AB"), grace=grace), [1, reached], gap)
        rows = funnel(world([ev(t, "u1", "B"), ev(t + 1500, "u1", "A")]), list("AB"), DAY1, DAY1)
        self.assertEqual(rows[(), 2]["avg_time"], 0)
        midnight = instant("2024-01-01")
        w = world([ev(midnight - 1, "u1", "B"), ev(midnight, "u1", "A")])
        self.assertEqual(counts(w, list("AB")), [1, 0])  # never before from_date

    def test_one_event_fills_one_step(self):
        t = instant("2024-01-01 10:00")
        self.assertEqual(counts(world([ev(t, "u1", "A")]), ["A", "A"]), [1, 0])
        self.assertEqual(counts(world([ev(t, "u1", "A"), ev(t, "u1", "A")]), ["A", "A"], grace=0), [1, 1])
        w = world([ev(t, "u1", "A"), ev(t, "u1", "B")])  # the event that can be less is taken first
        self.assertEqual(counts(w, [{"any": ["A", "B"]}, "B"], grace=0), [1, 1])

    def test_entry_in_range_completion_after(self):  # §5.1
        w = world([ev("01-31 23:00", "u1", "A"), ev("02-01 01:00", "u1", "B"), ev("02-01 02:00", "u2", "A")])
        self.assertEqual(counts(w, list("AB")), [1, 1])

    def test_groups(self):  # §5.11
        w = world(
            [
                ev("01-01 10:00", "u1", "Signup", company_id="acme"),
                ev("01-01 10:30", "u2", "Pay", company_id="acme"),
                ev("01-01 11:00", "u3", "Signup", company_id="globex"),
                ev("01-01 11:05", "u3", "Pay", company_id=["globex", "acme"]),
            ]
        )
        self.assertEqual(counts(w, ["Signup", "Pay"]), [2, 1])
        self.assertEqual(counts(w, ["Signup", "Pay"], "company_id"), [2, 2])
        rows = funnel(w, ["Signup", "Pay"], DAY1, DAY1, by="company_id")
        self.assertEqual((rows[(), 2]["avg_time"], rows[(), 2]["median_time"]), (1_050_000, 1_050_000))

    def story(self, text):
        """`minutes event[/item]` of one user on January 1st."""
        raw = []
        for part in text.split(", "):
            minutes, what = part.split(" ")
            name, _, item = what.partition("/")
            more = {"item": item} if item else {}
            raw.append(ev(instant("2024-01-01") + int(float(minutes) * 60_000), "u1", name, **more))
        return world(raw)

    def test_totals(self):  # §5.4
        w = self.story("60 A, 80 A, 90 B, 100 A, 180 A, 190 B")
        self.assertEqual(counts(w, list("AB"), within=HOUR, count="total"), [3, 2])
        self.assertEqual(counts(w, list("AB"), within=HOUR), [1, 1])
        self.assertEqual(counts(self.story("0 A, 1 A, 2 B"), list("AB"), count="total"), [1, 1])

    def test_optimized(self):  # §5.5
        best = {"reentry": "optimized", "within": HOUR}
        w = self.story("0 A, 10 A, 20 A, 25 B")
        self.assertEqual(funnel(w, list("AB"), DAY1, DAY1, **best)[(), 2]["avg_time"], 300_000)
        w = self.story("0 A, 120 A, 130 B")
        self.assertEqual((counts(w, list("AB"), within=HOUR), counts(w, list("AB"), **best)), ([1, 0], [1, 1]))
        self.assertEqual(counts(self.story("0 A, 50 A, 70 B"), list("AB"), count="total", **best), [2, 1])
        self.assertEqual(counts(self.story("0 A, 50 A"), list("AB"), count="total", **best), [2, 0])
        self.assertEqual(counts(self.story("0 A, 5 B, 10 A, 15 C"), list("ABC"), count="total", **best), [1, 1, 1])
        self.assertEqual(counts(self.story("1 B, 1.01 A, 1.02 A"), list("AB"), count="total", **best), [2, 1])

    def test_any_order(self):  # §5.3
        steps = ["Signup", {"event": "A", "order": "any"}, {"event": "B", "order": "any"}, "Pay"]
        for text, reached in (
            ("0 Signup, 1 B, 2 A, 3 Pay", [1, 1, 1, 1]),
            ("0 Signup, 1 A, 2 Pay, 3 B", [1, 1, 1, 0]),
            ("0 A, 1 Signup, 2 B, 3 Pay", [1, 1, 0, 0]),
        ):
            self.assertEqual(counts(self.story(text), steps), reached, text)

    def test_strict(self):
        for text, reached in (("0 A, 1 B, 2 C", 3), ("0 A, 1 B, 2 F, 3 C", 2), ("0 A, 0 F, 1 B", 1), ("0 A, 1 F, 1 B", 2)):
            self.assertEqual(sum(counts(self.story(text), list("ABC"), ordering="strict")), reached, text)

    def test_exclusion(self):  # §5.6
        self.assertEqual(counts(self.story("0 A, 1 A, 2 A, 3 B"), list("AB"), count="total", exclude=["A"]), [2, 1])
        between = [{"event": "X", "between": [1, 2]}]
        self.assertEqual(counts(self.story("0 A, 1 X, 2 B, 3 C"), list("ABC"), exclude=between), [1, 0, 0])
        self.assertEqual(counts(self.story("0 A, 1 B, 2 X, 3 C"), list("ABC"), exclude=between), [1, 1, 1])
        self.assertEqual(counts(self.story("0 A, 0 X, 1 X, 1 B"), list("AB"), exclude=["X"]), [1, 1])

    def test_held(self):  # §5.7
        w = self.story("0 Browse/shirt, 1 Browse/hat, 2 Cart/hat")
        steps, held = ["Browse", "Cart"], {"hold": ["item"]}
        self.assertEqual(counts(w, steps, **held), [1, 0])
        self.assertEqual(counts(w, steps, count="total", **held), [2, 1])
        self.assertEqual(segment_counts(w, steps, "hat", breakdown=["item"], **held), [1, 1])
        self.assertEqual(counts(self.story("0 Browse, 1 Cart"), steps, **held), [0, 0])

    def test_breakdown(self):  # §5.8
        w = self.story("0 Browse/shirt, 1 Browse/jeans, 2 Cart, 3 Browse/shoes")
        by_item = {"breakdown": ["item"], "attribution": "step1"}
        found = [segment_counts(w, ["Browse", "Cart"], s, **by_item) for s in ("shirt", "shoes", "jeans")]
        self.assertEqual(found, [[1, 1], [1, 0], []])
        w = self.story("0 View/chrome, 90 View/safari, 100 Cart, 110 Buy")
        safari = ("==", ("prop", "item"), ("lit", "safari"))
        steps = ["View", "Cart", "Buy"]
        self.assertEqual(counts(w, [{"event": "View", "filter": safari}, *steps[1:]], within=HOUR), [1, 1, 1])
        self.assertEqual(counts(w, steps, within=HOUR, filter=safari), [0, 0, 0])
        # What a breakdown shows, a filter without one can lose.
        self.assertEqual(segment_counts(w, steps, "safari", within=HOUR, breakdown=["item"], filter=safari), [1, 1, 1])

    def test_p_values(self):  # §5.10
        for numbers, p in (
            ((100, 50, 40, 28), 0.001008),
            ((100, 50, 40, 20), 0.419208),
            ((1000, 300, 200, 75), 0.006742),
        ):
            self.assertAlmostEqual(p_value(*numbers), p, 6)


class Cohorts(unittest.TestCase):
    """§8: the example of the law and its corners."""

    def members(self, w, by, definition, last=date(2024, 3, 31)):
        return cohorts.Members(w, last).of(cohorts.named(by, definition)) - {"seed"}

    def test_the_example(self):
        raw = [
            ev("03-05 10:00", "u1", "Purchase", company_id="acme"),
            ev("03-20 10:00", "u2", "Purchase", company_id="acme"),
            ev("02-20 10:00", "u3", "Purchase", company_id="globex"),
            ev("03-20 10:00", "u3", "Purchase", company_id="globex"),
            *[ev(f"03-{day} 10:00", "u4", "Purchase", company_id="init") for day in (11, 12, 13)],
        ]
        plans = {"acme": "pro", "globex": "pro", "init": "free", "hooli": "pro"}
        w = world(raw, groups={("company_id", g): {"plan": plan} for g, plan in plans.items()})
        often = {"did": "Purchase", "at_least": 2, "within": "30 days"}
        pro = {"where": ("==", ("group", "company_id", "plan"), ("lit", "pro"))}
        self.assertEqual(self.members(w, "company_id", {"all": [often, pro]}), {"acme"})
        never = {"did": "Purchase", "exactly": 0, "within": "30 days"}
        self.assertEqual(self.members(w, "company_id", never), {"hooli"})
        self.assertEqual(self.members(w, "company_id", {"did_not": "Purchase", "within": "30 days"}), {"hooli"})
        # Seen from an earlier day, what happened later has not happened.
        self.assertEqual(self.members(w, "company_id", often, date(2024, 3, 12)), {"init"})

    def test_medians(self):  # §8.1: exact, in the middle of the two in the middle; none of nothing
        spent = {"u1": [30], "u2": [5, 80, 12.5], "u3": [1, 3], "u4": [None]}
        raw = [ev("03-05 10:00", u, "Purchase", amount=x) for u, amounts in spent.items() for x in amounts]

        def median(**compare):
            asked = {"did": "Purchase", "measure": "median", "property": "amount", "within": "30 days"}
            return self.members(world(raw), "user", asked | compare)

        self.assertEqual(median(exactly=2), {"u3"})
        self.assertEqual(median(at_least=12.5), {"u1", "u2"})
        self.assertEqual(median(at_most=29), {"u2", "u3"})

    def test_users_who_did(self):  # §4.9: users by company, each so many times
        often = {"u1": 2, "u2": 1, "u3": 3}
        raw = [ev("03-05 10:00", u, "Login", company_id="acme" if u < "u3" else "globex") for u, n in often.items() for _ in range(n)]
        raw.append(ev("03-05 10:00", None, "Login", company_id="globex"))

        def users(**condition):
            asked = {"users_who_did": "Login", "within": "30 days"}
            w = world(raw, groups={("company_id", "hooli"): {}})
            return self.members(w, "company_id", asked | condition)

        self.assertEqual(users(at_least=2), {"acme"})
        self.assertEqual(users(exactly=1), {"globex"})
        self.assertEqual(users(exactly=1, times=2), {"acme", "globex"})
        self.assertEqual(users(at_most=0), {"hooli"})

    def test_a_sequence_takes_different_events_in_order(self):
        w = world([ev("03-05 10:00", "u1", "A"), ev("03-05 10:00", "u2", "A"), ev("03-05 10:00", "u2", "B")])

        def steps(*names):
            return {"sequence": list(names), "within": "30 days"}

        self.assertEqual(self.members(w, "user", steps("A", "A")), set())
        self.assertEqual(self.members(w, "user", steps("A", "B")), {"u2"})
        self.assertEqual(self.members(w, "user", steps("B", "A")), {"u2"})


class Sequences(unittest.TestCase):
    """One letter an event, ten minutes apart, from midnight of the first day on."""

    def world(self, **letters):
        start = instant("2024-01-01")
        return world([ev(start + i * 600_000, u, e) for u, word in letters.items() for i, e in enumerate(word) if e != "."])

    def paths(self, w, anchors, **options):
        rows = sequences.flow_paths(w, anchors, DAY1, DAY1, **options)
        return {"".join(e if len(e) == 1 else "!" for e in path): row["count"] for path, row in rows.items()}

    def test_flows(self):  # §7.3
        w = self.world(u1="ABC", u2="ABBD", u3="AC", u4="A", u5="ADB")
        self.assertEqual(self.paths(w, "A", forward=2), {"ABC": 1, "ABB": 1, "AC!": 1, "A!": 1, "ADB": 1})
        self.assertEqual(self.paths(w, "A", forward=2, collapse=True)["ABD"], 1)
        self.assertEqual(self.paths(w, "A", forward=2, hide=["D"]), {"ABC": 1, "ABB": 1, "AC!": 1, "A!": 1, "AB!": 1})

    def test_anchors(self):  # §7.1
        w = self.world(u1="SPZ", u2="SAPYZ", u3="SABCDEP", u4="SABCD", u5="S")
        anchors = ["S", {"event": "P", "reverse": 1, "forward": 0}]
        wanted = {"SP": 1, "SAP": 1, "SAB≈EP": 1, "SAB!": 1, "S!": 1}
        self.assertEqual(self.paths(w, anchors, forward=2), wanted)
        self.assertEqual(self.paths(self.world(u="SAXBP"), anchors, forward=3, exclude=["X"]), {"SA!": 1})
        self.assertEqual(self.paths(self.world(u="SSPPSP"), ["S", "P"], forward=0, count="total"), {"S≈P": 1, "SP": 1})

    def test_sessions(self):  # §9.1
        w = self.world(u1="AB....AC", u2="AC")
        self.assertEqual(self.paths(w, "A", forward=1, count="sessions"), {"AB": 1, "AC": 2})
        metric = {"event": "C", "measure": "sessions"}
        self.assertEqual(list(insights(w, [metric], DAY1, DAY1, "range").values()), [2])
        self.assertEqual(counts(w, list("AB"), count="sessions"), [3, 1])
        rows = sequences.sessions(w, DAY1, DAY1, breakdown=["$origin_end", "$duration_s"])
        self.assertEqual({name: row["sessions"] for (name, _), row in rows.items()}, {("C", "600"): 2, ("B", "600"): 1})


class Retention(unittest.TestCase):
    def bucket(self, birth, back, alignment, unit="day"):
        w = world([ev(birth, "u1", "A"), ev(back, "u1", "B")])
        answer = retention(
            w, "A", "B", DAY1, date(2024, 12, 31), unit=unit, buckets=40, criterion="on", alignment=alignment
        )
        return [n for (_, n), (_, kept) in answer.items() if kept]

    def test_buckets(self):  # §6.2
        for back, rolling, calendar in (("01-02 06:00", 0, 1), ("01-02 21:00", 1, 1), ("01-04 19:59", 2, 3)):
            self.assertEqual(self.bucket("01-01 20:00", back, "rolling"), [rolling])
            self.assertEqual(self.bucket("01-01 20:00", back, "calendar"), [calendar])
        for back, n in (("01-03 14:59:59.999", 0), ("01-03 15:00", 1), ("01-04 14:59:59", 1), ("01-04 15:00", 2)):
            self.assertEqual(self.bucket("01-02 15:00", back, "rolling"), [n])  # a Tuesday
        self.assertEqual(self.bucket("01-02 15:00", "01-09 15:00", "rolling", "week"), [1])
        self.assertEqual(self.bucket("01-02 15:00", "02-01 15:00", "rolling", "month"), [1])
        self.assertEqual(self.bucket("01-01 20:00", "01-02 06:00", "calendar"), [1])
        self.assertEqual(self.bucket("01-05 12:00", "01-08 12:00", "calendar", "week"), [1])
        self.assertEqual(self.bucket("02-25 12:00", "03-03 12:00", "calendar", "month"), [1])

    def test_criteria(self):  # §6.3
        active = [{0, 2}, {1}, {0, 1, 2}, set(), {3}]
        expected = {
            "on": [2, 2, 2, 1],
            "on_or_after": [4, 4, 3, 1],
            "on_or_before": [2, 3, 3, 4],
            "streak": [2, 1, 1, 0],
        }
        raw = []
        for i, days in enumerate(active):
            raw += [ev(instant("2024-01-01"), f"u{i}", "A")]
            raw += [ev(instant("2024-01-01 01:00") + n * DAY, f"u{i}", "B") for n in days]
        for criterion, row in expected.items():
            self.assertEqual([sum(retained(criterion, a, n) for a in active) for n in range(4)], row)
            self.assertEqual(retained_counts(world(raw), "A", "B", criterion=criterion), (5, row))

    def test_births(self):  # §6.1
        raw = [ev("01-01 10:00", "u1", "A"), ev("01-01 12:00", "u1", "A"), ev("01-02 11:00", "u1", "A")]
        rows = retention(world(raw), "A", "A", DAY1, date(2024, 1, 2), criterion="on", buckets=1)
        self.assertEqual(list(rows.values()), [(1, 1), (1, 1), (1, 0), (1, 0)])  # the birth never returns
        rows = retention(world(raw), "A", "A", date(2024, 1, 2), date(2024, 1, 2), births="first")
        self.assertEqual(rows, {})
        self.assertEqual(retained_counts(world(raw[:1]), "A", "A", criterion="streak"), (1, [1, 0, 0, 0]))

    def test_sums_and_segments(self):  # §6.5: what came in so far, of those born in each segment
        raw = [ev("01-01 10:00", "u1", "A", plan="pro"), ev("01-01 11:00", "u2", "A", plan="free")]
        raw += [ev("01-01 12:00", "u1", "B", n=10), ev("01-02 12:00", "u1", "B", n=5), ev("01-02 12:00", "u2", "B")]
        question = {"criterion": "on_or_before", "buckets": 1, "property": "n", "breakdown": ["plan"]}
        rows = oracle.retention(world(raw), "A", "B", DAY1, DAY1, measure="sum", **question)
        values = {(segment[0], n): row["value"] for (segment, _, n), row in rows.items()}
        self.assertEqual(values, {("pro", 0): 10, ("pro", 1): 15, ("free", 0): 0, ("free", 1): 0})
        rows = oracle.retention(world(raw), "A", "B", DAY1, DAY1, criterion="on", brackets=[1, 7])
        self.assertEqual([row["retained"] for row in rows.values()], [1, 2])

    def test_simultaneous_births(self):
        twins = [ev("01-01 10:00", "u1", "A", n=1), ev("01-01 10:00", "u1", "A", n=2)]
        returned = {"event": "A", "filter": ("==", ("prop", "n"), ("lit", 1))}
        self.assertEqual(retained_counts(world(twins), "A", returned, criterion="streak"), (1, [1, 0, 0, 0]))

    def test_groups(self):  # §6.7
        w = world(
            [
                ev("01-01 09:00", "u1", "Signup", company_id="acme"),
                ev("01-02 10:00", "u2", "Login", company_id="acme"),
                ev("01-01 12:00", "u3", "Signup", company_id="globex"),
                ev("01-01 18:00", "u3", "Login", company_id="globex"),
            ]
        )
        self.assertEqual(retained_counts(w, "Signup", "Login", "company_id", 1, criterion="on"), (2, [1, 1]))
        self.assertEqual(retained_counts(w, "Signup", "Login", "user", 1, criterion="on"), (2, [1, 0]))


APPENDIX_B = [
    ev("01-01 09:00", "u0", "Signup", company_id="old"),
    ev("01-01 10:00", "u1", "Signup", company_id="acme"),
    ev("01-01 10:05", "u2", "Signup", company_id="globex"),
    ev("01-01 11:00", "u3", "Invite", company_id="acme"),
    ev("01-01 12:00", "u2", "Invite", company_id=["acme", "globex"]),
    ev("01-02 09:00", "u4", "Pay", company_id="acme"),
    ev("01-03 09:00", "u2", "Pay", company_id="globex"),
    ev("01-03 10:00", "u5", "Login", company_id=""),
    ev("01-03 10:00", "u1", "Login", company_id="acme"),
]
REGISTERED = {"company_id": 1}


class AppendixB(unittest.TestCase):
    def test_table(self):
        w, steps = world(APPENDIX_B, REGISTERED), ["Signup", "Invite", "Pay"]
        self.assertEqual([value(w, "$any", "unique", by) for by in ("user", "company_id")], [6, 2])
        self.assertEqual([value(w, "$any", "total", by) for by in ("user", "company_id")], [9, 7])
        self.assertEqual([value(w, "$any", "unique", "user", day) for day in (1, 2, 3)], [4, 1, 3])
        self.assertEqual([value(w, "$any", "unique", "company_id", day) for day in (1, 2, 3)], [2, 1, 2])
        self.assertEqual(counts(w, steps, within=DAY), [3, 1, 0])
        self.assertEqual(counts(w, steps, "company_id", within=DAY), [2, 2, 1])
        rows = funnel(w, steps, DAY1, DAY1, by="company_id", within=DAY)
        self.assertEqual(rows[(), 3]["avg_time_from_start"], 82_800_000)
        for by, size in (("user", 3), ("company_id", 2)):
            self.assertEqual(retained_counts(w, "Signup", "Login", by, 2, criterion="on"), (size, [0, 0, 1]))
        answer = insights(
            w,
            [{"event": "$any", "measure": "unique", "by": "company_id"}],
            DAY1,
            DAY1,
            "day",
            ["group.company_id", {"users_who_did": "$any", "at_least": 1}],
        )
        self.assertEqual({s: n for (_, s, _), n in answer.items()}, {("acme", "3"): 1, ("globex", "1"): 1})


if __name__ == "__main__":
    unittest.main(verbosity=2)
