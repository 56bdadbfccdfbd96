# shellcheck shell=bash
# What the scripts share: progress lines, prerequisites, build and install, throw-away clusters.
# Source it with `set -euo pipefail` in force. It never touches a cluster it did not make.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -n "${PG_CONFIG:-}" ] && [ -z "${PG_MAJOR:-}" ]; then
    PG_MAJOR=$("$PG_CONFIG" --version | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p')
fi
PG_MAJOR=${PG_MAJOR:-15}
PGRX_VERSION=0.18.1
# cargo-pgrx passes flags of its own, so it and plain cargo would throw away each other's work in one directory.
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
PGRX_TARGET_DIR=$TARGET_DIR/pgrx
# With this set in the server's environment every ERROR would carry a stack trace.
unset RUST_BACKTRACE
# The caller's own connection settings must not lead anything here to another server.
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS PGHOSTADDR
[ -d "${CARGO_HOME:-${HOME:-/}/.cargo}/bin" ] && PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH

# ---- words on the screen ----------------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 2; }

# run_step TITLE LOG COMMAND… : runs it with its output in LOG, shows that it lives, and on failure shows the log's end.
run_step() {
    local title=$1 log=$2 start=$SECONDS pid rc=0 every=15
    shift 2
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    # Ctrl-C must not leave a compiler behind.
    # shellcheck disable=SC2064
    trap "kill $pid 2>/dev/null; exit 130" INT TERM
    [ -t 1 ] && every=1
    while kill -0 "$pid" 2>/dev/null; do
        if [ $(((SECONDS - start) % every)) -eq 0 ] && [ "$SECONDS" -gt "$start" ]; then
            if [ -t 1 ]; then
                printf '\r\033[K  %s … %d s  %s' "$title" $((SECONDS - start)) \
                    "$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | cut -c1-60)"
            else
                printf '  %s … %d s\n' "$title" $((SECONDS - start))
            fi
        fi
        sleep 1
    done
    wait "$pid" || rc=$?
    trap - INT TERM
    [ -t 1 ] && printf '\r\033[K'
    if [ "$rc" -eq 0 ]; then
        printf '  %s: done in %d s\n' "$title" $((SECONDS - start))
    else
        printf '  %s: FAILED after %d s (exit %d); the end of %s:\n' "$title" $((SECONDS - start)) "$rc" "$log" >&2
        tail -n 40 "$log" >&2
    fi
    return "$rc"
}

# ---- who runs what ----------------------------------------------------------------------------------------------

am_root() { [ "$(id -u)" -eq 0 ]; }

as_root() {
    if am_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "needs root to run: $* (there is no sudo here)"
    fi
}

# The server refuses to run as root; then it runs as the user the packages made for it.
db_user() { if am_root; then echo postgres; else id -un; fi; }

as_db() {
    if am_root; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

# ---- prerequisites ----------------------------------------------------------------------------------------------

# Prints the pg_config of PG_MAJOR, or nothing.
find_pg_config() {
    local c
    for c in "${PG_CONFIG:-}" "/usr/lib/postgresql/$PG_MAJOR/bin/pg_config" "/usr/pgsql-$PG_MAJOR/bin/pg_config" pg_config; do
        [ -n "$c" ] || continue
        c=$(command -v "$c") || continue
        if "$c" --version 2>/dev/null | grep -q "^PostgreSQL ${PG_MAJOR}[.a-z]"; then
            echo "$c"
            return
        fi
    done
}

has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null ||
        compgen -G '/usr/lib*/libclang*.so*' >/dev/null || compgen -G '/usr/lib/*/libclang*.so*' >/dev/null
}

# Prints the Debian packages whose absence would stop us. What is here already, however it came, is left alone.
missing_packages() {
    local config
    config=$(find_pg_config)
    if [ -z "$config" ]; then
        echo "postgresql-$PG_MAJOR postgresql-server-dev-$PG_MAJOR"
    else
        [ -x "$("$config" --bindir)/initdb" ] || echo "postgresql-$PG_MAJOR"
        [ -f "$("$config" --includedir-server)/postgres.h" ] || echo "postgresql-server-dev-$PG_MAJOR"
    fi
    has_libclang || echo libclang-dev
    command -v clang >/dev/null || echo clang
    command -v pkg-config >/dev/null || echo pkg-config
    { command -v cc && command -v make; } >/dev/null || echo build-essential
    command -v sudo >/dev/null || echo sudo
    command -v python3 >/dev/null || echo python3
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /etc/pki/tls/certs ] || echo ca-certificates
}

apt_install() {
    local no_main=/etc/postgresql-common/createcluster.d/analytics_groups.conf rc=0
    as_root apt-get update -q || return
    # Debian's server package makes and starts a cluster of its own when it is installed; nobody asked us for one.
    if [[ " $* " == *" postgresql-$PG_MAJOR "* ]]; then
        as_root mkdir -p "${no_main%/*}"
        echo 'create_main_cluster = false' | as_root tee "$no_main" >/dev/null
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" || rc=$?
    as_root rm -f "$no_main"
    return $rc
}

ensure_system() {
    local missing
    missing=$(missing_packages | tr '\n' ' ')
    missing=${missing% }
    if [ -n "$missing" ]; then
        command -v apt-get >/dev/null || fail "please install what Debian calls: $missing"
        say "Installing packages: $missing"
        # The password, if one is wanted, is asked for now and not behind a progress line.
        am_root || as_root -v
        # shellcheck disable=SC2086
        run_step "apt-get install" "$TARGET_DIR/log/apt.log" apt_install $missing ||
            fail "the packages could not be installed (another PostgreSQL release: PG_MAJOR=16 $0)"
    fi
    PG_CONFIG=$(find_pg_config)
    [ -n "$PG_CONFIG" ] || fail "no pg_config of PostgreSQL $PG_MAJOR found; set PG_CONFIG=/path/to/pg_config"
    PGBIN=$("$PG_CONFIG" --bindir)
    export PG_CONFIG PGBIN
}

ensure_rust() {
    local channel
    if ! command -v cargo >/dev/null; then
        cat >&2 <<'TXT'
No Rust toolchain here (cargo is not on the PATH). Get one, then run this again:

    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
    . "$HOME/.cargo/env"
TXT
        exit 2
    fi
    if ! (cd "$ROOT" && cargo --version) >/dev/null 2>&1; then
        channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")
        command -v rustup >/dev/null || fail "needs Rust $channel (rust-toolchain.toml)"
        run_step "Installing Rust $channel" "$TARGET_DIR/log/rustup.log" \
            rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy ||
            fail "Rust $channel could not be installed"
    fi
}

ensure_pgrx() {
    if [ "$(cargo pgrx --version 2>/dev/null)" != "cargo-pgrx $PGRX_VERSION" ]; then
        run_step "Installing cargo-pgrx $PGRX_VERSION (some minutes, once)" "$TARGET_DIR/log/cargo-pgrx.log" \
            cargo install --locked cargo-pgrx --version "=$PGRX_VERSION" || fail "cargo-pgrx could not be installed"
    fi
    local config=${PGRX_HOME:-$HOME/.pgrx}/config.toml known
    known=$(sed -n "s/^pg$PG_MAJOR *= *\"\(.*\)\"/\1/p" "$config" 2>/dev/null || true)
    if [ -z "$known" ] || ! "$known" --version 2>/dev/null | grep -q "^PostgreSQL $PG_MAJOR"; then
        run_step "Pointing cargo-pgrx at PostgreSQL $PG_MAJOR" "$TARGET_DIR/log/pgrx-init.log" \
            cargo pgrx init "--pg$PG_MAJOR" "$PG_CONFIG" || fail "cargo pgrx init failed"
    fi
}

ensure_prerequisites() {
    ensure_system
    ensure_rust
    ensure_pgrx
}

# ---- build and install ------------------------------------------------------------------------------------------

# One number for everything the installed extension is made from.
source_fingerprint() {
    (cd "$ROOT" && find Cargo.toml Cargo.lock rust-toolchain.toml ./*.control src crates sql -type f \
        -not -path '*/tests/*' -not -path '*/benches/*' 2>/dev/null | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16)
}

installed_so() {
    local f
    f=$("$PG_CONFIG" --pkglibdir)/analytics_groups.so
    if [ -f "$f" ]; then sha256sum <"$f" | cut -c1-16; fi
}

# True when what is installed was built from the sources as they are.
installed_is_current() {
    [ "$(cat "$PGRX_TARGET_DIR/installed-$PG_MAJOR" 2>/dev/null)" = "$(source_fingerprint) $(installed_so)" ]
}

# Release build into the directories of PG_CONFIG; nothing to do when that is what is there.
install_extension() {
    local sudo=() before
    if installed_is_current; then
        say "  The extension is built and installed already."
        return
    fi
    before=$(source_fingerprint)
    [ -w "$("$PG_CONFIG" --pkglibdir)" ] || sudo=(--sudo)
    (cd "$ROOT" && CARGO_TARGET_DIR=$PGRX_TARGET_DIR run_step "Building the extension (release)" \
        "$TARGET_DIR/log/install.log" cargo pgrx install --release "${sudo[@]}" --pg-config "$PG_CONFIG" \
        --no-default-features --features "pg$PG_MAJOR") || return
    echo "$before $(installed_so)" >"$PGRX_TARGET_DIR/installed-$PG_MAJOR"
}

# ---- throw-away clusters ----------------------------------------------------------------------------------------
# A cluster is a directory: data/ and socket/ in it belong to the user of the server and to nobody else. It listens on its
# unix socket only, so its port is but a part of a file name and never collides.

CLUSTER_PORT=54329

# A fresh private directory for a cluster. The path is short because a socket's may have 107 bytes at most.
cluster_dir() {
    local base=${TMPDIR:-/tmp}
    as_db test -w "$base" || base=/tmp
    [ ${#base} -le 60 ] || base=/tmp
    as_db mktemp -d "$base/ag-${1:-cluster}-XXXXXX"
}

# cluster_init DIR [SETTING…] : initdb plus lines for postgresql.conf. Superuser `postgres`, trust on the private socket.
cluster_init() {
    local dir=$1
    shift
    as_db mkdir -p "$dir/socket"
    as_db chmod 700 "$dir" "$dir/socket"
    as_db "$PGBIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-instructions \
        --no-sync >/dev/null
    cluster_configure "$dir" "$@"
}

# cluster_configure DIR [SETTING…] : the settings of every cluster here, then the caller's, which win.
cluster_configure() {
    local dir=$1
    shift
    {
        cat <<CONF
listen_addresses = ''
unix_socket_directories = '$dir/socket'
unix_socket_permissions = 0700
port = $CLUSTER_PORT
shared_buffers = 256MB
max_wal_size = 2GB
timezone = 'UTC'
jit = off
log_line_prefix = '%m [%p] %e %a '
CONF
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } | as_db tee -a "$dir/data/postgresql.conf" >/dev/null
}

cluster_start() { as_db "$PGBIN/pg_ctl" -D "$1/data" -l "$1/log" -w -t 60 start >/dev/null; }
cluster_stop() { as_db "$PGBIN/pg_ctl" -D "$1/data" -m "${2:-fast}" -w -t 60 stop >/dev/null 2>&1 || true; }
cluster_running() { as_db "$PGBIN/pg_ctl" -D "$1/data" status >/dev/null 2>&1; }

# The directory goes with its server.
cluster_remove() {
    [ -n "${1:-}" ] && [ -d "$1" ] || return 0
    if [ -d "$1/data" ] && cluster_running "$1"; then cluster_stop "$1" immediate; fi
    as_db rm -rf "$1"
}

# Points psql, pg_dump and the rest at a cluster.
cluster_use() {
    export PGHOST=$1/socket PGPORT=$CLUSTER_PORT PGUSER=postgres PGDATABASE=${2:-postgres}
}

# Lines of a server log that no test may cause; a killed backend is one unless the test says how often it killed.
scan_log() {
    local log=$1 kills=${2:-0} found killed
    found=$(as_db grep -nE '(^|[^A-Za-z])PANIC|TRAP:|\] XX000 ' "$log" || true)
    killed=$(as_db grep -c 'was terminated by signal' "$log" || true)
    [ -z "$found" ] || printf '%s\n' "$found"
    [ "${killed:-0}" -le "$kills" ] || printf '%s of the server processes were killed by a signal, %s by the test\n' "$killed" "$kills"
}
