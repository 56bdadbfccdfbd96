"""Groups that users are in until further notice (§1.4), worked out event by event: a change is (verb, user, key, ids).

Of an image, `sticky` says of (user, key) the ids: of the user that the id stood for when it was said.
"""

from oracle import Identities, group_ids, sent_identity
from session import jsonb, quote


def statements(changes, project):
    """The SQL of changes; adding and removing take one id."""
    return [
        f"SELECT analytics_groups.{verb}_group({quote(user)}, {quote(key)}, "
        f"{jsonb(ids if verb == 'set' else ids[0])}, project => {quote(project)});"
        for verb, user, key, ids in changes
    ]


def left(value, gone):
    """A list of a profile without a group; None when nothing is left."""
    return [v for v in (value if isinstance(value, list) else [value]) if group_ids(v) != [gone]] or None


def perform(image, changes):
    for verb, user, key, ids in changes:
        user = Identities(image.raw, image.verbs).end(user)
        held = image.sticky.get((user, key), [])
        profile = dict(image.users.get(user, {}))
        if verb == "set":
            held = list(ids)
            profile[key] = held or None
        elif verb == "add":
            held = held if ids[0] in held else [*held, ids[0]]
            listed = profile.get(key, [])
            listed = listed if isinstance(listed, list) else [listed]
            profile[key] = listed if ids[0] in listed else [*listed, ids[0]]
        else:
            held = [i for i in held if i != ids[0]]
            if ids[0] in group_ids(profile.get(key)):
                profile[key] = left(profile[key], ids[0])
        image.sticky[user, key] = held
        profile = {name: v for name, v in profile.items() if v is not None}
        if profile or user in image.users:
            image.users[user] = profile


def attached(image, way, events):
    """What is stored of events that arrive now, as identities are known before the call that brings them."""
    if not any(image.sticky.values()):
        return events
    stored, whose = [], Identities(image.raw, image.verbs).end
    for event in events:
        if way == "each":
            whose = Identities(image.raw + stored, image.verbs).end
        p = event["properties"]
        user = whose(sent_identity(p)[0])
        more = {
            key: list(ids)
            for (of, key), ids in image.sticky.items()
            if ids and of == user and key not in p and key in image.registered
        }
        stored.append({**event, "properties": {**p, **more}} if more else event)
    return stored


def forget_group(image, key, group):
    image.sticky = {of: [i for i in ids if of[1] != key or i != group] for of, ids in image.sticky.items()}
