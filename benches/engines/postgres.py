"""Plain PostgreSQL, in the cluster that benches/compare made: dense integer ids, an enum of events, and an index for every kind of
question, so that all of them are answered by index-only scans. 2 parallel workers, work_mem 256 MB, jit off."""

import os
import time

import generate

from .base import Engine


class Postgres(Engine):
    name, label = "postgres", "PostgreSQL"

    def connect(self, database):
        import psycopg

        return psycopg.connect(dbname=database, autocommit=True)

    def database(self):
        return f"plain_{self.facts['asked']}_{self.facts['sample']}"

    def open(self):
        self.db = self.connect(self.database())
        for s in ("work_mem = '256MB'", "max_parallel_workers_per_gather = 2", "jit = off", "timezone = 'UTC'", "statement_timeout = '300s'"):
            self.db.execute("SET " + s)
        return self

    def candidates(self, query):
        return [c if isinstance(c, tuple) else (c, {}) for c in query.postgres]

    def run(self, sql, options):
        self.db.execute(sql).fetchall()

    def rows(self, sql, options):
        return self.db.execute(sql).fetchall()

    def load(self):
        import duckdb

        name = self.database()
        with self.connect("postgres") as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name}")
            admin.execute(f"CREATE DATABASE {name}")
        db = self.db = self.connect(name)
        enum = ", ".join(f"'{e}'" for e in sorted(generate.EVENTS))
        db.execute(f"CREATE TYPE event_name AS ENUM ({enum})")
        db.execute("""CREATE TABLE ev (t bigint NOT NULL, insert_id bigint NOT NULL, amount float8, user_id int NOT NULL, company_id int NOT NULL, event event_name NOT NULL,
            day date NOT NULL, item_id int, quantity smallint, country text, browser text, os text, device text, utm_source text, url text)""")
        db.execute("CREATE TABLE comp (company_id int PRIMARY KEY, industry text, plan text)")
        csv = os.path.join(self.data, "plain.csv")
        part = f"WHERE user_no % {self.facts['sample']} = 0" if self.facts["sample"] > 1 else ""
        duckdb.connect(config={"threads": self.threads}).execute(f"""COPY (SELECT t, insert_no, amount, user_no, company_no, event, (t // 86400000)::INT + DATE '1970-01-01', item_id[6:], quantity,
            country, browser, os, device, utm_source, url FROM '{self.file('events.parquet')}' {part}) TO '{csv}' (FORMAT csv, HEADER false)""")
        start = time.time()
        with db.cursor() as cur, open(csv, "rb") as f, cur.copy("COPY ev FROM STDIN (FORMAT csv)") as copy:
            while block := f.read(1 << 20):
                copy.write(block)
        copied = time.time() - start
        os.remove(csv)
        companies = duckdb.connect().execute(f"SELECT company_no, industry, plan FROM '{self.file('companies.parquet')}'").fetchall()
        with db.cursor() as cur, cur.copy("COPY comp FROM STDIN") as copy:
            for row in companies:
                copy.write_row(row)
        start = time.time()
        db.execute("SET maintenance_work_mem = '1GB'")
        for columns in ("(event, day, user_id) INCLUDE (company_id, country, browser)", "(event, user_id, t) INCLUDE (company_id, country, day)",
                        "(event, company_id, t) INCLUDE (user_id, day)", "(user_id, t) INCLUDE (event, day)", "(day, user_id)"):
            db.execute(f"CREATE INDEX ON ev {columns}")
        db.execute("CREATE INDEX ON ev (day, amount) WHERE event = 'purchase'")
        db.execute("VACUUM (ANALYZE) ev")
        db.execute("VACUUM (ANALYZE) comp")
        db.execute("CHECKPOINT")
        indexed = time.time() - start
        n, size, table = db.execute("SELECT (SELECT count(*) FROM ev), pg_total_relation_size('ev'), pg_table_size('ev')").fetchone()
        version = db.execute("SHOW server_version").fetchone()[0]
        return {"version": version, "load_s": copied + indexed, "rate": n / copied, "sustained_rate": n / (copied + indexed), "bytes": size, "table_bytes": table,
                "events": n, "how": "COPY of CSV; sustained with 6 indexes built after it and VACUUM"}

    def cpu(self):  # parallel workers are processes that come and go
        return None

    def facts_of_run(self):
        return {}

    def close(self):
        self.db.close()
