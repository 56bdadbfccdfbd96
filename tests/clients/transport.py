"""Events and profiles of the official Python client, unchanged, into a project.

    import psycopg, mixpanel
    from transport import SqlConsumer
    mp = mixpanel.Mixpanel("token", consumer=SqlConsumer(psycopg.connect(autocommit=True), "shop"))

Single messages and arrays of them, as a buffer in front sends them, are taken alike.
"""

import json

import mixpanel

FUNCTIONS = {
    "events": "SELECT analytics_groups.track(%s::jsonb, strict => false, project => %s)",
    "imports": "SELECT analytics_groups.track(%s::jsonb, strict => true, project => %s)",
    "people": "SELECT analytics_groups.update_users(%s::jsonb, %s)",
    "groups": "SELECT analytics_groups.update_groups(%s::jsonb, %s)",
}


class SqlConsumer:
    """What the client calls a consumer: it is handed JSON for an endpoint. `project` None is that of the setting."""

    def __init__(self, connection, project=None):
        self.connection = connection
        self.project = project

    def send(self, endpoint, json_message, api_key=None, api_secret=None):
        """The names of the arguments are the client's; credentials are those of the connection."""
        if endpoint not in FUNCTIONS:
            raise mixpanel.MixpanelException(f'No such endpoint "{endpoint}"')
        message = json.loads(json_message)
        if endpoint == "imports" and isinstance(message, dict) and message.get("event") == "$merge":
            # Identities are joined by calls here, not by events.
            ids = message["properties"]["$distinct_ids"]
            self.connection.execute("SELECT analytics_groups.merge(%s, %s, %s)", (ids[0], ids[1], self.project))
            return
        answer = self.connection.execute(FUNCTIONS[endpoint], (json_message, self.project)).fetchone()[0]
        if answer["code"] != 200:
            raise mixpanel.MixpanelException(f"Mixpanel error: {answer['failed_records'][0]['message']}")

    def flush(self, endpoint=None):
        """Nothing waits here."""
