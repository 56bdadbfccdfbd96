"""What every engine offers to worker.py."""

import os
import time


class Engine:
    """One engine with one variant of the tables. load() makes the tables anew and says what that took, open() connects to what was
    loaded, rows() answers a question as a list of tuples, run() answers it as fast as the client can and gives nothing back."""

    name = ""
    threads = 2

    def __init__(self, variant, home, data, facts):
        self.variant, self.home, self.data, self.facts = variant, home, data, facts

    def file(self, name):
        return os.path.join(self.data, name)

    def candidates(self, query):
        """(sql, options) of each candidate that this variant can run; the place in the list names it."""
        out = []
        for c in getattr(query, self.name):
            sql, options = c if isinstance(c, tuple) else (c, {})
            if options.get("only", self.variant) == self.variant and not (self.facts.get("one_order") and "ev_user" in sql):
                out.append((sql, options))
        return out

    def prepare(self, query):
        """Before the first candidate of a query."""

    def timed(self, sql, options):
        start = time.perf_counter()
        self.run(sql, options)
        return (time.perf_counter() - start) * 1000

    def cpu(self):
        """Seconds of processor time that this process and the engine used so far, all threads."""
        return time.process_time()

    def facts_of_run(self):
        """What is known at the end of a timing run: peak memory and the like."""
        import resource

        trips = sorted(self.timed("SELECT 1", {}) for _ in range(50))
        return {"peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "round_trip": trips[25]}


def bytes_of(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files if not os.path.islink(os.path.join(d, f)))
