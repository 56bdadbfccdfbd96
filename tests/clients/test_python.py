"""What the documents tell users of the official Python client to do, from top to bottom, against a server.

The server is chosen by PGHOST, PGPORT, PGUSER and PGDATABASE. Needs requirements.txt.
"""

import json
import sys
import unittest

import mixpanel
import psycopg
from psycopg.types.json import Jsonb
from transport import Client, SqlConsumer

TODAY = "(now() AT TIME ZONE 'UTC')::date"


class Documents(unittest.TestCase):
    def setUp(self):
        self.db = psycopg.connect(autocommit=True)
        self.one("SELECT analytics_groups.create_project('client_python')")
        self.one("SELECT set_config('analytics_groups.project', 'client_python', false)")
        self.one("SELECT analytics_groups.add_group_key('company_id', 'Company')")
        self.mp = Client("YOUR_PROJECT_TOKEN", self.db, "client_python")

    def tearDown(self):
        self.one("SELECT analytics_groups.drop_project('client_python')")
        self.db.close()

    def one(self, sql, *args):
        return self.db.execute(sql, args).fetchone()[0]

    def count(self, event, by, measure="unique"):
        """Of the last day or two: a test may run over midnight."""
        sql = f"""SELECT coalesce(sum(value), 0)::int FROM analytics_groups.insights(%s, {TODAY} - 1, {TODAY} + 1, unit => 'range')"""
        return self.one(sql, Jsonb([{"event": event, "measure": measure, "by": by}]))

    def companies(self, event):
        sql = f"""SELECT coalesce(array_agg(segment[1] ORDER BY segment[1] COLLATE "C"), '{{}}')
                  FROM analytics_groups.insights(%s, {TODAY} - 1, {TODAY} + 1, unit => 'range', breakdown => '["group.company_id"]')
                  WHERE value > 0"""
        return self.one(sql, Jsonb([{"event": event, "measure": "total", "by": "company_id"}]))

    def test_the_flow_of_the_implementation_guide(self):
        mp = self.mp
        mp.track("$device:anoymous_id", "page_view", {"$device_id": "anoymous_id"})
        mp.track(
            "existing_user",
            "login",
            {"$device_id": "anoymous_id", "$user_id": "existing_user", "company_id": ["company 1"]},
        )
        mp.track("existing_user", "page_view", {"$user_id": "existing_user", "company_id": ["company 1"]})
        # One user did all of it, before and after; the journey of the group starts with the login.
        self.assertEqual(self.count("$any", "user"), 1)
        self.assertEqual(self.count("page_view", "user", "total"), 2)
        self.assertEqual(self.count("page_view", "company_id", "total"), 1)
        self.assertEqual(self.count("login", "company_id", "total"), 1)
        self.assertEqual(self.companies("$any"), ["company 1"])

    def test_an_event_of_multiple_groups(self):
        self.mp.track("user_456", "Some Event", {"company_id": ["company 1", "company 2", "company 3"]})
        self.assertEqual(self.count("Some Event", "company_id"), 3)
        self.assertEqual(self.count("Some Event", "user", "total"), 1)
        self.assertEqual(self.companies("Some Event"), ["company 1", "company 2", "company 3"])

    def test_profiles_of_groups(self):
        self.mp.group_set("company_id", "company 1", {"Company Type": "Analytics", "Company name": "Mixpanel"})
        self.mp.group_set("company_id", "acme_corp", {"$name": "Acme Corporation", "plan": "enterprise"})
        self.mp.group_set_once("company_id", "acme_corp", {"plan": "free", "industry": "Technology"})
        self.mp.group_union("company_id", "acme_corp", {"tags": ["a", "b"]})
        self.mp.group_remove("company_id", "acme_corp", {"tags": "a"})
        self.mp.group_unset("company_id", "acme_corp", ["$name"])
        profile = self.one("SELECT analytics_groups.group_profile('company_id', 'acme_corp') - '$last_seen'")
        self.assertEqual(profile, {"plan": "enterprise", "industry": "Technology", "tags": ["b"]})
        profile = self.one("SELECT analytics_groups.group_profile('company_id', 'company 1') - '$last_seen'")
        self.assertEqual(profile, {"Company Type": "Analytics", "Company name": "Mixpanel"})
        self.mp.group_delete("company_id", "company 1")
        self.assertIsNone(self.one("SELECT analytics_groups.group_profile('company_id', 'company 1')"))

    def test_the_group_key_on_the_profile_of_a_user(self):
        self.mp.people_set("user_456", {"company_id": ["1", "2"], "plan": "pro"})
        self.mp.people_increment("user_456", {"logins": 2})
        self.mp.people_append("user_456", {"pages": "home"})
        profile = self.one("SELECT analytics_groups.user_profile('user_456') - '$last_seen'")
        self.assertEqual(profile, {"company_id": ["1", "2"], "plan": "pro", "logins": 2, "pages": ["home"]})
        self.mp.group_set("company_id", "1", {"industry": "Technology"})
        self.mp.track("user_456", "Login")
        sql = f"""SELECT coalesce(sum(value), 0)::int FROM analytics_groups.insights('["Login"]', {TODAY} - 1, {TODAY} + 1, unit => 'range',
                  filter => 'group["company_id"]["industry"] == "Technology"')"""
        self.assertEqual(self.one(sql), 1)
        # The profile attributes no event.
        self.assertEqual(self.count("Login", "company_id"), 0)

    def test_imports(self):
        with self.assertLogs("mixpanel"):
            self.mp.import_data("key", "user_456", "Invoice Paid", 1690000000, {"company_id": "acme_corp", "amount": 2500})
        sql = """SELECT sum(value)::int FROM analytics_groups.insights(
                 '[{"event": "Invoice Paid", "measure": "sum", "property": "amount", "by": "company_id"}]', '2023-07-22', '2023-07-22')"""
        self.assertEqual(self.one(sql), 2500)

    def test_merge(self):
        self.mp.track("a", "Login")
        self.mp.track("b", "Login")
        self.assertEqual(self.count("Login", "user"), 2)
        with self.assertLogs("mixpanel"):
            self.mp.merge("key", "a", "b")
        self.assertEqual(self.count("Login", "user"), 1)

    def test_batches_and_errors(self):
        consumer = SqlConsumer(self.db, "client_python")
        events = [{"event": "Login", "properties": {"distinct_id": f"u{i}", "token": "t"}} for i in range(50)]
        consumer.send("events", json.dumps(events))
        self.assertEqual(self.count("Login", "user"), 50)
        with self.assertRaisesRegex(mixpanel.MixpanelException, "unknown group key"):
            self.mp.group_set("nope", "acme", {"plan": "pro"})
        with self.assertRaisesRegex(mixpanel.MixpanelException, "distinct_id"):
            self.mp.track("undefined", "Login")
        with self.assertRaisesRegex(mixpanel.MixpanelException, "No such endpoint"):
            consumer.send("nowhere", "{}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
