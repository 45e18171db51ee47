//! The statements of collections.

macro_rules! columns {
    () => {
        "id, experiment, owner, title, created_at, sealed_at, deleting_since, files, bytes"
    };
}
macro_rules! file_columns {
    () => {
        "name, id, size, content_type, sha256, created_at, state"
    };
}

pub(super) const INSERT: &str = "\
    INSERT INTO collections (id, experiment, owner, title, created_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (id) DO NOTHING";
pub(super) const SELECT: &str = concat!("SELECT ", columns!(), " FROM collections WHERE id = $1");
pub(super) const SELECT_PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM collections WHERE experiment = $1 AND (created_at, id) > ($2, $3) \
      ORDER BY created_at, id LIMIT $4"
);
pub(super) const SELECT_OWN_PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM collections WHERE experiment = $1 AND owner = $2 AND (created_at, id) > ($3, $4) \
      ORDER BY created_at, id LIMIT $5"
);
/// Counts a new file. The next transaction that writes into the collection waits for the end of this one.
pub(super) const CLAIM: &str = "\
    UPDATE collections SET files = files + 1, bytes = bytes + $1 \
    WHERE id = $2 AND experiment = $3 AND sealed_at IS NULL AND deleting_since IS NULL";
pub(super) const IS_THERE: &str =
    "SELECT id = id FROM collections WHERE id = $1 AND experiment = $2";
pub(super) const INSERT_FILE: &str = "\
    INSERT INTO collection_files (collection, name, id, size, content_type, sha256, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (collection, name) DO NOTHING";
/// Returns whether there is a name between two texts.
pub(super) const HAS_NAME: &str = "\
    SELECT EXISTS (SELECT 1 FROM collection_files WHERE collection = $1 AND name > $2 AND name < $3)";
pub(super) const SELECT_FILE: &str = concat!(
    "SELECT ",
    file_columns!(),
    " FROM collection_files WHERE collection = $1 AND name = $2"
);
/// The files that are there, from a name on and after a name.
pub(super) const SELECT_FILES: [&str; 2] = [
    concat!(
        "SELECT ",
        file_columns!(),
        " FROM collection_files WHERE collection = $1 AND name >= $2 AND state = 0 ORDER BY name LIMIT $3"
    ),
    concat!(
        "SELECT ",
        file_columns!(),
        " FROM collection_files WHERE collection = $1 AND name > $2 AND state = 0 ORDER BY name LIMIT $3"
    ),
];
/// The files of the manifest, from a name on and after a name.
pub(super) const SELECT_MANIFEST: [&str; 2] = [
    concat!(
        "SELECT ",
        file_columns!(),
        " FROM collection_files WHERE collection = $1 AND name >= $2 AND state <> 1 ORDER BY name LIMIT $3"
    ),
    concat!(
        "SELECT ",
        file_columns!(),
        " FROM collection_files WHERE collection = $1 AND name > $2 AND state <> 1 ORDER BY name LIMIT $3"
    ),
];
pub(super) const SEAL: &str = "\
    UPDATE collections SET sealed_at = coalesce(sealed_at, $1) WHERE id = $2 AND deleting_since IS NULL";
pub(super) const BEGIN_DELETION: &str =
    "UPDATE collections SET deleting_since = coalesce(deleting_since, $1) WHERE id = $2";
pub(super) const IS_HELD: &str = "\
    SELECT EXISTS (SELECT 1 FROM collection_files JOIN holds ON holds.id = collection_files.id \
        WHERE collection = $1 AND state = 0)";
pub(super) const IS_KNOWN: &str = "SELECT id = id FROM collections WHERE id = $1";
pub(super) const HAS_FILES: &str =
    "SELECT EXISTS (SELECT 1 FROM collection_files WHERE collection = $1 AND state = 0)";
pub(super) const DELETE: &str =
    "DELETE FROM collections WHERE id = $1 AND deleting_since IS NOT NULL";
pub(super) const DELETE_NAMES: &str = "DELETE FROM collection_files WHERE collection = $1";
pub(in crate::database) const IS_SEALED: &str = "\
    SELECT EXISTS (SELECT 1 FROM collection_files JOIN collections ON collections.id = collection \
        WHERE collection_files.id = $1 AND state = 0 AND sealed_at IS NOT NULL AND deleting_since IS NULL)";

/// The collections of a copy. It adds up the numbers of files and bytes again.
pub(in crate::database::sql) const SELECT_COLLECTIONS: &str = "\
    SELECT id, experiment, owner, title, created_at, sealed_at, deleting_since, CAST(0 AS bigint), CAST(0 AS bigint) \
    FROM collections ORDER BY id";
pub(in crate::database::sql) const SELECT_COLLECTION_FILES: &str = concat!(
    "SELECT ",
    file_columns!(),
    ", collection FROM collection_files ORDER BY collection, name"
);
