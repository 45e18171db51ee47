-- The digests of the chunks of an artifact, which verify ranges. A row without them, of an older version or of up to 64 KiB,
-- stays as it is. A server of the older version that still runs inserts rows without digests.
--
-- This reads and writes no rows: it locks the file for writes for some milliseconds.

-- `seq` is that of the row, so new digests are appended. They have a table of their own, because lists read the rows.
CREATE TABLE chunk_digests (
    seq         INTEGER NOT NULL PRIMARY KEY,
    chunk_bytes INTEGER NOT NULL CHECK (chunk_bytes >= 65536),
    blake3      BLOB    NOT NULL CHECK (octet_length(blake3) = 32),
    digests     BLOB    NOT NULL CHECK (octet_length(digests) BETWEEN 64 AND 131072 AND octet_length(digests) % 32 = 0)
) STRICT;

CREATE TRIGGER chunk_digests_never_change BEFORE UPDATE ON chunk_digests
BEGIN
    SELECT RAISE(ABORT, 'digests never change');
END;

-- The only change of a row is the one into a tombstone, by this version or an older one.
CREATE TRIGGER artifact_rows_lose_digests AFTER UPDATE ON artifact_rows
BEGIN
    DELETE FROM chunk_digests WHERE seq = OLD.seq;
END;

-- Those of the rows that an import has staged.
ALTER TABLE staged_rows ADD COLUMN chunk_bytes INTEGER;
ALTER TABLE staged_rows ADD COLUMN blake3 BLOB;
ALTER TABLE staged_rows ADD COLUMN digests BLOB;
