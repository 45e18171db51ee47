-- Grants let workers and groups read what others deposited. Links let everyone read who knows a secret.
--
-- This reads and writes no rows. The triggers make inserts and removals of rows wait, and changes of workers, reads not: for
-- some milliseconds, once the transactions that write them have ended. An older server that still runs does not apply grants and
-- links, but what it removes, deletes and revokes takes them along.

CREATE TABLE access_grants (
    -- The kind of what may be read, such as `artifact`, and its id.
    subject_kind text   COLLATE "C" NOT NULL CHECK (octet_length(subject_kind) BETWEEN 1 AND 16),
    subject_id   bytea  NOT NULL CHECK (octet_length(subject_id) BETWEEN 1 AND 64),
    id           text   COLLATE "C" NOT NULL CHECK (octet_length(id) = 30),
    experiment   text   COLLATE "C" NOT NULL,
    -- Who may read: one of the two.
    worker       text   COLLATE "C" REFERENCES workers (id) ON DELETE CASCADE,
    group_id     text   COLLATE "C" REFERENCES groups (id) ON DELETE CASCADE,
    created_at   bigint NOT NULL,
    created_by   text   NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    expires_at   bigint,
    PRIMARY KEY (subject_kind, subject_id, id),
    CHECK (num_nulls(worker, group_id) = 1)
);

-- A grantee has one grant for each subject.
CREATE UNIQUE INDEX access_grants_by_worker ON access_grants (worker, subject_kind, subject_id) WHERE worker IS NOT NULL;
CREATE UNIQUE INDEX access_grants_by_group ON access_grants (group_id, subject_kind, subject_id)
    WHERE group_id IS NOT NULL;
CREATE INDEX access_grants_by_expiry ON access_grants (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE access_links (
    artifact      bytea  NOT NULL CHECK (octet_length(artifact) = 16),
    id            text   COLLATE "C" NOT NULL CHECK (octet_length(id) = 30),
    experiment    text   COLLATE "C" NOT NULL,
    -- The SHA-256 of the secret, which is nowhere.
    digest        bytea  NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    created_at    bigint NOT NULL,
    created_by    text   NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    -- The maker, if it is a worker.
    worker        text   COLLATE "C" REFERENCES workers (id) ON DELETE CASCADE,
    expires_at    bigint NOT NULL,
    max_downloads bigint CHECK (max_downloads > 0),
    downloads     bigint NOT NULL CHECK (downloads >= 0),
    PRIMARY KEY (artifact, id)
);

CREATE INDEX access_links_by_worker ON access_links (worker) WHERE worker IS NOT NULL;
CREATE INDEX access_links_by_expiry ON access_links (expires_at);
CREATE INDEX access_links_used_up ON access_links (downloads) WHERE downloads >= max_downloads;

-- The only change of a row is the one into a tombstone, by this version or an older one.
CREATE FUNCTION artifact_rows_lose_shares() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM artifact.access_grants WHERE subject_kind = 'artifact' AND subject_id = OLD.id;
    DELETE FROM artifact.access_links WHERE artifact = OLD.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER artifact_rows_lose_shares AFTER UPDATE ON artifact_rows
    FOR EACH ROW EXECUTE FUNCTION artifact_rows_lose_shares();

-- The credential that a revoked token leaves.
CREATE FUNCTION workers_lose_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM artifact.access_links WHERE worker = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER workers_lose_links AFTER UPDATE OF credential ON workers
    FOR EACH ROW WHEN (NEW.credential = '$argon2id$revoked') EXECUTE FUNCTION workers_lose_links();
