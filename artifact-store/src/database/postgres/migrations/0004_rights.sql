-- The version of all rights: of the credentials of the workers, and of the members of the groups. A server
-- uses a right that it has cached for up to `lease_ms` milliseconds after it began to read this version.
-- A change of rights is acknowledged that much later, and a tenth of it. 0 turns the caches off, so that
-- changes are acknowledged at once. After `lease_ms` was lowered, change no right for a second.
--
-- The version is random, so that the database never has one again that was used for other rights, not even
-- after a failover to a standby that lacks the newest commits.

CREATE TABLE rights (
    only_row boolean PRIMARY KEY CHECK (only_row),
    version  bigint  NOT NULL,
    lease_ms bigint  NOT NULL CHECK (lease_ms BETWEEN 0 AND 1000)
);

INSERT INTO rights VALUES (
    true, ('x' || left(encode(sha256(uuid_send(gen_random_uuid())), 'hex'), 16))::bit(64)::bigint, 1000
);

CREATE FUNCTION rights_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE artifact.rights SET version =
        ('x' || left(encode(sha256(uuid_send(gen_random_uuid())), 'hex'), 16))::bit(64)::bigint;
    RETURN NULL;
END
$$;

-- A new worker changes no right.
CREATE TRIGGER workers_changed
    AFTER UPDATE OF id, experiment, credential OR DELETE OR TRUNCATE ON workers
    FOR EACH STATEMENT EXECUTE FUNCTION rights_changed();

-- Neither does a new group, which has no members yet.
CREATE TRIGGER groups_changed AFTER UPDATE OR DELETE OR TRUNCATE ON groups
    FOR EACH STATEMENT EXECUTE FUNCTION rights_changed();

CREATE TRIGGER members_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON members
    FOR EACH STATEMENT EXECUTE FUNCTION rights_changed();
