-- The log of receipts: a Merkle tree with one leaf for each artifact, and the artifacts that still have none.
--
-- Creates tables, and locks the file for writes for some milliseconds. The trigger that queues rows is made when a log begins, so that a
-- store without receipts does not pay for it. An older server that still runs queues its rows, too.

CREATE TABLE receipt_log (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    origin   TEXT    NOT NULL CHECK (octet_length(origin) BETWEEN 1 AND 255),
    -- The salts of all leaves are derived from it. It never leaves the database.
    secret   BLOB    NOT NULL CHECK (octet_length(secret) = 32),
    -- The number of leaves.
    size     INTEGER NOT NULL CHECK (size >= 0)
) STRICT;

CREATE TRIGGER receipt_log_only_grows BEFORE UPDATE ON receipt_log
    WHEN NEW.size < OLD.size OR NEW.origin <> OLD.origin OR NEW.secret <> OLD.secret
BEGIN
    SELECT RAISE(ABORT, 'the log of receipts only grows');
END;

CREATE TRIGGER receipt_log_stays BEFORE DELETE ON receipt_log
BEGIN
    SELECT RAISE(ABORT, 'the log of receipts only grows');
END;

-- The leaves at level 0, and at each higher level the roots of 256 nodes of the level below. A leaf stays when its artifact goes.
CREATE TABLE receipt_nodes (
    level    INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7),
    position INTEGER NOT NULL CHECK (position >= 0),
    hash     BLOB    NOT NULL CHECK (octet_length(hash) = 32),
    artifact BLOB    CHECK (octet_length(artifact) = 16 OR artifact IS NULL),
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX receipt_nodes_by_artifact ON receipt_nodes (artifact) WHERE artifact IS NOT NULL;

CREATE TRIGGER receipt_nodes_never_change BEFORE UPDATE ON receipt_nodes
BEGIN
    SELECT RAISE(ABORT, 'the log of receipts only grows');
END;

CREATE TRIGGER receipt_nodes_stay BEFORE DELETE ON receipt_nodes
BEGIN
    SELECT RAISE(ABORT, 'the log of receipts only grows');
END;

-- What the leaves of rows that are not in the log yet are made of. A removed row stays here until it is in the log.
CREATE TABLE receipt_queue (
    number     INTEGER NOT NULL PRIMARY KEY,
    artifact   BLOB    NOT NULL CHECK (octet_length(artifact) = 16),
    experiment TEXT    NOT NULL,
    created_by TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    sha256     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
