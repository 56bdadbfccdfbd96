"""analytics_groups: events come in through track_ndjson, questions through the report functions, nothing else is touched."""

import json
import threading
import time

import generate

from .base import Engine

BATCH = 20_000
SETTINGS = ("timezone = 'UTC'", "statement_timeout = '300s'")


class Ours(Engine):
    name, label = "ours", "analytics_groups"

    def connect(self, database="ours"):
        import psycopg

        db = psycopg.connect(dbname=database, autocommit=True)
        for s in SETTINGS:
            db.execute("SET " + s)
        return db

    def open(self):
        self.db = self.connect()
        self.pid = self.db.info.backend_pid
        self.peak, self.told = 0, set()
        there = self.db.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'ours'").fetchone()[0]
        if there != self.what():
            raise RuntimeError(f"the database holds {there}, not {self.what()}: load it")
        # Its settings are known once it is loaded, which the first report would do.
        self.db.execute("LOAD 'analytics_groups'")
        self.set_threads(self.threads)
        return self

    def what(self):
        return f"{self.facts['events']} events, {self.facts['waiting']} % waiting"

    def set_threads(self, n):
        """False when this build has no such setting."""
        known = self.db.execute("SELECT 1 FROM pg_settings WHERE name = 'analytics_groups.max_threads'").fetchone()
        if known:
            self.db.execute(f"SET analytics_groups.max_threads = {n}")
        return bool(known)

    def candidates(self, query):
        return [(sql, {}) for sql in query.ours]

    def prepare(self, query):
        if query.setup and query.setup not in self.told:
            self.db.execute(query.setup)
            self.told.add(query.setup)

    def run(self, sql, options):
        self.db.execute(sql).fetchall()

    def rows(self, sql, options):
        return self.db.execute(sql).fetchall()

    def load(self):
        waiting = self.facts.get("waiting", 0)
        with self.connect("postgres") as admin:
            admin.execute("DROP DATABASE IF EXISTS ours")
            admin.execute("CREATE DATABASE ours")
        db = self.db = self.connect()
        db.execute("CREATE EXTENSION analytics_groups")
        db.execute("SELECT analytics_groups.add_group_key('company_id', 'Company')")
        n = self.facts["events"]
        upto = n - n * waiting // 100
        out = {"version": db.execute("SELECT extversion FROM pg_extension WHERE extname = 'analytics_groups'").fetchone()[0],
               "server": db.execute("SHOW server_version").fetchone()[0], "how": f"track_ndjson, {BATCH:,} a call; sustained with maintain()"}
        self.pid = db.info.backend_pid
        with open(self.file("events.ndjson"), "rb") as f:
            lsn, cpu = self.lsn(), self.cpu_of_backend()
            out["track_s"] = self.track(f, upto)
            out["track_cpu_s"] = self.cpu_of_backend() - cpu
            out["wal_track"] = self.lsn() - lsn
            lsn, start, cpu = self.lsn(), time.perf_counter(), self.cpu_of_backend()
            db.execute("CALL analytics_groups.maintain()")
            out["maintain_cpu_s"] = self.cpu_of_backend() - cpu
            out["maintain_s"] = time.perf_counter() - start
            out["wal_maintain"] = self.lsn() - lsn
            out["events"] = upto
            if waiting:
                db.execute("SET analytics_groups.auto_maintain = off")
                self.track(f, n - upto)
        out["rate"] = upto / out["track_s"]
        out["sustained_rate"] = upto / (out["track_s"] + out["maintain_s"])
        self.profiles()
        for table, in db.execute("SELECT c.oid::regclass::text FROM pg_class c WHERE relnamespace = 'analytics_default'::regnamespace AND relkind = 'r'").fetchall():
            db.execute(f"VACUUM (ANALYZE) {table}")
        db.execute(f"COMMENT ON DATABASE ours IS '{self.what()}'")
        db.execute("CHECKPOINT")
        out |= self.sizes()
        now = self.status(self.pid)
        out["load_peak"] = now.get("VmHWM", 0) - now.get("RssShmem", 0) - now.get("RssFile", 0)
        return out

    def track(self, f, count):
        """Sends so many of the next lines; the seconds it took are those of the calls, the reading of the file is not ours."""
        took = 0.0
        with self.db.cursor() as cur:
            while count > 0:
                lines = []
                for line in f:
                    lines.append(line)
                    if len(lines) == min(BATCH, count):
                        break
                if not lines:
                    raise RuntimeError("events.ndjson ended too soon")
                count -= len(lines)
                text = b"".join(lines).decode()
                start = time.perf_counter()
                answer = cur.execute("SELECT analytics_groups.track_ndjson(%s::text)", (text,)).fetchone()[0]
                took += time.perf_counter() - start
                if answer["code"] != 200 or answer["num_records_imported"] != len(lines):
                    raise RuntimeError(f"track_ndjson answered {json.dumps(answer)[:500]}")
        return took

    def profiles(self):
        import duckdb

        rows = duckdb.connect().execute(f"SELECT company_id, industry, plan FROM '{self.file('companies.parquet')}'").fetchall()
        for lo in range(0, len(rows), 5000):
            updates = [{"$group_key": "company_id", "$group_id": i, "$set": {"industry": a, "plan": p}} for i, a, p in rows[lo:lo + 5000]]
            self.update("update_groups", updates)
        rows = duckdb.connect().execute(f"SELECT user_id, role, plan FROM '{self.file('users.parquet')}'").fetchall()
        for lo in range(0, len(rows), 5000):
            self.update("update_users", [{"$distinct_id": i, "$set": {"role": r, "plan": p}} for i, r, p in rows[lo:lo + 5000]])

    def update(self, function, updates):
        answer = self.db.execute(f"SELECT analytics_groups.{function}(%s::jsonb)", (json.dumps(updates),)).fetchone()[0]
        if answer.get("failed_records") or answer.get("code", 200) != 200:
            raise RuntimeError(f"{function} answered {json.dumps(answer)[:500]}")

    def lsn(self):
        return int(self.db.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").fetchone()[0])

    def sizes(self):
        tables = dict(self.db.execute("""SELECT c.relname, pg_total_relation_size(c.oid)::bigint FROM pg_class c
            WHERE relnamespace = 'analytics_default'::regnamespace AND relkind = 'r'""").fetchall())
        events = sum(v for k, v in tables.items() if k not in ("user_profile", "group_profile"))
        out = {"bytes": events, "profile_bytes": sum(tables.values()) - events, "tables": tables, "packed_tables": self.packed(tables)}
        out["packed_bytes"] = sum(v for k, v in out["packed_tables"].items() if k not in ("user_profile", "group_profile"))
        try:  # the columns every question needs: users, times, groups
            out["core_bytes"] = int(self.db.execute("""SELECT (SELECT coalesce(sum(octet_length(users) + octet_length(times)), 0) FROM analytics_default.segment)
                + (SELECT coalesce(sum(octet_length(data)), 0) FROM analytics_default.segment_column WHERE class = 'g')""").fetchone()[0])
            columns = self.db.execute("""SELECT 'users', sum(octet_length(users)) FROM analytics_default.segment
                UNION ALL SELECT 'times', sum(octet_length(times)) FROM analytics_default.segment
                UNION ALL SELECT 'inserts', sum(octet_length(inserts)) FROM analytics_default.segment
                UNION ALL SELECT coalesce(p.name, 'group ' || c.no), sum(octet_length(c.data)) FROM analytics_default.segment_column c
                    LEFT JOIN analytics_default.property p ON c.class = 'p' AND p.no = c.no GROUP BY 1""").fetchall()
            out["columns"] = {name: int(size or 0) for name, size in columns}
        except Exception as e:  # how the store keeps its columns is its own affair
            out["columns_error"] = str(e)
        return out

    def packed(self, tables):
        """What the tables take without the room that is free for what comes next: the size of a copy, with its indexes. The
        peers' sizes are after OPTIMIZE FINAL and CHECKPOINT, which leave no such room either."""
        out = {}
        self.db.execute("CREATE SCHEMA packed")
        for name in tables:
            options = self.db.execute(f"SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'analytics_default.{name}'::regclass").fetchone()[0]
            self.db.execute(f"CREATE TABLE packed.{name} (LIKE analytics_default.{name} INCLUDING STORAGE) {f'WITH ({options})' if options else ''}")
            self.db.execute(f"INSERT INTO packed.{name} SELECT * FROM analytics_default.{name}")
            for index, in self.db.execute(f"SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'analytics_default.{name}'::regclass").fetchall():
                self.db.execute(index.replace(" analytics_default.", " packed."))
            out[name] = self.db.execute(f"SELECT pg_total_relation_size('packed.{name}')::bigint").fetchone()[0]
            self.db.execute(f"DROP TABLE packed.{name}")
        self.db.execute("DROP SCHEMA packed")
        return out

    def cpu(self):
        return time.process_time() + self.cpu_of_backend()

    def cpu_of_backend(self):
        # The processor clock of another process, as clock_getcpuclockid computes it: it counts threads that have ended.
        return time.clock_gettime((~self.pid << 3) | 2)

    @staticmethod
    def status(pid):
        """Memory of a process in bytes, as the kernel counts it; nothing where it does not say."""
        try:
            with open(f"/proc/{pid}/status") as f:
                return {k: int(v.split()[0]) * 1024 for k, _, v in (line.partition(":") for line in f) if k in ("VmHWM", "RssAnon", "RssShmem", "RssFile")}
        except OSError:
            return {}

    def peak_of(self, sql):
        """Private memory of the backend while it answers, watched every millisecond."""
        stop, seen = threading.Event(), [0]

        def watch():
            while not stop.is_set():
                seen[0] = max(seen[0], self.status(self.pid).get("RssAnon", 0))
                stop.wait(0.001)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for _ in range(3):
                self.run(sql, {})
        finally:
            stop.set()
            watcher.join()
        self.peak = max(self.peak, seen[0])
        return seen[0]

    def floor(self):
        """Median ms of the smallest calls: a round trip, and a report of one day of one event."""
        out = {}
        for name, sql in (("round_trip", "SELECT 1"),
                          ("one_day", f"SELECT bucket, value FROM analytics_groups.insights('[{{\"event\": \"logout\"}}]', '{generate.LAST_DAY}', '{generate.LAST_DAY}')"),
                          ("one_day_funnel", f"SELECT step, count FROM analytics_groups.funnel('[\"logout\", \"invite_user\"]', '{generate.LAST_DAY}', '{generate.LAST_DAY}', grace => '0')")):
            times = sorted(self.timed(sql, {}) for _ in range(60))
            out[name] = times[30]
        return out

    def facts_of_run(self):
        now = self.status(self.pid)
        out = {"peak_anon": self.peak, "hwm_less_shared": max(0, now.get("VmHWM", 0) - now.get("RssShmem", 0) - now.get("RssFile", 0)), "floor": self.floor()}
        out["settings"] = self.db.execute("SELECT name, setting, unit FROM pg_settings WHERE name LIKE 'analytics_groups.%' ORDER BY 1").fetchall()
        return out

    def close(self):
        self.db.close()


