"""Filter expressions as trees: what they mean and how they are written.

A tree is a tuple. It is evaluated here and rendered as text for the server, so nothing of the server's parser is
repeated. `undefined` (and JSON null) is Python's None.

    ("prop", name), also of lookup.<property>.<column>  ("user", name)  ("group", key, name)  ("lit", value)
    ("==" | "!=" | "<" | "<=" | ">" | ">=", a, b)   ("and" | "or", a, b)   ("not", a)
    ("in", a, [literal, …])   ("part", literal, a)   ("any", list, literal)
    ("defined", a)   ("number", a)   ("+", a, b)   ("cohort", name), which cohorts.py answers beforehand
"""

import json


def kind(value):
    """The type of a value in the expression language."""
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "list"


def equal(a, b):
    """Values of different types are never equal; undefined equals nothing; a list equals what one of its elements does."""
    if (kind(a) == "list") != (kind(b) == "list"):
        elements, other = (a, b) if kind(a) == "list" else (b, a)
        return any(equal(e, other) for e in elements)
    return a is not None and kind(a) == kind(b) and a == b


def number(value):
    """`number(…)`: numbers, booleans and numeric text; everything else is undefined."""
    if kind(value) == "boolean":
        return int(value)
    if kind(value) == "number":
        return value
    if kind(value) == "string":
        try:
            return float(value)
        except ValueError:
            return None
    return None


def compare(op, a, b):
    """Order comparisons need two numbers, else they are undefined."""
    if kind(a) != "number" or kind(b) != "number":
        return None
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def evaluate(tree, properties, user, group):
    """Value of a tree; `user` is the profile of the event's user, `group(key)` the profile of the group at hand."""

    def value(t):
        return evaluate(t, properties, user, group)

    op = tree[0]
    if op == "prop":
        return properties.get(tree[1])
    if op == "user":
        return user.get(tree[1])
    if op == "group":
        return group(tree[1]).get(tree[2])
    if op == "lit":
        return tree[1]
    if op == "==":
        return equal(value(tree[1]), value(tree[2]))
    if op == "!=":
        return not equal(value(tree[1]), value(tree[2]))
    if op in ("<", "<=", ">", ">="):
        return compare(op, value(tree[1]), value(tree[2]))
    if op == "and":
        return value(tree[1]) is True and value(tree[2]) is True
    if op == "or":
        return value(tree[1]) is True or value(tree[2]) is True
    if op == "not":
        return value(tree[1]) is not True
    if op == "in":
        # A list property is in a list when any of its elements is (§4.8).
        found = value(tree[1])
        candidates = found if kind(found) == "list" else [found]
        return any(equal(candidate, item) for candidate in candidates for item in tree[2])
    if op == "part":
        whole = value(tree[2])
        return tree[1] in whole if kind(whole) == "string" else None
    if op == "defined":
        return value(tree[1]) is not None
    if op == "number":
        return number(value(tree[1]))
    if op == "+":
        a, b = value(tree[1]), value(tree[2])
        return a + b if kind(a) == kind(b) and kind(a) in ("number", "string") else None
    if op == "any":
        items = value(tree[1])
        if items is None:
            return None
        # A single value is a list of one: the law says nothing of it, and a property may come as either.
        return any(equal(item, tree[2]) for item in (items if kind(items) == "list" else [items]))
    raise ValueError(f"unknown operator {op}")


def render(tree):
    """The text of a tree in the server's expression language."""
    op = tree[0]
    if op == "prop" and tree[1].startswith("lookup."):
        _, name, column = tree[1].split(".")
        return f"lookup[{json.dumps(name)}][{json.dumps(column)}]"
    if op == "prop" and tree[1].endswith("@event"):
        _, key, name = tree[1].split(".")
        return f"group[{json.dumps(key)}][{json.dumps(name)}]"
    if op == "prop":
        return f"properties[{json.dumps(tree[1])}]"
    if op == "user":
        return f"user[{json.dumps(tree[1])}]"
    if op == "group":
        return f"group[{json.dumps(tree[1])}][{json.dumps(tree[2])}]"
    if op == "cohort":
        return f"cohort({json.dumps(tree[1])})"
    if op == "lit":
        return json.dumps(tree[1], ensure_ascii=False)
    if op in ("defined", "number"):
        return f"{op}({render(tree[1])})"
    if op == "not":
        return f"not ({render(tree[1])})"
    if op == "in":
        return f"{render(tree[1])} in {json.dumps(tree[2], ensure_ascii=False)}"
    if op == "part":
        return f"{json.dumps(tree[1], ensure_ascii=False)} in {render(tree[2])}"
    if op == "any":
        return f"any(x, {render(tree[1])}, x == {json.dumps(tree[2], ensure_ascii=False)})"
    return f"({render(tree[1])} {op} {render(tree[2])})"
