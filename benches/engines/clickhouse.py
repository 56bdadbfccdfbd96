"""ClickHouse, embedded as chDB.

tuned:   dense UInt32 ids, Enum and LowCardinality columns, ORDER BY (event, day, user, time), one merged part; beside it a second
         copy of the core columns ordered by user, for what asks about users over all events (its bytes are counted apart).
natural: the ids as the strings they are, the same order.
"""

import json
import os
import shutil
import time

import generate

from .base import Engine


def enum(values):
    return "Enum8(" + ", ".join(f"'{v}' = {i + 1}" for i, v in enumerate(sorted(values))) + ")"


def columns(variant):
    low = "LowCardinality(String)"
    if variant == "tuned":
        return {
            "event": (enum(generate.EVENTS), "event"), "day": ("Date", "toDate(intDiv(t, 86400000))"), "t": ("UInt64 CODEC(Delta, LZ4)", "t"),
            "user_id": ("UInt32", "user_no"), "company_id": ("UInt32", "company_no"),
            "country": (low, "country"), "browser": (low, "browser"), "os": (low, "os"), "device": (low, "device"),
            "utm_source": (low, "ifNull(utm_source, '')"), "url": ("String CODEC(ZSTD(1))", "url"), "item_id": ("UInt32", "toUInt32OrZero(substring(ifNull(item_id, ''), 6))"),
            "quantity": ("UInt16", "ifNull(quantity, 0)"), "amount": ("Float64", "ifNull(amount, 0)"), "insert_id": ("UInt64", "insert_no"),
        }
    return {
        "event": (low, "event"), "day": ("Date", "toDate(intDiv(t, 86400000))"), "t": ("UInt64", "t"),
        "user_id": ("String", "user_id"), "company_id": ("String", "company_id"),
        "country": (low, "country"), "browser": (low, "browser"), "os": (low, "os"), "device": (low, "device"),
        "utm_source": ("LowCardinality(Nullable(String))", "utm_source"), "url": ("String", "url"), "item_id": ("Nullable(String)", "item_id"),
        "quantity": ("Nullable(UInt16)", "quantity"), "amount": ("Nullable(Float64)", "amount"), "insert_id": ("String", "insert_id"),
    }


class ClickHouse(Engine):
    name, label = "clickhouse", "ClickHouse (chDB)"

    def open(self):
        from chdb import session

        self.session = session.Session(self.home)
        self.session.query("USE bench")
        return self

    def run(self, sql, options):
        self.query(sql, options, "TabSeparated").bytes()

    def rows(self, sql, options):
        out = self.query(sql, options, "JSONCompactEachRow").bytes().decode()
        return [tuple(json.loads(line)) for line in out.splitlines()]

    def query(self, sql, options=None, form="TabSeparated"):
        settings = f"max_threads = {self.threads}, output_format_json_quote_64bit_integers = 0"
        if (options or {}).get("settings"):
            settings += ", " + options["settings"]
        return self.session.query(f"{sql} SETTINGS {settings}", form)

    def load(self):
        from chdb import session

        shutil.rmtree(self.home, ignore_errors=True)
        s = self.session = session.Session(self.home)
        s.query("CREATE DATABASE bench ENGINE = Atomic")
        s.query("USE bench")
        cols = columns(self.variant)
        source = f"file('{os.path.abspath(self.file('events.parquet'))}', Parquet)"
        ddl = ", ".join(f"{c} {kind}" for c, (kind, _) in cols.items())
        start = time.time()
        # A Float64 or string column is not given to NULLs in the tuned variant; index granularity stays the default.
        s.query(f"CREATE TABLE ev ({ddl}) ENGINE = MergeTree ORDER BY (event, day, user_id, t)")
        s.query(f"INSERT INTO ev SELECT {', '.join(e for _, e in cols.values())} FROM {source} "
                f"SETTINGS max_threads = {self.threads}, max_insert_threads = {self.threads}")
        inserted = time.time() - start
        s.query("OPTIMIZE TABLE ev FINAL")
        merged = time.time() - start
        s.query("CREATE TABLE ev_user (event " + cols["event"][0] + ", day Date, t UInt64 CODEC(Delta, LZ4), user_id " + cols["user_id"][0]
                + ", company_id " + cols["company_id"][0] + ", country LowCardinality(String)) ENGINE = MergeTree ORDER BY (user_id, day, t)")
        if self.variant == "tuned":
            s.query("INSERT INTO ev_user SELECT event, day, t, user_id, company_id, country FROM ev")
            s.query("OPTIMIZE TABLE ev_user FINAL")
        company = "company_no" if self.variant == "tuned" else "company_id"
        kind = cols["company_id"][0]
        companies = f"SELECT {company}, industry, plan FROM file('{os.path.abspath(self.file('companies.parquet'))}', Parquet)"
        s.query(f"CREATE TABLE comp (company_id {kind}, industry LowCardinality(String), plan LowCardinality(String)) ENGINE = MergeTree ORDER BY company_id")
        s.query(f"INSERT INTO comp {companies}")
        s.query(f"CREATE TABLE comp_join (company_id {kind}, industry LowCardinality(String), plan LowCardinality(String)) ENGINE = Join(ANY, LEFT, company_id)")
        s.query(f"INSERT INTO comp_join {companies}")
        sizes = dict(json.loads(x) for x in s.query(
            "SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'bench' GROUP BY table "
            "SETTINGS output_format_json_quote_64bit_integers = 0", "JSONCompactEachRow").bytes().decode().splitlines())
        by_column = dict(json.loads(x) for x in s.query(
            "SELECT column, sum(column_bytes_on_disk) FROM system.parts_columns WHERE active AND database = 'bench' AND table = 'ev' GROUP BY column "
            "SETTINGS output_format_json_quote_64bit_integers = 0", "JSONCompactEachRow").bytes().decode().splitlines())
        version = s.query("SELECT version()").bytes().decode().strip()
        n = self.facts["events"]
        return {"version": version, "insert_s": inserted, "load_s": merged, "rate": n / inserted, "sustained_rate": n / merged,
                "bytes": int(sizes["ev"]), "second_order_bytes": int(sizes.get("ev_user", 0)), "columns": by_column,
                "how": "INSERT … SELECT from parquet; sustained with OPTIMIZE FINAL"}

    def close(self):
        self.session.close()
