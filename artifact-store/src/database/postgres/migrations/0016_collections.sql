-- Collections, and the names of files in them. A name is given once and stays for ever, also when its artifact is removed.
--
-- Reads and writes no rows. The trigger makes inserts and removals of rows wait, reads not: for some milliseconds, once
-- the transactions that write rows have ended. An older server that still runs knows no collections, but what it removes
-- leaves its collection too.
CREATE TABLE collections (
    id             bytea  PRIMARY KEY CHECK (octet_length(id) = 16),
    experiment     text   COLLATE "C" NOT NULL REFERENCES experiments (id),
    owner          text   COLLATE "C" NOT NULL CHECK (octet_length(owner) BETWEEN 1 AND 128),
    title          text,
    created_at     bigint NOT NULL,
    sealed_at      bigint,
    -- When its deletion began. Files are removed one by one, then the row is deleted.
    deleting_since bigint,
    -- Of the files that are there now.
    files          bigint NOT NULL DEFAULT 0,
    bytes          bigint NOT NULL DEFAULT 0
);

CREATE INDEX collections_in_order ON collections (experiment, created_at, id);
CREATE INDEX collections_by_owner ON collections (experiment, owner, created_at, id);

-- The columns after the name are those of the artifact's row. They stay for the manifest. A statement that writes a name has
-- locked the row of its collection.
CREATE TABLE collection_files (
    collection   bytea  NOT NULL CHECK (octet_length(collection) = 16),
    name         text   COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 1024),
    id           bytea  NOT NULL CHECK (octet_length(id) = 16),
    size         bigint NOT NULL CHECK (size >= 0),
    content_type text   NOT NULL,
    sha256       bytea  NOT NULL CHECK (octet_length(sha256) = 32),
    created_at   bigint NOT NULL,
    -- 0: the artifact is there; 1: it was removed before the seal; 2: it was removed after the seal.
    state        bigint NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2)),
    PRIMARY KEY (collection, name)
);

CREATE UNIQUE INDEX collection_files_by_artifact ON collection_files (id);

CREATE FUNCTION collection_files_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 0 AND NEW.state > 0 AND NEW.collection = OLD.collection AND NEW.name = OLD.name
        AND NEW.id = OLD.id AND NEW.sha256 = OLD.sha256
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a name is given once';
END
$$;

CREATE TRIGGER collection_files_never_change BEFORE UPDATE ON collection_files
    FOR EACH ROW EXECUTE FUNCTION collection_files_never_change();

-- The only change of a row of an artifact is the one into a tombstone, by this version or an older one. Its transaction has the
-- lock of removals, which comes before that of a collection.
CREATE FUNCTION artifact_rows_leave_collections() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    home bytea;
    is_sealed boolean;
BEGIN
    SELECT collection INTO home FROM artifact.collection_files WHERE id = OLD.id AND state = 0;
    IF FOUND THEN
        UPDATE artifact.collections SET files = files - 1, bytes = bytes - OLD.size
            WHERE id = home RETURNING sealed_at IS NOT NULL INTO is_sealed;
        UPDATE artifact.collection_files SET state = CASE WHEN is_sealed THEN 2 ELSE 1 END WHERE id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER artifact_rows_leave_collections AFTER UPDATE ON artifact_rows
    FOR EACH ROW EXECUTE FUNCTION artifact_rows_leave_collections();

-- Removes a row as `remove_row` does, unless it is in a sealed collection that is not being deleted: `sealed`. The lock of the
-- collection keeps it as it is until the removal is done.
CREATE FUNCTION remove_unsealed_row(removed_id bytea) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    is_sealed boolean;
BEGIN
    PERFORM artifact.lock_removals();
    SELECT sealed_at IS NOT NULL AND deleting_since IS NULL INTO is_sealed
        FROM artifact.collection_files
        JOIN artifact.collections ON collections.id = collection_files.collection
        WHERE collection_files.id = removed_id AND state = 0
        FOR NO KEY UPDATE OF collections;
    IF is_sealed THEN
        RETURN 'sealed';
    END IF;
    RETURN artifact.remove_row(removed_id, false, false);
END
$$;
