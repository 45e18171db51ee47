-- The rows of an import are staged here, part by part, and become rows in one transaction at its end.
--
-- Takes milliseconds: the new tables are empty. A server of the older version that still runs does not know them, so
-- its collector may condemn the ids of an import that takes longer than the grace period. The import then fails, and no
-- artifact is damaged: import when all servers have the new version.

CREATE TABLE imports (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    -- When the import staged rows last.
    renewed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The columns are those of a row and of its hold.
CREATE TABLE staged_rows (
    seq          INTEGER NOT NULL PRIMARY KEY,
    import       BLOB    NOT NULL REFERENCES imports (id),
    id           BLOB    NOT NULL UNIQUE CHECK (octet_length(id) = 16),
    experiment   TEXT    NOT NULL,
    created_by   TEXT    NOT NULL,
    size         INTEGER NOT NULL,
    content_type TEXT    NOT NULL,
    file_name    TEXT,
    sha256       BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    held_by      TEXT,
    held_at      INTEGER
) STRICT;

CREATE INDEX staged_rows_by_import ON staged_rows (import);
