-- The backends that the blobs are in while they are moved from one to another, and the fence that keeps a row from
-- being written whose bytes are in a backend that no server reads any more.
--
-- While this runs, every read and write of rows waits. It takes milliseconds, however many rows there are.

CREATE TABLE placement (
    only_row     boolean PRIMARY KEY CHECK (only_row),
    epoch        bigint  NOT NULL CHECK (epoch > 0),
    fence        bigint  NOT NULL CHECK (fence BETWEEN 0 AND epoch),
    reached      bigint  NOT NULL CHECK (reached >= 0),
    current_url  text    NOT NULL,
    previous_url text
);

CREATE TABLE former_backends (
    url        text    COLLATE "C" PRIMARY KEY,
    is_emptied boolean NOT NULL
);

-- The epoch of the placement that the bytes were stored under. A row of a server of an older version has none: 0.
ALTER TABLE artifact_rows ADD COLUMN placement bigint NOT NULL DEFAULT 0;

-- The same for the rows of an import. Those that an older version has staged have none.
ALTER TABLE staged_rows ADD COLUMN placement bigint NOT NULL DEFAULT 0;

-- Refuses the rows of a server of an older version that still runs. The others compare the epoch themselves. The code
-- is one that the older version answers with `Unavailable`.
CREATE FUNCTION artifact_rows_fenced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.removed_at IS NULL AND NEW.placement < (SELECT fence FROM artifact.placement) THEN
        RAISE EXCEPTION 'the blobs of this store were moved: restart this server' USING ERRCODE = '55006';
    END IF;
    RETURN NEW;
END
$$;

-- Waits until every transaction that inserts rows has ended, and lets the others wait until this one has ended. They see
-- what it has written, because a statement gets its snapshot after its locks. The trigger is made by the first call, so
-- that a store whose blobs are never moved does not pay for it.
CREATE FUNCTION fence_inserts() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    LOCK TABLE artifact.artifact_rows IN SHARE ROW EXCLUSIVE MODE;
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgname = 'artifact_rows_fenced' AND tgrelid = 'artifact.artifact_rows'::regclass
    ) THEN
        CREATE TRIGGER artifact_rows_fenced BEFORE INSERT ON artifact.artifact_rows
            FOR EACH ROW EXECUTE FUNCTION artifact.artifact_rows_fenced();
    END IF;
END
$$;
