//! The statements that both SQL databases understand.
//!
//! SQLite numbers the parameters `$1`, `$2`, ... in the order in which they first appear, so they must
//! appear in ascending order. A parameter that may be NULL is cast, because PostgreSQL cannot infer
//! its type.

pub(in crate::database) const SELECT_EXPERIMENT: &str =
    "SELECT id, created_at FROM experiments WHERE id = $1";
// Both databases compare ids byte by byte.
pub(super) const SELECT_EXPERIMENTS: &str = "SELECT id, created_at FROM experiments ORDER BY id";
pub(super) const INSERT_EXPERIMENT: &str =
    "INSERT INTO experiments (id, created_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";

/// With the limit, PostgreSQL keeps the plan of a prepared statement. Without it, planning each time seems cheaper
/// to it, because the rows are in several partitions, and takes longer than the look-up.
pub(super) const SELECT_ROW: &str = "\
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, \
        expires_at \
    FROM artifact_rows WHERE id = $1 AND removed_at IS NULL LIMIT 1";
/// Inserts no row if the epoch of its placement is below the fence. For SQLite only.
pub(super) const INSERT_ROW: &str = "\
    INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, \
        created_at, expires_at, placement) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 \
    WHERE $10 >= coalesce((SELECT fence FROM placement), 0)";

/// Inserts a key, or replaces one that is no longer kept. For SQLite only.
pub(super) const INSERT_KEY: &str = "\
    INSERT INTO idempotency_keys (experiment, principal, key, id, expires_at) \
    VALUES ($1, $2, $3, $4, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + $5) \
    ON CONFLICT (experiment, principal, key) DO UPDATE SET id = excluded.id, expires_at = excluded.expires_at \
    WHERE idempotency_keys.expires_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)";

pub(super) const INSERT_WORKER: &str = "\
    INSERT INTO workers (id, experiment, name, labels, registered_at, registered_by, credential, \
        credential_expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
pub(super) const UPDATE_CREDENTIAL: &str = "\
    UPDATE workers SET credential = $1, credential_expires_at = $2 WHERE id = $3 AND experiment = $4";
pub(super) const DELETE_WORKER: &str = "DELETE FROM workers WHERE id = $1 AND experiment = $2";
pub(super) const SELECT_WORKER: &str = "\
    SELECT id, name, labels, registered_at, registered_by FROM workers \
    WHERE experiment = $1 AND id = $2";
/// A page of all workers, and of those with one name.
pub(super) const SELECT_WORKER_PAGE: [&str; 2] = [
    "SELECT id, name, labels, registered_at, registered_by FROM workers \
     WHERE experiment = $1 AND (registered_at, id) > ($2, $3) \
     ORDER BY registered_at, id LIMIT $4",
    "SELECT id, name, labels, registered_at, registered_by FROM workers \
     WHERE experiment = $1 AND name = $2 AND (registered_at, id) > ($3, $4) \
     ORDER BY registered_at, id LIMIT $5",
];
/// Walks from the worker up through the groups that it is in, and visits each group once. One snapshot
/// holds the credential, the membership and the version of all rights.
pub(super) const SELECT_CREDENTIAL: &str = "\
    WITH RECURSIVE worker AS (\
        SELECT experiment, credential, credential_expires_at FROM workers WHERE id = $1\
    ), above (id) AS (\
        SELECT members.group_id FROM worker \
            JOIN members ON members.member = $1 AND members.experiment = worker.experiment \
        UNION \
        SELECT members.group_id FROM above CROSS JOIN worker \
            JOIN members ON members.member = above.id AND members.experiment = worker.experiment\
    ) \
    SELECT experiment, credential, credential_expires_at, \
        EXISTS (SELECT 1 FROM groups JOIN above USING (id) WHERE groups.name = 'admins'), \
        coalesce((SELECT version FROM rights), 0) \
    FROM worker";

pub(super) const INSERT_GROUP: &str = "\
    INSERT INTO groups (id, experiment, name, created_at, created_by) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
pub(super) const SELECT_GROUP_NAME: &str =
    "SELECT name FROM groups WHERE experiment = $1 AND id = $2";
pub(super) const DELETE_GROUP: &str = "DELETE FROM groups WHERE id = $1";
pub(super) const SELECT_GROUP: &str = "\
    SELECT id, name, created_at, created_by, member FROM groups \
    LEFT JOIN members ON members.group_id = groups.id \
    WHERE groups.experiment = $1 AND id = $2 \
    ORDER BY position";
/// A page of all groups, and of those with one name, with their members.
pub(super) const SELECT_GROUP_PAGE: [&str; 2] = [
    "SELECT id, name, created_at, created_by, member FROM groups \
     LEFT JOIN members ON members.group_id = groups.id \
     WHERE groups.experiment = $1 AND (created_at, id) > ($2, $3) \
     ORDER BY created_at, id, position LIMIT $4",
    "SELECT id, name, created_at, created_by, member FROM groups \
     LEFT JOIN members ON members.group_id = groups.id \
     WHERE groups.experiment = $1 AND name = $2 AND (created_at, id) > ($3, $4) \
     ORDER BY created_at, id, position LIMIT $5",
];
/// Returns whether group $1 has more than $2 members. The highest position is never below their number,
/// and is found without counting.
pub(super) const IS_TOO_LARGE: &str = "\
    SELECT coalesce((SELECT max(position) FROM members WHERE group_id = $1), 0) > $2 \
        AND (SELECT count(*) FROM members WHERE group_id = $1) > $2";
pub(super) const DELETE_MEMBER: &str = "DELETE FROM members WHERE group_id = $1 AND member = $2";
