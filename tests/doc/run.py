#!/usr/bin/env python3
"""Runs what a document promises.

    run.py README.md [--update]

Every fenced ```sql block is executed, in order, in one session of one database (the usual PG* variables say which). Where a ```text
block follows directly, with nothing but blank lines between, psql's output of the sql block must equal it. A block that raises
an error fails, unless its text block shows that very error. --update writes the outputs into the file instead of comparing.

A sql block directly after the line `<!-- not run -->` is skipped.
"""

import difflib
import re
import subprocess
import sys
from pathlib import Path

FENCE = re.compile(
    r"(?P<skip><!-- not run -->\n)?^```sql\n(?P<sql>.*?)^```\n(?:\s*?^```text\n(?P<text>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
MARK = "=== end of block {} ==="
SETUP = """\
\\pset pager off
\\pset footer off
\\set ON_ERROR_STOP 0
\\set VERBOSITY default
\\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET client_min_messages = warning;
"""


def outputs(blocks):
    """Runs all blocks in one session; returns psql's output, errors included, of each."""
    script = [SETUP, "\\echo " + MARK.format("setup") + "\n"]
    for i, sql in enumerate(blocks):
        script += [sql.rstrip() + "\n", "\\echo " + MARK.format(i) + "\n"]
    run = subprocess.run(
        ["psql", "-X", "-q", "-f", "-"],
        input="".join(script),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    rest = run.stdout.split(MARK.format("setup") + "\n", 1)
    if len(rest) != 2:
        sys.exit("psql could not start:\n" + run.stdout)
    rest, result = rest[1], []
    for i in range(len(blocks)):
        out, mark, rest = rest.partition(MARK.format(i) + "\n")
        if not mark:
            sys.exit(f"block {i + 1} ended the session:\n{out}")
        result.append(re.sub(r"^psql:<stdin>:\d+: ", "", out, flags=re.MULTILINE))
    return result


def plain(text):
    """Text without the spaces psql leaves at the ends of lines and the blank line after a table."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def main():
    path = Path(sys.argv[1])
    document = path.read_text()
    blocks = [m for m in FENCE.finditer(document) if not m["skip"]]
    results = outputs([m["sql"] for m in blocks])
    if "--update" in sys.argv[2:]:
        for m, out in reversed(list(zip(blocks, results))):
            if m["text"] is not None:
                document = document[: m.start("text")] + plain(out) + "\n" + document[m.end("text"):]
        path.write_text(document)
        return 0
    failed = 0
    for m, out in zip(blocks, results):
        line = document.count("\n", 0, m.start("sql")) + 1
        if m["text"] is None:
            wrong = "ERROR:" in out
            shown = out
        else:
            wrong = plain(out) != plain(m["text"])
            shown = "\n".join(
                difflib.unified_diff(plain(m["text"]).splitlines(), plain(out).splitlines(), "documented", "actual", lineterm="")
            )
        if wrong:
            failed += 1
            print(f"{path.name}:{line}: the block does not do what the document says\n{m['sql']}{shown}\n")
    print(f"{len(blocks) - failed} passed, {failed} failed")
    return 1 if failed or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
