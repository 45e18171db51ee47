-- Named administrators. They belong to no experiment.
--
-- Creates a table and locks nothing for longer than a write. An older server that still runs does not accept their
-- credentials.
CREATE TABLE administrators (
    id                    TEXT    NOT NULL PRIMARY KEY CHECK (octet_length(id) = 30),
    name                  TEXT    NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 512),
    created_at            INTEGER NOT NULL,
    created_by            TEXT    NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    -- An argon2id hash as a PHC string; the token itself is nowhere.
    credential            TEXT    NOT NULL CHECK (octet_length(credential) BETWEEN 1 AND 255),
    credential_expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX administrators_in_order ON administrators (created_at, id);

-- A new administrator changes no right, unless it replaces another one (INSERT OR REPLACE).
CREATE TRIGGER administrators_replaced BEFORE INSERT ON administrators
    WHEN EXISTS (SELECT 1 FROM administrators WHERE id = NEW.id)
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER administrators_updated
    AFTER UPDATE OF id, credential, credential_expires_at ON administrators
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER administrators_deleted AFTER DELETE ON administrators
BEGIN
    UPDATE rights SET version = random();
END;
