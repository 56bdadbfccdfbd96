"""One long-lived psql process: SQL goes in through stdin, answers come back as JSON.

The server is chosen by PGHOST, PGPORT, PGUSER and PGDATABASE. psql ends at the first error; the next statement then
starts a new one.
"""

import json
import os
import subprocess
import tempfile
import uuid

COMMAND = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]


class SqlError(Exception):
    """What psql wrote to stderr before it ended."""


class Session:
    """A psql process. `preamble` runs whenever one is started."""

    def __init__(self, preamble="SET client_min_messages = warning; SET statement_timeout = '10min';"):
        self.preamble = preamble
        self.process = None

    def __enter__(self):
        self.start()  # a server that cannot be reached is an error before anything is counted
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
            self.process = None

    def start(self):
        self.errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            encoding="utf-8",
            env=os.environ | {"PGCLIENTENCODING": "UTF8"},
        )
        self.run(self.preamble)

    def run(self, sql):
        """Runs statements and returns the lines they print."""
        if self.process is None:
            self.start()
        marker = f"end-{uuid.uuid4().hex}"
        lines = []
        try:
            self.process.stdin.write(f"{sql}\n\\echo {marker}\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.rstrip("\n") == marker:
                    return lines
                lines.append(line.rstrip("\n"))
        except BrokenPipeError:
            pass
        self.process.wait()
        self.process = None
        self.errors.seek(0)
        raise SqlError(self.errors.read().strip() or "psql ended without a word")

    def json(self, expression):
        """The value of one SQL expression of type json or jsonb."""
        (line,) = self.run(f"SELECT {expression};")
        return json.loads(line) if line else None

    def rows(self, query):
        """The rows of a query as dicts."""
        (line,) = self.run(f"SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM ({query}) t;")
        return json.loads(line)


def quote(text):
    """A SQL string literal."""
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def jsonb(value):
    """A SQL literal of type jsonb."""
    return quote(json.dumps(value, ensure_ascii=False)) + "::jsonb"
