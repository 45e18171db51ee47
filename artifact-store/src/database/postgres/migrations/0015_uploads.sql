-- Upload sessions, which collect the bytes of one file in several requests, and the parts that have arrived. Each part is a
-- blob of its own, and its id is not condemned while its record is here.
--
-- Takes milliseconds and locks no table: the new ones are empty. A server of the older version that still runs uses the new
-- function too, so its collector leaves the parts alone.
--
-- An empty byte string stands for no digest and for no artifact.

CREATE TABLE uploads (
    id           bytea   PRIMARY KEY CHECK (octet_length(id) = 16),
    experiment   text    COLLATE "C" NOT NULL,
    created_by   text    COLLATE "C" NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    content_type text    NOT NULL CHECK (octet_length(content_type) BETWEEN 1 AND 255),
    file_name    text    CHECK (octet_length(file_name) BETWEEN 1 AND 255),
    expires_in   bigint  CHECK (expires_in >= 0),
    sha256       bytea   NOT NULL CHECK (octet_length(sha256) IN (0, 32)),
    -- The lowest epoch of the placement that bytes of the session were stored under.
    placement    bigint  NOT NULL,
    length       bigint,
    received     bigint  NOT NULL DEFAULT 0 CHECK (received >= 0),
    parts        bigint  NOT NULL DEFAULT 0,
    artifact     bytea   NOT NULL DEFAULT '' CHECK (octet_length(artifact) IN (0, 16)),
    ended        boolean NOT NULL DEFAULT false,
    expires_at   bigint  NOT NULL,
    CHECK (length >= received)
);

CREATE INDEX uploads_by_principal ON uploads (experiment, created_by);

CREATE TABLE upload_parts (
    id        bytea  PRIMARY KEY CHECK (octet_length(id) = 16),
    upload    bytea  NOT NULL REFERENCES uploads (id),
    begins_at bigint NOT NULL CHECK (begins_at >= 0),
    size      bigint NOT NULL CHECK (size > 0),
    sha256    bytea  NOT NULL CHECK (octet_length(sha256) = 32),
    UNIQUE (upload, begins_at)
);

-- Returns the time until which a session lives: a whole one at most a day.
CREATE FUNCTION upload_lives_until(length bigint, received bigint, lasts bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT artifact.now_micros() + CASE WHEN length = received THEN least(lasts, 86400000000) ELSE lasts END
$$;

-- Creates a session, unless its principal has too many open ones. Can be repeated.
CREATE FUNCTION create_upload(
    new_id bytea, new_experiment text, new_created_by text, new_content_type text, new_file_name text,
    new_expires_in bigint, new_sha256 bytea, new_placement bigint, new_length bigint, lasts bigint, max_open bigint
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    open_now bigint;
BEGIN
    -- Two calls for one principal wait for each other, so that both count right. The number is the letters `Uploads`.
    PERFORM pg_advisory_xact_lock(hashtextextended(new_experiment || '/' || new_created_by, 24048984047838323));
    PERFORM FROM artifact.uploads WHERE id = new_id FOR KEY SHARE;
    IF FOUND THEN
        RETURN true;
    END IF;
    SELECT count(*) INTO open_now FROM artifact.uploads
        WHERE experiment = new_experiment AND created_by = new_created_by AND octet_length(artifact) = 0
            AND NOT ended AND expires_at > artifact.now_micros()
            AND placement >= coalesce((SELECT fence FROM artifact.placement), 0);
    IF open_now >= max_open THEN
        RETURN false;
    END IF;
    INSERT INTO artifact.uploads (id, experiment, created_by, content_type, file_name, expires_in, sha256, placement,
        length, expires_at)
    VALUES (new_id, new_experiment, new_created_by, new_content_type, new_file_name, new_expires_in, new_sha256,
        new_placement, new_length, artifact.upload_lives_until(new_length, 0, lasts));
    RETURN true;
END
$$;

-- Records a part, unless its session is at another offset, complete or over, or the id is condemned. Can be repeated. The
-- lock makes it wait for the function `condemn_ids`, and that one for this.
CREATE FUNCTION append_part(
    upload_id bytea, part_id bytea, part_begins_at bigint, part_size bigint, part_sha256 bytea, part_placement bigint,
    lasts bigint
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(5937272009252760691);
    PERFORM FROM artifact.upload_parts WHERE id = part_id FOR KEY SHARE;
    IF FOUND THEN
        RETURN true;
    END IF;
    PERFORM FROM artifact.artifact_rows WHERE id = part_id;
    IF FOUND THEN
        RETURN false;
    END IF;
    UPDATE artifact.uploads SET
        received = received + part_size, parts = parts + 1, placement = least(placement, part_placement),
        expires_at = artifact.upload_lives_until(length, received + part_size, lasts)
    WHERE id = upload_id AND received = part_begins_at AND octet_length(artifact) = 0 AND NOT ended
        AND expires_at > artifact.now_micros() AND coalesce(received + part_size <= length, true)
        AND least(placement, part_placement) >= coalesce((SELECT fence FROM artifact.placement), 0);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO artifact.upload_parts (id, upload, begins_at, size, sha256)
    VALUES (part_id, upload_id, part_begins_at, part_size, part_sha256);
    RETURN true;
END
$$;

-- Ends a session that is over, or at once. Returns whether its parts are no longer needed.
CREATE FUNCTION end_upload(upload_id bytea, at_once boolean) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE artifact.uploads SET ended = true WHERE id = upload_id AND (
        at_once OR ended OR expires_at <= artifact.now_micros()
        OR (octet_length(artifact) = 0 AND placement < coalesce((SELECT fence FROM artifact.placement), 0))
    );
    RETURN NOT EXISTS (
        SELECT FROM artifact.uploads WHERE id = upload_id AND NOT ended AND octet_length(artifact) = 0
    );
END
$$;

-- As before, and leaves out the ids of parts.
CREATE OR REPLACE FUNCTION condemn_ids(ids bytea[]) RETURNS SETOF bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM artifact.lock_removals();
    WITH condemned AS (
        INSERT INTO artifact.artifact_rows (id, removed_at)
        SELECT id, artifact.now_micros() FROM unnest(ids) AS absent (id)
        WHERE NOT EXISTS (
            SELECT FROM artifact.staged_rows JOIN artifact.imports ON imports.id = staged_rows.import
            WHERE staged_rows.id = absent.id AND imports.renewed_at > artifact.now_micros() - 604800000000
        ) AND NOT EXISTS (SELECT FROM artifact.upload_parts WHERE upload_parts.id = absent.id)
        ORDER BY id
        ON CONFLICT DO NOTHING RETURNING id
    )
    INSERT INTO artifact.removals (id) SELECT id FROM condemned;
    RETURN QUERY SELECT id FROM artifact.artifact_rows WHERE id = ANY (ids) AND removed_at IS NOT NULL FOR SHARE;
END
$$;
