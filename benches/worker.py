"""Runs one engine with one variant in a process of its own, so that engines never share memory or threads: reads a job from
standard input and writes its answer to the file the job names. Jobs: load, check, time, threads."""

import datetime
import decimal
import json
import os
import sys
import time

import suite
from generate import company_text, user_text
from engines.clickhouse import ClickHouse
from engines.duck import DuckDB
from engines.ours import Ours
from engines.postgres import Postgres

ENGINES = {c.name: c for c in (Ours, ClickHouse, DuckDB, Postgres)}
WARM_UPS, ROUNDS = 2, 7
# A candidate slower than this in its first run is not run again to choose between candidates.
PATIENCE_MS = 20_000
# And one slower than this is measured by three rounds.
SLOW_MS = 2_000


def plain(value):
    """One spelling for a value, whichever engine and driver it came from."""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()[:10]
    if isinstance(value, decimal.Decimal):
        value = float(value)
    if isinstance(value, float) and value == int(value) and abs(value) < 2**53:
        return int(value)
    return value


def normal(rows, query, dense):
    """Rows in one shape and order for comparison."""
    out = []
    for row in rows:
        row = [plain(v) for v in row]
        if dense:
            for place, kind in query.ids.items():
                row[place] = (user_text if kind == "user" else company_text)(row[place])
        out.append(row)
    if query.sparse:
        out = [r for r in out if any(isinstance(v, (int, float)) and v for v in r)]
    return sorted(out, key=lambda r: [(v is None, str(type(v)), v) if not isinstance(v, (int, float)) else (False, "", round(v)) for v in r])


def message(error):
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"


def check(engine, queries, dense):
    """Rows of each query, and how fast each candidate is. Candidates of one engine must agree too. On a busy machine the clock tells
    little, so there the candidate of the least processor time is the best."""
    out = {}
    busy = os.getloadavg()[0] > 1.5 * os.cpu_count() and engine.cpu() is not None
    for q in queries:
        best, errors, took = None, [], {}
        try:
            engine.prepare(q)
        except Exception as e:
            out[q.name] = {"error": message(e)}
            continue
        for i, (sql, options) in enumerate(engine.candidates(q)):
            try:
                start = time.perf_counter()
                rows = engine.rows(sql, options)
                ms = (time.perf_counter() - start) * 1000
                if engine.name == "ours":
                    rows = q.shape(rows)
                rows = normal(rows, q, dense)
                if engine.name != "ours" and busy:
                    start = engine.cpu()
                    engine.run(sql, options)
                    ms = (engine.cpu() - start) * 1000
                elif engine.name != "ours" and ms < PATIENCE_MS:
                    ms = min(engine.timed(sql, options) for _ in range(3))
            except Exception as e:
                errors.append(f"candidate {i}: {message(e)}")
                continue
            took[i] = ms
            if best is None or ms < best[0]:
                if best and best[2] != rows:
                    errors.append(f"candidates {best[1]} and {i} give different rows")
                best = (ms, i, rows)
            elif best[2] != rows:
                errors.append(f"candidates {best[1]} and {i} give different rows")
            if engine.name == "ours":
                break
        out[q.name] = {"rows": best[2], "candidate": best[1], "ms": took} if best else {}
        if errors:
            out[q.name]["error" if not best else "remarks"] = "; ".join(errors)
    return out


def measure(engine, queries, chosen, report):
    out = {}
    for q in queries:
        if q.name not in chosen:
            continue
        try:
            engine.prepare(q)
        except Exception:  # check has reported it
            continue
        sql, options = engine.candidates(q)[chosen[q.name]]
        first = engine.timed(sql, options)
        rounds = ROUNDS if first < SLOW_MS else 3
        for _ in range(WARM_UPS - 1 if rounds == ROUNDS else 0):
            engine.timed(sql, options)
        before = engine.cpu()
        times = sorted(engine.timed(sql, options) for _ in range(rounds))
        cpu = None if before is None else (engine.cpu() - before) * 1000 / rounds
        out[q.name] = {"ms": times[len(times) // 2], "min": times[0], "max": times[-1], "rounds": rounds, "cpu": cpu}
        if engine.name == "ours":
            out[q.name]["peak"] = engine.peak_of(sql)
        report(f"    {q.name:5} {out[q.name]['ms']:10.2f} ms")
    return {"times": out, "facts": engine.facts_of_run()}


def threads(engine, queries):
    """Do 0, 1, 2 and 4 threads give the same rows?"""
    if not engine.set_threads(1):
        return {"skipped": "this build has no setting analytics_groups.max_threads"}
    engine.db.execute("SET analytics_groups.thread_rows = 0")  # threads for the smallest work
    out = {}
    for q in queries:
        seen, failed = {}, {}
        for n in (0, 1, 2, 4):
            try:
                engine.prepare(q)
                engine.set_threads(n)
                rows = [[plain(v) for v in r] for r in engine.rows(engine.candidates(q)[0][0], {})]
                seen[n] = json.dumps(rows, default=str)
            except Exception as e:
                failed[n] = message(e)
        # What no number of threads can answer is not available; what only some can is wrong.
        if seen:
            out[q.name] = {"same": not failed and len(set(seen.values())) == 1}
    return out


def main():
    job = json.load(sys.stdin)
    engine = ENGINES[job["engine"]](job["variant"], job["home"], job["data"], job["facts"])
    queries = [q for q in suite.all_queries() if q.name in job["queries"]]
    say = lambda text: print(text, flush=True)  # noqa: E731
    if job["action"] == "load":
        answer = engine.load()
    else:
        engine.open()
        if job["action"] == "check":
            answer = check(engine, queries, dense=job["engine"] != "ours" and job["variant"] != "natural")
        elif job["action"] == "time":
            answer = measure(engine, queries, job["chosen"], say)
        else:
            answer = threads(engine, queries)
    engine.close()
    with open(job["answer"], "w") as f:
        json.dump(answer, f, default=str)


if __name__ == "__main__":
    main()
