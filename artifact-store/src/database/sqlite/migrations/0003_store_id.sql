-- The store id, which the backend of this store keeps too.

CREATE TABLE store_id (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    id       BLOB    NOT NULL CHECK (octet_length(id) = 16)
) STRICT, WITHOUT ROWID;

-- The ids that servers on this database were about to create in a backend.
CREATE TABLE proposed_store_ids (
    id BLOB NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16)
) STRICT, WITHOUT ROWID;
