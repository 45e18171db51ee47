-- The rows of an import are staged here, part by part, and become rows in one transaction at its end.
--
-- Takes milliseconds and locks no table: the new ones are empty. A server of the older version that still runs uses the
-- new function too, so its collector leaves alone what is staged.

CREATE TABLE imports (
    id         bytea  PRIMARY KEY CHECK (octet_length(id) = 16),
    -- When the import staged rows last.
    renewed_at bigint NOT NULL
);

-- The columns are those of a row and of its hold.
CREATE TABLE staged_rows (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    import       bytea  NOT NULL REFERENCES imports (id),
    id           bytea  NOT NULL UNIQUE CHECK (octet_length(id) = 16),
    experiment   text   COLLATE "C" NOT NULL,
    created_by   text   NOT NULL,
    size         bigint NOT NULL,
    content_type text   NOT NULL,
    file_name    text,
    sha256       bytea  NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint,
    held_by      text,
    held_at      bigint
);

CREATE INDEX staged_rows_by_import ON staged_rows (import, seq);

-- As before, and leaves out the ids that an import has staged in the last seven days.
CREATE OR REPLACE FUNCTION condemn_ids(ids bytea[]) RETURNS SETOF bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM artifact.lock_removals();
    WITH condemned AS (
        INSERT INTO artifact.artifact_rows (id, removed_at)
        SELECT id, artifact.now_micros() FROM unnest(ids) AS absent (id)
        WHERE NOT EXISTS (
            SELECT FROM artifact.staged_rows JOIN artifact.imports ON imports.id = staged_rows.import
            WHERE staged_rows.id = absent.id AND imports.renewed_at > artifact.now_micros() - 604800000000
        )
        ORDER BY id
        ON CONFLICT DO NOTHING RETURNING id
    )
    INSERT INTO artifact.removals (id) SELECT id FROM condemned;
    RETURN QUERY SELECT id FROM artifact.artifact_rows WHERE id = ANY (ids) AND removed_at IS NOT NULL FOR SHARE;
END
$$;
