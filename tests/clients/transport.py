"""Events and profiles of the official Python client, unchanged, into a project.

    import psycopg
    from transport import Client
    mp = Client("token", psycopg.connect(autocommit=True), "shop")

which is the official client with a consumer of ours, `mixpanel.Mixpanel("token", consumer=SqlConsumer(connection, "shop"))`, but for alias():
that one makes a consumer of its own, whichever the client has, and would send to the vendor's host. Single messages and
arrays of them, as a buffer in front sends them, are taken alike.
"""

import json

import mixpanel

FUNCTIONS = {
    "events": "SELECT analytics_groups.track(%s::jsonb, strict => false, project => %s)",
    "imports": "SELECT analytics_groups.track(%s::jsonb, strict => true, project => %s)",
    "people": "SELECT analytics_groups.update_users(%s::jsonb, %s)",
    "groups": "SELECT analytics_groups.update_groups(%s::jsonb, %s)",
}


def hand_over(connection, project, endpoint, json_message):
    """Hands a message for an endpoint to SQL, as it is, and returns the answer. Identities are joined by calls here, not by
    events."""
    message = json.loads(json_message)
    event = message.get("event") if isinstance(message, dict) else None
    if endpoint == "imports" and event == "$merge":
        ids = message["properties"]["$distinct_ids"]
        connection.execute("SELECT analytics_groups.merge(%s, %s, %s)", (ids[0], ids[1], project))
    elif endpoint == "events" and event == "$create_alias":
        of = message["properties"]
        connection.execute("SELECT analytics_groups.alias(%s, %s, %s)", (of["distinct_id"], of["alias"], project))
    else:
        return connection.execute(FUNCTIONS[endpoint], (json_message, project)).fetchone()[0]
    return {"code": 200, "status": "OK"}


class SqlConsumer:
    """What the client calls a consumer: it is handed JSON for an endpoint. `project` None is that of the setting."""

    def __init__(self, connection, project=None):
        self.connection = connection
        self.project = project

    def send(self, endpoint, json_message, api_key=None, api_secret=None):
        """The names of the arguments are the client's; credentials are those of the connection."""
        if endpoint not in FUNCTIONS:
            raise mixpanel.MixpanelException(f'No such endpoint "{endpoint}"')
        answer = hand_over(self.connection, self.project, endpoint, json_message)
        if answer["code"] != 200:
            raise mixpanel.MixpanelException(f"Mixpanel error: {answer['failed_records'][0]['message']}")

    def flush(self, endpoint=None):
        """Nothing waits here."""


class Client(mixpanel.Mixpanel):
    """The official client on a connection of ours."""

    def __init__(self, token, connection, project=None):
        super().__init__(token, consumer=SqlConsumer(connection, project))

    def alias(self, alias_id, original, meta=None):
        """What the client sends, through the client's consumer."""
        event = {"event": "$create_alias", "properties": {"distinct_id": original, "alias": alias_id, "token": self._token}}
        self._consumer.send("events", json.dumps({**event, **(meta or {})}))
