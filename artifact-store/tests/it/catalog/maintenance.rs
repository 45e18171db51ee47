//! One case for each rule of `CatalogInventory`. Each gets an empty catalog.

mod digests;
mod expiry;
mod holds;
mod imports;
mod keys;
mod quotas;
mod removals;
mod reservations;
mod scans;
mod scrubs;

use std::sync::Arc;

use artifact_store::{
    ArtifactId, CatalogInventory, Experiment, Hold, PrincipalId, Row, RowFilter, RowPosition,
};
use futures_util::future::{BoxFuture, join_all};

use crate::support::{experiment, other_experiment, row, time, worker_id};

/// The ids beyond those of [`row`] begin with this byte.
const MANY: u8 = 0xee;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Arc<dyn CatalogInventory>) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($file:ident: $($name:ident),* $(,)?);* $(;)?) => {
        pub(crate) const ALL: &[Case] = &[
            $($(Case {
                name: stringify!($name),
                run: |rows| Box::pin($file::$name(rows)),
            }),*),*
        ];
    };
}

cases! {
    scans:
        rows_are_listed_in_the_order_of_their_insertion,
        pages_have_at_most_the_limit,
        filters_select_what_they_say,
        rows_inserted_between_pages_are_on_later_pages,
        concurrent_inserts_neither_skip_nor_repeat_rows,
        removed_rows_are_not_listed_and_positions_stay_valid,
        ids_without_a_row_are_missing,
        usage_adds_up_the_rows_of_each_principal;
    removals:
        a_removed_id_never_gets_a_row_again,
        an_absent_id_never_gets_a_row_after_its_removal,
        deletion_leaves_a_removal_too,
        condemned_ids_never_get_a_row,
        of_insert_and_condemn_one_wins,
        of_insert_and_remove_one_order_is_kept,
        the_feed_lists_each_removal_once_in_order,
        the_feed_misses_no_concurrent_removal,
        calls_take_a_thousand_ids;
    holds:
        held_rows_are_not_removed,
        the_first_hold_stays,
        holds_need_a_row,
        of_hold_and_remove_one_wins,
        deletion_ignores_and_ends_a_hold,
        only_one_holder_has_a_lease,
        leases_end_with_their_period;
    imports:
        staged_rows_are_no_rows_until_they_are_published,
        staged_chunk_digests_are_published_with_their_rows,
        an_import_publishes_all_its_rows_or_none,
        an_import_stages_each_id_once,
        a_later_import_takes_staged_ids_over,
        staged_ids_are_not_condemned;
    digests:
        digests_are_kept_beside_their_row_and_removed_with_it,
        digests_are_added_once_to_a_row_that_has_none,
        digests_of_an_artifact_of_another_size_are_refused,
        refused_rows_leave_no_digests,
        the_longest_lists_of_concurrent_rows_are_kept;
    keys:
        a_key_writes_one_row,
        keys_belong_to_an_experiment_and_a_depositor,
        keys_are_kept_byte_for_byte,
        a_key_stays_when_its_row_is_removed,
        refused_rows_leave_no_key,
        refused_rows_leave_no_key_beside_accepted_ones,
        one_of_several_concurrent_rows_with_a_key_is_written,
        keys_that_are_kept_are_not_forgotten;
    quotas:
        the_usage_of_a_quota_is_the_sum_of_its_rows,
        principals_without_a_quota_are_known_to_be_unlimited,
        quotas_are_listed_in_pages;
    reservations:
        reservations_count_like_rows,
        a_settled_reservation_counts_until_its_row_is_written,
        the_room_of_a_reservation_whose_lease_is_over_is_given_to_another,
        an_artifact_whose_lease_is_over_never_gets_a_row,
        deposits_in_flight_are_limited,
        the_quota_of_an_experiment_limits_all_its_principals,
        concurrent_reservations_never_exceed_a_quota,
        a_lower_quota_removes_nothing;
    expiry:
        the_time_of_expiry_is_kept,
        retention_belongs_to_an_existing_experiment,
        rows_without_a_time_of_their_own_expire_by_retention,
        the_time_of_a_row_precedes_the_retention,
        only_expired_rows_without_a_hold_are_removed,
        expired_rows_are_listed_in_pages,
        extreme_times_do_not_overflow;
    scrubs:
        the_newest_scrub_is_found_as_it_was_recorded,
        damage_is_known_until_a_scrub_has_checked_everything,
        the_record_of_a_finished_scrub_stays,
        the_age_of_a_scrub_counts_from_its_first_record;
}

async fn host(rows: &dyn CatalogInventory) {
    for id in [experiment(), other_experiment()] {
        let new = Experiment::new(id, time(1));
        rows.create_experiment(&new).await.unwrap();
    }
}

async fn insert_all(rows: &dyn CatalogInventory, all: &[Row]) {
    for row in all {
        rows.insert(row).await.unwrap();
    }
}

fn id(n: u8) -> ArtifactId {
    row(n).id
}

/// Returns the row with this number. Each number has an id of its own.
fn numbered(n: u16) -> Row {
    let mut bytes = [MANY; 16];
    bytes[1..3].copy_from_slice(&n.to_be_bytes());
    let mut numbered = row(1);
    numbered.id = ArtifactId::from_bytes(bytes);
    numbered
}

/// Inserts rows at the same time.
async fn insert_numbered(rows: &Arc<dyn CatalogInventory>, numbers: std::ops::Range<u16>) {
    let inserts = numbers.map(|n| {
        let rows = Arc::clone(rows);
        async move { rows.insert(&numbered(n)).await.unwrap() }
    });
    join_all(inserts).await;
}

fn hold(n: u8) -> Hold {
    Hold::new(id(n), PrincipalId::Admin, time(1_800_000_000))
}

/// Reads every page from a position on, and returns the ids in their order.
async fn listed_after(
    rows: &dyn CatalogInventory,
    filter: &RowFilter,
    after: RowPosition,
    limit: u32,
) -> Vec<ArtifactId> {
    let mut ids = Vec::new();
    let mut next = Some(after);
    while let Some(after) = next {
        let page = rows.scan(filter, after, limit).await.unwrap();
        assert!(page.rows.len() <= limit as usize);
        assert_eq!(page.unreadable, 0);
        assert!(page.next.is_none_or(|next| next > after), "{page:?}");
        ids.extend(page.rows.iter().map(|row| row.id));
        next = page.next;
    }
    ids
}

async fn listed(rows: &dyn CatalogInventory, limit: u32) -> Vec<ArtifactId> {
    listed_after(rows, &RowFilter::default(), RowPosition::START, limit).await
}
