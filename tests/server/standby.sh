#!/usr/bin/env bash
# A streaming hot standby answers every report as the primary does; so does a READ ONLY transaction. Neither may write.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/common.sh"

new_cluster primary 'wal_level = replica' 'max_wal_senders = 4' 'hot_standby = on' 'fsync = off'
cluster_use "$primary" standby_test
createdb standby_test
sql -c 'CREATE EXTENSION analytics_groups'
sql -v events=30000 -f "$DATA/generate.sql"
sql -f "$DATA/load.sql" 2>/dev/null
sql -f "$DATA/cohorts.sql" >/dev/null
sql -c 'DROP SCHEMA source CASCADE' 2>/dev/null
# A device that became a user, and two users that became one: reports read through links.
sql -c "SELECT analytics_groups.track('Page View', NULL, '{\"\$device_id\": \"d1\"}', at => '2024-03-30 12:00Z'),
               analytics_groups.track('Page View', NULL, '{\"\$device_id\": \"d1\", \"\$user_id\": \"u000001\"}', at => '2024-03-30 13:00Z'),
               analytics_groups.merge('u000003', 'u000002')" >/dev/null
# Something that waits for maintenance.
sql -c "SELECT analytics_groups.track('Page View', 'u000001', '{\"company_id\": \"c0001\"}', at => '2024-03-31 12:00Z')" >/dev/null

standby=$(cluster_dir standby)
dirs+=("$standby")
as_db mkdir "$standby/socket"
as_db chmod 700 "$standby/socket"
as_db env PGHOST="$PGHOST" PGPORT="$PGPORT" PGUSER=postgres "$PGBIN/pg_basebackup" -D "$standby/data" -R -c fast -X stream --no-sync
cluster_configure "$standby"
cluster_start "$standby"

on_primary() { cluster_use "$primary" standby_test; }
on_standby() { cluster_use "$standby" standby_test; }
caught_up() {
    local lsn
    on_primary
    lsn=$(sql -c 'SELECT pg_current_wal_lsn()')
    on_standby
    wait_for "the standby to catch up" "SELECT pg_last_wal_replay_lsn() >= '$lsn'"
}
digest() { psql -XAtq -v ON_ERROR_STOP=1 -f "$ROOT/tests/server/digest.sql" 2>&1 || true; }
read_only() { (printf 'BEGIN TRANSACTION READ ONLY;\n'; cat "$ROOT/tests/server/digest.sql"; printf 'COMMIT;\n') | psql -XAtq -v ON_ERROR_STOP=1 2>&1 || true; }

caught_up
answers "it is a standby" t 'SELECT pg_is_in_recovery()'
on_primary
want=$(digest)
equal "the primary answers" '' "$(grep -n ERROR <<<"$want" || true)"
equal "the primary answers the same in a READ ONLY transaction" "$want" "$(read_only)"
on_standby
equal "the standby answers the same" "$want" "$(digest)"
equal "the standby answers the same in a READ ONLY transaction" "$want" "$(read_only)"

# Every function that only reads can be called on the standby: none may fail for wanting to write.
for call in \
    "SELECT count(*) > 0 FROM analytics_groups.projects" \
    "SELECT count(*) > 0 FROM analytics_groups.group_keys" \
    "SELECT count(*) > 0 FROM analytics_groups.lexicon_events" \
    "SELECT count(*) > 0 FROM analytics_groups.lexicon_properties" \
    "SELECT count(*) > 0 FROM analytics_groups.storage_stats()" \
    "SELECT count(*) = 0 FROM analytics_groups.verify()" \
    "SELECT analytics_groups.user_profile('u000001') IS NOT NULL" \
    "SELECT analytics_groups.group_profile('company_id', 'c0001') IS NOT NULL"; do
    answers "on the standby: $call" t "$call"
    answers "read only: $call" t "BEGIN TRANSACTION READ ONLY; $call; COMMIT;"
done
# The standby has seen no event by that name: the notice about it must not write either.
answers "an unknown event is zero on the standby" 0 \
    "SET client_min_messages = warning; SELECT value FROM analytics_groups.insights('[\"Nobody Sent This\"]', '2024-01-01', '2024-01-01')"

# Writing says so, in Postgres' own words.
raises "track is refused on the standby" 25006 "SELECT analytics_groups.track('X', 'u1', '{}', at => '2024-01-01Z')"
raises "maintain is refused on the standby" 25006 "CALL analytics_groups.maintain()"
raises "add_group_key is refused on the standby" 25006 "SELECT analytics_groups.add_group_key('x_id')"
on_primary
raises "track is refused in a READ ONLY transaction" 25006 "BEGIN TRANSACTION READ ONLY; SELECT analytics_groups.track('X', 'u1', '{}', at => '2024-01-01Z'); COMMIT;"
# A report takes no transaction id, so that reading costs the primary nothing.
answers "a report takes no transaction id" t "BEGIN;
    DO \$\$ BEGIN PERFORM * FROM analytics_groups.insights('[\"\$any\"]', '2024-01-01', '2024-01-01'); END \$\$;
    SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT;"

# New events, new names and a compaction arrive over there as well, in one piece, while readers are at work.
on_standby
(for _ in $(seq 1 30); do sql -c "SELECT sum(value) FROM analytics_groups.insights('[\"Page View\"]', '2024-01-01', '2024-03-31')" 2>&1 || true; done) >"$standby.read" &
reader=$!
jobs_started+=("$reader")
on_primary
sql -c "SELECT analytics_groups.track('Brand New', 'brand-new', '{\"company_id\": \"brand-new\"}', at => '2024-04-01 12:00Z')" >/dev/null
sql -c 'CALL analytics_groups.maintain()'
wait "$reader" || true
equal "a reader on the standby saw one answer all the time" 1 "$(sort -u "$standby.read" | grep -vc 'conflict with recovery' || true)"
rm -f "$standby.read"
caught_up
on_primary
want=$(digest)
on_standby
equal "the standby answers the same after new events and a compaction" "$want" "$(digest)"

# It takes over, and writes.
as_db "$PGBIN/pg_ctl" -D "$standby/data" promote -w >/dev/null
answers "the promoted standby tracks" t "SELECT analytics_groups.track('After', 'promoted', '{\"company_id\": \"promoted\"}', at => '2024-04-02 12:00Z')"
sql -c 'CALL analytics_groups.maintain()'
answers "and counts" 1 "SELECT value FROM analytics_groups.insights('[{\"event\": \"After\", \"measure\": \"unique\", \"by\": \"company_id\"}]', '2024-04-02', '2024-04-02')"
healthy "the promoted standby"
log_clean "$primary"
log_clean "$standby"
done_testing
