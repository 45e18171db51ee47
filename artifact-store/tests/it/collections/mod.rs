//! Collections: names that are given once, on every kind of database.

mod cases;
mod deletion;
mod lists;
mod names;
mod races;
mod rights;
mod seals;
mod site;

use artifact_store::{Database, MemoryDatabase};

use self::site::Site;

/// Makes a test of each case for each kind of database.
macro_rules! on_each_database {
    ($($module:ident::$case:ident)+) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let database = super::Database::new(super::MemoryDatabase::new());
                    let site = super::Site::new(database.clone(), database).await;
                    super::$module::$case(&site).await;
                }
            )+
        }

        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("rows.sqlite");
                    let open = || async {
                        let database = artifact_store::SqliteDatabase::open(&path).await;
                        super::Database::new(database.unwrap())
                    };
                    let site = super::Site::new(open().await, open().await).await;
                    super::$module::$case(&site).await;
                }
            )+
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            use artifact_postgres_test::Server;

            use crate::catalog::postgres::open;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let Some(server) = Server::shared() else {
                        return;
                    };
                    let database = server.database();
                    let [one, other] = [open(&database).await, open(&database).await];
                    let [one, other] = [one, other].map(super::Database::new);
                    let site = super::Site::new(one, other).await;
                    super::$module::$case(&site).await;
                }
            )+
        }
    };
}

on_each_database! {
    cases::a_name_is_given_once
    cases::a_file_is_no_folder
    cases::files_belong_to_the_owner_of_the_collection
    cases::a_removed_artifact_leaves_its_collection
    cases::files_with_chunk_digests_are_verified_by_range
    cases::a_deposit_that_missed_its_deadline_gives_no_name
    cases::artifacts_have_the_location_of_their_file
    races::one_of_many_deposits_of_a_name_succeeds
    races::a_file_and_a_folder_of_one_name_are_not_both_given
    races::a_seal_has_exactly_the_files_that_were_acknowledged
    seals::a_sealed_collection_does_not_change
    seals::a_file_that_expired_stays_in_the_manifest
    seals::the_digest_of_a_manifest_is_that_of_sha256sum
    deletion::a_collection_is_deleted_with_its_files
    deletion::a_hold_prevents_the_deletion
    deletion::a_deletion_that_was_interrupted_is_completed
    lists::pages_of_files_are_those_of_a_model
    lists::pages_of_collections_have_each_once
    rights::each_method_is_for_the_principals_of_the_table
    rights::a_principal_of_another_experiment_learns_nothing
}
