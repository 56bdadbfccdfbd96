"""The report in Markdown: what was measured, where, with which settings."""

import json
import math
import os
import platform
import subprocess
import time


def machine():
    model = "unknown processor"
    try:
        with open("/proc/cpuinfo") as f:
            model = next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, Linux {platform.release()}"


def commit():
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", here, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def mean(ratios):
    return math.exp(sum(math.log(r) for r in ratios) / len(ratios)) if ratios else None


def ms(value):
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def times(value):
    return "–" if value is None else f"{value:.1f}×" if value < 100 else f"{value:,.0f}×"


def waiting(bench, found, good):
    """What it costs that some events are not maintained yet, where both were measured."""
    both = [(q.name, *(found[("ours", v)]["queries"].get(q.name, {}).get("time", {}).get("ms") for v in ("maintained", "waiting"))) for q in bench.queries
            if q.name in good[("ours", "maintained")] and q.name in good[("ours", "waiting")]]
    both = [r for r in both if r[1] and r[2]]
    if not both:
        return []
    lines = [f"## With {found[('ours', 'waiting')]['waiting']} % of the events not maintained", "", "| query | all maintained | some waiting | |", "|---|--:|--:|--:|"]
    lines += [f"| {n} | {ms(a)} | {ms(b)} | {times(b / a)} |" for n, a, b in both]
    return lines + [f"| geometric mean | | | {times(mean([b / a for _, a, b in both]))} |", ""]


def growth(bench, took):
    """Beside the next smaller run of ours: 1 means that the time grew as the events did."""
    folder, n = os.path.join(bench.home, "found"), bench.args.events
    prefix = f"{bench.ours[0]}-{bench.ours[1]}-"
    smaller = [int(f[len(prefix):-5]) for f in os.listdir(folder) if f.startswith(prefix) and f.endswith(".json") and int(f[len(prefix):-5]) < n]
    if not smaller:
        return []
    m = max(smaller)
    with open(os.path.join(folder, f"{prefix}{m}.json")) as f:
        before = json.load(f)["queries"]
    rows = [(q.name, before.get(q.name, {}).get("time", {}).get("ms"), took(bench.ours, q.name)) for q in bench.queries]
    rows = [r for r in rows if r[1] and r[2]]
    lines = [f"## From {m:,} to {n:,} events", "", "| query | before | now | to linear |", "|---|--:|--:|--:|"]
    lines += [f"| {name} | {ms(a)} | {ms(b)} | {b / a / (n / m):.2f} |" for name, a, b in rows]
    return lines + [""] if rows else []


SHORT = {"clickhouse": "CH", "duckdb": "Duck"}


def write(bench, found, good):
    facts = bench.facts

    def took(target, name, scale=1, what="ms"):
        got = found[target]["queries"].get(name, {}).get("time")
        return got[what] * scale if got and got.get(what) and name in good[target] else None

    def best(variant, name, what="ms"):
        there = [(took((e, variant), name, what=what), SHORT[e]) for e in ("clickhouse", "duckdb")]
        there = [t for t in there if t[0] is not None]
        return min(there) if there else (None, "")

    lines = [
        "# analytics_groups beside ClickHouse, DuckDB and plain PostgreSQL", "",
        f"`benches/compare --events {facts['asked']}{' --waiting %d' % facts['waiting'] if facts['waiting'] else ''}`, "
        f"{time.strftime('%Y-%m-%d')}, commit {commit()}. {machine()}.", "",
        f"{facts['events']:,} events of {facts['active_users']:,} users in {facts['companies']:,} companies, {facts['event_names']} event names, 91 days; "
        f"{facts['ndjson_bytes'] / facts['events']:.0f} bytes of JSON an event. Through the client of each engine, results fetched, 2 threads, "
        "2 warm-ups, median of 7 (of 3 where one takes over 2 s), one engine at a time; milliseconds. All engines gave the same rows before anything was timed.", "",
        "| query | what | ours | best tuned peer | ratio | best natural peer | ratio | PostgreSQL | ratio |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    busy = [f["timed"]["load_average"] for f in found.values() if f.get("timed")]
    # The engine before has just kept every core busy, or nearly so.
    if busy and max(busy) > 1.5 * os.cpu_count():
        lines[-2:-2] = [f"**Not a result to quote: the machine was busy with other work (load up to {max(busy):.0f} on {os.cpu_count()} cores), and not the same for every engine. "
                        "What the clock says below compares little; the processor times further down compare better.**", ""]
    ratios, missing, slower, start = {"tuned": {}, "natural": {}, "postgres": {}}, [], [], len(lines) - 2
    suite, apart = [q for q in bench.queries if not q.apart], [q for q in bench.queries if q.apart]
    for q in suite:
        ours = took(bench.ours, q.name)
        row = [q.name, q.title, ms(ours)]
        if ours is None:
            missing.append((q.name, found[bench.ours]["queries"].get(q.name, {}).get("error", "not asked, or other rows than the peers")))
        for variant in ("tuned", "natural"):
            value, who = best(variant, q.name)
            ratio = value / ours if ours and value else None
            row += [f"{ms(value)} {who}", times(ratio)]
            if ratio:
                ratios[variant][q.name] = ratio
                if ratio < 1:
                    slower.append(f"{q.name} ({who} {variant})")
        plain = took(("postgres", "plain"), q.name, bench.sample)
        if ours and plain:
            ratios["postgres"][q.name] = plain / ours
        row += [ms(plain), times(ratios["postgres"].get(q.name))]
        lines.append("| " + " | ".join(row) + " |")
    count = len(ratios["tuned"])
    lines.append(f"| | **geometric mean** of {count} | {ms(mean([t for q in suite if (t := took(bench.ours, q.name))]))} | | **{times(mean(list(ratios['tuned'].values())))}** "
                 f"| | **{times(mean(list(ratios['natural'].values())))}** | | **{times(mean(list(ratios['postgres'].values())))}** |")
    lines.append("")
    for what, name in (("min", "the fastest of the rounds"), ("cpu", "processor time (all threads and the client)")):
        means = {}
        for variant in ("tuned", "natural"):
            pairs = [(best(variant, q.name, what)[0], took(bench.ours, q.name, what=what)) for q in suite]
            means[variant] = times(mean([a / b for a, b in pairs if a and b]))
        lines.append(f"By {name} the geometric means are {means['tuned']} and {means['natural']}.")
    lines.append("")
    if bench.sample > 1:
        lines += [f"PostgreSQL ran on one of {bench.sample} users ({found[('postgres', 'plain')].get('load', {}).get('events', 0):,} events), its times here are multiplied by {bench.sample}; "
                  "its rows were compared with DuckDB's on the same users.", ""]
    if slower:
        lines += ["Slower than the best peer: " + ", ".join(slower) + ".", ""]
    if missing:
        lines += ["Not available, so neither won nor lost:", ""] + [f"* {n}: {e}" for n, e in missing] + [""]
    if not suite:
        del lines[start:]
    lines += more_reports(bench, found, apart, took, best)
    notes = [f"* {q.name}: {q.note}" for q in bench.queries if q.note]
    if notes:
        lines += ["Notes:", ""] + notes + [""]
    lines += every_engine(bench, found, took) + loading(bench, found) + ours_more(bench, found) + waiting(bench, found, good) + growth(bench, took) + settings(bench, found)
    return "\n".join(lines).rstrip() + "\n"


def more_reports(bench, found, queries, took, best):
    """The second set of questions, which no mean is made of."""
    if not queries:
        return []
    lines = ["## More of the reports", "", "Options of the reports beside the same questions in SQL, in the same way, not part of the means above. "
             "The last column is by processor time (all threads and the client).", "",
             "| query | what | ours | best tuned peer | ratio | best natural peer | ratio | tuned, by processor time |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    slower, missing = [], []
    for q in queries:
        ours, ours_cpu, peer_cpu = took(bench.ours, q.name), took(bench.ours, q.name, what="cpu"), best("tuned", q.name, "cpu")[0]
        row = [q.name, q.title, ms(ours)]
        for variant in ("tuned", "natural"):
            value, who = best(variant, q.name)
            row += [f"{ms(value)} {who}".strip(), times(value / ours if ours and value else None)]
            if ours and value and value < ours:
                slower.append(f"{q.name} ({who} {variant})")
        if ours is None:
            missing.append(f"{q.name}: {found[bench.ours]['queries'].get(q.name, {}).get('error', 'not asked, or other rows than the peers')}")
        lines.append("| " + " | ".join([*row, times(peer_cpu / ours_cpu if peer_cpu and ours_cpu else None)]) + " |")
    lines += [""]
    if slower:
        lines += ["Slower than the best peer: " + ", ".join(slower) + ".", ""]
    return lines + ([*["Not available:", ""], *[f"* {m}" for m in missing], ""] if missing else [])


def every_engine(bench, found, took):
    targets = [bench.ours, ("clickhouse", "tuned"), ("duckdb", "tuned"), ("clickhouse", "natural"), ("duckdb", "natural"), ("postgres", "plain")]
    lines = ["## Every engine, median ms", "", "| query | ours | ClickHouse tuned | DuckDB tuned | ClickHouse natural | DuckDB natural | PostgreSQL" + (f", 1/{bench.sample} of the users" if bench.sample > 1 else "")
             + " |", "|---|--:|--:|--:|--:|--:|--:|"]
    for q in bench.queries:
        lines.append(f"| {q.name} | " + " | ".join(ms(took(t, q.name)) for t in targets) + " |")
    timed = [(f"{e} {v}", found[(e, v)].get("timed"), found[(e, v)].get("run", {})) for e, v in targets]
    lines += ["", "Timed at (load of the machine before it): " + ", ".join(f"{n} {t['at']} ({t['load_average']:.1f})" for n, t, _ in timed if t) + ".",
              "`SELECT 1` takes, in ms: " + ", ".join(f"{n} {r['round_trip']:.2f}" for n, _, r in timed if r.get("round_trip")) + "."]
    lines += ["", "Processor time, which says more than the clock where something else runs on the machine, ms:", "",
              "| query | ours | ClickHouse tuned | DuckDB tuned | best tuned to ours | ClickHouse natural | DuckDB natural | best natural to ours |",
              "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for q in bench.queries:
        ours, *peers = (took(t, q.name, what="cpu") for t in targets[:-1])
        ratio = [times(min(there) / ours) if ours and (there := [p for p in pair if p]) else "–" for pair in (peers[:2], peers[2:])]
        lines.append(f"| {q.name} | {ms(ours)} | {ms(peers[0])} | {ms(peers[1])} | {ratio[0]} | {ms(peers[2])} | {ms(peers[3])} | {ratio[1]} |")
    return lines + [""]


def loading(bench, found):
    lines = ["## Loading and bytes", "", "| engine | events/s in | with upkeep | MB | bytes/event | how |", "|---|--:|--:|--:|--:|---|"]
    for target, f in found.items():
        load = f.get("load")
        if not load or target[1] == "sample" or target[0] == "ours" and target != bench.ours:
            continue
        n = load.get("events") or bench.facts["events"]
        size = load["bytes"]
        lines.append(f"| {target[0]} {target[1]} {load['version'].split()[0].strip(chr(34))} | {load['rate']:,.0f} | {load['sustained_rate']:,.0f} | {size / 1e6:,.0f} "
                     f"| {size / n:.1f} | {load['how']} |")
        if load.get("packed_bytes"):
            lines.append(f"| – without free room | | | {load['packed_bytes'] / 1e6:,.0f} | {load['packed_bytes'] / n:.1f} | a copy of the tables; maintenance leaves room that what comes next fills |")
        if load.get("second_order_bytes"):
            lines.append(f"| – its second copy by user | | | {load['second_order_bytes'] / 1e6:,.0f} | {load['second_order_bytes'] / n:.1f} | core columns only |")
    lines.append("")
    for target in (bench.ours, ("clickhouse", "tuned"), ("clickhouse", "natural")):
        load = found[target].get("load", {})
        if load.get("columns"):
            n = load.get("events") or bench.facts["events"]
            lines.append(f"* Bytes/event by column, {' '.join(target)}: " + ", ".join(f"{c} {b / n:.2f}" for c, b in sorted(load["columns"].items(), key=lambda x: -x[1])) + ".")
    return lines + [""]


def ours_more(bench, found):
    f = found[bench.ours]
    load, run = f.get("load"), f.get("run")
    if not load:
        return []
    n = load["events"]
    lines = ["## More about ours", "", f"* WAL: {load['wal_track'] / n:.0f} bytes an event while tracking, {load['wal_maintain'] / n:.0f} more in the last maintain(), which took {load['maintain_s']:.2f} s."]
    if "track_cpu_s" in load:
        lines.append(f"* Processor time of the backend: {n / load['track_cpu_s']:,.0f} events a second while tracking (maintenance that ran along included), "
                     f"{n / (load['track_cpu_s'] + load['maintain_cpu_s']):,.0f} with the last maintain(). Its peak private memory: about {load['load_peak'] / 2**20:,.0f} MB.")
    if load.get("packed_tables"):
        parts = sorted(((v / n, k) for k, v in load["packed_tables"].items() if v / n >= 0.05 and not k.endswith("_profile")), reverse=True)
        lines.append("* Bytes/event by table, without free room: " + ", ".join(f"{k} {v:.2f}" for v, k in parts) + ".")
    if "core_bytes" in load:
        lines.append(f"* Core columns (users, times, groups): {load['core_bytes'] / n:.1f} bytes an event. Profiles are not in the bytes above: {load['profile_bytes'] / 1e6:,.0f} MB.")
    lines.append("* Tables: " + ", ".join(f"{k} {v / 1e6:,.1f} MB" for k, v in sorted(load["tables"].items(), key=lambda x: -x[1]) if v > 100_000) + ".")
    if run:
        floor = run["floor"]
        lines.append(f"* The floor of a call: {floor['one_day']:.2f} ms for one event on one day, {floor['one_day_funnel']:.2f} ms for a funnel on one day; a round trip with `SELECT 1` takes {floor['round_trip']:.2f} ms.")
        lines.append(f"* Peak private memory of the backend over all queries: {run['peak_anon'] / 2**20:,.0f} MB (watched every ms), at most {run['hwm_less_shared'] / 2**20:,.0f} MB (peak less what is shared).")
    if f.get("waiting"):
        lines.append(f"* The last {f['waiting']} % of the events were not maintained.")
    return lines + [""]


def settings(bench, found):
    lines = ["## Settings", "", f"* The server: {os.environ.get('BENCH_SETTINGS', 'unknown')}; the same cluster serves plain PostgreSQL, whose sessions have work_mem 256MB, 2 parallel workers, jit off."]
    run = found[bench.ours].get("run")
    if run:
        lines.append("* Ours: " + ", ".join(f"{n} {v}{u or ''}" for n, v, u in run["settings"]) + ".")
    lines += ["* ClickHouse tuned: UInt32 ids, Enum8 and LowCardinality columns, ORDER BY (event, day, user, time), one part, beside it a copy of the core columns by (user, day, time); "
              "natural: String ids, the same order. max_threads 2.",
              "* DuckDB tuned: integer ids, ENUM columns, sorted by (event, day, user, time), beside it a copy of the core columns by (user, time); natural: VARCHAR ids, the same order. 2 threads.",
              "* PostgreSQL: integer ids, an enum of events, six covering indexes, vacuumed.",
              "* Each peer has several spellings of most questions (`benches/suite`); the fastest of each engine is what counts.",
              ("* The second copies by user were not used (--one-order)." if bench.args.one_order else
               "* The second copies by user stand for what our store keeps as well: a stream of each day by user. --one-order leaves them out."),
              "* Left out of the data: events of users in two companies, which no two peers would spell alike, and duplicates."]
    return lines + [""]
