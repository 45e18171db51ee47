-- The digests of the chunks of an artifact, which verify ranges. A row without them, of an older version or of up to 64 KiB,
-- stays as it is. A server of the older version that still runs inserts rows without digests.
--
-- This reads and writes no rows. The trigger makes inserts and removals of rows wait, reads not: for some milliseconds, once
-- the transactions that write rows have ended.

CREATE TABLE chunk_digests (
    id          bytea  NOT NULL,
    chunk_bytes bigint NOT NULL,
    blake3      bytea  NOT NULL,
    digests     bytea  NOT NULL,
    CONSTRAINT chunk_digests_check CHECK (
        octet_length(id) = 16 AND chunk_bytes >= 65536 AND octet_length(blake3) = 32
        AND octet_length(digests) BETWEEN 64 AND 131072 AND octet_length(digests) % 32 = 0
    )
) PARTITION BY HASH (id);

-- Digests cannot be compressed.
ALTER TABLE chunk_digests ALTER COLUMN digests SET STORAGE EXTERNAL;

CREATE TABLE chunk_digests_0 PARTITION OF chunk_digests FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE chunk_digests_1 PARTITION OF chunk_digests FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE chunk_digests_2 PARTITION OF chunk_digests FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE chunk_digests_3 PARTITION OF chunk_digests FOR VALUES WITH (MODULUS 4, REMAINDER 3);

ALTER TABLE chunk_digests ADD PRIMARY KEY (id);

CREATE TRIGGER chunk_digests_never_change BEFORE UPDATE OR TRUNCATE ON chunk_digests
    FOR EACH STATEMENT EXECUTE FUNCTION rows_never_change();

-- The only change of a row is the one into a tombstone, by this version or an older one.
CREATE FUNCTION artifact_rows_lose_digests() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM artifact.chunk_digests WHERE id = OLD.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER artifact_rows_lose_digests AFTER UPDATE ON artifact_rows
    FOR EACH ROW EXECUTE FUNCTION artifact_rows_lose_digests();

-- Those of the rows that an import has staged. No row is rewritten.
ALTER TABLE staged_rows
    ADD COLUMN chunk_bytes bigint,
    ADD COLUMN blake3 bytea,
    ADD COLUMN digests bytea;
ALTER TABLE staged_rows ALTER COLUMN digests SET STORAGE EXTERNAL;
