-- The scrubs: how far each is, and what it found. A server continues the newest one that is not finished.
--
-- Creates a table and locks no other. An older server does not use it.
CREATE TABLE scrubs (
    number          bigint PRIMARY KEY CHECK (number > 0),
    started_at      bigint NOT NULL,
    finished_at     bigint,
    -- The `seq` up to which all rows were checked.
    reached         bigint NOT NULL,
    artifacts       bigint NOT NULL,
    bytes           bigint NOT NULL,
    corrupt         bigint NOT NULL,
    missing         bigint NOT NULL,
    orphaned        bigint NOT NULL,
    unreadable_rows bigint NOT NULL,
    unchecked       bigint NOT NULL
);
