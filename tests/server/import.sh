#!/usr/bin/env bash
# An import is killed in the middle and run again: nothing is lost and nothing is there twice. import_batches goes on behind the
# batch it was at, and the view imports tells how far it is meanwhile; import_events and a mirror leave nothing of themselves.
# kill -9 takes a backend and with it the whole server, pg_terminate_backend the backend alone.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/common.sh"

rows=${IMPORT_ROWS:-400000}
new_cluster server 'fsync = on' 'restart_after_crash = on'
cluster_use "$server" import
work=$(mktemp -d)
chmod 755 "$work"

createdb import
sql -c 'CREATE EXTENSION analytics_groups' -c "ALTER DATABASE import SET analytics_groups.auto_maintain = off"
sql -c "SELECT analytics_groups.add_group_key('company_id')" >/dev/null
sql -c "CREATE TABLE source AS SELECT 'i-' || i AS id, '2024-01-01Z'::timestamptz + i * interval '1 s' AS at, 'u' || i % 5000 AS who, 'c' || i % 50 AS company_id,
            i AS n, '2024-02-01Z'::timestamptz + (i / 10) * interval '1 s' AS loaded_at FROM generate_series(1, $rows) AS i"
# The same with a place in the middle where reading it stops for as long as the table pause says.
sql -c "CREATE TABLE pause AS SELECT 0::float8 AS seconds" -c "CREATE VIEW paused AS SELECT * FROM source
    WHERE CASE WHEN n = $((rows / 2)) THEN (SELECT count(pg_sleep(seconds)) FROM pause) > 0 ELSE true END"
sql -c "INSERT INTO source VALUES ('not an id', '2024-01-01Z', 'u1', 'c1', 0, '2024-02-01 00:00:01Z')"

mapping() { printf '{"event_name": "%s", "time_column": "at", "user_column": "who", "insert_id_column": "id", "insert_time_column": "loaded_at"}' "$1"; }
batches() { echo "CALL analytics_groups.import_batches('source', '$(mapping "$1")', $((rows / 20)))"; }
function_of() { echo "SELECT analytics_groups.import_events('${3:-source}', '$(mapping "$1")', '$2')"; }

# What is stored of an event: how many, the sum of what tells the rows, and how many users.
stored() {
    sql -c "SELECT round(max(value) FILTER (WHERE metric = 'A')), round(max(value) FILTER (WHERE metric = 'B')), round(max(value) FILTER (WHERE metric = 'C'))
            FROM analytics_groups.insights('[\"$1\", {\"event\": \"$1\", \"measure\": \"sum\", \"property\": \"n\"}, {\"event\": \"$1\", \"measure\": \"unique\"}]',
                 '2024-01-01', '2024-12-31', unit => 'range')"
}
all=$(sql -c "SELECT count(*), sum(n), count(DISTINCT who) FROM source WHERE n > 0")
nothing='0|0|0'

pid_of() { sql -d postgres -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'importer' AND state = 'active'" 2>/dev/null || true; }
recovered() { wait_for "recovery" 'SELECT NOT pg_is_in_recovery()' -d postgres; }

# end_import HOW STATEMENT [QUERY] : runs a statement, and ends it when the query says t, or after a second. Says whether it was caught.
end_import() {
    local how=$1 pid i client caught=1
    PGAPPNAME=importer psql -XAtq -c "$2" >"$work/out" 2>&1 &
    client=$!
    jobs_started+=("$client")
    for ((i = 0; i < 200; i++)); do
        pid=$(pid_of)
        [ -n "$pid" ] && break
        sleep 0.02
    done
    if [ -n "${3:-}" ]; then wait_for "the middle of an import" "$3" || true; else sleep "0.$((3 + RANDOM % 5))"; fi
    if [ -n "$pid" ] && [ "$(pid_of)" = "$pid" ]; then
        if [ "$how" = kill ]; then as_db kill -9 "$pid" 2>/dev/null && kills=$((kills + 1)); else sql -d postgres -c "SELECT pg_terminate_backend($pid)" >/dev/null; fi
        caught=0
    fi
    wait "$client" 2>/dev/null || true
    recovered
    return "$caught"
}
kills=0

# ---- import_batches ---------------------------------------------------------------------------------------------------
for how in kill terminate; do
    event="Batches $how" caught=no
    if end_import "$how" "$(batches "$event")" "SELECT rows_read >= $((rows / 4)) FROM analytics_groups.imports WHERE target = 'events: $event'"; then caught=yes; fi
    equal "$how: import_batches was in the middle" yes "$caught"
    answers "$how: the view says that it was interrupted" 't|t|interrupted' \
        "SELECT rows_read >= $((rows / 4)), rows_read < $rows, state FROM analytics_groups.imports WHERE target = 'events: $event'"
    answers "$how: what was committed is there, and no more" t "SELECT split_part('$(stored "$event")', '|', 1)::bigint + refused = rows_read
        FROM analytics_groups.imports WHERE target = 'events: $event'"
    sql -c "$(batches "$event")" >/dev/null 2>&1
    equal "$how: run again, nothing is lost or doubled" "$all" "$(stored "$event")"
    answers "$how: and it is done" 'done|t' "SELECT state, rows_read = rows_expected FROM analytics_groups.imports WHERE target = 'events: $event'"
    sql -c "$(batches "$event")" >/dev/null 2>&1
    equal "$how: run once more, nothing is added" "$all" "$(stored "$event")"
done
answers 'the refused row is listed once for each' 'properties.$insert_id|1|1' \
    "SELECT field, count(*) FILTER (WHERE target LIKE '%kill'), count(*) FILTER (WHERE target LIKE '%terminate') FROM analytics_groups.import_errors GROUP BY 1"

# ---- import_events is one transaction -----------------------------------------------------------------------------------
for mode in append mirror; do
    # A mirror compares and stores for seconds, wherever it is caught; appending is over so soon that it has to be held.
    event="Function $mode" caught=no from=source until=
    if [ "$mode" = append ]; then
        from=paused until="SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE application_name = 'importer'"
        sql -c "UPDATE pause SET seconds = 60"
    fi
    if end_import kill "$(function_of "$event" "$mode" "$from")" "$until"; then caught=yes; fi
    equal "$mode: import_events was in the middle" yes "$caught"
    equal "$mode: killed, it has left nothing" "$nothing" "$(stored "$event")"
    sql -c "UPDATE pause SET seconds = 0"
    sql -c "$(function_of "$event" "$mode" "$from")" >/dev/null
    equal "$mode: run again, nothing is lost or doubled" "$all" "$(stored "$event")"
done
# A mirror that changes what is stored, killed and run again.
sql -c "UPDATE source SET n = n + 1 WHERE n % 3 = 0 AND n > 0" -c "DELETE FROM source WHERE n % 7 = 1" 
changed=$(sql -c "SELECT count(*), sum(n), count(DISTINCT who) FROM source WHERE n > 0")
if end_import kill "$(function_of 'Function mirror' mirror)"; then caught=yes; else caught=no; fi
equal "mirror: the second was in the middle" yes "$caught"
equal "mirror: killed, everything is as it was" "$all" "$(stored 'Function mirror')"
sql -c "$(function_of 'Function mirror' mirror)" >/dev/null
equal "mirror: run again, it has what the source has" "$changed" "$(stored 'Function mirror')"
before=$(stored 'Function mirror')$(stored 'Batches kill')
sql -c 'CALL analytics_groups.maintain()'
equal "maintenance changes no answer" "$before" "$(stored 'Function mirror')$(stored 'Batches kill')"
healthy "after all of it"

log_clean "$server" "$kills"
rm -rf "$work"
done_testing
