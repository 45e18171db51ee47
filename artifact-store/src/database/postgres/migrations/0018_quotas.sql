-- Quotas of principals and of experiments, and what is counted for them.
--
-- Creates tables and functions, and locks no table. The triggers that count rows are made when the first quota is set, so that a
-- store without quotas does not pay for them. An older server that still runs keeps to no quota, but what it inserts and removes
-- is counted.

CREATE TABLE quotas (
    experiment    text   COLLATE "C" NOT NULL REFERENCES experiments (id),
    -- Empty for the quota of the whole experiment.
    principal     text   COLLATE "C" NOT NULL CHECK (octet_length(principal) <= 128),
    max_bytes     bigint CHECK (max_bytes >= 0),
    max_artifacts bigint CHECK (max_artifacts >= 0),
    max_in_flight bigint CHECK (max_in_flight >= 0),
    PRIMARY KEY (experiment, principal)
);

-- What the rows of each quota add up to. Only the triggers change a line. A transaction that locks several lines locks them in the
-- order of the key, after all other locks.
CREATE TABLE quota_usage (
    experiment text   COLLATE "C" NOT NULL,
    principal  text   COLLATE "C" NOT NULL,
    bytes      bigint NOT NULL,
    artifacts  bigint NOT NULL,
    PRIMARY KEY (experiment, principal)
);

-- What deposits in progress may still store. A line counts until it is deleted.
CREATE TABLE quota_reservations (
    id         bytea  PRIMARY KEY CHECK (octet_length(id) = 16),
    experiment text   COLLATE "C" NOT NULL,
    principal  text   COLLATE "C" NOT NULL,
    bytes      bigint NOT NULL CHECK (bytes >= 0),
    -- Set once the bytes are stored. From then on the line counts until the id has a row or a tombstone.
    artifact   bytea  CHECK (octet_length(artifact) = 16),
    expires_at bigint NOT NULL
);

CREATE INDEX quota_reservations_by_principal ON quota_reservations (experiment, principal);

-- A server remembers for which principals there is no quota while the version of the rights stays the same.
CREATE TRIGGER quotas_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON quotas
    FOR EACH STATEMENT EXECUTE FUNCTION rights_changed();

CREATE FUNCTION quota_count_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM artifact.quota_usage AS counted
    WHERE EXISTS (
        SELECT FROM inserted
        WHERE inserted.removed_at IS NULL AND inserted.experiment = counted.experiment
            AND (counted.principal = '' OR counted.principal = inserted.created_by COLLATE "C")
    )
    ORDER BY experiment, principal FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE artifact.quota_usage AS counted
    SET bytes = counted.bytes + added.bytes, artifacts = counted.artifacts + added.artifacts
    FROM (
        SELECT experiment, principal, sum(size)::bigint AS bytes, count(*) AS artifacts
        FROM (
            SELECT experiment, unnest(ARRAY['', created_by]) COLLATE "C" AS principal, size
            FROM inserted WHERE removed_at IS NULL
        ) AS each
        GROUP BY experiment, principal
    ) AS added
    WHERE counted.experiment = added.experiment AND counted.principal = added.principal;
    RETURN NULL;
END
$$;

CREATE FUNCTION quota_count_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM artifact.quota_usage
    WHERE experiment = OLD.experiment AND principal IN ('', OLD.created_by COLLATE "C")
    ORDER BY principal FOR UPDATE;
    IF FOUND THEN
        UPDATE artifact.quota_usage SET bytes = bytes - OLD.size, artifacts = artifacts - 1
        WHERE experiment = OLD.experiment AND principal IN ('', OLD.created_by COLLATE "C");
    END IF;
    RETURN NULL;
END
$$;

-- Lets the changes of quotas wait for each other. The number is the letters `ArtQuota`.
CREATE FUNCTION lock_quotas() RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock(4715959653021742177)
$$;

-- Sets a quota, and counts the rows if there was none. No row is inserted or removed meanwhile: each is counted here or by the
-- triggers. Returns whether the experiment exists.
CREATE FUNCTION quota_set(
    in_experiment text, in_principal text, new_bytes bigint, new_artifacts bigint, new_in_flight bigint
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM artifact.lock_quotas();
    IF NOT EXISTS (SELECT FROM artifact.experiments WHERE id = in_experiment) THEN
        RETURN false;
    END IF;
    IF NOT EXISTS (
        SELECT FROM artifact.quota_usage WHERE experiment = in_experiment AND principal = in_principal
    ) THEN
        LOCK TABLE artifact.artifact_rows IN SHARE ROW EXCLUSIVE MODE;
        IF NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgname = 'artifact_rows_counted' AND tgrelid = 'artifact.artifact_rows'::regclass
        ) THEN
            CREATE TRIGGER artifact_rows_counted AFTER INSERT ON artifact.artifact_rows
                REFERENCING NEW TABLE AS inserted
                FOR EACH STATEMENT EXECUTE FUNCTION artifact.quota_count_inserted();
            CREATE TRIGGER artifact_rows_uncounted AFTER UPDATE ON artifact.artifact_rows
                FOR EACH ROW WHEN (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL)
                EXECUTE FUNCTION artifact.quota_count_removed();
        END IF;
        INSERT INTO artifact.quota_usage (experiment, principal, bytes, artifacts)
        SELECT in_experiment, in_principal, coalesce(sum(size), 0)::bigint, count(*)
        FROM artifact.artifact_rows
        WHERE experiment = in_experiment AND removed_at IS NULL
            AND (in_principal = '' OR created_by COLLATE "C" = in_principal);
    END IF;
    INSERT INTO artifact.quotas (experiment, principal, max_bytes, max_artifacts, max_in_flight)
    VALUES (in_experiment, in_principal, new_bytes, new_artifacts, new_in_flight)
    ON CONFLICT (experiment, principal) DO UPDATE SET
        max_bytes = new_bytes, max_artifacts = new_artifacts, max_in_flight = new_in_flight;
    RETURN true;
END
$$;

-- Removes a quota. Returns whether there was one.
CREATE FUNCTION quota_remove(in_experiment text, in_principal text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM artifact.lock_quotas();
    DELETE FROM artifact.quota_usage WHERE experiment = in_experiment AND principal = in_principal;
    DELETE FROM artifact.quotas WHERE experiment = in_experiment AND principal = in_principal;
    RETURN FOUND;
END
$$;

-- Reserves bytes for a deposit, or replaces its earlier reservation. Returns the outcome: `reserved` with the bytes in `available`;
-- `unlimited` if there is no quota; or `bytes`, `artifacts` or `in_flight` with the quota that refuses the deposit and what is
-- left of it.
--
-- The lines of `quota_usage` are locked before the reservations are added up. Each statement of the function sees the commits
-- before it began, so a row is counted either there or as a reservation.
CREATE FUNCTION quota_reserve(
    new_id bytea, in_experiment text, in_principal text, least_bytes bigint, wanted_bytes bigint, lease bigint,
    OUT outcome text, OUT scope text, OUT maximum bigint, OUT available bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stale bytea[];
    quota record;
    others record;
    is_limited boolean;
    is_new boolean;
    granted bigint := wanted_bytes;
BEGIN
    -- Reservations whose lease is over, of deposits whose row is not written: it never will be. This locks the removals, which
    -- comes before the lock of the usage in every transaction.
    SELECT array_agg(artifact) INTO stale FROM artifact.quota_reservations
    WHERE experiment = in_experiment AND artifact IS NOT NULL AND expires_at <= artifact.now_micros();
    IF stale IS NOT NULL THEN
        PERFORM artifact.condemn_ids(stale);
    END IF;
    PERFORM FROM artifact.quota_usage
    WHERE experiment = in_experiment AND principal IN ('', in_principal) ORDER BY principal FOR UPDATE;
    is_limited := FOUND;
    -- Those that another transaction changes at the moment stay, and count.
    DELETE FROM artifact.quota_reservations WHERE id = ANY (ARRAY(
        SELECT held.id FROM artifact.quota_reservations AS held
        WHERE held.experiment = in_experiment AND (
            (held.artifact IS NULL AND held.expires_at <= artifact.now_micros())
            OR EXISTS (SELECT FROM artifact.artifact_rows WHERE artifact_rows.id = held.artifact)
        )
        FOR UPDATE SKIP LOCKED
    ));
    IF NOT is_limited THEN
        outcome := 'unlimited';
        RETURN;
    END IF;
    is_new := NOT EXISTS (SELECT FROM artifact.quota_reservations WHERE id = new_id);
    FOR quota IN
        SELECT quotas.principal, max_bytes, max_artifacts, max_in_flight, bytes, artifacts
        FROM artifact.quotas JOIN artifact.quota_usage USING (experiment, principal)
        WHERE experiment = in_experiment AND principal IN ('', in_principal) ORDER BY principal
    LOOP
        SELECT coalesce(sum(bytes), 0)::bigint AS bytes, count(*) AS number INTO others
        FROM artifact.quota_reservations
        WHERE experiment = in_experiment AND (quota.principal = '' OR principal = in_principal) AND id <> new_id;
        scope := quota.principal;
        maximum := quota.max_bytes;
        available := greatest(maximum - quota.bytes - others.bytes, 0);
        IF maximum IS NOT NULL AND least_bytes > available THEN
            outcome := 'bytes';
            RETURN;
        END IF;
        IF maximum IS NOT NULL THEN
            granted := least(granted, available);
        END IF;
        maximum := quota.max_artifacts;
        available := greatest(maximum - quota.artifacts - others.number, 0);
        IF maximum IS NOT NULL AND available < 1 THEN
            outcome := 'artifacts';
            RETURN;
        END IF;
        maximum := quota.max_in_flight;
        available := greatest(maximum - others.number, 0);
        IF is_new AND maximum IS NOT NULL AND available < 1 THEN
            outcome := 'in_flight';
            RETURN;
        END IF;
    END LOOP;
    INSERT INTO artifact.quota_reservations (id, experiment, principal, bytes, expires_at)
    VALUES (new_id, in_experiment, in_principal, granted, artifact.now_micros() + lease)
    ON CONFLICT (id) DO UPDATE SET experiment = excluded.experiment, principal = excluded.principal,
        bytes = excluded.bytes, artifact = NULL, expires_at = excluded.expires_at;
    outcome := 'reserved';
    scope := NULL;
    maximum := NULL;
    available := granted;
END
$$;
