#!/usr/bin/env bash
# pg_dump and back, plain and custom format: the same answers, the same contents, and life goes on: what is new after the
# restore gets numbers that collide with nothing.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/common.sh"

new_cluster server 'fsync = off' 'full_page_writes = off'
cluster_use "$server" origin
work=$(mktemp -d)
chmod 755 "$work"

createdb origin
sql -c 'CREATE EXTENSION analytics_groups'
sql -v events=30000 -f "$DATA/generate.sql"
sql -f "$DATA/load.sql" 2>/dev/null
sql -f "$DATA/cohorts.sql" >/dev/null
# Some of it compacted, some still as it came; a second project; something hidden in the registry's own tables.
sql <<'SQL' >/dev/null
SELECT analytics_groups.track('Sign Up', 'fresh' || i, '{"company_id": "c0001"}', at => '2024-03-31 12:00Z') FROM generate_series(1, 50) AS i;
SELECT analytics_groups.create_project('second', timezone => 'Asia/Tokyo', week_start => 'sunday');
SELECT analytics_groups.add_group_key('org', 'Organisation', project => 'second');
SELECT analytics_groups.track('Hello', 'u1', '{"org": "o1"}', at => '2024-01-01 00:00Z', project => 'second');
DROP SCHEMA source CASCADE;
SQL

digest() { psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -f "$ROOT/tests/server/digest.sql" 2>&1 || true; }
store() { psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -f "$ROOT/tests/server/digest_store.sql" 2>&1 || true; }
projects() { sql -d "$1" -c 'SELECT project, timezone, week_start, owner FROM analytics_groups.projects ORDER BY project' 2>&1 || true; }
hello="SELECT value FROM analytics_groups.insights('[{\"event\": \"Hello\", \"measure\": \"unique\", \"by\": \"org\"}]', '2024-01-01', '2024-01-01', project => 'second')"

healthy "before the dump"
answers "before the dump: the second project answers" 1 "$hello"
want=$(digest origin) want_store=$(store origin) want_projects=$(projects origin)
equal "the digest is one of answers" '' "$(grep -n 'ERROR' <<<"$want$want_store" || true)"

# new_life DATABASE : a user, a group, an event name, a property and a project nobody had before.
new_life() {
    local db=$1 count="SELECT metric, value FROM analytics_groups.insights('[{\"event\": \"\$any\", \"measure\": \"total\", \"label\": \"1\"},
        {\"event\": \"\$any\", \"measure\": \"unique\", \"label\": \"2\"}, {\"event\": \"\$any\", \"measure\": \"unique\", \"by\": \"company_id\", \"label\": \"3\"}]',
        '2024-01-01', '2024-04-30', unit => 'range') ORDER BY metric" before after
    before=$(sql -d "$db" -c "$count")
    sql -d "$db" >/dev/null <<'SQL'
SELECT analytics_groups.track('Brand New', 'brand-new-user', '{"company_id": "brand-new-company", "brand_new": 1}', at => '2024-04-01 12:00Z');
SELECT analytics_groups.track('Brand New', 'brand-new-user', '{"company_id": "c0001"}', at => '2024-04-01 13:00Z');
SELECT analytics_groups.track('Page View', 'u000001', '{"company_id": "c0001"}', at => '2024-04-01 14:00Z');
SELECT analytics_groups.create_project('third');
SELECT analytics_groups.add_group_key('org', project => 'third');
SQL
    after=$(sql -d "$db" -c "$count")
    equal "$db: three events, one user and one company more" \
        "$(awk -F'|' '{ printf "%d|%d\n", $1, $2 + ($1 == 1 ? 3 : 1) }' <<<"$before")" "$after"
    sql -d "$db" -c 'CALL analytics_groups.maintain()'
    equal "$db: the same after maintenance" "$after" "$(sql -d "$db" -c "$count")"
    healthy "$db after new events" -d "$db"
    answers "$db: no id is taken twice" 't' \
        "SELECT count(*) = count(DISTINCT data_group_id) FROM analytics_groups.group_keys" -d "$db"
}

restored() { # DATABASE
    equal "$1: every report answers the same" "$want" "$(digest "$1")"
    equal "$1: every table holds the same" "$want_store" "$(store "$1")"
    equal "$1: the projects are the same" "$want_projects" "$(projects "$1")"
    answers "$1: the second project answers" 1 "$hello" -d "$1"
    healthy "$1" -d "$1"
    new_life "$1"
}

pg_dump origin >"$work/plain.sql"
pg_dump -Fc origin >"$work/custom"
equal "the dump makes the extension with CREATE EXTENSION" 1 "$(grep -c '^CREATE EXTENSION IF NOT EXISTS analytics_groups' "$work/plain.sql")"
equal "the dump has no functions of the extension" 0 "$(grep -c '^CREATE FUNCTION analytics_groups\.' "$work/plain.sql" || true)"

# Into a cluster that never saw the project.
new_cluster other 'fsync = off' 'full_page_writes = off'
cluster_use "$other" postgres
createdb from_plain
equal "plain: restores without an error" '' "$(psql -Xq -d from_plain -f "$work/plain.sql" 2>&1 | grep -E 'ERROR|WARNING' || true)"
restored from_plain
createdb from_custom
equal "custom: restores without an error" '' "$(pg_restore -d from_custom -j 2 "$work/custom" 2>&1 || true)"
restored from_custom
# The dump of the restored database restores as well.
createdb again
pg_dump -Fc from_custom | pg_restore -d again
equal "the dump of a restored database restores" "$(digest from_custom)" "$(digest again)"
log_clean "$other"

cluster_use "$server" origin
equal "the origin is as it was" "$want" "$(digest origin)"
sql -c "SELECT analytics_groups.drop_project('second')" >/dev/null
sql -c 'DROP EXTENSION analytics_groups CASCADE' 2>/dev/null
answers "DROP EXTENSION leaves the data of projects alone" 't' "SELECT count(*) > 0 FROM pg_tables WHERE schemaname = 'analytics_default'"
log_clean "$server"
rm -rf "$work"
done_testing
