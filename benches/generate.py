"""The events of the benchmark: seeded, so that N events are the same N events everywhere.

A shop sold to companies: users = N/40 with opaque string ids, companies = users/16 of Zipf sizes, 40 event names of Zipf
frequencies, sessions of geometric length, purchases that follow carts that follow views, 91 days from 2025-01-01 UTC.
No event is sent twice, every event belongs to one company, and no two events of one user share a millisecond, so that no
engine needs to break ties. Written once per N: events.parquet for the peers (dense numbers and strings side by side),
events.ndjson for analytics_groups, both in order of time, and the profiles of companies and users.
"""

import json
import os
import shutil
import time

VERSION = 1
FIRST_DAY, DAYS = "2025-01-01", 91
LAST_DAY = "2025-04-01"
DAY_MS = 86_400_000
START_MS = 1_735_689_600_000

NAMES = (
    "page_view click search view_item login scroll add_to_cart open_menu filter_results play_video "
    "share like comment save_draft invite_user purchase export_report upload_file download_file change_settings "
    "view_report create_project archive_project rename_item delete_item start_trial upgrade_plan downgrade_plan contact_support rate_item "
    "follow_user mute_user accept_invite decline_invite connect_app remove_app enable_alert disable_alert logout"
).split()
EVENTS = ["session_start", *NAMES]  # 40 of them; the number of an event is its place here
COUNTRIES = (
    "US DE GB FR IN BR JP CA AU NL ES IT SE PL CH MX KR SG AT BE DK NO FI IE PT CZ RO HU GR TR "
    "ZA NG KE EG AE SA IL TH VN ID MY PH TW HK NZ AR CL CO PE UY UA BG HR SK SI LT LV EE IS LU"
).split()
BROWSERS = ["Chrome", "Safari", "Edge", "Firefox", "Samsung Internet", "Opera"]
SYSTEMS = ["Windows", "macOS", "iOS", "Android", "Linux"]
DEVICES = ["desktop", "mobile", "tablet"]
SOURCES = ["google", "newsletter", "bing", "partner", "linkedin", "reddit", "youtube", "podcast"]
PLANS = ["free", "pro", "business", "enterprise"]
INDUSTRIES = (
    "software retail banking insurance health education media logistics energy travel "
    "construction food fashion automotive telecom legal public research games agriculture"
).split()
ROLES = ["member", "admin", "viewer", "owner"]


def zipf(np, n, s):
    w = 1.0 / np.arange(1, n + 1) ** s
    return w / w.sum()


def user_text(no):
    """An opaque id of 16 hex digits (splitmix64), as identity services hand them out."""
    z = (no + 0x9E3779B97F4A7C15 * (no + 1)) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return f"{z ^ (z >> 31):016x}"


def company_text(no):
    return f"company_{no:07d}"


def draw(np, n):
    """The columns of about n events as numpy arrays, in order of time."""
    rng = np.random.default_rng(20250101)
    users = max(n // 40, 50)
    companies = max(users // 16, 20)
    company_of = rng.choice(companies, users, p=zipf(np, companies, 0.9)).astype(np.uint32)
    weight = rng.lognormal(0, 1.3, users)
    # A third of the users were there before the first day.
    signup = np.where(rng.random(users) < 1 / 3, -rng.random(users) * 60, rng.random(users) * DAYS)

    sessions = int(n / 8 * 1.6) + 100
    who = rng.choice(users, sessions, p=weight / weight.sum())
    # Half of the sessions cluster after the sign-up (mean 25 days), half are spread over the life of the user.
    since = np.where(rng.random(sessions) < 0.5, rng.exponential(25, sessions), rng.random(sessions) * (DAYS - signup[who]))
    at = signup[who] + since
    hour = np.clip(rng.normal(14, 4, sessions), 0, 23.99)
    at = np.floor(at) + hour / 24
    keep = (at >= 0) & (at < DAYS - 0.01) & (at >= signup[who])
    who, at = who[keep], at[keep]
    length = rng.geometric(1 / 8, len(who))
    ends = np.cumsum(length)
    cut = int(np.searchsorted(ends, n)) + 1
    who, at, length = who[:cut], at[:cut], length[:cut]

    total = int(length.sum())
    session = np.repeat(np.arange(len(who)), length)
    first = np.zeros(total, bool)
    first[np.cumsum(length) - length] = True
    gap = np.where(first, 0, rng.lognormal(np.log(25_000), 1.4, total)).astype(np.int64)
    run = np.cumsum(gap)
    t = (at[session] * DAY_MS).astype(np.int64) + run - run[np.flatnonzero(first)][session]

    event = rng.choice(len(NAMES), total, p=zipf(np, len(NAMES), 1.1)).astype(np.uint8) + 1
    number = {e: i for i, e in enumerate(EVENTS)}
    follows = np.r_[False, ~first[1:]]
    for before, after in (("view_item", "add_to_cart"), ("add_to_cart", "purchase")):
        prev = np.r_[np.uint8(0), event[:-1]]
        event[follows & (prev == number[before]) & (rng.random(total) < 0.35)] = number[after]
    event[first] = 0

    user = who[session].astype(np.uint32)
    source = np.where(rng.random(len(who)) < 0.4, rng.choice(len(SOURCES), len(who), p=zipf(np, len(SOURCES), 1.0)), -1)
    source = source[session].astype(np.int8)
    # The cart follows the item that was looked at.
    shopping = np.isin(event, [number[e] for e in ("view_item", "add_to_cart", "purchase")])
    items = max(n // 200, 100)
    item = rng.choice(items, total, p=zipf(np, items, 0.8)).astype(np.int32)
    for after in ("add_to_cart", "purchase"):
        same = np.flatnonzero(follows & (event == number[after]))
        item[same] = item[same - 1]
    price = np.round(rng.lognormal(3.4, 0.8, items), 2)
    quantity = rng.geometric(0.6, total).astype(np.int16)

    # One user's events differ by a millisecond at least; nothing leaves the range.
    order = np.lexsort((t, user))
    big = np.int64(1) << 34
    key = user[order].astype(np.int64) * big + t[order]
    place = np.arange(total)
    t[order] = (np.maximum.accumulate(key - place) + place) % big
    ok = t < DAYS * DAY_MS
    by_time = np.flatnonzero(ok)[np.argsort(t[ok], kind="stable")]

    def user_column(n_values, s):
        return rng.choice(n_values, users, p=zipf(np, n_values, s)).astype(np.uint8)

    pick = lambda column: column[by_time]  # noqa: E731
    user, event, item = pick(user), pick(event), pick(item)
    shopping, quantity = pick(shopping), pick(quantity)
    bought = event == number["purchase"]
    in_cart = bought | (event == number["add_to_cart"])
    return {
        "users": users,
        "companies": companies,
        "event": event,
        "t": pick(t) + START_MS,
        "user": user,
        "company": company_of[user],
        "country": user_column(len(COUNTRIES), 1.0)[user],
        "browser": user_column(len(BROWSERS), 1.2)[user],
        "os": user_column(len(SYSTEMS), 0.8)[user],
        "device": user_column(len(DEVICES), 1.0)[user],
        "source": pick(source),
        "item": np.where(shopping, item, -1),
        "page": rng.integers(0, max(n // 100, 100), len(by_time)).astype(np.int32),
        "quantity": np.where(in_cart, quantity, -1),
        "amount": np.where(in_cart, np.round(price[item] * quantity, 2), np.nan),
        "insert_no": rng.integers(0, 1 << 63, len(by_time), dtype=np.uint64),
    }


LINE = """'{"event":"' || event || '","properties":{"time":' || t || ',"distinct_id":"' || user_id || '","$insert_id":"' || insert_id
    || '","company_id":"' || company_id || '","country":"' || country || '","browser":"' || browser || '","os":"' || os
    || '","device":"' || device || '","url":"' || url || '"'
    || coalesce(',"utm_source":"' || utm_source || '"', '') || coalesce(',"item_id":"' || item_id || '"', '')
    || coalesce(',"quantity":' || quantity, '') || coalesce(',"amount":' || amount, '') || '}}'"""


def write(directory, n, say):
    """Makes the data of n events in `directory` unless it is there; returns what it holds as a dict."""
    facts_file = os.path.join(directory, "facts.json")
    if os.path.exists(facts_file):
        with open(facts_file) as f:
            facts = json.load(f)
        if facts.get("version") == VERSION:
            return facts
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    import duckdb
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    started = time.time()
    say(f"Drawing {n:,} events")
    d = draw(np, n)
    total = len(d["t"])
    user_ids = pa.array([user_text(i) for i in range(d["users"])])
    company_ids = pa.array([company_text(i) for i in range(d["companies"])])
    labels = {"event": EVENTS, "country": COUNTRIES, "browser": BROWSERS, "os": SYSTEMS, "device": DEVICES, "source": SOURCES}
    labels = {k: pa.array(v) for k, v in labels.items()}

    def text(name, part):
        index = pa.array(d[name][part].astype(np.int32), mask=d[name][part] < 0 if name == "source" else None)
        return pa.DictionaryArray.from_arrays(index, labels[name])

    core = os.path.join(directory, "core.parquet")
    writer, step = None, 1_000_000
    for lo in range(0, total, step):
        part = slice(lo, min(lo + step, total))
        number = lambda c: pa.array(d[c][part], mask=d[c][part] < 0)  # noqa: E731
        table = pa.table({
            "event": text("event", part), "t": d["t"][part],
            "user_no": d["user"][part], "company_no": d["company"][part],
            "user_id": pa.DictionaryArray.from_arrays(pa.array(d["user"][part].astype(np.int32)), user_ids),
            "company_id": pa.DictionaryArray.from_arrays(pa.array(d["company"][part].astype(np.int32)), company_ids),
            "country": text("country", part), "browser": text("browser", part), "os": text("os", part),
            "device": text("device", part), "utm_source": text("source", part),
            "item": number("item"), "page": d["page"][part], "quantity": number("quantity"),
            "amount": pa.array(d["amount"][part], from_pandas=True), "insert_no": d["insert_no"][part],
        })
        writer = writer or pq.ParquetWriter(core, table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()
    users, companies = d["users"], d["companies"]
    rng = np.random.default_rng(7)
    company_table = pa.table({
        "company_no": pa.array(range(companies), pa.uint32()), "company_id": company_ids,
        "industry": pa.array([INDUSTRIES[i] for i in rng.integers(0, len(INDUSTRIES), companies)]),
        "plan": pa.array([PLANS[i] for i in rng.integers(0, len(PLANS), companies)]),
    })
    user_table = pa.table({
        "user_no": pa.array(range(users), pa.uint32()), "user_id": user_ids,
        "role": pa.array([ROLES[i] for i in rng.integers(0, len(ROLES), users)]),
        "plan": pa.array([PLANS[i] for i in rng.integers(0, len(PLANS), users)]),
    })
    pq.write_table(company_table, os.path.join(directory, "companies.parquet"))
    pq.write_table(user_table, os.path.join(directory, "users.parquet"))
    del d

    say("Writing events.parquet and events.ndjson")
    db = duckdb.connect(config={"threads": 2, "preserve_insertion_order": True})
    db.execute(f"""COPY (SELECT event::VARCHAR event, t, user_no, company_no, user_id::VARCHAR user_id, company_id::VARCHAR company_id,
            country::VARCHAR country, browser::VARCHAR browser, os::VARCHAR os, device::VARCHAR device, utm_source::VARCHAR utm_source,
            'item_' || item AS item_id, quantity, amount, insert_no, format('{{:016x}}', insert_no) AS insert_id,
            'https://shop.example/' || CASE WHEN item IS NOT NULL THEN 'item/' || item ELSE event || '/' || page END AS url
        FROM '{core}') TO '{directory}/events.parquet' (FORMAT parquet, COMPRESSION zstd)""")
    os.remove(core)
    db.execute(f"""COPY (SELECT {LINE} FROM '{directory}/events.parquet')
        TO '{directory}/events.ndjson' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')""")
    facts = {
        "version": VERSION, "events": total, "users": users, "companies": companies, "event_names": len(EVENTS),
        "active_users": db.execute(f"SELECT count(DISTINCT user_no) FROM '{directory}/events.parquet'").fetchall()[0][0],
        "ndjson_bytes": os.path.getsize(os.path.join(directory, "events.ndjson")),
        "parquet_bytes": os.path.getsize(os.path.join(directory, "events.parquet")),
        "seconds": round(time.time() - started, 1),
    }
    with open(facts_file, "w") as f:
        json.dump(facts, f, indent=1)
    return facts
