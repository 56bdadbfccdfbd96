#!/usr/bin/env bash
# The regression scripts of pg_roaringbitmap against the types of this extension.
#
#   PGHOST=… PGPORT=… PGUSER=… tests/peers/pg_roaringbitmap.sh CHECKOUT
#
# CHECKOUT is a directory with the sources of pg_roaringbitmap 1.2 (sql/ and expected/); without one it says "skipped".
# Works in a database of its own, which it drops. Prints statements passed and all, and each difference; exit status 1
# when there is one that is not in the list of the known below. DETAIL and HINT lines are ours and not compared.
set -euo pipefail
peer=${1:-}
if [ -z "$peer" ] || [ ! -e "$peer/expected/roaringbitmap.out" ]; then
    echo "pg_roaringbitmap: skipped (no checkout of its sources given)"
    exit 0
fi
db=analytics_groups_peer_$$
work=$(mktemp -d)
trap 'dropdb --if-exists "$db"; rm -rf "$work"' EXIT
createdb "$db"
# The schema comes second, so that the tables the scripts make land in public.
export PGOPTIONS='-c search_path=public,analytics_groups -c client_min_messages=warning'
status=0
for name in roaringbitmap roaringbitmap64; do
    sed 's/^CREATE EXTENSION .* roaringbitmap;/CREATE EXTENSION if not exists analytics_groups;/' "$peer/sql/$name.sql" >"$work/$name.sql"
    sed 's/^CREATE EXTENSION .* roaringbitmap;/CREATE EXTENSION if not exists analytics_groups;/' "$peer/expected/$name.out" >"$work/$name.expected"
    psql -X -a -q -d "$db" <"$work/$name.sql" >"$work/$name.out" 2>&1
    python3 - "$name" "$work/$name" <<'PY' || status=1
import sys

# Bytes behind the end of a set: pg_roaringbitmap drops them, here they are an error (22P02), as everything that is not
# one set and nothing else.
KNOWN = {"rb_min('\\x", "rb64_min('\\x"}

name, path = sys.argv[1:]
lines = [l.rstrip() for l in open(path + ".sql", encoding="utf8")]
lines = [l for l in lines if l.strip()]


def blocks(file):
    """What follows each line of the script in an output that echoes the script."""
    out, at = [[] for _ in lines], -1
    for line in open(file, encoding="utf8"):
        line = line.rstrip()
        if not line:
            continue
        if at + 1 < len(lines) and line == lines[at + 1]:
            at += 1
        elif at >= 0 and not line.startswith(("DETAIL:  ", "HINT:  ")):
            out[at].append(line)
    assert at == len(lines) - 1, f"{file}: the output ends at line {at + 1} of the script: {lines[at + 1]}"
    return out


want, got = blocks(path + ".expected"), blocks(path + ".out")
statements = passed = 0
bad = False
for line, w, g in zip(lines, want, got):
    if not line.endswith(";") and w == g:
        continue
    statements += 1
    if w == g:
        passed += 1
        continue
    known = any(line.startswith(k) for k in KNOWN)
    bad |= not known
    print(f"  {'known difference' if known else 'DIFFERENCE'}: {line}")
    for mark, text in (("-", w), ("+", g)):
        for t in text:
            print(f"    {mark} {t}")
print(f"{name}: {passed} of {statements} statements give the expected output")
sys.exit(bad)
PY
done
exit $status
