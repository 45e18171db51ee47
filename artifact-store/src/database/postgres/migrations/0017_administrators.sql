-- Named administrators. They belong to no experiment.
--
-- Creates a table and locks no other. An older server that still runs does not accept their credentials.
CREATE TABLE administrators (
    id                    text   COLLATE "C" PRIMARY KEY CHECK (octet_length(id) = 30),
    name                  text   COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 512),
    created_at            bigint NOT NULL,
    created_by            text   COLLATE "C" NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    -- An argon2id hash as a PHC string; the token itself is nowhere.
    credential            text   COLLATE "C" NOT NULL CHECK (octet_length(credential) BETWEEN 1 AND 255),
    credential_expires_at bigint
);

CREATE INDEX administrators_in_order ON administrators (created_at, id);

-- A new administrator changes no right.
CREATE TRIGGER administrators_changed
    AFTER UPDATE OF id, credential, credential_expires_at OR DELETE OR TRUNCATE ON administrators
    FOR EACH STATEMENT EXECUTE FUNCTION rights_changed();
