-- Named administrators, who belong to no experiment, and the admin token that the servers share.
--
-- Creates tables and locks nothing for longer than a write. An older server that still runs does not accept their
-- credentials, and does not know of the shared token.
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
    DELETE FROM access_links WHERE created_by = OLD.id AND worker IS NULL;
END;

-- The links of makers that are no workers.
CREATE INDEX access_links_by_administrator ON access_links (created_by) WHERE worker IS NULL;

-- The credential that a revoked token leaves.
CREATE TRIGGER administrators_lose_links AFTER UPDATE OF credential ON administrators
    WHEN NEW.credential = '$argon2id$revoked'
BEGIN
    DELETE FROM access_links WHERE created_by = NEW.id AND worker IS NULL;
END;

-- The BLAKE2b-256 of the admin token, which has 256 random bits, and where the token is, for people.
CREATE TABLE admin_token (
    only_row   INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    digest     BLOB    NOT NULL CHECK (octet_length(digest) = 32),
    kept_in    TEXT    NOT NULL CHECK (octet_length(kept_in) <= 8192),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- No server takes these again from a file that was left behind.
CREATE TABLE replaced_admin_tokens (
    digest BLOB NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 32)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER admin_token_updated AFTER UPDATE OF digest ON admin_token
    WHEN OLD.digest <> NEW.digest
BEGIN
    INSERT INTO replaced_admin_tokens (digest) VALUES (OLD.digest) ON CONFLICT DO NOTHING;
    UPDATE rights SET version = random();
END;

CREATE TRIGGER admin_token_deleted AFTER DELETE ON admin_token
BEGIN
    INSERT INTO replaced_admin_tokens (digest) VALUES (OLD.digest) ON CONFLICT DO NOTHING;
    UPDATE rights SET version = random();
END;

-- INSERT OR REPLACE deletes without the trigger above.
CREATE TRIGGER admin_token_replaced BEFORE INSERT ON admin_token
    WHEN EXISTS (SELECT 1 FROM admin_token)
BEGIN
    UPDATE rights SET version = random();
END;
