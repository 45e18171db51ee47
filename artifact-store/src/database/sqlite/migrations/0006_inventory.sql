-- Rows get a position (`seq`), an optional time of expiry, and tombstones: the id of a removed row stays in the
-- table for ever, so that the unique index refuses a new row with it.
--
-- While this runs, every write waits, and reads go on. One million rows took 13 seconds of processor time (43 seconds
-- on two cores that were busy with other work), and 140 MB of memory for the sorts. A server of the older version
-- that still runs rejects deposits as `Unavailable` meanwhile, once they have waited for five seconds. The file and
-- its log need free space for two further copies of the rows.

-- The largest `seq` is that of the newest row or tombstone, because no line is ever deleted: a removed row becomes
-- a tombstone, which gets a new `seq`. So SQLite's choice, one more than the largest, is never used twice.
CREATE TABLE artifact_rows (
    seq          INTEGER NOT NULL PRIMARY KEY CHECK (seq > 0),
    id           BLOB    NOT NULL CHECK (octet_length(id) = 16),
    experiment   TEXT    REFERENCES experiments (id),
    created_by   TEXT    CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    size         INTEGER CHECK (size >= 0),
    content_type TEXT    CHECK (octet_length(content_type) BETWEEN 1 AND 255),
    file_name    TEXT    CHECK (octet_length(file_name) BETWEEN 1 AND 255),
    sha256       BLOB    CHECK (octet_length(sha256) = 32),
    created_at   INTEGER,
    expires_at   INTEGER,
    -- Only in a tombstone: when the row was removed, or its id condemned.
    removed_at   INTEGER,
    CHECK (CASE WHEN removed_at IS NULL
        THEN experiment IS NOT NULL AND created_by IS NOT NULL AND size IS NOT NULL
            AND content_type IS NOT NULL AND sha256 IS NOT NULL AND created_at IS NOT NULL
        ELSE coalesce(experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at) IS NULL
        END)
) STRICT;

-- Numbers the rows explicitly: SQLite ignores the order of a subquery that is joined. The sort reads no other column.
INSERT INTO artifact_rows (seq, id, experiment, created_by, size, content_type, file_name, sha256, created_at)
SELECT seq, artifacts.*
FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS seq FROM artifacts) AS ordered
CROSS JOIN artifacts ON artifacts.id = ordered.id;

DROP TABLE artifacts;

-- After the rows, because sorting them once is faster than inserting each.
CREATE UNIQUE INDEX artifact_rows_id ON artifact_rows (id);
-- Each entry of an index ends with the `seq` of its row.
CREATE INDEX artifact_rows_by_experiment ON artifact_rows (experiment) WHERE experiment IS NOT NULL;
CREATE INDEX artifact_rows_by_depositor ON artifact_rows (experiment, created_by)
    WHERE experiment IS NOT NULL;
CREATE INDEX artifact_rows_expiring ON artifact_rows (seq) WHERE expires_at IS NOT NULL;
CREATE INDEX artifact_rows_removed ON artifact_rows (seq) WHERE removed_at IS NOT NULL;

CREATE TRIGGER artifact_rows_never_change BEFORE UPDATE ON artifact_rows
    WHEN NOT (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL AND NEW.id = OLD.id AND NEW.seq > OLD.seq)
BEGIN
    SELECT RAISE(ABORT, 'rows never change');
END;

CREATE TRIGGER artifact_rows_stay BEFORE DELETE ON artifact_rows
BEGIN
    SELECT RAISE(ABORT, 'rows become tombstones: delete from the view artifacts');
END;

-- While there is a hold, nothing removes the row. The id of the row is not a foreign key: it stays after the removal.
CREATE TABLE holds (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    placed_by TEXT    NOT NULL CHECK (octet_length(placed_by) BETWEEN 1 AND 128),
    placed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How long the rows of an experiment are kept that have no expiry of their own, in microseconds.
CREATE TABLE retention (
    experiment TEXT    NOT NULL PRIMARY KEY REFERENCES experiments (id),
    keep       INTEGER NOT NULL CHECK (keep >= 0)
) STRICT, WITHOUT ROWID;

-- Which server does a task of maintenance, and until when.
CREATE TABLE leases (
    name       TEXT    NOT NULL PRIMARY KEY,
    holder     BLOB    NOT NULL CHECK (octet_length(holder) = 16),
    held_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The rows, for a server of the older version that still runs, and for people.
CREATE VIEW artifacts AS
SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at
FROM artifact_rows WHERE removed_at IS NULL;

CREATE TRIGGER artifacts_inserted INSTEAD OF INSERT ON artifacts
BEGIN
    INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, created_at)
    VALUES (NEW.id, NEW.experiment, NEW.created_by, NEW.size, NEW.content_type, NEW.file_name, NEW.sha256,
        NEW.created_at);
END;

CREATE TRIGGER artifacts_deleted INSTEAD OF DELETE ON artifacts
BEGIN
    SELECT RAISE(ABORT, 'a hold is on the artifact') FROM holds WHERE id = OLD.id;
    UPDATE artifact_rows SET
        seq = (SELECT max(seq) + 1 FROM artifact_rows),
        experiment = NULL, created_by = NULL, size = NULL, content_type = NULL, file_name = NULL,
        sha256 = NULL, created_at = NULL, expires_at = NULL,
        removed_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
    WHERE id = OLD.id AND removed_at IS NULL;
END;

CREATE TRIGGER artifacts_never_change INSTEAD OF UPDATE ON artifacts
BEGIN
    SELECT RAISE(ABORT, 'rows never change');
END;
