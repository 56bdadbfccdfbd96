"""The endpoints /track, /import, /engage and /groups over HTTP, for what posts there by itself: curl, or a client as it comes.

    from endpoints import serve
    server = serve(psycopg.connect(autocommit=True), "shop")
    mixpanel.Consumer(events_url=f"{server.url}/track", groups_url=f"{server.url}/groups", ...)

For tests: one connection, no credentials, this machine alone. A body is JSON, JSON lines (/import), or a form whose field
`data` is JSON, plain or in base64; also compressed.
"""

import base64
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg
from transport import hand_over

ENDPOINTS = {"/track": "events", "/import": "imports", "/engage": "people", "/groups": "groups"}


def message(content_type, body):
    """The JSON of a body."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        body = parse_qs(body)["data"][0]
        if not body.lstrip().startswith(("{", "[")):
            body = base64.b64decode(body + "=" * (-len(body) % 4)).decode()
    elif content_type.startswith("application/x-ndjson"):
        body = "[" + ",".join(line for line in body.splitlines() if line.strip()) + "]"
    return body


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        path = urlsplit(self.path).path.rstrip("/")
        if path not in ENDPOINTS:
            return self.answer(404, {"status": 0, "error": f"no such endpoint {path}"})
        try:
            text = message(self.headers.get_content_type(), body.decode())
            answer = hand_over(self.server.connection, self.server.project, ENDPOINTS[path], text)
        except (ValueError, KeyError) as e:
            return self.answer(400, {"status": 0, "error": f"unreadable body: {e}"})
        except psycopg.Error as e:
            return self.answer(400, {"status": 0, "error": e.diag.message_primary})
        if path == "/import":
            return self.answer(answer["code"], answer)
        failed = answer.get("failed_records") or [{"message": None}]
        self.answer(200, {"status": int(answer["code"] == 200), "error": failed[0]["message"]})

    def answer(self, code, content):
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """A test says nothing while it works."""


def serve(connection, project=None):
    """A server that runs; `shutdown()` ends it."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.connection, server.project = connection, project
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
