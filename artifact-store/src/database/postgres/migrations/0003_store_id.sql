-- The store id, which the backend of this store keeps too.

CREATE TABLE store_id (
    only_row boolean PRIMARY KEY CHECK (only_row),
    id       bytea   NOT NULL CHECK (octet_length(id) = 16)
);

-- The ids that servers on this database were about to create in a backend.
CREATE TABLE proposed_store_ids (
    id bytea PRIMARY KEY CHECK (octet_length(id) = 16)
);
