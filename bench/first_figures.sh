#!/usr/bin/env bash
# The first figures: how fast events come in, and how fast the reports answer beside the same questions in plain SQL over a
# jsonb table. Both sides must give the same answers before anything is measured. Prints a Markdown table.
#
#   bench/first_figures.sh [events]      2,000,000 events by default; EVENTS of 200000 make a quick look
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

events=${1:-2000000}
rounds=5
ensure_prerequisites
install_extension || exit 2

server=$(cluster_dir bench)
trap 'cluster_remove "$server"' EXIT
# Durable, as in production; enough memory and workers that plain SQL is not held back.
cluster_init "$server" 'shared_buffers = 2GB' 'work_mem = 256MB' 'maintenance_work_mem = 512MB' 'max_wal_size = 8GB' \
    'max_parallel_workers_per_gather = 2' 'effective_cache_size = 8GB' 'random_page_cost = 1.1' 'jit = off'
cluster_start "$server"
cluster_use "$server" bench
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
sql -d postgres -c 'CREATE DATABASE bench'
sql -c 'CREATE EXTENSION analytics_groups'

say "Making $events events" >&2
sql -v "events=$events" -f "$ROOT/tests/data/generate.sql"
# Ready to send, so that only taking them in is measured: lines one by one, and in batches of 10,000.
sed '/^DO /,$d' "$ROOT/tests/data/load.sql" | sql
sql <<'SQL'
CREATE UNLOGGED TABLE source.row AS SELECT no, at, event, distinct_id, line FROM source.event JOIN source.line USING (no);
CREATE UNIQUE INDEX ON source.row (no);
CREATE UNLOGGED TABLE source.batch AS
SELECT (no - 1) / 10000 AS batch, string_agg(line, E'\n' ORDER BY no) AS lines, count(*) AS events FROM source.row GROUP BY 1;
CREATE UNIQUE INDEX ON source.batch (batch);
VACUUM ANALYZE source.row;
VACUUM ANALYZE source.batch;
CHECKPOINT;
SQL
sql -f "$ROOT/bench/first_figures.sql"

# ---- Taking events in -------------------------------------------------------------------------------------------------

# Seconds of a PL/pgSQL statement run for each batch, each in a transaction of its own.
each_batch() {
    sql 2>&1 <<SQL | sed -n 's/.*took //p'
SET client_min_messages = notice;
DO \$\$
DECLARE b record; answer jsonb; started timestamptz; took interval := '0';
BEGIN
    FOR b IN SELECT batch FROM source.batch ORDER BY batch LOOP
        started := clock_timestamp();
        $1
        COMMIT;
        took := took + (clock_timestamp() - started);
    END LOOP;
    RAISE NOTICE 'took %', extract(epoch FROM took);
END \$\$;
SQL
}

say "Tracking" >&2
track=$(each_batch "answer := analytics_groups.track_ndjson((SELECT lines FROM source.batch WHERE batch = b.batch));
        IF answer ->> 'code' <> '200' THEN RAISE EXCEPTION '%', left(answer::text, 500); END IF;")
start=$(date +%s%N)
sql -c 'CALL analytics_groups.maintain()'
maintain=$((($(date +%s%N) - start) / 1000000))
say "Inserting into the jsonb table" >&2
insert=$(each_batch "INSERT INTO plain.event SELECT at, event, distinct_id, line::jsonb -> 'properties' FROM source.row
        WHERE no > b.batch * 10000 AND no <= (b.batch + 1) * 10000;")
sql -c 'VACUUM ANALYZE'

# ---- The questions ------------------------------------------------------------------------------------------------------
# Each pair answers with rows of the same columns.
names=() ours=() plain=()
question() { names+=("$1") ours+=("$2") plain+=("$3"); }

question "unique users and companies by week" "
SELECT metric, bucket::date, value::bigint FROM analytics_groups.insights(
    '[{\"event\": \"\$any\", \"measure\": \"unique\", \"label\": \"users\"}, {\"event\": \"\$any\", \"measure\": \"unique\", \"by\": \"company_id\", \"label\": \"companies\"}]',
    '2024-01-01', '2024-03-31', unit => 'week')" "
SELECT 'users', date_trunc('week', at)::date, count(DISTINCT distinct_id) FROM plain.event
WHERE at >= '2024-01-01' AND at < '2024-04-01' AND distinct_id <> '' GROUP BY 2
UNION ALL
SELECT 'companies', date_trunc('week', at)::date, count(DISTINCT company) FROM plain.by_company
WHERE at >= '2024-01-01' AND at < '2024-04-01' GROUP BY 2"

funnel() { # SOURCE SUBJECT CONDITION
    echo "WITH a AS (SELECT $2 AS who, min(at) AS t1 FROM $1 WHERE event = 'Page View' AND at >= '2024-01-01' AND at < '2024-04-01' $3 GROUP BY 1),
b AS (SELECT a.who, t1, min(e.at) AS t2 FROM a JOIN $1 e ON e.$2 = a.who AND e.event = 'Report Viewed' AND e.at BETWEEN t1 AND t1 + interval '7 days' GROUP BY 1, 2),
c AS (SELECT b.who FROM b JOIN $1 e ON e.$2 = b.who AND e.event = 'Project Created' AND e.at BETWEEN t2 AND t1 + interval '7 days' GROUP BY 1)
SELECT 1, count(*) FROM a UNION ALL SELECT 2, count(*) FROM b UNION ALL SELECT 3, count(*) FROM c"
}
for by in user company_id; do
    question "funnel of 3 steps in 7 days by ${by%_id}" "
SELECT step, count FROM analytics_groups.funnel('[\"Page View\", \"Report Viewed\", \"Project Created\"]', '2024-01-01', '2024-03-31',
    by => '$by', within => '7 days', grace => '0')" \
        "$(if [ $by = user ]; then funnel plain.event distinct_id "AND distinct_id <> ''"; else funnel plain.by_company company ''; fi)"
done

question "weekly retention by company" "
SELECT cohort::date, bucket, retained FROM analytics_groups.retention('\"Report Viewed\"', '\"Page View\"', '2024-01-01', '2024-03-31',
    by => 'company_id', unit => 'week', buckets => 12, criterion => 'on') WHERE retained > 0" "
WITH birth AS (SELECT company, date_trunc('week', at) AS week, min(at) AS t0 FROM plain.by_company
               WHERE event = 'Report Viewed' AND at >= '2024-01-01' AND at < '2024-04-01' GROUP BY 1, 2)
SELECT week::date, n, count(DISTINCT company)
FROM (SELECT b.company, b.week, floor(extract(epoch FROM e.at - b.t0) / 604800)::int AS n
      FROM birth b JOIN plain.by_company e ON e.company = b.company AND e.event = 'Page View' AND e.at > b.t0) AS r
WHERE n <= 12 GROUP BY 1, 2"

# Median of the rounds in ms, after one run to warm up.
median() {
    { printf '%s\n' "SET TimeZone = 'UTC';" '\o /dev/null' "$1;" '\timing on'
      for _ in $(seq $rounds); do printf '%s;\n' "$1"; done
    } | sql | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | sort -n | sed -n "$(((rounds + 1) / 2))p"
}

rows=() wrong=0
for i in "${!names[@]}"; do
    say "${names[i]}" >&2
    mine=$(sql -c "SET TimeZone = 'UTC'" -c "${ours[i]}" | sort)
    theirs=$(sql -c "SET TimeZone = 'UTC'" -c "${plain[i]}" | sort)
    if [ "$mine" != "$theirs" ] || [ -z "$mine" ]; then
        say "The two sides differ on: ${names[i]}" >&2
        diff <(printf '%s\n' "$mine") <(printf '%s\n' "$theirs") | head -n 10 >&2 || true
        wrong=1
        continue
    fi
    m=$(median "${ours[i]}") p=$(median "${plain[i]}")
    rows+=("$(awk -v n="${names[i]}" -v m="$m" -v p="$p" 'BEGIN { printf "| %s | %.1f ms | %.0f ms | %.0f× |", n, m, p, p / m }')")
done

size() { sql -c "SELECT pg_size_pretty(sum(pg_total_relation_size(c.oid))) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = '$1' AND relkind = 'r'"; }
cat <<TXT
$(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores, $(free -g | awk '/^Mem/ { print $2 }') GB, PostgreSQL $(sql -c 'SHOW server_version'), $events events in $(sql -c 'SELECT count(*) FROM source.company') companies; durable settings, median of $rounds, everything in memory.

| question | analytics_groups | plain SQL | |
|---|--:|--:|--:|
$(printf '%s\n' "${rows[@]}")
| events taken in per second | $(awk "BEGIN { printf \"%d\", $events / $track }") | $(awk "BEGIN { printf \"%d\", $events / $insert }") | $(awk "BEGIN { printf \"%.1f\", $insert / $track }")× |
| on disk | $(size analytics_default) | $(size plain) | |

maintain() took $maintain ms. The jsonb table has four indexes.
TXT
exit $wrong
