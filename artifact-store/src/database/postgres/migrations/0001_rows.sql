-- Times are microseconds since 1970. Ids and digests are their bytes: encode(id, 'hex') shows them.

CREATE TABLE experiments (
    id         text   COLLATE "C" PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 128),
    created_at bigint NOT NULL
);

CREATE TABLE artifacts (
    id           bytea  PRIMARY KEY CHECK (octet_length(id) = 16),
    experiment   text   COLLATE "C" NOT NULL REFERENCES experiments (id),
    created_by   text   NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
    size         bigint NOT NULL CHECK (size >= 0),
    content_type text   NOT NULL CHECK (octet_length(content_type) BETWEEN 1 AND 255),
    file_name    text            CHECK (octet_length(file_name) BETWEEN 1 AND 255),
    sha256       bytea  NOT NULL CHECK (octet_length(sha256) = 32),
    created_at   bigint NOT NULL
);

CREATE FUNCTION rows_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows never change';
END
$$;

CREATE TRIGGER artifacts_never_change BEFORE UPDATE ON artifacts
    FOR EACH STATEMENT EXECUTE FUNCTION rows_never_change();
