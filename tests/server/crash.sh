#!/usr/bin/env bash
# kill -9 in the middle of writing, ten times in the middle of maintain() and ten times in the middle of track_ndjson().
# Afterwards every batch the client was told of is there exactly once, the batch in flight wholly or not at all, and the
# store is in order. Killing a backend makes the server restart all of them and recover from its log, as a crash would.
set -euo pipefail
# shellcheck source=tests/server/common.sh
. "$(dirname "$0")/common.sh"

rounds=${CRASH_ROUNDS:-10}
batch=1000
new_cluster server 'fsync = on' 'restart_after_crash = on'
cluster_use "$server" crash
work=$(mktemp -d)
chmod 755 "$work"

createdb crash
sql -c 'CREATE EXTENSION analytics_groups' -c "ALTER DATABASE crash SET analytics_groups.auto_maintain = off"
sql -c "SELECT analytics_groups.add_group_key('company_id')" >/dev/null

# One SELECT that tracks batch $1: `batch` events of as many users, a hundred of them new.
batch_sql() {
    cat <<SQL
SELECT 'acknowledged $1 ' || (analytics_groups.track_ndjson(string_agg(jsonb_build_object('event', 'Event ' || i % 7, 'properties',
    jsonb_build_object('time', 1704067200000 + ($1 * 13 + i) * 61000::bigint, 'distinct_id', CASE WHEN i <= 100 THEN 'b$1-' || i ELSE 'u' || i END,
                       '\$insert_id', 'b$1-' || i, 'company_id', 'c' || i % 50, 'batch', 'b' || $1, 'pad', repeat(md5(i::text), 4)))::text, E'\n'))
    ->> 'num_records_imported') FROM generate_series(1, $batch) AS i;
SQL
}

# The pid of the backend of an application that is at work, or nothing.
busy() { sql -d postgres -c "SELECT pid FROM pg_stat_activity WHERE application_name = '$1' AND state = 'active' AND query LIKE '%analytics_groups.%'" 2>/dev/null || true; }

kill_busy() { # APPLICATION SECONDS : waits until it is busy, lets it work that long, kills it. Says whether it was caught.
    local pid i
    for ((i = 0; i < 200; i++)); do
        pid=$(busy "$1")
        [ -n "$pid" ] && break
        sleep 0.02
    done
    [ -n "$pid" ] || return 1
    sleep "$2"
    # Only if it is still at it: the number could belong to somebody else by now.
    [ "$(busy "$1")" = "$pid" ] || return 1
    as_db kill -9 "$pid" 2>/dev/null
}

recovered() { wait_for "recovery" 'SELECT NOT pg_is_in_recovery()' -d postgres; }

next=1 kills=0 in_flight=()
acknowledged() { cat "$work"/acks.* 2>/dev/null | sed -n "s/^acknowledged \([0-9]*\) $batch$/\1/p" | sort -n; }

# What the store holds, one line per batch: batch, events, users. One event of each of its users is what was sent.
stored() {
    sql -c "SELECT segment[1], max(value) FILTER (WHERE metric = 'events'), max(value) FILTER (WHERE metric = 'users')
            FROM analytics_groups.insights('[{\"event\": \"\$any\", \"measure\": \"total\", \"label\": \"events\"},
                                             {\"event\": \"\$any\", \"measure\": \"unique\", \"label\": \"users\"}]',
                 '2024-01-01', '2024-12-31', unit => 'range', breakdown => '[\"batch\"]', top => 100000)
            WHERE segment[1] LIKE 'b%' GROUP BY segment"
}

check() { # WHAT
    local got want lost doubled extra
    got=$(stored)
    want=$(acknowledged | sed "s/.*/b&|$batch|$batch/" | sort)
    lost=$(comm -23 <(printf '%s\n' "$want") <(printf '%s\n' "$got" | sort))
    doubled=$(printf '%s\n' "$got" | grep -v "|$batch|$batch$" || true)
    extra=$(comm -13 <(printf '%s\n' "$want") <(printf '%s\n' "$got" | sort) | sed 's/|.*//' |
        grep -vxF "$(printf 'b%s\n' "${in_flight[@]}")" || true)
    equal "$1: every acknowledged event is there" '' "$lost"
    equal "$1: no batch is there in part or twice" '' "$doubled"
    equal "$1: nothing else is there" '' "$extra"
    healthy "$1"
}

# ---- track_ndjson ---------------------------------------------------------------------------------------------------
caught=0
for ((round = 1; round <= rounds * 3 && caught < rounds; round++)); do
    first=$next
    next=$((next + 400))
    for ((b = first; b < next; b++)); do batch_sql "$b"; done >"$work/batches.sql"
    PGAPPNAME=tracker psql -XAtq -v ON_ERROR_STOP=1 -f "$work/batches.sql" >"$work/acks.$round" 2>"$work/errors.$round" &
    client=$!
    jobs_started+=("$client")
    if kill_busy tracker "$(printf '0.%03d' $((50 + RANDOM % 700)))"; then
        caught=$((caught + 1)) kills=$((kills + 1))
    fi
    wait "$client" 2>/dev/null || true
    recovered
    last=$(sed -n "s/^acknowledged \([0-9]*\) .*/\1/p" "$work/acks.$round" | tail -n 1)
    in_flight+=("$((${last:-$((first - 1))} + 1))")
done
equal "killed track_ndjson() $rounds times" "$rounds" "$caught"
check "after killing writers"
say "        $(acknowledged | wc -l) batches of $batch events were acknowledged"

# ---- maintain() -------------------------------------------------------------------------------------------------------
# How long it takes with the work of a round tells where its middle is. What the writers left is maintained first: a run
# with all of that says nothing about the next ones. A run that ended before it was
# killed was shorter than thought.
sql -c 'CALL analytics_groups.maintain()'
caught=0 length=0
for ((round = 1; round <= rounds * 6 && caught < rounds; round++)); do
    first=$next
    next=$((next + 60))
    for ((b = first; b < next; b++)); do batch_sql "$b"; done >"$work/batches.sql"
    sql -f "$work/batches.sql" >"$work/acks.m$round"
    if [ "$length" -eq 0 ]; then
        start=$(date +%s%N)
        sql -c 'CALL analytics_groups.maintain()'
        length=$((($(date +%s%N) - start) / 1000000))
        continue
    fi
    PGAPPNAME=maintainer psql -XAtq -c 'CALL analytics_groups.maintain()' >"$work/maintain.log" 2>&1 &
    client=$!
    jobs_started+=("$client")
    delay=$((RANDOM % (length + 1) * 9 / 10))
    if kill_busy maintainer "$((delay / 1000)).$(printf '%03d' $((delay % 1000)))"; then
        caught=$((caught + 1)) kills=$((kills + 1))
    else
        length=$((length * 3 / 4))
    fi
    wait "$client" 2>/dev/null || true
    recovered
done
equal "killed maintain() $rounds times (a full run takes $length ms)" "$rounds" "$caught"
check "after killing maintenance"

# What was begun and killed is done by the next run, and changes no answer.
before=$(stored | sort)
sql -c 'CALL analytics_groups.maintain()'
equal "maintain() runs after all of it" "$before" "$(stored | sort)"
check "after a full maintenance"

# ---- The whole server stops at once -------------------------------------------------------------------------------------
first=$next
next=$((next + 5))
for ((b = first; b < next; b++)); do batch_sql "$b"; done >"$work/batches.sql"
sql -f "$work/batches.sql" >"$work/acks.stop"
cluster_stop "$server" immediate
cluster_start "$server"
check "after an immediate stop"

# A killed backend is logged as such; nothing else is.
log_clean "$server" "$kills"
rm -rf "$work"
done_testing
