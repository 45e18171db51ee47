-- Grants let workers and groups read what others deposited. Links let everyone read who knows a secret.
--
-- Creates tables and triggers, and locks nothing for longer than a write. An older server that still runs does not apply grants and
-- links, but what it removes, deletes and revokes takes them along.
CREATE TABLE access_grants (
    -- The kind of what may be read, such as `artifact`, and its id.
    subject_kind TEXT    NOT NULL CHECK (octet_length(subject_kind) BETWEEN 1 AND 16),
    subject_id   BLOB    NOT NULL CHECK (octet_length(subject_id) BETWEEN 1 AND 64),
    id           TEXT    NOT NULL CHECK (octet_length(id) = 30),
    experiment   TEXT    NOT NULL,
    -- Who may read: one of the two.
    worker       TEXT    REFERENCES workers (id) ON DELETE CASCADE,
    group_id     TEXT    REFERENCES groups (id) ON DELETE CASCADE,
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    expires_at   INTEGER,
    PRIMARY KEY (subject_kind, subject_id, id),
    CHECK ((worker IS NULL) <> (group_id IS NULL))
) STRICT, WITHOUT ROWID;

-- A grantee has one grant for each subject.
CREATE UNIQUE INDEX access_grants_by_worker ON access_grants (worker, subject_kind, subject_id) WHERE worker IS NOT NULL;
CREATE UNIQUE INDEX access_grants_by_group ON access_grants (group_id, subject_kind, subject_id)
    WHERE group_id IS NOT NULL;
CREATE INDEX access_grants_by_expiry ON access_grants (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE access_links (
    artifact      BLOB    NOT NULL CHECK (octet_length(artifact) = 16),
    id            TEXT    NOT NULL CHECK (octet_length(id) = 30),
    experiment    TEXT    NOT NULL,
    -- The SHA-256 of the secret, which is nowhere.
    digest        BLOB    NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    created_at    INTEGER NOT NULL,
    created_by    TEXT    NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    -- The maker, if it is a worker.
    worker        TEXT    REFERENCES workers (id) ON DELETE CASCADE,
    expires_at    INTEGER NOT NULL,
    max_downloads INTEGER CHECK (max_downloads > 0),
    downloads     INTEGER NOT NULL CHECK (downloads >= 0),
    PRIMARY KEY (artifact, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX access_links_by_worker ON access_links (worker) WHERE worker IS NOT NULL;
CREATE INDEX access_links_by_expiry ON access_links (expires_at);
CREATE INDEX access_links_used_up ON access_links (downloads) WHERE downloads >= max_downloads;

-- The only change of a row is the one into a tombstone, by this version or an older one.
CREATE TRIGGER artifact_rows_lose_shares AFTER UPDATE ON artifact_rows
BEGIN
    DELETE FROM access_grants WHERE subject_kind = 'artifact' AND subject_id = OLD.id;
    DELETE FROM access_links WHERE artifact = OLD.id;
END;

-- The credential that a revoked token leaves.
CREATE TRIGGER workers_lose_links AFTER UPDATE OF credential ON workers
    WHEN NEW.credential = '$argon2id$revoked'
BEGIN
    DELETE FROM access_links WHERE worker = NEW.id;
END;
