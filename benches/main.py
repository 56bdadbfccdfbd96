"""Loads the engines, checks that they agree, times them one at a time, reports. Started by benches/compare, which has made the
cluster, the environment and the build; see there for what the options mean."""

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import time

import generate
import report
import suite

HERE = os.path.dirname(os.path.abspath(__file__))
VARIANTS = {"clickhouse": ["tuned", "natural"], "duckdb": ["tuned", "natural"], "postgres": ["plain"], "ours": ["maintained", "waiting"]}


def say(text):
    print(text, flush=True)


def arguments():
    p = argparse.ArgumentParser(prog="benches/compare")
    p.add_argument("--events", type=int, default=1_000_000)
    p.add_argument("--engines", default="clickhouse,duckdb,postgres,ours")
    p.add_argument("--queries", default="")
    p.add_argument("--variant", choices=["tuned", "natural", "both"], default="both")
    p.add_argument("--waiting", type=int, default=0)
    p.add_argument("--postgres-part", type=int, default=0)
    p.add_argument("--one-order", action="store_true")
    p.add_argument("--threads-check", action="store_true")
    p.add_argument("--loaded", action="store_true")
    p.add_argument("--check-only", action="store_true")
    p.add_argument("--out", default="")
    return p.parse_args()


class Bench:
    def __init__(self, args):
        self.args = args
        self.home = os.environ["BENCH_DIR"]
        self.data = os.path.join(self.home, f"data-{args.events}")
        self.facts = generate.write(self.data, args.events, say)
        # Plain SQL takes minutes over 10 M events; a part of the users is enough to know its speed.
        self.sample = args.postgres_part or max(1, args.events // 2_000_000)
        self.facts |= {"asked": args.events, "sample": self.sample, "waiting": args.waiting, "one_order": args.one_order}
        there, names = suite.all_queries(), []
        sets = {"suite": [q.name for q in there if not q.apart], "reports": [q.name for q in there if q.apart]}
        for n in args.queries.split(","):
            names += sets.get(n, [n] if n else [])
        self.queries = [q for q in there if not names or q.name in names]
        unknown = set(names) - {q.name for q in self.queries}
        if unknown:
            sys.exit(f"no such query: {', '.join(sorted(unknown))}")
        self.engines = [e for e in args.engines.split(",") if e]
        if set(self.engines) - set(VARIANTS):
            sys.exit(f"engines are {', '.join(VARIANTS)}")
        self.ours = ("ours", "waiting" if args.waiting else "maintained")
        self.targets = [(e, v) for e in self.engines if e != "ours" for v in VARIANTS[e] if args.variant in ("both", v) or v == "plain"]
        self.targets += [self.ours] if "ours" in self.engines else []
        if self.sample > 1 and "postgres" in self.engines:
            self.targets.insert(0, ("duckdb", "sample"))
        self.bad = False

    # ---- jobs and what is kept of them ----------------------------------------------------------------------------------

    def job(self, action, target, **more):
        engine, variant = target
        answer = os.path.join(self.home, "answer.json")
        if os.path.exists(answer):
            os.remove(answer)
        os.makedirs(os.path.join(self.home, "db"), exist_ok=True)
        job = {"action": action, "engine": engine, "variant": variant, "data": self.data, "facts": self.facts, "answer": answer,
               "home": os.path.join(self.home, "db", f"{engine}-{variant}-{self.args.events}"), "queries": [q.name for q in self.queries], **more}
        done = subprocess.run([sys.executable, os.path.join(HERE, "worker.py")], input=json.dumps(job), text=True)
        if done.returncode != 0 or not os.path.exists(answer):
            return {"failed": f"{engine} {variant}: {action} ended with {done.returncode}"}
        with open(answer) as f:
            return json.load(f)

    def kept(self, target):
        """What earlier runs with as many events found out about an engine."""
        path = os.path.join(self.home, "found", f"{target[0]}-{target[1]}-{self.args.events}.json")
        try:
            with open(path) as f:
                return path, json.load(f)
        except FileNotFoundError:
            return path, {"queries": {}}

    def keep(self, target, found):
        path, _ = self.kept(target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            json.dump(found, f, indent=1)

    def made_from(self, target):
        """Changes when an engine's tables would."""
        engine = "duck" if target[0] == "duckdb" else target[0]
        with open(os.path.join(HERE, "engines", engine + ".py")) as f:
            text = f.read()
        with open(os.path.join(HERE, "requirements.txt")) as f:
            text += f.read()
        sample = self.sample if target[1] in ("sample", "plain") else 1
        return hashlib.sha256(f"{generate.VERSION} {self.facts['events']} {sample} {text}".encode()).hexdigest()[:16]

    def spelled(self, target, query):
        """Changes when the question is asked in other words."""
        one = "one order" if self.args.one_order and target[1] == "tuned" else ""
        return hashlib.sha256(f"{getattr(query, target[0])!r}{one}".encode()).hexdigest()[:16]

    # ---- the three parts ------------------------------------------------------------------------------------------------

    def load(self, target):
        _, found = self.kept(target)
        current = found.get("made_from") == self.made_from(target) and "load" in found
        if target[0] != "ours" and current or target[0] == "ours" and self.args.loaded and "load" in found:
            return True
        say(f"Loading {self.facts['events']:,} events: {' '.join(target)}")
        answer = self.job("load", target)
        if "failed" in answer:
            say("  " + answer["failed"])
            self.bad = True
            return False
        say(f"  {answer['rate']:,.0f} events/s, {answer['sustained_rate']:,.0f} with all upkeep, {answer['bytes'] / 1e6:,.1f} MB")
        self.keep(target, {"made_from": self.made_from(target), "load": answer, "queries": {}, "waiting": self.args.waiting})
        return True

    def check(self, target):
        say(f"Asking {' '.join(target)}")
        answer = self.job("check", target)
        if "failed" in answer:
            say("  " + answer["failed"])
            self.bad = True
            return
        _, found = self.kept(target)
        for q in self.queries:
            got = answer.get(q.name, {})
            before, words = found["queries"].get(q.name, {}), self.spelled(target, q)
            found["queries"][q.name] = {"spelled": words, **got}
            if "time" in before and before.get("spelled") == words:  # until it is timed again
                found["queries"][q.name]["time"] = before["time"]
            for what in ("error", "remarks"):
                if what in got:
                    say(f"    {q.name:5} {'not available: ' if what == 'error' and target[0] == 'ours' else ''}{got[what]}")
            if "remarks" in got and "different rows" in got["remarks"]:
                self.bad = True
        self.keep(target, found)

    def rows(self, target, query):
        """The rows of a check, of this run or of an earlier one in the same words."""
        _, found = self.kept(target)
        q = found["queries"].get(query.name, {})
        fresh = found.get("made_from") == self.made_from(target) or target[0] == "ours"
        return q.get("rows") if fresh and q.get("spelled") == self.spelled(target, query) else None

    def agree(self):
        """Names of the queries by engine whose rows are the same as the reference's. Nothing else may be timed."""
        everyone = [(e, v) for e in ("duckdb", "clickhouse", "postgres", "ours") for v in (["sample"] if e == "duckdb" else []) + VARIANTS[e]]
        good = {t: [] for t in everyone}
        for q in self.queries:
            whole = [(t, self.rows(t, q)) for t in everyone if t[1] != "sample" and not (t[0] == "postgres" and self.sample > 1)]
            part = [(t, self.rows(t, q)) for t in everyone if t[1] == "sample" or t[0] == "postgres"] if self.sample > 1 else []
            for group in (whole, part):
                there = [(t, r) for t, r in group if r is not None]
                for t, rows in there:
                    reference, want = there[0]
                    difference = differ(want, rows)
                    if difference is None:
                        good[t].append(q.name)
                    else:
                        self.bad = True
                        say(f"  {q.name}: {' '.join(t)} differs from {' '.join(reference)}: {difference}")
                if there and any(not r for _, r in there):
                    say(f"  {q.name}: no rows, which proves nothing")
        return good

    def time(self, target, good):
        _, found = self.kept(target)
        chosen = {n: found["queries"][n]["candidate"] for n in good}
        busy = os.getloadavg()[0]
        say(f"Timing {' '.join(target)}")
        answer = self.job("time", target, chosen=chosen)
        if "failed" in answer:
            say("  " + answer["failed"])
            self.bad = True
            return
        for name, times in answer["times"].items():
            found["queries"][name]["time"] = times
        found["run"] = answer["facts"]
        found["timed"] = {"at": time.strftime("%Y-%m-%d %H:%M"), "load_average": busy}
        self.keep(target, found)

    def run(self):
        loaded = [t for t in self.targets if self.load(t)]
        for t in loaded:
            self.check(t)
        good = self.agree()
        if self.args.threads_check:
            self.threads_check()
        if self.args.check_only:
            return
        for t in loaded:
            if t[1] != "sample":
                self.time(t, good[t])
        text = report.write(self, {t: self.kept(t)[1] for t in good}, good)
        out = self.args.out or os.path.join(self.home, f"RESULTS-{self.args.events}{'-waiting' if self.args.waiting else ''}.md")
        with open(out, "w") as f:
            f.write(text)
        say("\n" + text)
        say(f"Written to {out}")

    def threads_check(self):
        answer = self.job("threads", self.ours)
        if "skipped" in answer or "failed" in answer:
            say(f"  Threads: skipped, {answer.get('skipped') or answer.get('failed')}")
            self.bad |= "failed" in answer
            return
        wrong = [n for n, a in answer.items() if not a["same"]]
        say(f"  Threads 0, 1, 2, 4: {len(answer) - len(wrong)} of {len(answer)} queries give the same rows" + (f"; these do not: {', '.join(wrong)}" if wrong else ""))
        self.bad |= bool(wrong)


def differ(want, got):
    """None when the rows are the same, floats to nine digits; else the first difference in words."""
    if len(want) != len(got):
        extra = [r for r in got if r not in want][:1] or [r for r in want if r not in got][:1]
        return f"{len(got)} rows, not {len(want)}, such as {extra}"
    for a, b in zip(want, got):
        same = len(a) == len(b) and all(
            math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-3) if isinstance(x, (int, float)) and isinstance(y, (int, float)) else x == y for x, y in zip(a, b))
        if not same:
            return f"{b}, not {a}"
    return None


if __name__ == "__main__":
    bench = Bench(arguments())
    bench.run()
    sys.exit(1 if bench.bad else 0)
