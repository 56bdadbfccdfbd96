#!/usr/bin/env bash
# Aggregates of this extension over a distributed table: a coordinator and two workers on this machine. Grouped by the column the
# table is distributed by they are pushed down whole; otherwise workers send states and the coordinator puts them together. The answers
# are those of a local table. Without Citus on this machine: skipped.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/../server/common.sh"

if [ ! -e "$("$PG_CONFIG" --pkglibdir)/citus.so" ]; then
    finished=yes
    say "skipped: PostgreSQL $PG_MAJOR has no Citus here"
    say "0 passed, 0 failed"
    exit 0
fi

base=${CLUSTER_PORT}
settings=('shared_preload_libraries = citus' 'fsync = off' 'full_page_writes = off' 'wal_level = logical' "listen_addresses = 'localhost'" 'jit = off')
ports=()
for n in 0 1 2; do
    port=$((base + 10 + n))
    new_cluster "node$n" "${settings[@]}" "port = $port"
    ports+=("$port")
done
node() { # NUMBER psql argument…
    local n=$1
    shift
    PGHOST=localhost PGPORT=${ports[$n]} PGUSER=postgres PGDATABASE=postgres sql "$@"
}
for n in 0 1 2; do node "$n" -c 'CREATE EXTENSION citus' -c 'CREATE EXTENSION IF NOT EXISTS analytics_groups' >/dev/null; done
node 0 >/dev/null <<SQL
SELECT citus_set_coordinator_host('localhost', ${ports[0]});
SELECT citus_add_node('localhost', ${ports[1]});
SELECT citus_add_node('localhost', ${ports[2]});
SELECT setseed(0.5);
CREATE TABLE local_events (who int, team int, at timestamptz, event text);
INSERT INTO local_events
SELECT (random() * 500)::int, (random() * 20)::int, timestamptz '2024-01-01' + (random() * 500)::int * interval '1 hour', chr(97 + (random() * 4)::int)
FROM generate_series(1, 20000);
CREATE TABLE events (LIKE local_events);
SELECT create_distributed_table('events', 'who', shard_count => 8);
INSERT INTO events SELECT * FROM local_events;
SQL
export PGHOST=localhost PGPORT=${ports[0]} PGUSER=postgres PGDATABASE=postgres

declare -A call=(
    [window_funnel]="window_funnel('7 days', at, event = 'a', event = 'b', event = 'c')"
    [strict_order]="window_funnel('7 days', 'strict_order', at, event = 'a', event = 'b', event = 'c')"
    [window_funnel_times]="window_funnel_times('7 days', at, event = 'a', event = 'b', event = 'c')"
    [retention_conditions]="retention_agg(event = 'a', event = 'b', event = 'c')"
    [retention_periods]="retention_agg('1 day', 20, at, event = 'a', event = 'b')"
    [sequence_match]="sequence_match('(?1)(?t<=86400)(?2)', at, event = 'a', event = 'b')"
    [sequence_count]="sequence_count('(?1).*(?2)', at, event = 'a', event = 'b')"
    [sequence_next]="sequence_next('(?1)(?2)', at, event, event = 'a', event = 'b')"
    [path_agg]="path_agg(at, event, 10, true)"
    [first_touch]="first_touch(at, event)"
    [last_touch]="last_touch(at, event)"
    [rb_build_agg]="rb_build_agg(who)::text"
    [rb_build_cardinality_agg]="rb_build_cardinality_agg(who)"
    [rb_or_agg]="rb_or_agg(rb_build(ARRAY[who, team]))::text"
    [rb_and_agg]="rb_and_agg(rb_build(ARRAY[team, 1, 2]))::text"
    [rb_xor_cardinality_agg]="rb_xor_cardinality_agg(rb_build(ARRAY[who, team]))"
    [rb64_build_agg]="rb64_build_agg(who * 10000000000)::text"
    [rb64_or_cardinality_agg]="rb64_or_cardinality_agg(rb64_build(ARRAY[who * 10000000000, team]))"
)
path='SET search_path = analytics_groups, public'
digest() { # TABLE GROUPING CALL
    sql -c "$path" -c "SELECT md5(string_agg(g::text || coalesce(a::text, ''), '|' ORDER BY g)) FROM (SELECT $2 AS g, $3 AS a FROM $1 GROUP BY 1 OFFSET 0) AS t"
}
plan() { # GROUPING CALL
    sql -c "$path; SET citus.explain_all_tasks = off" -c "EXPLAIN (VERBOSE, COSTS off) SELECT $1, $2 FROM events GROUP BY 1"
}
for name in "${!call[@]}"; do
    c=${call[$name]}
    for group in who team; do
        expected=$(digest local_events "$group" "$c")
        [ -n "$expected" ] || flunk "$name by $group has an answer on a local table"
        equal "$name by $group is that of a local table" "$expected" "$(digest events "$group" "$c")"
    done
    for group in who team; do
        p=$(plan "$group" "$c")
        grep -q 'Custom Scan (Citus Adaptive)' <<<"$p" || flunk "$name by $group is distributed" "$p"
        partial=$(grep -c 'worker_partial_agg' <<<"$p" || true)
        case $group:$partial in
        who:0 | team:[1-9]*) pass "$name by $group: $(if [ "$group" = who ]; then echo pushed down whole; else echo states of workers; fi)" ;;
        *) flunk "$name by $group: pushed down whole by who, states of workers by team" "$p" ;;
        esac
    done
done
done_testing
