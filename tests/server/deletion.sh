#!/usr/bin/env bash
# A deleted user is nowhere: not in a report, not in a table, and after maintenance not in a file of the database either; a
# kill in the middle of a deletion leaves everybody; and a dump of what is left restores to the same.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/common.sh"

new_cluster server 'restart_after_crash = on' 'autovacuum_naptime = 1s'
cluster_use "$server" deletion
createdb deletion
sql -c 'CREATE EXTENSION analytics_groups' -c "SELECT analytics_groups.add_group_key('company_id')" >/dev/null
id=erase-me-7f3a9c user=erase_me_7f3a9c@example.com

batch() { # FIRST LAST : events of many users, and every tenth of the one, who names himself in properties as well
    sql -c "SELECT analytics_groups.track_ndjson(string_agg(jsonb_build_object('event', 'Event ' || i % 3, 'properties', jsonb_build_object(
        'time', 1704067200 + i * 600, 'distinct_id', CASE WHEN i % 10 = 0 THEN '$user' ELSE 'u' || i % 200 END, '\$insert_id', 'i' || i,
        'company_id', CASE WHEN i % 10 = 0 THEN '$id' ELSE 'c' || i % 20 END, 'contact', CASE WHEN i % 10 = 0 THEN '$user' END))::text, E'\n'))
        ->> 'num_records_imported' FROM generate_series($1, $2) AS i"
}
counts() {
    sql -c "SELECT string_agg(value::text, ' ' ORDER BY metric) FROM analytics_groups.insights('[{\"event\": \"\$any\", \"label\": \"1\"},
        {\"event\": \"\$any\", \"measure\": \"unique\", \"label\": \"2\"}, {\"event\": \"\$any\", \"measure\": \"unique\", \"by\": \"company_id\", \"label\": \"3\"}]',
        '2024-01-01', '2024-12-31', unit => 'range')" "$@" 2>&1
}
files() { sql -c CHECKPOINT; { as_db grep -rlaF -e "$id" -e "$user" "$server/data/base" "$server/data/global" || true; } | wc -l; }
traces() { sql -c "SELECT coalesce(sum(traces), 0) FROM analytics_groups.erased('$user')" "$@"; }

equal "events are stored" 3000 "$(batch 1 3000)"
sql -c 'CALL analytics_groups.maintain()'
equal "more wait" 1000 "$(batch 3001 4000)"
sql -c "SELECT analytics_groups.track('One', '$user', '{\"company_id\": \"$id\"}', at => '2024-01-05 10:00Z')" \
    -c "SELECT analytics_groups.update_users('{\"\$distinct_id\": \"$user\", \"\$set\": {\"\$email\": \"$user\"}}')" \
    -c "SELECT analytics_groups.update_groups('{\"\$group_key\": \"company_id\", \"\$group_id\": \"$id\", \"\$set\": {\"\$name\": \"$id\"}}')" \
    -c "SELECT analytics_groups.set_group(u, 'company_id', '[\"c1\", \"$id\"]') FROM unnest(ARRAY['$user', 'u7']) AS u" >/dev/null
sql -c 'ANALYZE'
equal "everybody is counted" '4001 181 19' "$(counts)"
if [ "$(files)" -gt 0 ]; then pass "the ids are in the files of the database"; else flunk "the ids are in the files of the database"; fi

# Killed in the middle, before it was committed: nothing has happened.
sql -c "SET application_name = 'doomed'" -c BEGIN -c "SELECT analytics_groups.delete_user('$user')" -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &
doomed=$!
jobs_started+=("$doomed")
wait_for "a deletion" "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'doomed' AND query LIKE '%pg_sleep%'" -d postgres
as_db kill -9 "$(sql -d postgres -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'doomed'")"
wait "$doomed" || true
wait_for "recovery" 'SELECT NOT pg_is_in_recovery()' -d postgres
equal "a killed deletion deleted nothing" '4001 181 19' "$(counts)"
healthy "after the kill"

equal "the user's events" 401 "$(sql -c "SELECT analytics_groups.delete_user('$user')")"
equal "the others are counted" '3600 180 18' "$(counts)"
equal "of the group nothing but the id and a profile was left" 0 "$(sql -c "SELECT analytics_groups.delete_group('company_id', '$id', events => true)")"
healthy "after the deletion"
# Old snapshots of the server's own workers keep old rows now and then: maintenance is asked until it says that it is done.
for ((i = 0; i < 100; i++)); do
    sql -c 'CALL analytics_groups.maintain()' 2>/dev/null
    [ "$(traces)" = 0 ] && break
    sleep 0.1
done
equal "erased() finds nothing" 0 "$(traces)"
equal "and neither does a search of the files" 0 "$(files)"
equal "what is noted names nobody" 'user 401 f, group 0 f' \
    "$(sql -c "SELECT string_agg(concat_ws(' ', what, events, on_disk), ', ' ORDER BY at) FROM analytics_groups.deletions")"
healthy "after maintenance"

pg_dump -Fc -f "$server/dump" deletion
createdb restored
pg_restore -d restored "$server/dump"
equal "restored: the others are counted" '3600 180 18' "$(counts -d restored)"
equal "restored: erased() finds nothing" 0 "$(traces -d restored)"
healthy "restored" -d restored

# What is sent again counts again.
batch 3901 4000 >/dev/null
equal "the same again, of somebody new" '3610 181 19' "$(counts)"

# The killed backend is logged as such; nothing else is.
log_clean "$server" 1
done_testing
