#!/usr/bin/env bash
# A report, a batch and a compaction stop when they are told to, soon and without harm: statement_timeout and
# pg_cancel_backend. The time from the wish to the end is measured and printed; the target is 250 ms, the test allows 2 s.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/common.sh"

events=${CANCEL_EVENTS:-1000000}
new_cluster server 'fsync = off' 'full_page_writes = off' 'max_wal_size = 4GB'
cluster_use "$server" cancel
createdb cancel
sql -c 'CREATE EXTENSION analytics_groups' -c 'ALTER DATABASE cancel SET analytics_groups.auto_maintain = off'
sql -v "events=$events" -f "$DATA/generate.sql"
# A part of the load stays uncompacted for maintain() to be interrupted in.
sed '/^CALL /d' "$DATA/load.sql" >"$server.load.sql"
sql -f "$server.load.sql" 2>/dev/null
rm -f "$server.load.sql"
sql -c "SELECT analytics_groups.define_cohort('everything', '{\"sequence\": [\"\$any\", \"\$any\", \"\$any\"], \"within\": \"60 days\"}', by => 'company_id')" >/dev/null
sql -c 'DROP SCHEMA source CASCADE' 2>/dev/null

# States of behaviour aggregates as large as groups can be: what a final function does with them.
sql <<'SQL'
CREATE AGGREGATE funnel_state(bigint, bigint, VARIADIC boolean[]) (SFUNC = analytics_groups.window_funnel_trans, STYPE = analytics_groups.behaviour_state);
CREATE AGGREGATE path_state(bigint, text) (SFUNC = analytics_groups.path_trans, STYPE = analytics_groups.behaviour_state);
CREATE TABLE states AS SELECT funnel_state(10, n * 7919 % 4000037, n % 2 = 0, n % 3 = 0, n % 70001 = 0) AS funnel, path_state(n * 7919 % 4000037, 'View') AS path
FROM generate_series(1::bigint, 4000000) AS n;
SQL

any='"$any"'
declare -A long=(
    [insights]="SELECT count(*) FROM analytics_groups.insights('[{\"event\": $any, \"measure\": \"unique\"}, {\"event\": $any, \"measure\": \"unique\", \"by\": \"company_id\"}]', '2024-01-01', '2024-03-31', unit => 'hour', breakdown => '[\"browser\", \"country\", \"page\"]')"
    [measures]="SELECT count(*) FROM analytics_groups.insights('[{\"event\": $any, \"measure\": \"mau\"}, {\"event\": $any, \"measure\": \"distribution\", \"by\": \"company_id\"}]', '2024-01-01', '2024-03-31', breakdown => '[\"browser\", \"country\", \"page\"]')"
    [frequency]="SELECT count(*) FROM analytics_groups.frequency('$any', '2024-01-01', '2024-03-31', by => 'company_id', unit => 'day')"
    [funnel]="SELECT count(*) FROM analytics_groups.funnel('[$any, $any, $any, $any, $any, $any]', '2024-01-01', '2024-03-31', within => '60 days', by => 'company_id')"
    [attempts]="SELECT count(*) FROM analytics_groups.funnel('[$any, $any, $any]', '2024-01-01', '2024-03-31', within => '60 days', by => 'company_id', count => 'total', reentry => 'optimized', breakdown => '[\"page\"]')"
    [retention]="SELECT count(*) FROM analytics_groups.retention('$any', '$any', '2024-01-01', '2024-03-31', buckets => 60, by => 'company_id')"
    [whom]="SELECT count(*) FROM analytics_groups.insights_members('[{\"event\": $any, \"measure\": \"median\", \"per\": {\"measure\": \"distinct\", \"property\": \"page\"}, \"by\": \"company_id\"}]', '2024-01-01', '2024-03-31', unit => 'range', breakdown => '[\"browser\", \"country\"]', top => 1, segment => '{\$other,\$other}')"
    [dropped]="SELECT count(*) FROM analytics_groups.funnel_members('[$any, $any, $any, $any, $any, $any]', '2024-01-01', '2024-03-31', within => '60 days', by => 'company_id', step => 6)"
    [lost]="SELECT count(*) FROM analytics_groups.retention_members('$any', '$any', '2024-01-01', '2024-03-31', buckets => 60, by => 'company_id', breakdown => '[\"page\"]', segment => '{x}', cohort => '2024-01-01Z', bucket => 1)"
    [flown]="SELECT count(*) FROM analytics_groups.flow_members('$any', '2024-01-01', '2024-03-31', count => 'total', reverse => 5, forward => 5)"
    [activity]="SELECT count(*) FROM analytics_groups.query_groups('company_id') AS g, analytics_groups.activity('company_id', g.id, '2024-01-01', '2024-03-31', page_size => NULL)"
    [export]="SELECT count(*) FROM analytics_groups.export_events('2024-01-01', '2024-03-31')"
    [relation]="SELECT count(properties) FROM analytics_default.events"
    [company]="SELECT sum(mau) FROM analytics_groups.query_groups('company_id') AS g, analytics_groups.company_profile(g.id, '2024-03-31')"
    [cohort]="SELECT count(*) FROM analytics_groups.cohort_size('everything', '2024-01-01', '2024-03-31')"
    [sessions]="SELECT count(*) FROM analytics_groups.sessions('2024-01-01', '2024-03-31', by => 'company_id')"
    [flows]="SELECT count(*) FROM analytics_groups.flows('$any', '2024-01-01', '2024-03-31', count => 'total', reverse => 5, forward => 5)"
    [journeys]="SELECT count(*) FROM analytics_groups.flows('[$any, $any]', '2024-01-01', '2024-03-31', by => 'company_id', count => 'total', reverse => 5, forward => 5, split => '{\"\$any\": \"page\"}')"
    [behaviour]="SELECT analytics_groups.window_funnel_final(funnel) FROM states"
    [path]="SELECT analytics_groups.path_agg_final(path) FROM states"
    [segments]="SELECT count(*) FROM analytics_groups.sessions('2024-01-01', '2024-03-31', by => 'company_id', breakdown => '[\"page\", \"\$origin_start\"]')"
    [counts]="SELECT count(*) FROM analytics_groups.insights('{\"event\": $any, \"measure\": \"sessions\", \"by\": \"company_id\"}', '2024-01-01', '2024-03-31', breakdown => '[\"page\"]')"
)

# A run that was faster than the interruption says nothing; then the interruption comes sooner.
timed_out() { # WHAT QUERY
    local ms start took out
    for ms in 300 100 30 10 3 1; do
        start=$(date +%s%N)
        out=$(sql -v VERBOSITY=sqlstate -c "SET statement_timeout = $ms" -c "$2" 2>&1 || true)
        took=$((($(date +%s%N) - start) / 1000000))
        if grep -q 57014 <<<"$out"; then
            say "        $1: statement_timeout of $ms ms ended it after $took ms in all"
            if [ $((took - ms)) -le 2000 ]; then pass "$1 obeys statement_timeout"; else flunk "$1 obeys statement_timeout" "$((took - ms)) ms late"; fi
            return
        fi
        if grep -q ERROR <<<"$out"; then break; fi
    done
    flunk "$1 obeys statement_timeout" "$out"
}

cancelled() { # WHAT QUERY
    local delay pid start took client out i
    for delay in 0.3 0.1 0.03 0.0; do
        PGAPPNAME="cancel-$1" psql -XAtq -v VERBOSITY=sqlstate -c "$2" >"$server.out" 2>&1 &
        client=$!
        jobs_started+=("$client")
        pid=
        for ((i = 0; i < 100; i++)); do
            pid=$(sql -d postgres -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'cancel-$1' AND state = 'active'" || true)
            [ -n "$pid" ] && break
        done
        sleep "$delay"
        start=$(date +%s%N)
        [ -z "$pid" ] || sql -d postgres -c "SELECT pg_cancel_backend($pid)" >/dev/null
        wait "$client" 2>/dev/null || true
        took=$((($(date +%s%N) - start) / 1000000))
        out=$(cat "$server.out")
        rm -f "$server.out"
        if grep -q 57014 <<<"$out"; then
            say "        $1: gone $took ms after pg_cancel_backend (psql's start included)"
            if [ "$took" -le 2000 ]; then pass "$1 obeys pg_cancel_backend"; else flunk "$1 obeys pg_cancel_backend" "$took ms"; fi
            return
        fi
    done
    flunk "$1 obeys pg_cancel_backend" "$out"
}

for report in insights measures frequency funnel attempts retention sessions segments counts flows journeys whom dropped lost flown activity export company behaviour path; do
    timed_out "$report" "${long[$report]}"
    cancelled "$report" "${long[$report]}"
done

big="SELECT analytics_groups.track_ndjson(string_agg('{\"event\":\"Big\",\"properties\":{\"distinct_id\":\"b' || i || '\",\"time\":1704067200,\"\$insert_id\":\"x' || i || '\",\"company_id\":\"c' || i % 999 || '\"}}', E'\n')) ->> 'num_records_imported' FROM generate_series(1, 400000) AS i"
total="SELECT value FROM analytics_groups.insights('[\"Big\"]', '2024-01-01', '2024-01-01')"
cancelled "track_ndjson" "$big"
answers "what was cancelled left nothing" 0 "SET client_min_messages = warning; $total"
cancelled "maintain" 'CALL analytics_groups.maintain()'
timed_out "maintain" 'CALL analytics_groups.maintain()'
healthy "after all of it"

# And the same session goes on as if nothing had happened.
equal "the same session goes on after a timeout" 7 "$(psql -XAtq 2>/dev/null <<SQL | tail -n 1
SET statement_timeout = 5;
${long[funnel]};
RESET statement_timeout;
SELECT count(*) FROM analytics_groups.insights('["Page View"]', '2024-01-01', '2024-01-07');
SQL
)"
sql -c 'CALL analytics_groups.maintain()'
healthy "after a full maintenance"
log_clean "$server"
done_testing
