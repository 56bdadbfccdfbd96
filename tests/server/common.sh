# shellcheck shell=bash
# Sourced by the tests that need servers of their own. Each ends with the line `N passed, M failed`.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

PG_CONFIG=$(find_pg_config)
[ -n "$PG_CONFIG" ] || fail "no PostgreSQL $PG_MAJOR here"
PGBIN=$("$PG_CONFIG" --bindir)
PATH=$PGBIN:$PATH
# shellcheck disable=SC2034
DATA=$ROOT/tests/data

ok=0 bad=0 dirs=() jobs_started=() finished=no

on_exit() {
    local d p
    for p in "${jobs_started[@]}"; do kill "$p" 2>/dev/null || true; done
    for d in "${dirs[@]}"; do cluster_remove "$d"; done
    if [ "$finished" = no ]; then
        say "did not come to its end"
        say "$ok passed, $((bad + 1)) failed"
        exit 1
    fi
}
trap on_exit EXIT

# A started cluster in the variable named, with the settings given. Durable unless told otherwise: these tests kill servers.
new_cluster() { # VARIABLE SETTING…
    local name=$1 dir
    shift
    dir=$(cluster_dir "$name")
    dirs+=("$dir")
    cluster_init "$dir" "$@"
    cluster_start "$dir"
    printf -v "$name" '%s' "$dir"
}

sql() { psql -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose "$@"; }

pass() { ok=$((ok + 1)); say "ok      $1"; }
flunk() { # WHAT [DETAIL]
    bad=$((bad + 1))
    say "FAILED  $1"
    [ -z "${2:-}" ] || printf '%s\n' "$2" | head -n 30 | sed 's/^/        /'
}

# equal WHAT EXPECTED ACTUAL
equal() {
    if [ "$2" = "$3" ]; then pass "$1"; else flunk "$1" "$(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") || true)"; fi
}

# answers WHAT EXPECTED QUERY [psql argument…] : the unaligned answer of a query, or its error.
answers() {
    local what=$1 want=$2 query=$3
    shift 3
    equal "$what" "$want" "$(sql "$@" -c "$query" 2>&1 || true)"
}

# raises WHAT SQLSTATE QUERY [psql argument…] ; the message is left in $message.
raises() {
    local what=$1 state=$2 query=$3
    shift 3
    message=$(sql "$@" -c "$query" 2>&1 || true)
    if grep -qE "ERROR:  $state:" <<<"$message"; then pass "$what"; else flunk "$what" "wanted SQLSTATE $state, got: ${message:-no error}"; fi
}

# The store of the project of this database has nothing to complain about.
healthy() { answers "$1: verify() finds nothing" '' 'SELECT * FROM analytics_groups.verify()' "${@:2}"; }

wait_for() { # WHAT QUERY [psql argument…] : until the query says t, a minute at most
    local what=$1 query=$2 i
    shift 2
    for ((i = 0; i < 600; i++)); do
        [ "$(sql "$@" -c "$query" 2>/dev/null || true)" = t ] && return 0
        sleep 0.1
    done
    flunk "waiting for $what"
    return 1
}

# log_clean DIR [KILLS] : nothing in the server's log that should never be there.
log_clean() { equal "the log of the server is clean" '' "$(scan_log "$1/log" "${2:-0}")"; }

done_testing() {
    finished=yes
    say "$ok passed, $bad failed"
    [ "$bad" -eq 0 ]
}
