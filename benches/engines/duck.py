"""DuckDB, in process.

tuned:   dense integer ids, ENUM columns, the file sorted by (event, day, user, time), and a second table of the core columns sorted
         by user. natural: the ids as strings, sorted the same. sample: tuned, a part of the users only, the reference for PostgreSQL
         where that runs on a part.
"""

import os
import time

import generate

from .base import Engine, bytes_of


class DuckDB(Engine):
    name, label = "duckdb", "DuckDB"

    def open(self):
        import duckdb

        self.db = duckdb.connect(self.path(), config={"threads": self.threads})
        return self

    def path(self):
        return self.home + ".duckdb"

    def candidates(self, query):
        if self.variant != "sample":
            return super().candidates(query)
        return [c if isinstance(c, tuple) else (c, {}) for c in getattr(query, self.name)]

    def run(self, sql, options):
        self.db.execute(sql).fetchall()

    def rows(self, sql, options):
        return self.db.execute(sql).fetchall()

    def load(self):
        import duckdb

        for f in (self.path(), self.path() + ".wal"):
            if os.path.exists(f):
                os.remove(f)
        db = self.db = duckdb.connect(self.path(), config={"threads": self.threads})
        events, companies = self.file("events.parquet"), self.file("companies.parquet")
        start = time.time()
        if self.variant == "natural":
            db.execute(f"""CREATE TABLE ev AS SELECT event, (t // 86400000)::INT + DATE '1970-01-01' AS day, t,
                user_id, company_id, country, browser, os, device, utm_source, url, item_id, quantity, amount, insert_id
                FROM '{events}' ORDER BY event, day, user_id, t""")
            db.execute(f"CREATE TABLE comp AS SELECT company_id, industry, plan FROM '{companies}'")
        else:
            for name, values in (("event", generate.EVENTS), ("country", generate.COUNTRIES), ("browser", generate.BROWSERS),
                                 ("os", generate.SYSTEMS), ("device", generate.DEVICES), ("source", generate.SOURCES)):
                db.execute(f"CREATE TYPE {name}_t AS ENUM ({', '.join(repr(v) for v in sorted(values))})")
            part = f"WHERE user_no % {self.facts['sample']} = 0" if self.variant == "sample" else ""
            db.execute(f"""CREATE TABLE ev AS SELECT event::event_t AS event, (t // 86400000)::INT + DATE '1970-01-01' AS day, t,
                user_no::INT AS user_id, company_no::INT AS company_id, country::country_t AS country, browser::browser_t AS browser,
                os::os_t AS os, device::device_t AS device, utm_source::source_t AS utm_source, url, item_id[6:]::INT AS item_id, quantity, amount, insert_no AS insert_id
                FROM '{events}' {part} ORDER BY event, day, user_id, t""")
            db.execute(f"CREATE TABLE comp AS SELECT company_no::INT AS company_id, industry, plan FROM '{companies}'")
        db.execute("CHECKPOINT")
        took, size = time.time() - start, bytes_of(self.path())
        if self.variant == "natural":
            second = 0
        else:
            db.execute("CREATE TABLE ev_user AS SELECT event, day, t, user_id, company_id, country FROM ev ORDER BY user_id, t")
            db.execute("CHECKPOINT")
            second = bytes_of(self.path()) - size
        n = self.facts["events"]
        return {"version": duckdb.__version__, "load_s": took, "rate": n / took, "sustained_rate": n / took, "bytes": size, "second_order_bytes": second,
                "how": "CREATE TABLE AS … ORDER BY from parquet, checkpoint"}

    def close(self):
        self.db.close()
