"""Lookup tables of every random project, and the join by hand: what a property stands for reads like one more property,
`lookup.<property>.<column>`.
"""

import json

TABLES = {
    "plans": {
        "columns": ["plan", "kind", "weight", "labels"],
        "rows": {
            "free": {"kind": "unpaid", "weight": 0},
            "pro": {"kind": "paid", "weight": 2.5, "labels": ["a", "b"]},
            "a": {"kind": "paid", "weight": 1, "labels": ["b"]},
            "b": {"weight": 3, "labels": ["x", ""]},
            "x": {"kind": "unpaid"},
            "1": {"kind": "one", "weight": 1, "labels": ["one"]},
            "2.5": {"kind": "paid", "weight": -1},
            "true": {"kind": "yes"},
        },
    }
}
MAPPED = {name: "plans" for name in ("plan", "mixed", "tags", "n")}


def key_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def joined(value, property, column):
    """What a value stands for: None when it is not in the table; of a list the list, None when no element is."""
    if not isinstance(value, list):
        return TABLES[MAPPED[property]]["rows"].get(key_of(value), {}).get(column)
    found = []
    for element in value:
        of_one = None if isinstance(element, list) else joined(element, property, column)
        found += of_one if isinstance(of_one, list) else [of_one]
    return found if any(v is not None for v in found) else None


class Properties(dict):
    """Properties of an event that also know what they stand for, and what the event's groups had when it happened."""

    past = {}  # "group.<key>.<property>@event" -> value
    one = {}  # a property that is merged, or merged into -> all that are one with it, in the order in which they count

    def get(self, name, default=None):
        if isinstance(name, str) and name.endswith("@event"):
            return self.past.get(name)
        if isinstance(name, str) and name.startswith("lookup."):
            _, property, column = name.split(".")
            return joined(self.get(property), property, column)
        carried = (super(Properties, self).get(n) for n in self.one.get(name, [name]))
        return next((v for v in carried if v is not None), default)


def csv():
    """The text of each table."""
    def field(value):
        if isinstance(value, list):
            return '"' + json.dumps(value).replace('"', '""') + '"'
        return "" if value is None else key_of(value)

    for name, table in TABLES.items():
        lines = [",".join(table["columns"])]
        for key, row in table["rows"].items():
            lines.append(",".join([key, *[field(row.get(c)) for c in table["columns"][1:]]]))
        yield name, "\n".join(lines)
