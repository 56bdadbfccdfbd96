-- The tables of one project, created by create_project. @project@ stands for the quoted schema.
-- They are ordinary tables of the project's owner, not members of the extension: pg_dump, GRANT and DROP SCHEMA
-- treat them as any table. Names and meaning of the buffers: crates/engine/FORMAT.md.

CREATE TABLE @project@.event_name (
    no           integer PRIMARY KEY,
    name         text COLLATE "C" NOT NULL UNIQUE,
    display_name text,
    hidden       boolean NOT NULL DEFAULT false,
    blocked      boolean NOT NULL DEFAULT false,
    first_seen   timestamptz NOT NULL DEFAULT now(),
    -- The event that reports take it for; events keep the number they were sent with.
    merged_into  integer CHECK (merged_into <> no)
);
CREATE SEQUENCE @project@.event_name_no AS integer OWNED BY @project@.event_name.no;

CREATE TABLE @project@.property (
    no           integer PRIMARY KEY,
    name         text COLLATE "C" NOT NULL UNIQUE,
    display_name text,
    hidden       boolean NOT NULL DEFAULT false,
    blocked      boolean NOT NULL DEFAULT false,
    first_seen   timestamptz NOT NULL DEFAULT now(),
    -- The property that reports read it as; events keep what they carry.
    merged_into  integer CHECK (merged_into <> no)
);
-- Asked for by every report, and mostly empty.
CREATE INDEX property_merged ON @project@.property (no) WHERE merged_into IS NOT NULL;
CREATE SEQUENCE @project@.property_no AS integer OWNED BY @project@.property.no;

-- Events that are discarded when each of some properties is one of some values: {"property": value or [values], …}.
CREATE TABLE @project@.drop_filter (
    no         integer PRIMARY KEY,
    event      text COLLATE "C" NOT NULL,
    properties jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Dictionary of subjects: kind 0 = users, others = group keys. Dense numbers per kind, in first-seen order.
CREATE TABLE @project@.subject (
    kind smallint NOT NULL,
    no   bigint   NOT NULL CHECK (no BETWEEN 1 AND 4294967295),
    id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, no),
    UNIQUE (kind, id)
);
CREATE SEQUENCE @project@.subject_no_0 MAXVALUE 4294967295;

CREATE TABLE @project@.user_profile (
    no         bigint PRIMARY KEY,
    properties jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE @project@.group_profile (
    kind       smallint NOT NULL,
    no         bigint NOT NULL,
    properties jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, no)
);

-- Properties of groups whose past is kept, and since when a group has which value (since 0 = always; NULL = not set).
CREATE TABLE @project@.kept_history (
    kind     smallint NOT NULL,
    property text COLLATE "C" NOT NULL,
    kept_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, property)
);
CREATE TABLE @project@.group_history (
    kind     smallint NOT NULL,
    property text COLLATE "C" NOT NULL,
    no       bigint NOT NULL,
    since    bigint NOT NULL,
    value    jsonb,
    PRIMARY KEY (kind, property, no, since)
);

-- Groups that a user is in until further notice: events that don't carry the key get them. no = as the user is counted.
CREATE TABLE @project@.sticky_group (
    kind smallint NOT NULL,
    no   bigint   NOT NULL,
    ids  text[] COLLATE "C" NOT NULL,
    PRIMARY KEY (no, kind)
);

-- Ids of groups that were merged into others: what comes with such an id is the other's. Never the id of a group that is
-- in the dictionary, nor a number that is not.
CREATE TABLE @project@.merged_group (
    kind      smallint NOT NULL,
    id        text COLLATE "C" NOT NULL,
    no        bigint NOT NULL,
    merged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id)
);

-- Ids that belong to a user: a device to whoever was first seen with it, a user to whom it was merged into, who may be
-- merged in turn (src/store/identity.rs). Events keep the number of the id they were sent with.
CREATE TABLE @project@.identity (
    no        bigint PRIMARY KEY,
    linked_to bigint NOT NULL,
    since     timestamptz NOT NULL DEFAULT now(),
    sealed    boolean NOT NULL DEFAULT false
);
CREATE INDEX identity_linked_to ON @project@.identity (linked_to);
CREATE INDEX identity_open ON @project@.identity (no) WHERE NOT sealed;

-- The links that are sealed once more, in order of their numbers, for reports, which need all of them: one row, or none.
-- What is in it never changes under one version.
CREATE TABLE @project@.identity_sealed (
    version   bigint  NOT NULL,
    n         integer NOT NULL,
    numbers   bytea   NOT NULL,
    linked_to bytea   NOT NULL
);
ALTER TABLE @project@.identity_sealed ALTER COLUMN numbers SET STORAGE EXTERNAL, ALTER COLUMN linked_to SET STORAGE EXTERNAL;

-- One number per ingested batch: of two events with one identity the later batch stays.
CREATE SEQUENCE @project@.batch_no;
CREATE SEQUENCE @project@.segment_no;

-- Single events until the next maintenance. No index: it is small, and every index would slow every event.
CREATE TABLE @project@.event_row (
    batch bigint  NOT NULL,
    event integer NOT NULL,
    at    bigint  NOT NULL,
    data  bytea   NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Ingested batches until the next maintenance: all columns of all events in one buffer.
CREATE TABLE @project@.event_block (
    batch  bigint PRIMARY KEY,
    n      integer   NOT NULL,
    events integer[] NOT NULL,
    at_min bigint    NOT NULL,
    at_max bigint    NOT NULL,
    data   bytea     NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE @project@.event_block ALTER COLUMN data SET STORAGE EXTERNAL;

-- Sealed columns of one event over a run of days, sorted by (day, user, time). Segments of an event may lie over one
-- another in days and users: late events come to lie beside a large segment. No event is in two of them.
CREATE TABLE @project@.segment (
    no       bigint PRIMARY KEY,
    event    integer  NOT NULL,
    shard    smallint NOT NULL DEFAULT 0,
    day_min  integer  NOT NULL,
    day_max  integer  NOT NULL,
    n        integer  NOT NULL,
    at_min   bigint   NOT NULL,
    at_max   bigint   NOT NULL,
    user_min bigint   NOT NULL,
    user_max bigint   NOT NULL,
    users    bytea    NOT NULL,
    times    bytea    NOT NULL,
    inserts  bytea
);
ALTER TABLE @project@.segment ALTER COLUMN users SET STORAGE EXTERNAL, ALTER COLUMN times SET STORAGE EXTERNAL,
    ALTER COLUMN inserts SET STORAGE EXTERNAL;
CREATE INDEX segment_event ON @project@.segment (event, day_min);

-- One column of one segment: class 'g' = the groups of a key (no = kind), 'p' = an event property (no = property).
CREATE TABLE @project@.segment_column (
    segment bigint  NOT NULL,
    class   "char"  NOT NULL CHECK (class IN ('g', 'p')),
    no      integer NOT NULL,
    data    bytea   NOT NULL,
    PRIMARY KEY (segment, class, no)
);
ALTER TABLE @project@.segment_column ALTER COLUMN data SET STORAGE EXTERNAL;

-- Who did an event (0 = any event) on a day: exactly the sealed rows of that event and day. kind 0 = users, others = group
-- keys; events = rows with a subject of the kind, rows = all rows, card = distinct subjects, data = the subjects.
CREATE TABLE @project@.subject_set (
    kind   smallint NOT NULL,
    event  integer  NOT NULL,
    day    integer  NOT NULL,
    events bigint   NOT NULL,
    rows   bigint   NOT NULL,
    card   bigint   NOT NULL,
    data   bytea    NOT NULL,
    PRIMARY KEY (kind, event, day)
) WITH (toast_tuple_target = 128);
-- The subjects lie apart, so that counts alone are a few pages.
ALTER TABLE @project@.subject_set ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX subject_set_day ON @project@.subject_set (day);

-- The days that have sealed rows. uncovered = the events without sets on the day: too few rows, or changed since. An event
-- of such a day that is neither in uncovered nor in subject_set has no sealed rows on it.
CREATE TABLE @project@.event_day (
    day       integer PRIMARY KEY,
    uncovered integer[] NOT NULL
);

-- Every event of a day that has a user, in the order of (user, time, event name); users in parts of 65,536. A day is there
-- whole or not at all; part -1 marks a day that is to be built, n is what was saved up for it (src/store/stream.rs).
CREATE TABLE @project@.user_stream (
    day    integer NOT NULL,
    part   integer NOT NULL,
    n      integer NOT NULL,
    users  bytea   NOT NULL,
    times  bytea   NOT NULL,
    events bytea   NOT NULL,
    PRIMARY KEY (day, part)
);
ALTER TABLE @project@.user_stream ALTER COLUMN users SET STORAGE EXTERNAL, ALTER COLUMN times SET STORAGE EXTERNAL,
    ALTER COLUMN events SET STORAGE EXTERNAL;

-- Cohorts: users (kind 0) or groups of a key. members = the subjects of a frozen one (as in subject_set); NULL = found when asked.
CREATE TABLE @project@.cohort (
    name       text COLLATE "C" PRIMARY KEY,
    kind       smallint NOT NULL,
    definition jsonb NOT NULL,
    members    bytea,
    frozen_at  timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Lookup tables: what values of a property stand for. A column is a JSON array, no 0 = the join key; null = not set.
CREATE TABLE @project@.lookup_table (
    name       text COLLATE "C" PRIMARY KEY,
    id         uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    rows       bigint NOT NULL,
    bytes      bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE @project@.lookup_column (
    lookup text COLLATE "C" NOT NULL,
    no     integer NOT NULL,
    name   text COLLATE "C" NOT NULL,
    data   text NOT NULL,
    PRIMARY KEY (lookup, no),
    UNIQUE (lookup, name)
);
-- The properties that are joined to one: of events, user.<property> or group.<key>.<property> of profiles.
CREATE TABLE @project@.lookup_mapping (
    property  text COLLATE "C" PRIMARY KEY,
    lookup    text COLLATE "C" NOT NULL,
    mapped_at timestamptz NOT NULL DEFAULT now()
);

-- What was deleted, never of whom. xid and files = the transaction, and the files of the tables with texts at that time:
-- while a table has one of these files, or old versions of its rows from then, the texts are on disk (sql/deletion.sql).
-- Row 0 changes with every deletion that takes ids away (src/registry/mod.rs).
CREATE TABLE @project@.deletion (
    no     integer PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    what   text   NOT NULL,
    events bigint NOT NULL,
    xid    bigint NOT NULL,
    files  oid[]  NOT NULL
);
INSERT INTO @project@.deletion (no, what, events, xid, files) VALUES (0, 'nothing yet', 0, 0, '{}');

-- Statistics of columns would be copies of what is in them.
ALTER TABLE @project@.subject ALTER COLUMN id SET STATISTICS 0;
ALTER TABLE @project@.user_profile ALTER COLUMN properties SET STATISTICS 0;
ALTER TABLE @project@.group_profile ALTER COLUMN properties SET STATISTICS 0;
ALTER TABLE @project@.group_history ALTER COLUMN value SET STATISTICS 0;
ALTER TABLE @project@.sticky_group ALTER COLUMN ids SET STATISTICS 0;
ALTER TABLE @project@.event_row ALTER COLUMN data SET STATISTICS 0;
ALTER TABLE @project@.event_block ALTER COLUMN data SET STATISTICS 0;
ALTER TABLE @project@.segment_column ALTER COLUMN data SET STATISTICS 0;

-- What was refused, discarded as blocked or left unattributed, per call: never lost silently.
CREATE TABLE @project@.ingest_error (
    at      timestamptz NOT NULL DEFAULT now(),
    outcome text   NOT NULL CHECK (outcome IN ('refused', 'unattributed', 'blocked')),
    field   text   NOT NULL,
    message text   NOT NULL,
    records bigint NOT NULL
);

-- How far imports of a relation are: the largest insert time that was read, as text in UTC, and the rows of the latest one
-- (src/ingest/runs.rs). pid = the backend that is at it, of an import that commits in between.
CREATE TABLE @project@.import_mark (
    source        text COLLATE "C" NOT NULL,
    target        text COLLATE "C" NOT NULL,
    no            integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    mark          text NOT NULL,
    rows_read     bigint NOT NULL DEFAULT 0,
    rows_expected bigint,
    imported      bigint NOT NULL DEFAULT 0,
    refused       bigint NOT NULL DEFAULT 0,
    pid           integer,
    started_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, target)
);

-- The rows that are mirrored (src/ingest/mirror.rs): key = a digest of the insert id, hash = of the content; the event that a
-- row became is the one with this name and this hash of its insert id.
CREATE TABLE @project@.import_row (
    import      integer NOT NULL,
    key         uuid    NOT NULL,
    hash        bigint  NOT NULL,
    event       integer NOT NULL,
    insert_hash bigint  NOT NULL,
    PRIMARY KEY (import, key)
);

-- Rows of imports that were refused: the first 1,000 of a call, the latest 10,000 of all.
CREATE TABLE @project@.import_error (
    no        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    source    text   NOT NULL,
    target    text   NOT NULL,
    row_no    bigint NOT NULL,
    insert_id text,
    field     text   NOT NULL,
    message   text   NOT NULL
);

-- The project as relations for any SQL; nothing is stored in them (sql/tables.sql).
CREATE FOREIGN TABLE @project@.events (
    event       text COLLATE "C",
    "time"      timestamptz,
    distinct_id text COLLATE "C",
    properties  jsonb,
    groups      jsonb
) SERVER analytics_groups;
COMMENT ON FOREIGN TABLE @project@.events IS
'Every event that counts, once: with its user after identity merges (NULL = nobody), what was sent, and the groups it counts for, by key. Conditions on time, event and distinct_id keep the rest from being read.';
CREATE FOREIGN TABLE @project@.users (
    distinct_id text COLLATE "C",
    properties  jsonb,
    first_seen  timestamptz,
    last_seen   timestamptz
) SERVER analytics_groups;
COMMENT ON FOREIGN TABLE @project@.users IS 'Everybody who has an event or a profile: the profile of today, and the times of first and last event.';
CREATE FOREIGN TABLE @project@.groups (
    group_key   text COLLATE "C",
    group_id    text COLLATE "C",
    properties  jsonb,
    first_seen  timestamptz,
    last_seen   timestamptz
) SERVER analytics_groups;
COMMENT ON FOREIGN TABLE @project@.groups IS 'Every group of every key that has an event or a profile: the profile of today, and the times of first and last event.';
