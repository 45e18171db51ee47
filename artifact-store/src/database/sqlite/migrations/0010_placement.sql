-- The backends that the blobs are in while they are moved from one to another, and the fence that keeps a row from
-- being written whose bytes are in a backend that no server reads any more.
--
-- While this runs, every write waits, and reads go on. It takes milliseconds, however many rows there are.

CREATE TABLE placement (
    only_row     INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    epoch        INTEGER NOT NULL CHECK (epoch > 0),
    fence        INTEGER NOT NULL CHECK (fence BETWEEN 0 AND epoch),
    reached      INTEGER NOT NULL CHECK (reached >= 0),
    current_url  TEXT    NOT NULL,
    previous_url TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE former_backends (
    url        TEXT    NOT NULL PRIMARY KEY,
    is_emptied INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The epoch of the placement that the bytes were stored under. A row of a server of an older version has none: 0.
ALTER TABLE artifact_rows ADD COLUMN placement INTEGER NOT NULL DEFAULT 0;

-- The same for the rows of an import. Those that an older version has staged have none.
ALTER TABLE staged_rows ADD COLUMN placement INTEGER NOT NULL DEFAULT 0;

-- For a server of an older version that still runs. The others compare the epoch themselves, before the insert.
CREATE TRIGGER artifact_rows_fenced BEFORE INSERT ON artifact_rows
    WHEN NEW.removed_at IS NULL AND NEW.placement < (SELECT fence FROM placement)
BEGIN
    SELECT RAISE(ABORT, 'the blobs of this store were moved: restart this server');
END;
