-- Collections, and the names of files in them. A name is given once and stays for ever, also when its artifact is removed.
--
-- Creates tables and locks nothing for longer than a write. An older server that still runs knows no collections, but what it
-- removes leaves its collection too.
CREATE TABLE collections (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    experiment     TEXT    NOT NULL REFERENCES experiments (id),
    owner          TEXT    NOT NULL CHECK (octet_length(owner) BETWEEN 1 AND 128),
    title          TEXT,
    created_at     INTEGER NOT NULL,
    sealed_at      INTEGER,
    -- When its deletion began. Files are removed one by one, then the row is deleted.
    deleting_since INTEGER,
    -- Of the files that are there now.
    files          INTEGER NOT NULL DEFAULT 0,
    bytes          INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX collections_in_order ON collections (experiment, created_at, id);
CREATE INDEX collections_by_owner ON collections (experiment, owner, created_at, id);

-- The columns after the name are those of the artifact's row. They stay for the manifest.
CREATE TABLE collection_files (
    collection   BLOB    NOT NULL CHECK (octet_length(collection) = 16),
    name         TEXT    NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 1024),
    id           BLOB    NOT NULL CHECK (octet_length(id) = 16),
    size         INTEGER NOT NULL CHECK (size >= 0),
    content_type TEXT    NOT NULL,
    sha256       BLOB    NOT NULL CHECK (octet_length(sha256) = 32),
    created_at   INTEGER NOT NULL,
    -- 0: the artifact is there; 1: it was removed before the seal; 2: it was removed after the seal.
    state        INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2)),
    PRIMARY KEY (collection, name)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX collection_files_by_artifact ON collection_files (id);

CREATE TRIGGER collection_files_never_change BEFORE UPDATE ON collection_files
    WHEN NOT (OLD.state = 0 AND NEW.state > 0 AND NEW.collection = OLD.collection AND NEW.name = OLD.name
        AND NEW.id = OLD.id AND NEW.sha256 = OLD.sha256)
BEGIN
    SELECT RAISE(ABORT, 'a name is given once');
END;

-- The only change of a row of an artifact is the one into a tombstone, by this version or an older one.
CREATE TRIGGER artifact_rows_leave_collections AFTER UPDATE ON artifact_rows
    WHEN EXISTS (SELECT 1 FROM collection_files WHERE id = OLD.id AND state = 0)
BEGIN
    UPDATE collections SET files = files - 1, bytes = bytes - OLD.size
        WHERE id = (SELECT collection FROM collection_files WHERE id = OLD.id);
    UPDATE collection_files SET state = CASE
            WHEN (SELECT sealed_at FROM collections WHERE collections.id = collection) IS NULL THEN 1 ELSE 2
        END
        WHERE id = OLD.id;
END;
