"""The two guides to group analytics as one run, from top to bottom in one project: what they have in Python through the official
client, what they have as JSON or as a curl command as it stands there. Once with a consumer on the connection, once with the
client's own over HTTP; at the end the counts, the profiles and the identities are the same.

The server is chosen by PGHOST, PGPORT, PGUSER and PGDATABASE. Needs requirements.txt, and curl.
"""

import base64
import gzip
import json
import subprocess
import sys
import unittest
import urllib.request
from urllib.parse import urlencode

import mixpanel
import psycopg
from endpoints import serve
from psycopg.types.json import Jsonb
from transport import Client

# Step 3 of the guide to standard group analytics, as it is printed.
CURL = r"""curl https://api.mixpanel.com/groups \
  --header 'Content-Type: application/json' \
  --data '[
    {
      "$token": "YOUR_PROJECT_TOKEN",
      "$group_key": "company_id",
      "$group_id": "acme_corp",
      "$set": {
        "$name": "Acme Corporation",
        "plan": "enterprise"
      }
    }
  ]'"""

PURCHASE = """{
  "event": "Purchase",
  "properties": {
    "distinct_id": "user_123",
    "time": 1690000000,
    "company_id": "acme_corp",
    "team_id": "engineering",
    "amount": 99.99
  }
}"""

INVOICE = """{
  "event": "Invoice Paid",
  "properties": {
    "distinct_id": "user_456",
    "time": 1690000000,
    "company_id": "acme_corp",
    "amount": 2500
  }
}"""

GROUP_PROFILE = """{
  "$group_key": "company_id",
  "$group_id": "acme_corp",
  "$set": {
    "$name": "Acme Corporation",
    "plan": "enterprise",
    "industry": "Technology",
    "employee_count": 500
  }
}"""

# event: events, users, events of companies (one of several companies is one), companies, teams
COUNTS = {
    "$any": [6, 3, 5, 4, 1],
    "page_view": [2, 1, 1, 1, 0],
    "login": [1, 1, 1, 1, 0],
    "Some Event": [1, 1, 1, 3, 0],
    "Purchase": [1, 1, 1, 1, 1],
    "Invoice Paid": [1, 1, 1, 1, 0],
}
COMPANIES = {
    "acme_corp": {"$name": "Acme Corporation", "plan": "enterprise", "industry": "Technology", "employee_count": 500},
    "company 1": {"Company Type": "Analytics", "Company name": "Mixpanel"},
    "company 2": {},
    "company 3": {},
}
USERS = {"existing_user": {"company_id": ["1", "2"]}, "user_123": {}, "user_456": {}}
IDENTITIES = [["$device:anoymous_id", "existing_user"]]


class Guides(unittest.TestCase):
    def setUp(self):
        self.db = psycopg.connect(autocommit=True)
        self.behind = psycopg.connect(autocommit=True)
        self.one("SELECT analytics_groups.create_project('client_guides')")
        self.one("SELECT set_config('analytics_groups.project', 'client_guides', false)")
        self.server = serve(self.behind, "client_guides")

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.behind.close()
        self.one("SELECT analytics_groups.drop_project('client_guides')")
        self.db.close()

    def one(self, sql, *args):
        return self.db.execute(sql, args).fetchone()[0]

    def post(self, path, body, content_type="application/json", **headers):
        headers = {"Content-Type": content_type, **headers}
        request = urllib.request.Request(self.server.url + path, body.encode() if isinstance(body, str) else body, headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def curl(self, command):
        """Runs a command of a guide; only the host is another."""
        self.assertIn("https://api.mixpanel.com", command)
        command = command.replace("https://api.mixpanel.com", self.server.url).replace("curl ", "curl -sS --noproxy '*' ", 1)
        return json.loads(subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout)

    def measured(self, event, measure, by):
        """Since the events of the guides, which are of 2023."""
        sql = """SELECT coalesce(sum(value), 0)::int FROM analytics_groups.insights(%s, '2023-07-01', ((now() AT TIME ZONE 'UTC')::date + 1), unit => 'range')"""
        return self.one(sql, Jsonb([{"event": event, "measure": measure, "by": by}]))

    def follow(self, mp):
        """Both guides, in the order of their text."""
        self.one("SELECT analytics_groups.add_group_key('company_id', 'Company')")
        self.one("SELECT analytics_groups.add_group_key('team_id', 'Team')")
        # Implementation guide: tracking events for a group.
        mp.track('$device:anoymous_id', 'page_view', {'$device_id': 'anoymous_id'})
        mp.track('existing_user', 'login', {'$device_id': 'anoymous_id', '$user_id': 'existing_user', 'company_id': ['company 1']})
        mp.track('existing_user', 'page_view', {'$user_id': 'existing_user', 'company_id': ['company 1']})
        # Attributing events to multiple groups: of the user who is logged in.
        mp.track('existing_user', 'Some Event', {'company_id': ['company 1', 'company 2', 'company 3']})
        # Updating group profiles.
        mp.group_set('company_id', 'company 1', {
            'Company Type': 'Analytics',
            'Company name': 'Mixpanel'
        })
        # Add group key to user's profile.
        mp.people_set('existing_user', {'company_id': ['1', '2']})
        # Standard group analytics: the data model.
        self.assertEqual(self.post("/import", PURCHASE)["num_records_imported"], 1)
        self.assertEqual(self.post("/groups", GROUP_PROFILE), {"status": 1, "error": None})
        # Step 2, option B, and step 3.
        self.assertEqual(self.post("/import", f"[{INVOICE}]")["num_records_imported"], 1)
        mp.group_set("company_id", "acme_corp", {
            "$name": "Acme Corporation",
            "plan": "enterprise",
            "industry": "Technology"
        })
        self.assertEqual(self.curl(CURL), {"status": 1, "error": None})
        # Step 4.
        self.one("SELECT analytics_groups.set_company_key('company_id')")

    def check(self):
        for event, wanted in COUNTS.items():
            asked = [("total", "user"), ("unique", "user"), ("total", "company_id"), ("unique", "company_id"), ("unique", "team_id")]
            self.assertEqual([self.measured(event, *how) for how in asked], wanted, event)
        profiles = "SELECT jsonb_object_agg(id, coalesce(properties, '{}') - '$last_seen') FROM analytics_groups."
        self.assertEqual(self.one(profiles + "query_groups('company_id') WHERE id NOT IN ('1', '2')"), COMPANIES)
        self.assertEqual(self.one(profiles + "query_groups('team_id')"), {"engineering": {}})
        self.assertEqual(self.one(profiles + "query_users() WHERE id NOT LIKE '$device:%%'"), USERS)
        identities = self.db.execute("SELECT id, linked_to FROM analytics_groups.export_identities() ORDER BY 1").fetchall()
        self.assertEqual([list(i) for i in identities], IDENTITIES)
        self.assertEqual(self.one("SELECT count(*) FROM analytics_groups.verify('client_guides')"), 0)

    def test_through_the_connection(self):
        self.follow(Client("YOUR_PROJECT_TOKEN", self.db))
        self.check()
        self.one("SELECT analytics_groups._maintain('client_guides', true)")
        self.check()

    def test_through_http(self):
        urls = {f"{what}_url": self.server.url + path for what, path in
                [("events", "/track"), ("people", "/engage"), ("import", "/import"), ("groups", "/groups")]}
        self.follow(mixpanel.Mixpanel("YOUR_PROJECT_TOKEN", consumer=mixpanel.Consumer(retry_limit=0, **urls)))
        self.check()

    def test_the_forms_of_a_body(self):
        """JSON, a form with it, the same in base64, lines, and compressed: each is one event, or one update."""
        self.one("SELECT analytics_groups.add_group_key('company_id')")
        form = "application/x-www-form-urlencoded"
        event = {"event": "Form", "properties": {"distinct_id": "u", "company_id": "acme", "token": "t"}}
        text = json.dumps(event)
        wanted = {"status": 1, "error": None}
        self.assertEqual(self.post("/track", text), wanted)
        self.assertEqual(self.post("/track?verbose=1", urlencode({"data": text, "ip": 0}), form), wanted)
        self.assertEqual(self.post("/track", urlencode({"data": base64.b64encode(text.encode()).decode()}), form), wanted)
        self.assertEqual(self.post("/track", urlencode({"data": base64.b64encode(text.encode()).decode().rstrip("=")}), form), wanted)
        timed = [json.dumps({**event, "properties": {**event["properties"], "time": 1690000000 + i}}) for i in range(2)]
        self.assertEqual(self.post("/import?strict=1", "\n".join(timed), "application/x-ndjson")["num_records_imported"], 2)
        zipped = gzip.compress(f"[{','.join(timed)}]".encode())
        self.assertEqual(self.post("/import", zipped, **{"Content-Encoding": "gzip"})["num_records_imported"], 2)
        self.assertEqual(self.measured("Form", "total", "company_id"), 8)
        engage = [{"$token": "t", "$distinct_id": "u", "$add": {"seats": 1}}]
        self.assertEqual(self.post("/engage", json.dumps(engage)), wanted)
        self.assertEqual(self.post("/engage", urlencode({"data": json.dumps(engage)}), form), wanted)
        self.assertEqual(self.one("SELECT analytics_groups.user_profile('u') - '$last_seen'"), {"seats": 2})
        group = {"$group_key": "company_id", "$group_id": "acme", "$union": {"tags": ["a"]}}
        self.assertEqual(self.post("/groups#group-set", urlencode({"data": json.dumps(group)}), form), wanted)
        self.assertEqual(self.one("SELECT analytics_groups.group_profile('company_id', 'acme') - '$last_seen'"), {"tags": ["a"]})
        unknown = {**group, "$group_key": "nope"}
        self.assertEqual(self.post("/groups", json.dumps(unknown))["status"], 0)
        for path, body, code in [("/nowhere", "{}", 404), ("/track", "not JSON", 400), ("/import", json.dumps(event), 400)]:
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.post(path, body)
            refused.exception.close()
            self.assertEqual(refused.exception.code, code, path)

    def test_an_alias(self):
        """The client's own alias() sends past any consumer; that of the transport's client does not."""
        self.one("SELECT analytics_groups.add_group_key('company_id')")
        mp = Client("YOUR_PROJECT_TOKEN", self.db)
        mp.track("ann", "Login")
        mp.alias("ann@example.com", "ann")
        mp.track("ann@example.com", "Login")
        self.assertEqual(self.measured("Login", "unique", "user"), 1)
        self.assertEqual(self.measured("Login", "total", "user"), 2)
        identities = self.db.execute("SELECT id, linked_to FROM analytics_groups.export_identities()").fetchall()
        self.assertEqual(identities, [("ann@example.com", "ann")])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
