"""The questions of the benchmark, each in the words of every engine.

A Query says how `ours` asks through the public SQL surface (a list: spellings tried in order until one is available) and
which candidates each peer has; the fastest one is timed. All give the same rows, which is checked first. Peers read `ev`
with the columns event, day, t (ms), user_id, company_id, country, browser, … and `comp` (company_id, industry); a tuned and a
natural variant differ in the tables only, so they share these texts. A candidate may be (sql, options):
ClickHouse settings as text, and {"tuned"} for what needs dense ids or the second order.
"""

from dataclasses import dataclass, field
from typing import Callable

FROM, TO = "2025-01-01", "2025-04-01"
RANGE = f"'{FROM}', '{TO}'"
DAY = 86_400_000
WEEK = 7 * DAY
A = "analytics_groups"


@dataclass
class Query:
    name: str
    title: str
    ours: list
    clickhouse: list
    duckdb: list
    postgres: list
    # Brings the rows of ours into the shape of the peers'; not timed, like the reading of ClickHouse's bytes.
    shape: Callable = lambda rows: rows
    # Columns of the peers' rows that hold subjects (a tuned variant answers with dense numbers), by place: 'company' or 'user'.
    ids: dict = field(default_factory=dict)
    # Ours is dense (a row for every bucket), the peers' leave out what is empty: rows whose numbers are all 0 are no rows.
    sparse: bool = False
    note: str = ""
    # In a table of its own, not part of the geometric mean.
    apart: bool = False
    # What ours has to be told before it is asked: the definition of a cohort.
    setup: str = ""


def pivot(labels, label=0, keys=(1,), value=2):
    """Long rows (label, key…, value) to one row per key with a column per label."""

    def shape(rows):
        out = {}
        for r in rows:
            out.setdefault(tuple(r[k] for k in keys), {})[r[label]] = r[value]
        return [(*k, *(v.get(x) for x in labels)) for k, v in out.items()]

    return shape


def first(rows):
    """Steps as rows to one row of counts."""
    return [tuple(n for _, n in sorted((r[0], r[1]) for r in rows))]


def all_queries():
    from . import behaviour, counts, funnels, reports

    return sorted([*counts.QUERIES, *funnels.QUERIES, *behaviour.QUERIES, *reports.QUERIES], key=lambda q: q.name)
