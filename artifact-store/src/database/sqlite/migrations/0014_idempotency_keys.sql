-- The keys with which deposits can be repeated for a day, and the rows that they made. A key is written with its row, and stays
-- when the row is removed. A collector deletes the old ones.
--
-- Creates a table and locks nothing for longer than a write. An older server that still runs stores a deposit with a key as one
-- without.
CREATE TABLE idempotency_keys (
    experiment TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    key        TEXT    NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    id         BLOB    NOT NULL CHECK (octet_length(id) = 16),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (experiment, principal, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
