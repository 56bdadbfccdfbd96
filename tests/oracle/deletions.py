"""What a deletion leaves of a project, worked out on the raw events: as if what is gone had never been sent.

    ("user", id)                     every id that is this user
    ("group", key, id, events)       profile and places in lists, and the events as well
    ("events", name, from, to)       events of a name on days, both inclusive
    ("key", property)                a group key, which is registered again at once
"""

import sticky
from oracle import Identities, group_ids, is_device, merged_ids, sent_identity, time_ms
from session import quote


def statements(what, project):
    """The SQL of a deletion; nobody is asked to delete what is not known."""
    schema, p = f"analytics_{project}", f"project => {quote(project)}"
    if what[0] == "user":
        return [
            f"SELECT 'deleted ' || analytics_groups.delete_user({quote(what[1])}, {p}) "
            f"FROM {schema}.subject WHERE kind = 0 AND id = {quote(what[1])};"
        ]
    if what[0] == "group":
        return [
            f"SELECT 'deleted ' || analytics_groups.delete_group({quote(what[1])}, {quote(what[2])}, {'true' if what[3] else 'false'}, {p}) "
            f"FROM analytics_groups.group_key k JOIN analytics_groups.project x ON x.id = k.project AND x.name = {quote(project)} "
            f"WHERE k.property = {quote(what[1])} AND NOT EXISTS (SELECT FROM {schema}.merged_group m WHERE m.kind = k.kind AND m.id = {quote(what[2])}) "
            f"AND (EXISTS (SELECT FROM {schema}.subject s WHERE s.kind = k.kind AND s.id = {quote(what[2])}) "
            f"OR EXISTS (SELECT FROM {schema}.sticky_group g WHERE g.kind = k.kind AND {quote(what[2])} = ANY (g.ids)));"
        ]
    if what[0] == "events":
        days = f"{quote(what[2].isoformat())}, {quote(what[3].isoformat())}"
        return [f"SELECT 'deleted ' || analytics_groups.delete_events(to_jsonb({quote(what[1])}::text), {days}, {p});"]
    seed = f'{{"$group_key": "{what[1]}", "$group_id": "seed", "$set": {{"tier": "x", "seats": 1}}}}'
    return [
        # Cohorts of earlier questions hold on to the key; those that others are made of were defined before them.
        f"SELECT analytics_groups.drop_cohort(cohort, {p}) FROM (SELECT cohort FROM analytics_groups.cohorts "
        f"WHERE project = {quote(project)} AND by = {quote(what[1])} ORDER BY created_at DESC) AS newest_first;",
        f"SELECT analytics_groups.drop_group_key({quote(what[1])}, {p});",
        f"SELECT analytics_groups.add_group_key({quote(what[1])}, {p});",
        f"SELECT analytics_groups.keep_history({quote(what[1])}, 'tier', {p});",
        f"SELECT analytics_groups.update_groups({quote(seed)}::jsonb, {p});",
    ]


def identity(event, index):
    """What makes two events one."""
    p = event["properties"]
    if p.get("$insert_id") is None:
        return index
    return event["event"], sent_identity(p)[0], time_ms(p["time"]), p["$insert_id"]


def counting(raw):
    """Of each event the index of the version that counts."""
    return {identity(event, index): index for index, event in enumerate(raw)}


def remove(image, gone):
    """Takes raw events out; what refers to places among them moves with the others."""
    before = [0]
    for index in range(len(image.raw)):
        before.append(before[-1] + (index in gone))
    image.raw = [e for index, e in enumerate(image.raw) if index not in gone]
    image.registered = {key: at - before[at] for key, at in image.registered.items()}
    image.verbs = [(at - before[at], *verb) for at, *verb in image.verbs]


def remove_identities(image, gone):
    """Takes every version of events out. Whose a device is stays known, as it does when old events are not kept."""
    gone = {index for index, event in enumerate(image.raw) if identity(event, index) in gone}
    said = [((at, 0), (at, *verb)) for at, *verb in image.verbs]
    for index in gone:
        _, device, user = sent_identity(image.raw[index]["properties"])
        if device is not None and user is not None and not is_device(user):
            said.append(((index, 1), (index, "device", "$device:" + device, user)))
    image.verbs = [verb for _, verb in sorted(said, key=lambda s: s[0])]
    remove(image, gone)


def delete_user(image, user):
    identities = Identities(image.raw, image.verbs)
    end = identities.end(user)

    def theirs(name):
        return name is not None and identities.end(name) == end

    image.verbs = [verb for verb in image.verbs if not (theirs(verb[2]) or theirs(verb[3]))]
    for index, event in enumerate(image.raw):
        p = event["properties"]
        device = sent_identity(p)[1]
        # What others' events said of a device of this user is forgotten with it.
        if device is not None and p.get("$user_id") and theirs("$device:" + device):
            image.raw[index] = {**event, "properties": {k: v for k, v in p.items() if k != "$device_id"}}
    remove(image, {i for i, e in enumerate(image.raw) if theirs(sent_identity(e["properties"])[0])})
    image.users = {name: p for name, p in image.users.items() if not theirs(name)}
    image.sticky = {of: ids for of, ids in image.sticky.items() if not theirs(of[0])}


def delete_group(image, key, group, events):
    if (key, group) in image.one:  # it is another group, which nobody said should go
        return

    def is_it(value):
        return merged_ids(key, group_ids(value), image.one) == [group]

    def left(value):
        if not isinstance(value, list):
            return None if is_it(value) else value
        return [v for v in value if not is_it(v)] or None

    image.groups.pop((key, group), None)
    image.past.pop((key, group), None)
    for id in [group, *(id for (k, id), into in image.one.items() if k == key and into == group)]:
        sticky.forget_group(image, key, id)
    for user, properties in list(image.users.items()):
        if group in merged_ids(key, group_ids(properties.get(key)), image.one):
            rest = left(properties[key])
            image.users[user] = {k: v for k, v in properties.items() if k != key} | ({key: rest} if rest else {})
    if not events:
        return
    gone = set()
    for same, index in counting(image.raw).items():
        p = image.raw[index]["properties"]
        known = index >= image.registered.get(key, len(image.raw))
        groups = merged_ids(key, group_ids(p.get(key)), image.one) if known else []
        if groups == [group]:
            gone.add(same)
        elif group in groups:
            image.raw[index] = {**image.raw[index], "properties": {**p, key: left(p[key])}}
    remove_identities(image, gone)
    image.one = {of: into for of, into in image.one.items() if of[0] != key or into != group}


def delete_events(image, name, first, last):
    def is_one(event):
        day = image.calendar.local_date(time_ms(event["properties"]["time"]))
        return event["event"] == name and first <= day <= last

    remove_identities(image, {same for same, i in counting(image.raw).items() if is_one(image.raw[i])})


def perform(image, what):
    if what[0] == "user":
        delete_user(image, what[1])
    elif what[0] == "group":
        delete_group(image, *what[1:])
    elif what[0] == "events":
        delete_events(image, *what[1:])
    else:
        image.registered[what[1]] = len(image.raw)
        image.groups = {of: p for of, p in image.groups.items() if of[0] != what[1]}
        image.past = {of: p for of, p in image.past.items() if of[0] != what[1]}
        image.sticky = {of: ids for of, ids in image.sticky.items() if of[1] != what[1]}
        image.one = {of: into for of, into in image.one.items() if of[0] != what[1]}
