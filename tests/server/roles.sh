#!/usr/bin/env bash
# Who may do what: reader, writer and admin of one project, somebody of another project, somebody with no grant at all.
# No message may say what is in a project to somebody who may not read it.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/common.sh"

new_cluster server 'fsync = off' 'full_page_writes = off'
cluster_use "$server" roles
createdb roles
sql >/dev/null <<'SQL'
CREATE EXTENSION analytics_groups;
CREATE ROLE reader LOGIN; CREATE ROLE writer LOGIN; CREATE ROLE admin LOGIN; CREATE ROLE other LOGIN; CREATE ROLE nobody LOGIN;
CREATE ROLE team NOLOGIN; CREATE ROLE member LOGIN IN ROLE team;
SELECT analytics_groups.create_project('shop');
SELECT analytics_groups.create_project('secret');
SELECT analytics_groups.add_group_key('company_id', project => p), analytics_groups.track('Seen', 'ann-of-' || p, '{"company_id": "acme"}', at => '2024-01-01 10:00Z', project => p)
FROM unnest('{shop,secret}'::text[]) AS p;
SELECT analytics_groups.set_company_key('company_id', project => p) FROM unnest('{shop,secret}'::text[]) AS p;
SELECT analytics_groups.track('Hidden Treasure', 'captain', '{"map": "x"}', at => '2024-01-01 10:00Z', project => 'secret');
CREATE TABLE public.rows AS SELECT 'bought'::text AS kind, '2024-01-03 10:00Z'::timestamptz AS at, 'zoe'::text AS who;
GRANT SELECT ON public.rows TO PUBLIC;
CREATE TABLE public.closed AS TABLE public.rows;
SELECT analytics_groups.grant_access('reader', 'reader', project => 'shop');
SELECT analytics_groups.grant_access('writer', 'writer', project => 'shop');
SELECT analytics_groups.grant_access('admin', 'admin', project => 'shop');
SELECT analytics_groups.grant_access('team', 'reader', project => 'shop');
SELECT analytics_groups.grant_access('other', 'admin', project => 'secret');
SQL

count="SELECT value FROM analytics_groups.insights('[\"Seen\"]', '2024-01-01', '2024-01-01', project => 'PROJECT')"
funnel="SELECT count(*) FROM analytics_groups.funnel('[\"Seen\", \"Seen\"]', '2024-01-01', '2024-01-01', by => 'company_id', project => 'PROJECT')"
retention="SELECT count(*) > 0 FROM analytics_groups.retention('\"Seen\"', '\"Seen\"', '2024-01-01', '2024-01-01', project => 'PROJECT')"
lifecycle="SELECT sum(count) FROM analytics_groups.lifecycle('\"Seen\"', '2024-01-01', '2024-01-01', by => 'company_id', project => 'PROJECT')"
frequency="SELECT sum(count) FROM analytics_groups.frequency('\"Seen\"', '2024-01-01', '2024-01-01', project => 'PROJECT')"
sessions="SELECT sessions FROM analytics_groups.sessions('2024-01-01', '2024-01-01', project => 'PROJECT')"
flows="SELECT count FROM analytics_groups.flows('\"Seen\"', '2024-01-01', '2024-01-01', project => 'PROJECT')"
counted="SELECT count(*) FROM analytics_groups.insights_members('[{\"event\": \"Seen\", \"measure\": \"unique\"}]', '2024-01-01', '2024-01-01', project => 'PROJECT')"
dropped="SELECT count(*) FROM analytics_groups.funnel_members('[\"Seen\", \"Seen\"]', '2024-01-01', '2024-01-01', by => 'company_id', step => 2, outcome => 'dropped', project => 'PROJECT')"
lost="SELECT count(*) FROM analytics_groups.retention_members('\"Seen\"', '\"Seen\"', '2024-01-01', '2024-01-01', bucket => 0, outcome => 'lost', project => 'PROJECT')"
flown="SELECT count(*) FROM analytics_groups.flow_members('\"Seen\"', '2024-01-01', '2024-01-01', project => 'PROJECT')"
activity="SELECT count(*) FROM analytics_groups.activity('company_id', 'acme', '2024-01-01', '2024-01-01', project => 'PROJECT')"
belong="SELECT count(*) FROM analytics_groups.group_members('company_id', 'acme', at => '2024-01-01 12:00Z', project => 'PROJECT')"
belongs="SELECT count(*) FROM analytics_groups.user_groups('ann-of-PROJECT', project => 'PROJECT')"
figures="SELECT mau FROM analytics_groups.company_profile('acme', '2024-01-01', project => 'PROJECT')"
export="SELECT count(*) FROM analytics_groups.export_events('2024-01-01', '2024-01-01', project => 'PROJECT')"
# A condition is the caller's own text: what stands in it is found where the caller says.
relation="SELECT count(*) FROM analytics_PROJECT.events WHERE event OPERATOR(pg_catalog.=) 'Seen'"
relations="SELECT count(*) FROM analytics_PROJECT.users u, analytics_PROJECT.groups g WHERE g.group_id OPERATOR(pg_catalog.=) 'acme' AND u.distinct_id OPERATOR(pg_catalog.=) 'ann-of-PROJECT'"
links="SELECT count(*) + 1 FROM analytics_groups.export_identities(project => 'PROJECT')"
same="SELECT count(*) + 1 FROM analytics_groups.export_group_merges(project => 'PROJECT')"
subjects="SELECT analytics_groups.rb_cardinality(analytics_groups.subject_ids('user', '{ann-of-PROJECT}', project => 'PROJECT'))"
names="SELECT count(*) FROM analytics_groups.subject_names('user', analytics_groups.subject_ids('user', '{ann-of-PROJECT}', project => 'PROJECT'), project => 'PROJECT')"
import="SELECT analytics_groups.import_events('public.rows', '{\"event_column\": \"kind\", \"time_column\": \"at\", \"user_column\": \"who\"}', 'one_time', project => 'PROJECT') ->> 'code'"
appended="SELECT analytics_groups.import_events('public.rows', '{\"event_column\": \"kind\", \"time_column\": \"at\", \"insert_time_column\": \"at\"}', project => 'PROJECT') ->> 'code'"
imported="SELECT analytics_groups.import_profiles('public.rows', '{\"user_column\": \"who\"}', project => 'PROJECT') ->> 'code'"
closed="SELECT analytics_groups.import_events('public.closed', '{\"event_column\": \"kind\", \"time_column\": \"at\"}', 'one_time', project => 'PROJECT')"
whom="counted dropped lost flown activity belong belongs figures export relation relations links same subjects names"
define="SELECT analytics_groups.define_cohort('seen', '{\"did\": \"Seen\", \"at_least\": 1, \"within\": \"50 years\"}', project => 'PROJECT')"
members="SELECT count(*) FROM analytics_groups.cohort_members('seen', project => 'PROJECT')"
freeze="SELECT analytics_groups.freeze_cohort('seen', project => 'PROJECT')"
drop_cohort="SELECT analytics_groups.drop_cohort('seen', project => 'PROJECT')"
lookup="SELECT analytics_groups.set_lookup_table('stock', E'k,v\\n1,2', project => 'PROJECT')"
map="SELECT analytics_groups.map_lookup('item', 'stock', project => 'PROJECT')"
unmap="SELECT analytics_groups.unmap_lookup('item', project => 'PROJECT')"
tables="SELECT rows FROM analytics_groups.lookup_tables WHERE project = 'PROJECT'"
drop_lookup="SELECT analytics_groups.drop_lookup_table('stock', project => 'PROJECT')"
profile="SELECT analytics_groups.user_profile('ann-of-PROJECT', project => 'PROJECT') IS NULL"
track="SELECT analytics_groups.track('Sold', 'ROLE', '{\"company_id\": \"acme\"}', at => '2024-01-02 10:00Z', project => 'PROJECT')"
ndjson="SELECT analytics_groups.track_ndjson('{\"event\":\"Sold\",\"properties\":{\"distinct_id\":\"ROLE\",\"time\":1704189600,\"\$insert_id\":\"ROLE\"}}', project => 'PROJECT') ->> 'code'"
people="SELECT analytics_groups.update_users('{\"\$distinct_id\": \"ann\", \"\$set\": {\"by\": \"ROLE\"}}', project => 'PROJECT') ->> 'code'"
groups="SELECT analytics_groups.update_groups('{\"\$group_key\": \"company_id\", \"\$group_id\": \"acme\", \"\$set\": {\"by\": \"ROLE\"}}', project => 'PROJECT') ->> 'code'"
sticky="SELECT analytics_groups.set_group('ROLE', 'company_id', '\"acme\"', project => 'PROJECT')"
maintain="CALL analytics_groups.maintain('PROJECT')"
hide="SELECT analytics_groups.hide_event('Seen', false, project => 'PROJECT')"
keep_out="SELECT analytics_groups.add_drop_filter('Nothing', '{\"a\": 1}', project => 'PROJECT')"
let_in="SELECT analytics_groups.remove_drop_filter('Nothing', project => 'PROJECT')"
# A group that nobody knew is told of, which is not the answer.
merge_groups="SELECT analytics_groups.merge_groups('company_id', 'of-ROLE', 'acme', project => 'PROJECT') FROM pg_catalog.set_config('client_min_messages', 'warning', true)"
add_key="SELECT analytics_groups.add_group_key('ROLE_id', project => 'PROJECT') IS NOT NULL"
company="SELECT analytics_groups.unset_company_key(project => 'PROJECT')"
grant="SELECT analytics_groups.grant_access('nobody', 'reader', project => 'PROJECT')"
drop="SELECT analytics_groups.drop_project('PROJECT')"
create="SELECT analytics_groups.create_project('made_by_ROLE') > 0"

fill() { sed "s/PROJECT/$2/g; s/ROLE/$1/g" <<<"$3"; }
may() { # ROLE PROJECT ANSWER NAME…
    local role=$1 project=$2 want=$3 name
    shift 3
    for name in "$@"; do answers "$role may $name in $project" "$want" "$(fill "$role" "$project" "${!name}")" -U "$role"; done
}
may_not() { # ROLE PROJECT NAME…
    local role=$1 project=$2 name
    shift 2
    for name in "$@"; do
        # A project one may not even see does not exist for one (42704).
        raises "$role may not $name in $project" '(42501|42704)' "$(fill "$role" "$project" "${!name}")" -U "$role"
        # The message names no event, user or property of the project.
        if grep -qiE 'treasure|captain|ann-of|acme' <<<"$(grep -v '^STATEMENT\|^LINE' <<<"$message")"; then flunk "nothing leaks to $role ($name)" "$message"; fi
    done
}

may reader shop 1 count sessions flows
may reader shop 2 funnel
may reader shop t retention profile
may reader shop 1 lifecycle frequency
# shellcheck disable=SC2086 # one name a word
may reader shop 1 $whom
may_not reader shop track ndjson people groups sticky import appended imported maintain add_key company grant drop
may writer shop 1 count
may writer shop t track retention
may writer shop 200 ndjson people groups import appended imported
# What is imported is read as the caller.
may_not writer shop closed
may writer shop '' sticky maintain define
may reader shop 1 members
may_not reader shop define freeze drop_cohort
may writer shop 1 freeze
may writer shop '' drop_cohort
may writer shop 1 lookup
may writer shop '' map
may reader shop 1 tables
may nobody shop '' tables
may_not reader shop lookup map unmap drop_lookup
may writer shop '' unmap drop_lookup
may_not reader shop hide keep_out let_in merge_groups
may_not writer shop add_key company grant drop hide keep_out let_in merge_groups
may admin shop 1 count
may admin shop '' hide keep_out
may admin shop 1 let_in
may admin shop 0 merge_groups
may admin shop t track add_key
may admin shop 200 ndjson people groups
may admin shop '' sticky maintain
# A grant to a role is a grant to its members.
may member shop 1 count
may_not member shop track import imported
# shellcheck disable=SC2086
for role in reader nobody; do may_not "$role" secret $whom; done
for role in reader writer admin nobody member; do may_not "$role" secret count funnel retention lifecycle frequency sessions flows profile members track ndjson people groups sticky import appended imported maintain define freeze drop_cohort add_key drop; done
may_not nobody shop count funnel retention lifecycle frequency sessions flows profile members track ndjson people groups sticky import appended imported maintain define freeze drop_cohort add_key company grant drop create
may_not other shop count track drop

# Nobody sees projects, keys or names that are not theirs, nor the tables beneath.
answers "views show a reader the own project only" shop "SELECT string_agg(project, ' ' ORDER BY project) FROM analytics_groups.projects" -U reader
answers "the keys of other projects are not there" 1 "SELECT count(*) FROM analytics_groups.group_keys WHERE property = 'company_id'" -U reader
answers "the names of other projects are not there" 0 "SELECT count(*) FROM analytics_groups.lexicon_events WHERE event = 'Hidden Treasure'" -U reader
raises "the tables of another project are closed" 42501 "DO \$\$ DECLARE t text; BEGIN
    FOR t IN SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'analytics_secret' AND relkind = 'r' LOOP
        EXECUTE 'SELECT count(*) FROM ' || t; END LOOP; END \$\$" -U reader
raises "a reader cannot write the tables either" 42501 "DO \$\$ DECLARE t text; BEGIN
    FOR t IN SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'analytics_shop' AND relkind = 'r' LOOP
        EXECUTE 'DELETE FROM ' || t; END LOOP; END \$\$" -U reader
answers "PUBLIC may execute nothing that runs with the owner's rights" 0 \
    "SELECT count(*) FROM pg_proc p WHERE pronamespace = 'analytics_groups'::regnamespace AND prosecdef AND has_function_privilege('nobody', p.oid, 'EXECUTE')
     AND has_schema_privilege('nobody', 'analytics_groups', 'USAGE') AND proacl IS NULL"
answers "whatever runs with the owner's rights pins its search_path" '' \
    "SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = 'analytics_groups'::regnamespace AND prosecdef
     AND NOT coalesce(array_to_string(proconfig, ' '), '') LIKE '%search_path=%'"

# A session that changes its role changes what it may see; a cache must not remember the first.
equal "SET ROLE is noticed" "1|denied" "$(psql -XAtq -v VERBOSITY=sqlstate 2>&1 <<SQL | sed -E 's/.*ERROR: *(42501|42704).*/denied/' | paste -sd'|'
$(fill postgres secret "$count");
SET ROLE reader;
$(fill reader secret "$count");
SQL
)"
# Taking a grant away works at once, also in a session that has read before.
equal "revoke is noticed" "1|denied" "$(psql -XAtq -v VERBOSITY=sqlstate 2>&1 <<SQL | sed -E 's/.*ERROR: *(42501|42704).*/denied/' | grep -v '^$' | paste -sd'|'
SET ROLE reader;
$(fill reader shop "$count");
RESET ROLE;
SELECT analytics_groups.revoke_access('reader', 'reader', project => 'shop');
SET ROLE reader;
$(fill reader shop "$count");
SQL
)"

# Names that mean mischief are names.
raises "a role that does not exist is refused" 42704 "SELECT analytics_groups.grant_access('no such role', 'reader', project => 'shop')"
raises "a privilege that does not exist is refused" 22023 "SELECT analytics_groups.grant_access('nobody', 'owner', project => 'shop')"
sql -c 'CREATE ROLE "x; DROP TABLE y; --" LOGIN' -c "SELECT analytics_groups.grant_access('x; DROP TABLE y; --', 'reader', project => 'shop')" >/dev/null
answers "a role whose name is SQL" 1 "$(fill x shop "$count")" -U 'x; DROP TABLE y; --'
# What the caller puts in front of pg_catalog is not what runs inside.
sql >/dev/null <<'SQL'
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.pwn(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pwned'; END $$;
CREATE FUNCTION evil.pwn(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pwned'; END $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.pwn);
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.pwn);
SQL
# shellcheck disable=SC2086
for name in count funnel retention lifecycle frequency sessions flows profile $whom; do
    equal "$name does not look at the caller's search_path" "$(fill member shop "${!name}" | sql -U member -f -)" \
        "$( (echo 'SET search_path = evil, pg_catalog;'; fill member shop "${!name}") | sql -U member -f - 2>&1)"
done
answers "the trap works" "ERROR:  P0001" "SET search_path = evil, pg_catalog; SELECT 'a'::text = 'b'::text" -v VERBOSITY=sqlstate
raises "an admin does not drop the project" 42501 "$(fill admin shop "$drop")" -U admin
answers "its owner does" '' "$(fill postgres shop "$drop")"
answers "and the other one is as it was" 1 "$(fill postgres secret "$count")"
log_clean "$server"
done_testing
