-- The scrubs: how far each is, and what it found. A server continues the newest one that is not finished.
--
-- Creates a table and locks nothing for longer than a write. An older server does not use it.
CREATE TABLE scrubs (
    number          INTEGER NOT NULL PRIMARY KEY CHECK (number > 0),
    started_at      INTEGER NOT NULL,
    finished_at     INTEGER,
    -- The `seq` up to which all rows were checked.
    reached         INTEGER NOT NULL,
    artifacts       INTEGER NOT NULL,
    bytes           INTEGER NOT NULL,
    corrupt         INTEGER NOT NULL,
    missing         INTEGER NOT NULL,
    orphaned        INTEGER NOT NULL,
    unreadable_rows INTEGER NOT NULL,
    unchecked       INTEGER NOT NULL
) STRICT;
