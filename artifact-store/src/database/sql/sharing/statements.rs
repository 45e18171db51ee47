//! The statements of grants and links. They differ between the databases in the clock and the locks.

/// The statements of a database.
#[derive(Debug)]
pub(in crate::database) struct SharingStatements {
    pub(super) lock_artifact: &'static str,
    pub(super) lock_collection: &'static str,
    pub(super) lock_worker: &'static str,
    pub(super) lock_group: &'static str,
    pub(super) lock_maker: &'static str,
    pub(super) lock_administrator: &'static str,
    pub(super) prune_grants: &'static str,
    pub(super) prune_links: &'static str,
    pub(super) select_grants: &'static str,
    pub(super) delete_grant: &'static str,
    pub(super) is_artifact_granted: &'static str,
    pub(super) is_collection_granted: &'static str,
    pub(super) select_links: &'static str,
    pub(super) delete_link: &'static str,
    pub(super) find_link: &'static str,
    pub(super) use_link: &'static str,
}

/// The columns of a grant.
macro_rules! grant_columns {
    () => {
        "id, experiment, subject_kind, subject_id, coalesce(worker, group_id), created_at, created_by, expires_at"
    };
}
pub(in crate::database) use grant_columns;

/// The columns of a link.
macro_rules! link_columns {
    () => {
        "id, experiment, artifact, created_at, created_by, expires_at, max_downloads, downloads"
    };
}
pub(in crate::database) use link_columns;

/// The worker $1 of the experiment $2, and the groups that it is in. Walks up from the worker, and visits each group once.
macro_rules! above {
    () => {
        "WITH RECURSIVE above (id) AS (\
             SELECT id FROM workers WHERE id = $1 AND experiment = $2 \
             UNION \
             SELECT members.group_id FROM above \
                 JOIN members ON members.member = above.id AND members.experiment = $2\
         )"
    };
}
pub(in crate::database) use above;

/// Makes the statements of a database from an expression of the current time in microseconds, and the clauses that lock the rows
/// of a query against a change of their keys and against any change.
macro_rules! sharing_statements {
    ($now:expr, $for_key_share:expr, $for_share:expr, $for_update:expr $(,)?) => {
        $crate::database::sql::SharingStatements::new(
            [
                concat!(
                    "SELECT true FROM artifact_rows WHERE id = $1 AND experiment = $2 AND removed_at IS NULL ",
                    $for_update
                ),
                concat!(
                    "SELECT true FROM collections WHERE id = $1 AND experiment = $2 ",
                    $for_update
                ),
                concat!(
                    "SELECT true FROM workers WHERE id = $1 AND experiment = $2 ",
                    $for_key_share
                ),
                concat!(
                    "SELECT true FROM groups WHERE id = $1 AND experiment = $2 ",
                    $for_key_share
                ),
                concat!(
                    "SELECT true FROM workers WHERE id = $1 AND experiment = $2 AND credential <> $3 ",
                    $for_share
                ),
                concat!(
                    "SELECT true FROM administrators WHERE id = $1 AND credential <> $2 ",
                    $for_share
                ),
                concat!(
                    "DELETE FROM access_grants WHERE subject_kind = $1 AND subject_id = $2 \
                         AND (expires_at <= ",
                    $now,
                    " OR coalesce(worker, group_id) = $3)"
                ),
                concat!(
                    "DELETE FROM access_links WHERE artifact = $1 \
                         AND (expires_at <= ",
                    $now,
                    " OR downloads >= max_downloads)"
                ),
            ],
            [
                concat!(
                    "SELECT ",
                    $crate::database::sql::grant_columns!(),
                    " FROM access_grants WHERE subject_kind = $1 AND subject_id = $2 AND id > $3 \
                         AND (expires_at IS NULL OR expires_at > ",
                    $now,
                    ") ORDER BY id LIMIT $4"
                ),
                concat!(
                    "DELETE FROM access_grants WHERE subject_kind = $1 AND subject_id = $2 AND id = $3 \
                         AND (expires_at IS NULL OR expires_at > ",
                    $now,
                    ")"
                ),
                // A grant of the artifact, or of the collection that it is in.
                concat!(
                    $crate::database::sql::above!(),
                    " SELECT EXISTS (\
                         SELECT 1 FROM access_grants WHERE subject_kind = 'artifact' AND subject_id = $3 \
                             AND (expires_at IS NULL OR expires_at > ",
                    $now,
                    ") AND coalesce(worker, group_id) IN (SELECT id FROM above)\
                     ) OR EXISTS (\
                         SELECT 1 FROM collection_files \
                             JOIN access_grants ON subject_kind = 'collection' AND subject_id = collection \
                         WHERE collection_files.id = $3 AND state = 0 \
                             AND (expires_at IS NULL OR expires_at > ",
                    $now,
                    ") AND coalesce(worker, group_id) IN (SELECT id FROM above))"
                ),
                concat!(
                    $crate::database::sql::above!(),
                    " SELECT EXISTS (\
                         SELECT 1 FROM access_grants WHERE subject_kind = 'collection' AND subject_id = $3 \
                             AND (expires_at IS NULL OR expires_at > ",
                    $now,
                    ") AND coalesce(worker, group_id) IN (SELECT id FROM above))"
                ),
            ],
            [
                concat!(
                    "SELECT ",
                    $crate::database::sql::link_columns!(),
                    " FROM access_links WHERE artifact = $1 AND id > $2 AND expires_at > ",
                    $now,
                    " AND (max_downloads IS NULL OR downloads < max_downloads) ORDER BY id LIMIT $3"
                ),
                concat!(
                    "DELETE FROM access_links WHERE artifact = $1 AND id = $2 AND expires_at > ",
                    $now,
                    " AND (max_downloads IS NULL OR downloads < max_downloads)"
                ),
                // Walks from the maker up through the groups that it is in.
                concat!(
                    "WITH RECURSIVE link AS (\
                         SELECT access_links.*, artifact_rows.created_by AS depositor \
                         FROM access_links JOIN artifact_rows ON artifact_rows.id = artifact \
                             AND artifact_rows.experiment = access_links.experiment AND removed_at IS NULL \
                         WHERE digest = $1 AND access_links.expires_at > ",
                    $now,
                    "        AND (max_downloads IS NULL OR downloads < max_downloads)\
                     ), above (id) AS (\
                         SELECT members.group_id FROM link \
                             JOIN members ON members.member = link.worker AND members.experiment = link.experiment \
                         UNION \
                         SELECT members.group_id FROM above CROSS JOIN link \
                             JOIN members ON members.member = above.id AND members.experiment = link.experiment\
                     ) SELECT ",
                    $crate::database::sql::link_columns!(),
                    " FROM link WHERE worker IS NULL OR EXISTS (SELECT 1 FROM workers WHERE workers.id = link.worker) AND (\
                         worker = depositor OR EXISTS (\
                             SELECT 1 FROM groups WHERE name = 'admins' AND id IN (SELECT id FROM above)))"
                ),
                concat!(
                    "UPDATE access_links SET downloads = downloads + CASE WHEN max_downloads IS NULL THEN 0 ELSE 1 END \
                     WHERE artifact = $1 AND id = $2 AND expires_at > ",
                    $now,
                    " AND (max_downloads IS NULL OR downloads < max_downloads)"
                ),
            ],
        )
    };
}
pub(in crate::database) use sharing_statements;

impl SharingStatements {
    /// Names the statements in the order of the fields.
    pub(in crate::database) const fn new(
        writes: [&'static str; 8],
        grants: [&'static str; 4],
        links: [&'static str; 4],
    ) -> Self {
        Self {
            lock_artifact: writes[0],
            lock_collection: writes[1],
            lock_worker: writes[2],
            lock_group: writes[3],
            lock_maker: writes[4],
            lock_administrator: writes[5],
            prune_grants: writes[6],
            prune_links: writes[7],
            select_grants: grants[0],
            delete_grant: grants[1],
            is_artifact_granted: grants[2],
            is_collection_granted: grants[3],
            select_links: links[0],
            delete_link: links[1],
            find_link: links[2],
            use_link: links[3],
        }
    }
}
