-- When the token of a worker expires, in microseconds since 1970. NULL means never.
--
-- Adds no byte to any row, so it locks the table only for an instant. An older server that still runs does not know of
-- the column: it accepts a token until the worker gets another one, is revoked or is deleted.
ALTER TABLE workers ADD COLUMN credential_expires_at bigint;
