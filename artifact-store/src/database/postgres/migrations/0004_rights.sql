-- The version of all rights: of the credentials of the workers, and of the members of the groups. A server
-- uses a right that it has cached for up to `lease_ms` milliseconds after it began to read the version. A
-- change of rights is acknowledged that much later, and a tenth of it. 0 turns the caches off, so that
-- changes are acknowledged at once. After `lease_ms` was lowered, change no right for a second.
--
-- A version is random, so that the database never has one again that was used for other rights, not even
-- after a failover to a standby that lacks the newest commits.

CREATE TABLE rights_lease (
    only_row boolean PRIMARY KEY CHECK (only_row),
    lease_ms bigint  NOT NULL CHECK (lease_ms BETWEEN 0 AND 1000)
);

INSERT INTO rights_lease VALUES (true, 1000);

CREATE FUNCTION random_version() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT ('x' || left(encode(sha256(uuid_send(gen_random_uuid())), 'hex'), 16))::bit(64)::bigint
$$;

-- One row for each transaction that has changed rights at the same time as others.
CREATE TABLE rights_versions (
    slot    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version bigint NOT NULL
);

INSERT INTO rights_versions (version) VALUES (random_version());

-- Whichever row changes, the sum changes.
CREATE VIEW rights AS
    SELECT coalesce(sum(version) % 9223372036854775807, 0)::bigint AS version,
        (SELECT lease_ms FROM rights_lease) AS lease_ms
    FROM rights_versions;

CREATE FUNCTION rights_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A row that no other transaction holds, so that changes of different rights do not wait for each
    -- other.
    UPDATE artifact.rights_versions SET version = artifact.random_version() WHERE slot = (
        SELECT slot FROM artifact.rights_versions LIMIT 1 FOR UPDATE SKIP LOCKED
    );
    IF NOT FOUND THEN
        INSERT INTO artifact.rights_versions (version) VALUES (artifact.random_version());
    END IF;
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
