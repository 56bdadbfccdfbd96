"""Which test pins which rule of the reports: reads rules.txt beside it and the logs of a test run, says which rules passed, and
checks that docs/conformance.md says so. `run.py LOGS` after scripts/test; `run.py LOGS --update` writes the document.

A rule passes when every test that it names was run and passed. A rule that names no test has a reason, or fails."""

import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(HERE, "..", "..", "docs", "conformance.md")
HEAD = """# Conformance

Every rule of the reports and the tests that pin it. Made by the test run (`tests/conformance`), which fails when a test named here is
missing or does not pass. `engine`: unit and property tests of `crates/engine`; `sql`: `tests/pg_regress`; `oracle`: the oracle against
worked examples; `random`: random questions about random projects, the oracle's answer against the server's, before and after
maintenance; `server`: `tests/server`. Sections are those of the rules' source, the behaviour of Mixpanel's reports.
"""


def lines(path):
    try:
        with open(path, errors="replace") as f:
            return [re.sub(r"\x1b\[[0-9;]*m", "", line.rstrip("\n")) for line in f]
    except FileNotFoundError:
        return []


def results(logs):
    """Name of a test -> passed."""
    found = {}
    for path in glob.glob(os.path.join(logs, "engine*.log")):
        for line in lines(path):
            # cargo-nextest, or the harness of cargo test
            if m := re.match(r"\s*(PASS|FAIL|TIMEOUT|SIG\w+|ABORT)\s+\[.*?\]\s+(?:\(.*?\)\s+)?engine\S*\s+(\S+)", line):
                name, ok = "engine:" + m[2], m[1] == "PASS"
            elif m := re.match(r"test (\S+) \.\.\. (\w+)", line):
                name, ok = "engine:" + m[1], m[2] == "ok"
            else:
                continue
            found[name] = found.get(name, True) and ok
    for line in lines(os.path.join(logs, "SQL.log")):
        if m := re.match(r"(?:test)? +([a-z0-9_]+) +\.\.\. (\w+)|(not )?ok +\d+ +[-+] ([a-z0-9_]+)", line):
            found["sql:" + (m[1] or m[4])] = m[2] == "ok" if m[1] else not m[3]
    for line in lines(os.path.join(logs, "oracle__test_oracle.log")):
        if m := re.match(r"(test_\w+) \(__main__\.(\w+)(?:\.\w+)?\) \.\.\. (\w+)", line):
            found[f"oracle:{m[2]}.{m[1]}"] = m[3] == "ok"
    for line in lines(os.path.join(logs, "oracle__random_check.log")):
        if m := re.match(r"(\w+): (\d+) agree, (\d+) differ$", line):
            found["random:" + m[1]] = m[3] == "0" and m[2] != "0"
    for line in lines(os.path.join(logs, "oracle__identity_check.log")):
        if m := re.match(r"(\d+) passed, (\d+) failed$", line):
            found["oracle:identity_check"] = m[1] != "0" and m[2] == "0"
    for path in glob.glob(os.path.join(logs, "server__*.log")):
        if counts := [m for line in lines(path) if (m := re.match(r"(\d+) passed, (\d+) failed$", line))]:
            found["server:" + os.path.basename(path)[len("server__") : -len(".log")]] = counts[-1][2] == "0"
    return found


def rules():
    """(heading, section, rule, tests or reason), in order."""
    heading = ""
    for line in lines(os.path.join(HERE, "rules.txt")):
        if line.startswith("## "):
            heading = line[3:]
        elif line and not line.startswith("#"):
            section, rule, tests = (part.strip() for part in line.split("|"))
            yield heading, section, rule, tests


def judged(tests, found):
    """What is wrong with the tests of a rule; nothing when they passed."""
    wrong = []
    for test in tests.split():
        names = [n for n in found if n.startswith(test[:-1])] if test.endswith("*") else [test] if test in found else []
        if not names:
            wrong.append(f"{test} was not run")
        wrong += [f"{n} failed" for n in names if not found[n]]
    return wrong or ([] if tests else ["no test"])


def main():
    logs, update = sys.argv[1], "--update" in sys.argv[2:]
    found = results(logs)
    text, passed, failed, heading = HEAD, 0, 0, None
    for title, section, rule, tests in rules():
        if title != heading:
            heading = title
            text += f"\n## {title}\n\n| § | rule | pinned by | |\n|---|---|---|---|\n"
        if tests.startswith("left out: "):
            text += f"| {section} | {rule} | {tests} | – |\n"
            continue
        wrong = judged(tests, found)
        for w in wrong:
            print(f"FAILED {section} {rule}: {w}")
        passed, failed = passed + (not wrong), failed + bool(wrong)
        text += f"| {section} | {rule} | {' '.join(f'`{t}`' for t in tests.split())} | pass |\n"
    if update and not failed:
        with open(DOCUMENT, "w") as f:
            f.write(text)
    elif "\n".join(lines(DOCUMENT)) + "\n" == text:
        passed += 1
    else:
        failed += 1
        print("FAILED docs/conformance.md is not what this run found: tests/conformance/run.py LOGS --update writes it")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
