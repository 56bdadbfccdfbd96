#!/usr/bin/env python3
"""window_funnel and window_funnel_times in a server, beside a brute-force oracle and beside ClickHouse.

    window_funnel.py [CASES] [SEED]

Makes random cases (a few rows with random times and conditions each), stores them in one table in random order, and asks the
server for all of them, mode by mode: serially, with parallel workers, and from parts that were put together in any order. Each answer
must be the oracle's, which tries every chain of rows. Where ClickHouse's definition coincides with ours its windowFunnel must agree,
too; where it does not, the differences are counted and the smallest one is shown. ClickHouse is the Python package chdb; without it
that part says "skipped".

The server is chosen by PGHOST, PGPORT, PGUSER and PGDATABASE and has the extension. Ends with `N passed, M failed`.
"""

import random
import subprocess
import sys

# Ours, ClickHouse's, and whether the definitions coincide. ClickHouse lets a row fill several steps, so ours must, too. Where
# they do not coincide:
# * strict_increase: ClickHouse keeps one start for the first step and loses a chain when a simultaneous row replaces it;
#   with A@0 A@1 B@1 it finds 1 and the longest chain has 2.
# * allow_reentry: in ClickHouse a row that meets no condition still ends the rows; here it is passed over like any other
#   that is out of order.
# * strict_once: ClickHouse takes simultaneous rows in the order they arrive, here their order means nothing.
MODES = [
    ("", None, True),
    ("first_entry", None, True),
    ("strict_order", None, True),
    ("strict_order, allow_reentry", None, True),
    ("strict_dedup", None, True),
    ("strict_increase", "'strict_increase'", False),
    ("row_fills_many, strict_once", "'strict_once'", False),
    ("row_fills_many", "", True),
    ("row_fills_many, strict_order", "'strict_order'", True),
    ("row_fills_many, strict_dedup", "'strict_deduplication'", True),
    ("row_fills_many, strict_order, allow_reentry", "'strict_order', 'allow_reentry'", False),
    ("row_fills_many, strict_order, strict_dedup", "'strict_order', 'strict_deduplication'", True),
]


def psql(sql, stdin=None):
    """Runs statements and returns what they print."""
    run = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        sys.exit(f"{sql}\n{run.stderr}")
    return run.stdout


def chains(rows, steps, window, mode):
    """The best chain: the longest, of these the one that ends first, then begins last, then has its steps earliest."""
    increase = "strict_increase" in mode
    many = "row_fills_many" in mode and "strict_once" not in mode
    firsts = [at for at, meets in rows if meets & 1]
    entry = min(firsts) if firsts and "first_entry" in mode else None
    best = (0, 0, 0, ())

    def go(taken, used):
        nonlocal best
        if taken:
            key = (-len(taken), taken[-1], -taken[0], taken)
            if key < best:
                best = key
        step = len(taken)
        if step == steps:
            return
        for i, (at, meets) in enumerate(rows):
            if not meets >> step & 1 or (not many and i in used):
                continue
            if taken:
                if at - taken[0] > window or at < taken[-1] or (increase and at == taken[-1]):
                    continue
            elif entry is not None and at != entry:
                continue
            go((*taken, at), {*used, i})

    go((), frozenset())
    return list(best[3])


def oracle(rows, steps, window, mode):
    """The times of the best chain of what happened before the mode ended the rows."""
    order, dedup = "strict_order" in mode, "strict_dedup" in mode
    if not order and not dedup:
        return chains(rows, steps, window, mode)
    happened = {(at, 0) for at, meets in rows if not meets}
    happened |= {(at, s + 1) for at, meets in rows for s in range(steps) if meets >> s & 1}
    seen = [[at, 0] for at, _ in rows]
    level = 0
    for at, step in sorted(happened):
        if step == 0 or (order and level and step > level + 1):
            if order and level and "allow_reentry" not in mode:
                break
            continue
        if dedup and 1 < step <= level:
            break
        count = 0
        for row, (t, meets) in zip(seen, rows):
            if t == at and meets >> (step - 1) & 1:
                row[1] |= 1 << (step - 1)
                count += 1
        level = len(chains(seen, steps, window, mode))
        if dedup and step > 1 and count > 1 and level >= step:
            break
    return chains(seen, steps, window, mode)


def make(dice):
    """Rows, number of steps, window."""
    steps = dice.randint(1, 4)
    span = dice.randint(1, 9)
    window = dice.randint(0, span)
    several = dice.random() < 0.4
    rows = []
    for _ in range(dice.randint(0, 7)):
        meets = dice.randrange(1 << steps) if several else (1 << dice.randrange(steps + 1)) & ((1 << steps) - 1)
        rows.append((dice.randrange(span), meets))
    return rows, steps, window


def funnel(function, mode, steps, window):
    """The call over a table with the columns at (seconds), meets."""
    conditions = ", ".join(f"meets & {1 << s} > 0" for s in range(steps))
    mode = f"'{mode}', " if mode else ""
    return f"analytics_groups.{function}({window}::bigint, {mode}at, {conditions})"


# How a server may go about it: settings, and whether the workers' rows are all it aggregates.
SERIAL = "SET max_parallel_workers_per_gather = 0"
PARALLEL = (
    "SET max_parallel_workers_per_gather = 4; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0;"
    "SET parallel_tuple_cost = 0; SET parallel_leader_participation = {leader}; SET work_mem = '{memory}'"
)
WAYS = {
    "serial": SERIAL,
    "serial, spilling": SERIAL + "; SET work_mem = '64kB'; SET enable_sort = off",
    "parallel": PARALLEL.format(leader="on", memory="64MB"),
    "parallel, workers only": PARALLEL.format(leader="off", memory="64kB"),
}


def answers(settings, function, mode):
    """Answer of each case, by number. Each number of steps and window is a statement of its own."""
    by_case = {}
    selects = [
        f"SELECT no || '|' || {funnel(function, mode, steps, window)}::text FROM funnel_case "
        f"WHERE steps = {steps} AND win = {window} GROUP BY no;"
        for steps in range(1, 5)
        for window in range(10)
    ]
    for line in psql(settings + ";" + "".join(selects)).splitlines():
        no, _, answer = line.partition("|")
        by_case[int(no)] = answer
    return by_case


def clickhouse(cases, mode):
    """ClickHouse's windowFunnel of each case, or None when it is not there."""
    try:
        from chdb import session
    except ImportError:
        return None
    db = session.Session()
    db.query("CREATE DATABASE IF NOT EXISTS w ENGINE = Atomic")
    db.query("CREATE TABLE w.c (no UInt32, steps UInt8, win UInt8, at UInt32, meets UInt8) ENGINE = MergeTree ORDER BY no")
    tuples = [f"({no},{steps},{win},{at},{meets})" for no, (rows, steps, win) in cases.items() for at, meets in rows]
    for i in range(0, len(tuples), 50_000):
        db.query("INSERT INTO w.c VALUES " + ",".join(tuples[i : i + 50_000]))
    found = {}
    for steps in range(1, 5):
        for window in range(10):
            conditions = ", ".join(f"bitAnd(meets, {1 << s}) > 0" for s in range(steps))
            modes = f", {mode}" if mode else ""
            text = db.query(
                f"SELECT no, windowFunnel({window}{modes})(at, {conditions}) FROM w.c "
                f"WHERE steps = {steps} AND win = {window} GROUP BY no",
                "CSV",
            )
            for line in str(text).splitlines():
                no, level = line.split(",")
                found[int(no)] = int(level)
    db.query("DROP TABLE w.c")
    db.close()
    return found


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    dice = random.Random(seed)
    cases = {no: make(dice) for no in range(count)}
    cases = {no: case for no, case in cases.items() if case[0]}
    lines = [f"{no}\t{s}\t{w}\t{at}\t{meets}" for no, (rows, s, w) in cases.items() for at, meets in rows]
    dice.shuffle(lines)
    psql(
        "DROP TABLE IF EXISTS funnel_case;"
        "CREATE TABLE funnel_case (no int, steps int, win int, at bigint, meets int) WITH (parallel_workers = 4);"
    )
    psql("COPY funnel_case FROM STDIN", "\n".join(lines) + "\n")
    psql("ANALYZE funnel_case")
    passed = failed = 0

    def judge(what, wrong):
        nonlocal passed, failed
        passed, failed = passed + (not wrong), failed + bool(wrong)
        print(f"  {what}: {'ok' if not wrong else f'{len(wrong)} wrong, e.g. {wrong[0]}'}", flush=True)

    print(f"{len(cases)} cases, {len(lines)} rows, seed {seed}", flush=True)
    for mode, theirs, same in MODES:
        print(mode or "default", flush=True)
        wanted = {no: oracle(*case, mode) for no, case in cases.items()}
        for way, settings in WAYS.items():
            found = answers(settings, "window_funnel", mode)
            judge(
                f"level, {way}",
                [(cases[no], found.get(no), len(w)) for no, w in wanted.items() if found.get(no) != str(len(w))],
            )
        found = answers(WAYS["parallel"], "window_funnel_times", mode)
        text = {no: "{" + ",".join(map(str, w)) + "}" for no, w in wanted.items()}
        judge("times, parallel", [(cases[no], found.get(no), w) for no, w in text.items() if found.get(no) != w])
        if theirs is None:
            continue
        found = clickhouse(cases, theirs)
        if found is None:
            print("  ClickHouse: skipped (no chdb)")
            continue
        other = [(cases[no], f"ClickHouse {found.get(no)}", f"ours {len(w)}") for no, w in wanted.items() if found.get(no) != len(w)]
        other.sort(key=lambda d: (len(d[0][0]), d[0][1], str(d)))
        if same:
            judge("ClickHouse", other)
        else:
            less = sum(int(d[1].split()[1]) < int(d[2].split()[1]) for d in other)
            print(f"  ClickHouse, another definition: {len(other)} of {len(cases)} differ, {less} of them have less")
            for d in other[:3]:
                print(f"    {d}")
    psql("DROP TABLE funnel_case")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
