-- Quotas of principals and of experiments, and what is counted for them.
--
-- Creates tables, and locks the file for writes for some milliseconds, however many rows there are. The triggers that count rows are
-- made when the first quota is set, so that a store without quotas does not pay for them. An older server that still runs keeps to
-- no quota, but what it inserts and removes is counted.

CREATE TABLE quotas (
    experiment    TEXT    NOT NULL REFERENCES experiments (id),
    -- Empty for the quota of the whole experiment.
    principal     TEXT    NOT NULL CHECK (octet_length(principal) <= 128),
    max_bytes     INTEGER CHECK (max_bytes >= 0),
    max_artifacts INTEGER CHECK (max_artifacts >= 0),
    max_in_flight INTEGER CHECK (max_in_flight >= 0),
    PRIMARY KEY (experiment, principal)
) STRICT, WITHOUT ROWID;

-- What the rows of each quota add up to. Only triggers change a line.
CREATE TABLE quota_usage (
    experiment TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    artifacts  INTEGER NOT NULL,
    PRIMARY KEY (experiment, principal)
) STRICT, WITHOUT ROWID;

-- What deposits in progress may still store. A line counts until it is deleted.
CREATE TABLE quota_reservations (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    experiment TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),
    -- Set once the bytes are stored. From then on the line counts until the id has a row or a tombstone.
    artifact   BLOB    CHECK (octet_length(artifact) = 16),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX quota_reservations_by_principal ON quota_reservations (experiment, principal);

-- A server remembers for which principals there is no quota while the version of the rights stays the same.
CREATE TRIGGER quotas_inserted AFTER INSERT ON quotas
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER quotas_updated AFTER UPDATE ON quotas
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER quotas_deleted AFTER DELETE ON quotas
BEGIN
    UPDATE rights SET version = random();
END;
