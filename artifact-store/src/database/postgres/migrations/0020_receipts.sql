-- The log of receipts: a Merkle tree with one leaf for each artifact, and the artifacts that still have none.
--
-- Creates tables and functions, and locks no table. The trigger that queues rows is made when a log begins, so that a store without
-- receipts does not pay for it. An older server that still runs queues its rows, too.

CREATE TABLE receipt_log (
    only_row boolean PRIMARY KEY CHECK (only_row),
    origin   text    COLLATE "C" NOT NULL CHECK (octet_length(origin) BETWEEN 1 AND 255),
    -- The salts of all leaves are derived from it. It never leaves the database.
    secret   bytea   NOT NULL CHECK (octet_length(secret) = 32),
    -- The number of leaves.
    size     bigint  NOT NULL CHECK (size >= 0)
);

-- The leaves at level 0, and at each higher level the roots of 256 nodes of the level below. A leaf stays when its artifact goes.
CREATE TABLE receipt_nodes (
    level    bigint NOT NULL CHECK (level BETWEEN 0 AND 7),
    position bigint NOT NULL CHECK (position >= 0),
    hash     bytea  NOT NULL CHECK (octet_length(hash) = 32),
    artifact bytea  UNIQUE CHECK (octet_length(artifact) = 16),
    PRIMARY KEY (level, position)
);

-- What the leaves of rows that are not in the log yet are made of. A removed row stays here until it is in the log.
CREATE TABLE receipt_queue (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    artifact   bytea  NOT NULL CHECK (octet_length(artifact) = 16),
    experiment text   NOT NULL,
    created_by text   NOT NULL,
    size       bigint NOT NULL,
    sha256     bytea  NOT NULL,
    created_at bigint NOT NULL
);

CREATE FUNCTION receipt_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log of receipts only grows';
END
$$;

CREATE TRIGGER receipt_log_only_grows BEFORE UPDATE ON receipt_log
    FOR EACH ROW WHEN (NEW.size < OLD.size OR NEW.origin <> OLD.origin OR NEW.secret <> OLD.secret)
    EXECUTE FUNCTION receipt_log_only_grows();
CREATE TRIGGER receipt_log_stays BEFORE DELETE OR TRUNCATE ON receipt_log
    FOR EACH STATEMENT EXECUTE FUNCTION receipt_log_only_grows();
CREATE TRIGGER receipt_nodes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON receipt_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION receipt_log_only_grows();

CREATE FUNCTION receipt_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO artifact.receipt_queue (artifact, experiment, created_by, size, sha256, created_at)
    SELECT id, experiment, created_by, size, sha256, created_at FROM inserted WHERE removed_at IS NULL ORDER BY seq;
    RETURN NULL;
END
$$;

-- Queues each row from now on.
CREATE FUNCTION receipt_queue_rows() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgname = 'artifact_rows_queued' AND tgrelid = 'artifact.artifact_rows'::regclass
    ) THEN
        CREATE TRIGGER artifact_rows_queued AFTER INSERT ON artifact.artifact_rows
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION artifact.receipt_enqueue();
    END IF;
END
$$;

-- Begins a log, unless there is one.
CREATE FUNCTION receipt_log_begin(new_origin text, new_secret bytea) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Several servers may begin at the same time. The number is the letters `ArtRecpt`.
    PERFORM pg_advisory_xact_lock(4715959657047486580);
    IF EXISTS (SELECT FROM artifact.receipt_log) THEN
        RETURN false;
    END IF;
    LOCK TABLE artifact.artifact_rows IN SHARE ROW EXCLUSIVE MODE;
    PERFORM artifact.receipt_queue_rows();
    INSERT INTO artifact.receipt_log (only_row, origin, secret, size) VALUES (true, new_origin, new_secret, 0);
    RETURN true;
END
$$;

-- Appends nodes to the log, and removes their rows from the queue. Returns false, and changes nothing, if the log has another size than
-- expected: another server has appended.
CREATE FUNCTION receipt_append(
    expected bigint, new_size bigint, levels bigint[], positions bigint[], hashes bytea[], artifacts bytea[], numbers bigint[]
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE artifact.receipt_log SET size = new_size WHERE size = expected;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM artifact.receipt_queue WHERE number = ANY (numbers);
    INSERT INTO artifact.receipt_nodes (level, position, hash, artifact)
    SELECT * FROM unnest(levels, positions, hashes, artifacts);
    RETURN true;
END
$$;
