-- Named administrators, who belong to no experiment, and the admin token that the servers share.
--
-- Creates tables and locks no other. An older server that still runs does not accept their credentials, and does not know of the
-- shared token.
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

-- The links of makers that are no workers.
CREATE INDEX access_links_by_administrator ON access_links (created_by) WHERE worker IS NULL;

-- Deleting an administrator, and revoking its token, ends the links that it made.
CREATE FUNCTION administrators_lose_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.credential = '$argon2id$revoked' THEN
        DELETE FROM artifact.access_links WHERE created_by = OLD.id AND worker IS NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER administrators_lose_links AFTER UPDATE OF credential OR DELETE ON administrators
    FOR EACH ROW EXECUTE FUNCTION administrators_lose_links();

-- The BLAKE2b-256 of the admin token, which has 256 random bits, and where the token is, for people.
CREATE TABLE admin_token (
    only_row   boolean PRIMARY KEY CHECK (only_row),
    digest     bytea   NOT NULL CHECK (octet_length(digest) = 32),
    kept_in    text    NOT NULL CHECK (octet_length(kept_in) <= 8192),
    created_at bigint  NOT NULL
);

-- No server takes these again from a file that was left behind.
CREATE TABLE replaced_admin_tokens (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32)
);

-- The names have the schema, because other programs call the function with another search path.
CREATE FUNCTION admin_token_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.digest <> NEW.digest THEN
        INSERT INTO artifact.replaced_admin_tokens (digest) VALUES (OLD.digest) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER admin_token_replaced AFTER UPDATE OR DELETE ON admin_token
    FOR EACH ROW EXECUTE FUNCTION admin_token_replaced();

CREATE TRIGGER admin_token_changed AFTER UPDATE OR DELETE OR TRUNCATE ON admin_token
    FOR EACH STATEMENT EXECUTE FUNCTION rights_changed();
