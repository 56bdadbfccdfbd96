#!/usr/bin/env bash
# What is rolled back was never there: not the event, and not the number a new user, company, event name or property had
# got in the meantime. A cache that outlives the rollback would hand out that number again, to somebody else.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/common.sh"

new_cluster server 'fsync = off' 'full_page_writes = off' 'max_prepared_transactions = 4'
cluster_use "$server" savepoints
createdb savepoints
sql -c 'CREATE EXTENSION analytics_groups' -c "SELECT analytics_groups.add_group_key('company_id')" >/dev/null

one() { echo "SELECT analytics_groups.track('$1', '$2', '{\"company_id\": \"$3\", \"prop_$3\": \"$3\"}', at => '2024-01-01 ${4:-10:00}Z');"; }
# Events, users and companies of an event name, as a fresh backend counts them.
counts() {
    sql -c "SET client_min_messages = warning" -c "SELECT string_agg(value::text, ' ' ORDER BY metric) FROM analytics_groups.insights('[{\"event\": \"$1\", \"measure\": \"total\", \"label\": \"1\"},
        {\"event\": \"$1\", \"measure\": \"unique\", \"label\": \"2\"}, {\"event\": \"$1\", \"measure\": \"unique\", \"by\": \"company_id\", \"label\": \"3\"}]', '2024-01-01', '2024-01-01', unit => 'range')" 2>&1
}
users() {
    sql -c "SET client_min_messages = warning" -c "SELECT string_agg(segment[1], ' ' ORDER BY segment[1] COLLATE \"C\") FROM analytics_groups.insights('[\"$1\"]', '2024-01-01', '2024-01-01', breakdown => '[\"user.\$distinct_id\"]') WHERE value > 0" 2>&1
}
companies() {
    sql -c "SET client_min_messages = warning" -c "SELECT string_agg(segment[1], ' ' ORDER BY segment[1] COLLATE \"C\") FROM analytics_groups.insights('[{\"event\": \"$1\", \"by\": \"company_id\"}]', '2024-01-01', '2024-01-01', breakdown => '[\"group.company_id\"]') WHERE value > 0" 2>&1
}

# New user, company, event and property inside a savepoint, rolled back, then the same again.
sql >/dev/null <<SQL
BEGIN;
$(one First zoe zeta 09:00)
SAVEPOINT s;
$(one Second ann acme)
ROLLBACK TO s;
$(one Second ann acme)
COMMIT;
SQL
equal "the same again after ROLLBACK TO" "1 1 1" "$(counts Second)"
equal "it is ann" ann "$(users Second)"

# Rolled back, then somebody else first: the numbers must not be mixed up.
sql >/dev/null <<SQL
BEGIN;
SAVEPOINT s;
$(one Third bob beta)
$(one Third cid gamma)
ROLLBACK TO s;
$(one Third dan delta)
$(one Third bob beta)
COMMIT;
$(one Third cid gamma)
SQL
equal "others first after ROLLBACK TO: counts" "3 3 3" "$(counts Third)"
equal "others first after ROLLBACK TO: users" "bob cid dan" "$(users Third)"
equal "others first after ROLLBACK TO: companies" "beta delta gamma" "$(companies Third)"

# A whole transaction rolled back, in a session that goes on.
sql >/dev/null <<SQL
BEGIN;
$(one Fourth eve epsilon)
ROLLBACK;
$(one Fourth fay phi)
$(one Fourth eve epsilon)
SQL
equal "after ROLLBACK: counts" "2 2 2" "$(counts Fourth)"
equal "after ROLLBACK: users" "eve fay" "$(users Fourth)"

# The number rolled back here is taken by another session meanwhile.
sql >/dev/null <<SQL
BEGIN;
SAVEPOINT s;
$(one Fifth gus gimel)
ROLLBACK TO s;
\! psql -XAtq -c "$(one Fifth hal he | sed 's/"/\\"/g')" >/dev/null
$(one Fifth gus gimel)
COMMIT;
SQL
equal "another session in between: counts" "2 2 2" "$(counts Fifth)"
equal "another session in between: users" "gus hal" "$(users Fifth)"

# An error in a batch that aborts, caught by PL/pgSQL (a savepoint of its own).
sql >/dev/null <<'SQL'
DO $$
BEGIN
    BEGIN
        PERFORM analytics_groups.track('Sixth', 'ida', '{"company_id": "iota"}', at => '2024-01-01 10:00Z');
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    PERFORM analytics_groups.track('Sixth', 'jon', '{"company_id": "jot"}', at => '2024-01-01 10:00Z');
    PERFORM analytics_groups.track('Sixth', 'ida', '{"company_id": "iota"}', at => '2024-01-01 10:00Z');
END $$;
SQL
equal "a caught exception: counts" "2 2 2" "$(counts Sixth)"
equal "a caught exception: users" "ida jon" "$(users Sixth)"

# More savepoints than a backend keeps in shared memory, every other one rolled back.
{
    echo 'BEGIN;'
    for i in $(seq 1 150); do
        echo "SAVEPOINT s$i;"
        one Seventh "many$i" "many$i"
        [ $((i % 2)) -eq 0 ] || echo "ROLLBACK TO s$i;"
    done
    echo 'COMMIT;'
} | sql -f - >/dev/null
equal "150 savepoints, every other one rolled back" "75 75 75" "$(counts Seventh)"

# Prepared transactions: both ends.
sql >/dev/null <<SQL
BEGIN;
$(one Eighth kim kappa)
PREPARE TRANSACTION 'keep';
SQL
equal "a prepared transaction is not there yet" "0 0 0" "$(counts Eighth)"
sql -c "COMMIT PREPARED 'keep'"
equal "and is when it commits" "1 1 1" "$(counts Eighth)"

# A group key, a project and a profile that were rolled back.
sql >/dev/null <<'SQL'
BEGIN;
SELECT analytics_groups.add_group_key('team_id');
SELECT analytics_groups.track('Ninth', 'leo', '{"team_id": "red"}', at => '2024-01-01 10:00Z');
ROLLBACK;
SELECT analytics_groups.track('Ninth', 'leo', '{"team_id": "red"}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.add_group_key('team_id');
SQL
answers "a rolled-back key attributed nothing" 0 \
    "SELECT value FROM analytics_groups.insights('[{\"event\": \"Ninth\", \"measure\": \"unique\", \"by\": \"team_id\"}]', '2024-01-01', '2024-01-01')"
sql >/dev/null <<'SQL'
BEGIN;
SELECT analytics_groups.create_project('gone');
SELECT analytics_groups.track('X', 'u', at => '2024-01-01Z', project => 'gone');
ROLLBACK;
SQL
answers "a rolled-back project is gone" 0 "SELECT count(*) FROM pg_namespace WHERE nspname = 'analytics_gone'"
answers "and can be made" t "SELECT analytics_groups.create_project('gone') > 0"
sql >/dev/null <<'SQL'
BEGIN;
SELECT analytics_groups.update_users('{"$distinct_id": "mia", "$set": {"plan": "pro"}}');
ROLLBACK;
SELECT analytics_groups.track('Tenth', 'ned', '{}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.update_users('{"$distinct_id": "mia", "$set": {"plan": "free"}}');
SQL
answers "a rolled-back profile is not there" free "SELECT analytics_groups.user_profile('mia') ->> 'plan'"
answers "nor is it anybody else's" t "SELECT coalesce(analytics_groups.user_profile('ned') ->> 'plan', '') = ''"

# maintain() inside a transaction block that rolls back, when it may run there at all, changes nothing.
before="$(counts Third) $(counts Seventh)"
psql -XAtq -c 'BEGIN' -c 'CALL analytics_groups.maintain()' -c 'ROLLBACK' >/dev/null 2>&1 || true
equal "maintain() rolled back" "$before" "$(counts Third) $(counts Seventh)"
sql -c 'CALL analytics_groups.maintain()'
equal "maintain()" "$before" "$(counts Third) $(counts Seventh)"
healthy "after all of it"
log_clean "$server"
done_testing
