-- The admin token before the current one, which is valid for a time that the operator chose.
--
-- Adds two columns to a table with one row. An older server that still runs accepts only the current token.
ALTER TABLE admin_token ADD COLUMN old_digest BLOB CHECK (octet_length(old_digest) = 32);
ALTER TABLE admin_token ADD COLUMN old_valid_until INTEGER
    CHECK ((old_digest IS NULL) = (old_valid_until IS NULL));

-- The token that takes another one's place is not over, also if it was before and came back.
CREATE TRIGGER admin_token_returned AFTER UPDATE OF digest ON admin_token
BEGIN
    DELETE FROM replaced_admin_tokens WHERE digest = NEW.digest;
END;

-- An older version replaces the token without these columns. Only the token right before the current one is ever valid.
CREATE TRIGGER old_admin_token_outlived AFTER UPDATE OF digest ON admin_token
    WHEN OLD.digest <> NEW.digest AND NEW.old_digest IS NOT NULL AND NEW.old_digest <> OLD.digest
BEGIN
    UPDATE admin_token SET old_digest = NULL, old_valid_until = NULL;
END;

CREATE TRIGGER old_admin_token_updated AFTER UPDATE OF old_digest, old_valid_until ON admin_token
BEGIN
    UPDATE rights SET version = random();
END;
