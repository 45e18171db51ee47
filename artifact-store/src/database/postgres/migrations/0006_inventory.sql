-- Rows get a position (`seq`), an optional time of expiry, and tombstones: the id of a removed row stays in the
-- table for ever, so that the primary key refuses a new row with it.
--
-- While this runs, every read and write of rows waits. It took 18 seconds for a million rows on a busy machine
-- with two cores. A server of the older version that still runs serves meanwhile only the rows in its cache, and
-- rejects deposits as `Unavailable` once they have waited for five seconds. The database needs free space for
-- two further copies of the rows.

ALTER TABLE artifacts RENAME TO artifacts_before;

CREATE SEQUENCE artifact_rows_seq;

-- `experiment` references no other table: each insert would lock the one row of its experiment. Instead, the
-- inserting statements check that the experiment exists, and experiments are never deleted.
--
-- There is one check, and four partitions, because a statement that inserts rows compiles the checks of each
-- partition that it uses.
CREATE TABLE artifact_rows (
    seq          bigint NOT NULL DEFAULT nextval('artifact_rows_seq'),
    id           bytea  NOT NULL,
    experiment   text   COLLATE "C",
    created_by   text,
    size         bigint,
    content_type text,
    file_name    text,
    sha256       bytea,
    created_at   bigint,
    expires_at   bigint,
    -- Only in a tombstone: when the row was removed, or its id condemned.
    removed_at   bigint,
    CONSTRAINT artifact_rows_check CHECK (
        octet_length(id) = 16
        AND num_nulls(experiment, created_by, size, content_type, sha256, created_at)
            = CASE WHEN removed_at IS NULL THEN 0 ELSE 6 END
    )
) PARTITION BY HASH (id);

ALTER SEQUENCE artifact_rows_seq OWNED BY artifact_rows.seq;

CREATE TABLE artifact_rows_0 PARTITION OF artifact_rows FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE artifact_rows_1 PARTITION OF artifact_rows FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE artifact_rows_2 PARTITION OF artifact_rows FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE artifact_rows_3 PARTITION OF artifact_rows FOR VALUES WITH (MODULUS 4, REMAINDER 3);

INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, created_at)
SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at
FROM artifacts_before ORDER BY created_at, id;

DROP TABLE artifacts_before;

-- After the rows, because sorting them once is faster than inserting each.
ALTER TABLE artifact_rows ADD PRIMARY KEY (id);
CREATE INDEX artifact_rows_in_order ON artifact_rows (seq) WHERE removed_at IS NULL;
CREATE INDEX artifact_rows_by_experiment ON artifact_rows (experiment, seq) WHERE removed_at IS NULL;
-- With the size, the usage of an experiment is read from the index alone. The column keeps the collation that
-- it had, because the statements that an older server has prepared would fail with another one.
CREATE INDEX artifact_rows_by_depositor ON artifact_rows (experiment, created_by COLLATE "C", seq)
    INCLUDE (size) WHERE removed_at IS NULL;
CREATE INDEX artifact_rows_expiring ON artifact_rows (seq) WHERE expires_at IS NOT NULL;

-- The tombstones, in the order of their commits.
CREATE TABLE removals (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id  bytea  NOT NULL
);

-- While there is a hold, nothing removes the row.
CREATE TABLE holds (
    id        bytea  PRIMARY KEY CHECK (octet_length(id) = 16),
    placed_by text   NOT NULL CHECK (octet_length(placed_by) BETWEEN 1 AND 128),
    placed_at bigint NOT NULL
);

-- How long the rows of an experiment are kept that have no expiry of their own, in microseconds.
CREATE TABLE retention (
    experiment text   COLLATE "C" PRIMARY KEY REFERENCES experiments (id),
    keep       bigint NOT NULL CHECK (keep >= 0)
);

-- Which server does a task of maintenance, and until when.
CREATE TABLE leases (
    name       text   COLLATE "C" PRIMARY KEY,
    holder     bytea  NOT NULL CHECK (octet_length(holder) = 16),
    held_until bigint NOT NULL
);

CREATE FUNCTION now_micros() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

-- A row changes only into a tombstone, and a tombstone never.
CREATE FUNCTION artifact_rows_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'rows become tombstones: delete from the view artifacts';
    END IF;
    IF OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL AND NEW.id = OLD.id THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows never change';
END
$$;

CREATE TRIGGER artifact_rows_never_change BEFORE UPDATE OR DELETE ON artifact_rows
    FOR EACH ROW EXECUTE FUNCTION artifact_rows_never_change();

CREATE TRIGGER artifact_rows_stay BEFORE TRUNCATE ON artifact_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rows_never_change();

-- Makes removals wait for each other until their commits, so that the order in `removals` is that of the
-- commits. The number is the letters `Removals`.
CREATE FUNCTION lock_removals() RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock(5937272009252760691)
$$;

-- Makes a tombstone of a row, or of an id without a row. Returns what it did: `removed`; `absent` if there was
-- no row; `held` if a hold is on it, unless `even_if_held`; `kept` if it has not expired, but `only_if_expired`.
--
-- Each statement of the function sees the commits before it began.
CREATE FUNCTION remove_row(removed_id bytea, only_if_expired boolean, even_if_held boolean)
RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stored artifact.artifact_rows;
    now_us bigint;
BEGIN
    PERFORM artifact.lock_removals();
    -- Placing a hold locks the row too, so whether there is one stays true from here on.
    SELECT * INTO stored FROM artifact.artifact_rows WHERE id = removed_id FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO artifact.artifact_rows (id, removed_at) VALUES (removed_id, artifact.now_micros())
            ON CONFLICT DO NOTHING;
        IF FOUND THEN
            INSERT INTO artifact.removals (id) VALUES (removed_id);
            RETURN 'absent';
        END IF;
        -- The insert has waited for another transaction that inserted the row.
        SELECT * INTO stored FROM artifact.artifact_rows WHERE id = removed_id FOR UPDATE;
    END IF;
    IF stored.removed_at IS NOT NULL THEN
        RETURN 'absent';
    END IF;
    IF only_if_expired THEN
        now_us := artifact.now_micros();
        IF NOT coalesce(
            stored.expires_at <= now_us,
            stored.created_at <= now_us
                - (SELECT keep FROM artifact.retention WHERE experiment = stored.experiment),
            false
        ) THEN
            RETURN 'kept';
        END IF;
    END IF;
    IF NOT even_if_held AND EXISTS (SELECT FROM artifact.holds WHERE id = removed_id) THEN
        RETURN 'held';
    END IF;
    DELETE FROM artifact.holds WHERE id = removed_id;
    UPDATE artifact.artifact_rows SET
        experiment = NULL, created_by = NULL, size = NULL, content_type = NULL, file_name = NULL,
        sha256 = NULL, created_at = NULL, expires_at = NULL, removed_at = artifact.now_micros()
    WHERE id = removed_id;
    INSERT INTO artifact.removals (id) VALUES (removed_id);
    RETURN 'removed';
END
$$;

-- Makes tombstones of those of the ids that have no row, and returns the ids that have a tombstone then. They
-- are inserted in their order, as rows are, so that the two do not wait for each other in a circle. The lock of
-- the tombstones makes the transaction write, so that its commit is synced also if they were there before.
CREATE FUNCTION condemn_ids(ids bytea[]) RETURNS SETOF bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM artifact.lock_removals();
    WITH condemned AS (
        INSERT INTO artifact.artifact_rows (id, removed_at)
        SELECT id, artifact.now_micros() FROM unnest(ids) AS absent (id) ORDER BY id
        ON CONFLICT DO NOTHING RETURNING id
    )
    INSERT INTO artifact.removals (id) SELECT id FROM condemned;
    RETURN QUERY SELECT id FROM artifact.artifact_rows WHERE id = ANY (ids) AND removed_at IS NOT NULL FOR SHARE;
END
$$;

-- The rows, for a server of the older version that still runs, and for people. Inserts go to the table.
CREATE VIEW artifacts AS
SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at
FROM artifact_rows WHERE removed_at IS NULL;

CREATE FUNCTION artifacts_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF artifact.remove_row(OLD.id, false, false) = 'held' THEN
        RAISE EXCEPTION 'a hold is on the artifact';
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER artifacts_deleted INSTEAD OF DELETE ON artifacts
    FOR EACH ROW EXECUTE FUNCTION artifacts_deleted();

-- The statistics of the new table decide which indexes are used.
ANALYZE artifact_rows;
