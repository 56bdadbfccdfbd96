#!/usr/bin/env python3
"""sequence_match, sequence_count and retention_agg in a server beside ClickHouse's sequenceMatch, sequenceCount and retention.

    sequences.py [CASES] [SEED]

Random rows and patterns. No two rows of a case have the same time, because ClickHouse leaves the order of simultaneous rows open.
ClickHouse is the Python package chdb; without it all is skipped. The definitions coincide but for one thing: a time after `.*`. In
ClickHouse `.*` restarts the clock; here it runs from the last row matched. Such patterns are asked, too, and their differences
counted.

The server is chosen by PGHOST, PGPORT, PGUSER and PGDATABASE and has the extension. Ends with `N passed, M failed`.
"""

import random
import sys

from window_funnel import psql


KINDS = ["", "plain", "after .*"]


def pattern(dice, timed):
    """A random pattern over three conditions."""
    text = ""
    for i in range(dice.randint(1, 4)):
        if i:
            kind = dice.random()
            if timed and kind < 0.5:
                text += (".*" if timed == "after .*" and dice.random() < 0.7 else "") + f"(?t{dice.choice(['<=', '<', '>=', '>', '=='])}{dice.randrange(6)})"
            elif kind < 0.8:
                text += ".*"
        text += "." if dice.random() < 0.15 else f"(?{dice.randint(1, 3)})"
    return text


def main():
    try:
        from chdb import session
    except ImportError:
        print("skipped: no chdb\n0 passed, 0 failed")
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    dice = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    patterns = [(timed, pattern(dice, timed)) for timed in KINDS for _ in range(40)]
    cases = {}
    for no in range(count):
        times = sorted(dice.sample(range(14), dice.randint(1, 9)))
        cases[no] = (dice.randrange(len(patterns)), [(at, dice.randrange(1, 8) if dice.random() < 0.4 else 1 << dice.randrange(3)) for at in times])
    lines = [f"{no}\t{p}\t{at}\t{meets}" for no, (p, rows) in cases.items() for at, meets in rows]
    dice.shuffle(lines)
    psql("DROP TABLE IF EXISTS sequence_case; CREATE TABLE sequence_case (no int, p int, at bigint, meets int)")
    psql("COPY sequence_case FROM STDIN", "\n".join(lines) + "\n")
    db = session.Session()
    db.query("CREATE DATABASE IF NOT EXISTS w ENGINE = Atomic")
    db.query("CREATE TABLE w.c (no UInt32, p UInt32, at UInt32, meets UInt8) ENGINE = MergeTree ORDER BY no")
    for i in range(0, len(lines), 50_000):
        db.query("INSERT INTO w.c VALUES " + ",".join("(" + line.replace("\t", ",") + ")" for line in lines[i : i + 50_000]))
    ours, theirs = {}, {}
    conditions = ["meets & 1 > 0, meets & 2 > 0, meets & 4 > 0", "bitAnd(meets, 1) > 0, bitAnd(meets, 2) > 0, bitAnd(meets, 4) > 0"]
    for p, (_, text) in enumerate(patterns):
        sql = (
            f"SELECT no || ' ' || analytics_groups.sequence_match('{text}', at, {conditions[0]})::int || ' ' || "
            f"analytics_groups.sequence_count('{text}', at, {conditions[0]}) || ' ' || "
            f"translate(analytics_groups.retention_agg({conditions[0]})::text, 'tf{{}}', '10') FROM sequence_case WHERE p = {p} GROUP BY no"
        )
        for line in psql(sql).splitlines():
            no, *values = line.split(" ")
            ours[int(no)] = values
        sql = (
            f"SELECT no, sequenceMatch('{text}')(toDateTime(at), {conditions[1]}), sequenceCount('{text}')(toDateTime(at), {conditions[1]}), "
            f"arrayStringConcat(retention({conditions[1]}), ',') FROM w.c WHERE p = {p} GROUP BY no FORMAT TSV"
        )
        for line in str(db.query(sql, "TSV")).splitlines():
            no, *values = line.split("\t")
            theirs[int(no)] = values
    db.close()
    psql("DROP TABLE sequence_case")

    passed = failed = 0
    for timed in KINDS:
        chosen = [no for no, (p, _) in cases.items() if patterns[p][0] == timed]
        for i, name in enumerate(["sequence_match", "sequence_count", "retention_agg"]):
            wrong = [
                (patterns[cases[no][0]][1], cases[no][1], f"ClickHouse {theirs[no][i]}", f"ours {ours[no][i]}")
                for no in chosen
                if ours[no][i] != theirs[no][i]
            ]
            wrong.sort(key=lambda w: (len(w[0]) + 4 * len(w[1]), str(w)))
            what = f"{name}, {timed or 'no'} times in the pattern"
            if timed == "after .*" and name != "retention_agg":
                print(f"{what}: another definition, {len(wrong)} of {len(chosen)} differ", *wrong[:3], sep="\n  ")
            else:
                passed, failed = passed + (not wrong), failed + bool(wrong)
                print(f"{what}: {'ok, ' + str(len(chosen)) + ' cases' if not wrong else f'{len(wrong)} wrong'}", *wrong[:3], sep="\n  ")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
