-- Upload sessions, which collect the bytes of one file in several requests, and the parts that have arrived. Each part is a
-- blob of its own, and its id is not condemned while its record is here.
--
-- Takes milliseconds: the new tables are empty. A server of the older version that still runs does not know them, so its
-- collector deletes parts that are older than the grace period: the upload then fails and is begun again. Give clients
-- resumable uploads when all servers have the new version.
--
-- An empty byte string stands for no digest and for no artifact.

CREATE TABLE uploads (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    experiment   TEXT    NOT NULL,
    created_by   TEXT    NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    content_type TEXT    NOT NULL CHECK (octet_length(content_type) BETWEEN 1 AND 255),
    file_name    TEXT    CHECK (octet_length(file_name) BETWEEN 1 AND 255),
    expires_in   INTEGER CHECK (expires_in >= 0),
    sha256       BLOB    NOT NULL CHECK (octet_length(sha256) IN (0, 32)),
    -- The lowest epoch of the placement that bytes of the session were stored under.
    placement    INTEGER NOT NULL,
    length       INTEGER CHECK (length >= received),
    received     INTEGER NOT NULL DEFAULT 0 CHECK (received >= 0),
    parts        INTEGER NOT NULL DEFAULT 0,
    artifact     BLOB    NOT NULL DEFAULT x'' CHECK (octet_length(artifact) IN (0, 16)),
    ended        INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)),
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_by_principal ON uploads (experiment, created_by);

CREATE TABLE upload_parts (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    upload    BLOB    NOT NULL REFERENCES uploads (id),
    begins_at INTEGER NOT NULL CHECK (begins_at >= 0),
    size      INTEGER NOT NULL CHECK (size > 0),
    sha256    BLOB    NOT NULL CHECK (octet_length(sha256) = 32),
    UNIQUE (upload, begins_at)
) STRICT, WITHOUT ROWID;
