-- Times are microseconds since 1970. Ids and digests are their bytes, not text: hex(id) shows them.

CREATE TABLE experiments (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 128),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    experiment   TEXT    NOT NULL REFERENCES experiments (id),
    created_by   TEXT    NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    size         INTEGER NOT NULL CHECK (size >= 0),
    content_type TEXT    NOT NULL CHECK (octet_length(content_type) BETWEEN 1 AND 255),
    file_name    TEXT             CHECK (octet_length(file_name) BETWEEN 1 AND 255),
    sha256       BLOB    NOT NULL CHECK (octet_length(sha256) = 32),
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER artifacts_never_change BEFORE UPDATE ON artifacts
BEGIN
    SELECT RAISE(ABORT, 'rows never change');
END;
