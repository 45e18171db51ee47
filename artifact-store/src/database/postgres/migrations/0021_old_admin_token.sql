-- The admin token before the current one, which is valid for a time that the operator chose.
--
-- Adds two columns to a table with one row, which it locks only until the commit. An older server that still runs accepts only
-- the current token.
ALTER TABLE admin_token
    ADD COLUMN old_digest bytea CHECK (octet_length(old_digest) = 32),
    ADD COLUMN old_valid_until bigint CHECK ((old_digest IS NULL) = (old_valid_until IS NULL));

-- An older version replaces the token without these columns. Only the token right before the current one is ever valid.
CREATE FUNCTION old_admin_token_outlived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.digest <> OLD.digest AND NEW.old_digest <> OLD.digest THEN
        NEW.old_digest := NULL;
        NEW.old_valid_until := NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER old_admin_token_outlived BEFORE UPDATE ON admin_token
    FOR EACH ROW EXECUTE FUNCTION old_admin_token_outlived();

-- The token that takes another one's place is not over, also if it was before and came back. The names have the schema, because
-- other programs call the function with another search path.
CREATE OR REPLACE FUNCTION admin_token_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.digest <> NEW.digest THEN
        INSERT INTO artifact.replaced_admin_tokens (digest) VALUES (OLD.digest) ON CONFLICT DO NOTHING;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM artifact.replaced_admin_tokens WHERE digest = NEW.digest;
    END IF;
    RETURN NULL;
END
$$;
