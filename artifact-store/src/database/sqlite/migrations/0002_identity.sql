-- Workers and groups. Their ids are text, since `wkr_` and `grp_` are part of them.

CREATE TABLE workers (
    id            TEXT    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 30),
    experiment    TEXT    NOT NULL REFERENCES experiments (id),
    name          TEXT             CHECK (octet_length(name) BETWEEN 1 AND 512),
    -- One JSON object of texts.
    labels        TEXT,
    registered_at INTEGER NOT NULL,
    registered_by TEXT    NOT NULL CHECK (octet_length(registered_by) BETWEEN 1 AND 128),
    -- An argon2id hash as a PHC string; the token itself is nowhere.
    credential    TEXT    NOT NULL CHECK (octet_length(credential) BETWEEN 1 AND 255)
) STRICT, WITHOUT ROWID;

CREATE INDEX workers_in_order ON workers (experiment, registered_at, id);

CREATE TABLE groups (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 30),
    experiment TEXT    NOT NULL REFERENCES experiments (id),
    name       TEXT             CHECK (octet_length(name) BETWEEN 1 AND 512),
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128)
) STRICT, WITHOUT ROWID;

CREATE INDEX groups_in_order ON groups (experiment, created_at, id);

-- The groups that an experiment has from its creation are there once.
CREATE UNIQUE INDEX groups_founding ON groups (experiment, name)
    WHERE name IN ('admins', 'orchestrators');

CREATE TABLE members (
    group_id   TEXT    NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    -- A worker or a group; it need not exist.
    member     TEXT    NOT NULL CHECK (octet_length(member) = 30),
    -- The group's own: where membership goes on from group to group, it stays in one experiment.
    experiment TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    PRIMARY KEY (group_id, member)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_upward ON members (member, experiment, group_id);

-- Creates the groups of the existing experiments. An id is 128 random bits in 26 digits of base 32,
-- the first of which is below 8; each call of random() returns another number.
WITH founding (name) AS (VALUES ('admins'), ('orchestrators')),
     alphabet (digits) AS (VALUES ('0123456789abcdefghjkmnpqrstvwxyz'))
INSERT INTO groups (id, experiment, name, created_at, created_by)
SELECT 'grp_'
       || substr(digits, 1 + (random() & 7), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1) || substr(digits, 1 + (random() & 31), 1)
       || substr(digits, 1 + (random() & 31), 1),
       experiments.id, name, experiments.created_at, 'admin'
FROM experiments, founding, alphabet;
