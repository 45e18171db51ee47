-- Workers and groups. Their ids are text, since `wkr_` and `grp_` are part of them.

CREATE TABLE workers (
    id            text   COLLATE "C" PRIMARY KEY CHECK (octet_length(id) = 30),
    experiment    text   COLLATE "C" NOT NULL REFERENCES experiments (id),
    name          text   COLLATE "C" CHECK (octet_length(name) BETWEEN 1 AND 512),
    -- One JSON object of texts. As text: jsonb holds no U+0000, which a label may have.
    labels        text,
    registered_at bigint NOT NULL,
    registered_by text   NOT NULL CHECK (octet_length(registered_by) BETWEEN 1 AND 128),
    -- An argon2id hash as a PHC string; the token itself is nowhere.
    credential    text   NOT NULL CHECK (octet_length(credential) BETWEEN 1 AND 255)
);

CREATE INDEX workers_in_order ON workers (experiment, registered_at, id);

CREATE TABLE groups (
    id         text   COLLATE "C" PRIMARY KEY CHECK (octet_length(id) = 30),
    experiment text   COLLATE "C" NOT NULL REFERENCES experiments (id),
    name       text   COLLATE "C" CHECK (octet_length(name) BETWEEN 1 AND 512),
    created_at bigint NOT NULL,
    created_by text   NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128)
);

CREATE INDEX groups_in_order ON groups (experiment, created_at, id);

-- The groups that an experiment has from its creation are there once.
CREATE UNIQUE INDEX groups_founding ON groups (experiment, name)
    WHERE name IN ('admins', 'orchestrators');

CREATE TABLE members (
    group_id   text   COLLATE "C" NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    -- A worker or a group; it need not exist.
    member     text   COLLATE "C" NOT NULL CHECK (octet_length(member) = 30),
    -- The group's own: where membership goes on from group to group, it stays in one experiment.
    experiment text   COLLATE "C" NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (group_id, member)
);

CREATE INDEX members_upward ON members (member, experiment, group_id);

-- Creates the groups of the existing experiments. An id is 128 random bits in 26 digits of base 32,
-- the first of which is below 8. Two random UUIDs hold 244 random bits; their hash spreads these over
-- 32 bytes, each of which gives a digit.
WITH founding (name) AS (
    VALUES ('admins'), ('orchestrators')
), fresh AS MATERIALIZED (
    SELECT experiments.id AS experiment, experiments.created_at, founding.name,
        sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) AS bytes
    FROM experiments, founding
)
INSERT INTO groups (id, experiment, name, created_at, created_by)
SELECT 'grp_' || (
        SELECT string_agg(
            substr('0123456789abcdefghjkmnpqrstvwxyz',
                1 + (get_byte(fresh.bytes, at) & CASE at WHEN 0 THEN 7 ELSE 31 END), 1),
            '' ORDER BY at)
        FROM generate_series(0, 25) AS at
    ), fresh.experiment, fresh.name, fresh.created_at, 'admin'
FROM fresh;
