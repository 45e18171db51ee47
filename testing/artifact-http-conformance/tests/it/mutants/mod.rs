//! Deliberately wrong servers. Each deviates in one thing and must fail the scenarios named here.

mod administrators;
mod collections;
mod mutation;
mod quotas;
mod receipts;
mod request;
mod response;
mod server;
mod sharing;
mod uploads;

use artifact_http_conformance::{Report, Suite, Verdict};

pub(crate) use self::mutation::Mutation;
pub(crate) use self::server::{Server, TOKEN};

/// Runs the scenarios of this name, or all.
async fn run(mutation: Mutation, name: Option<&str>) -> Report {
    let server = Server::start(mutation).await;
    let suite = Suite::new(server.subject());
    match name {
        Some(name) => suite.with_filter(name).run().await,
        None => suite.run().await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_server_passes() {
    let report = run(Mutation::Sound, None).await;
    assert!(report.passed(), "{report}");
    let skipped: Vec<_> = report.skipped().map(|scenario| scenario.name).collect();
    let embedded = [
        "paths::request_ids_are_returned",
        "framing::requests_that_are_not_http_are_rejected",
        "framing::ambiguous_framing_is_rejected",
        "framing::too_long_headers_are_rejected",
        "framing::too_long_paths_are_rejected",
    ];
    assert_eq!(skipped, embedded, "{report}");
}

async fn must_fail(mutation: Mutation, scenarios: &[&str]) {
    for name in scenarios {
        let report = run(mutation, Some(name)).await;
        let [scenario] = report.scenarios() else {
            panic!("exactly one scenario must be named {name}");
        };
        let Verdict::Failed { expected, seen, .. } = &scenario.verdict else {
            panic!("{mutation:?} passes {name}: {:?}", scenario.verdict);
        };
        // A server without any response would fail every scenario.
        assert!(
            !seen.starts_with("no response"),
            "{mutation:?} in {name}: {expected}, {seen}"
        );
    }
}

/// Defines one test for each mutation, with the scenarios that must fail.
macro_rules! mutants {
    ($($test:ident: $mutation:ident => $($name:literal),+;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            must_fail(Mutation::$mutation, &[$($name),+]).await;
        }
    )+};
}

mutants! {
    deposits_return_200: DepositIs200 => "deposits::deposits_return_uri_size_and_content_type";
    a_401_lacks_www_authenticate: NoWwwAuthenticate =>
        "content::every_wrong_credential_gets_the_same_answer",
        "credentials::malformed_credentials_are_unauthorized", "order::the_credential_is_checked_first";
    a_charset_is_added_to_content_types: CharsetAdded =>
        "delivery::fetches_return_the_recorded_content_type", "deposits::content_types_are_sanitised";
    a_problem_detail_is_a_number: DetailIsNumber => "problems::every_error_has_the_problem_envelope";
    a_problem_has_an_extra_member: ExtraMember => "problems::every_error_has_the_problem_envelope";
    a_problem_lacks_its_charset: ProblemWithoutCharset => "problems::every_error_has_the_problem_envelope";
    a_problem_has_a_wrong_status: WrongProblemStatus => "problems::every_error_has_the_problem_envelope";
    a_problem_type_is_unknown: UnknownType => "problems::every_problem_type_is_in_the_vocabulary";
    an_instance_is_relative: InstanceRelative => "problems::the_instance_is_the_request_url";
    x_forwarded_host_is_used: ForwardedHostUsed => "problems::forwarded_headers_are_ignored";
    json_lacks_its_charset: JsonWithoutCharset => "paths::json_responses_have_the_json_media_type";
    partial_content_returns_200: PartIs200 => "ranges::single_ranges_are_returned";
    a_206_lacks_content_range: NoContentRange => "ranges::single_ranges_are_returned";
    unsatisfiable_ranges_are_ignored: UnsatisfiableRangeIgnored =>
        "ranges::unsatisfiable_ranges_are_rejected";
    only_the_first_of_several_ranges_is_used: FirstRange => "ranges::several_ranges_are_ignored";
    nosniff_is_missing: NoNosniff => "delivery::every_security_header_is_present";
    artifacts_are_cacheable: Cached => "delivery::every_security_header_is_present";
    artifacts_open_in_the_browser: Inline => "delivery::artifacts_are_attachments_with_their_file_name";
    etags_are_weak: WeakEtag => "delivery::digests_cover_the_whole_artifact";
    the_digest_covers_only_the_part: DigestOfPart => "delivery::digests_cover_the_whole_artifact";
    a_201_lacks_the_digest: DepositWithoutDigest =>
        "digests::deposits_return_the_digest_of_the_stored_bytes";
    a_201_has_the_digest_of_other_bytes: DepositDigestOfOtherBytes =>
        "digests::deposits_return_the_digest_of_the_stored_bytes";
    one_byte_is_changed: ByteChanged =>
        "collections::files_are_fetched_like_artifacts",
        "content::the_body_is_the_file",
        "delivery::fetches_return_the_exact_bytes_and_length", "deposits::artifacts_of_every_size_are_returned_unchanged";
    a_304_lacks_vary: NotModifiedWithoutVary => "conditionals::if_none_match_with_the_etag_returns_304";
    if_none_match_is_ignored: IgnoresIfNoneMatch => "conditionals::if_none_match_with_the_etag_returns_304";
    if_range_is_ignored: IgnoresIfRange => "conditionals::if_range_uses_strong_comparison";
    if_match_is_ignored: IgnoresIfMatch => "conditionals::if_match_is_strong_and_evaluated_first";
    forbidden_is_not_found: ForbiddenIsNotFound => "read_rule::other_workers_may_not_read";
    every_worker_may_read: AnyWorkerReads =>
        "read_rule::other_workers_may_not_read", "read_rule::conditions_and_ranges_do_not_change_a_403";
    a_403_has_the_etag: RefusalHasEtag => "read_rule::a_403_reveals_nothing_about_the_artifact";
    a_405_lacks_allow: NoAllow => "order::the_method_is_checked_fourth";
    options_is_answered: OptionsAnswered => "paths::options_is_not_allowed";
    head_is_not_allowed: HeadNotAllowed => "paths::head_returns_get_without_the_body";
    the_experiment_is_checked_before_the_credential: ExperimentFirst =>
        "order::the_credential_is_checked_first";
    the_path_is_checked_before_the_experiment: PathFirst => "order::the_experiment_header_is_checked_second";
    the_experiment_header_is_optional: ExperimentOptional =>
        "order::the_experiment_header_is_checked_second";
    the_body_is_checked_before_the_principal_class: BodyBeforeClass => "order::the_principal_class_is_checked_before_the_body";
    workers_may_register_workers: WorkersRegister => "order::the_principal_class_is_checked_fifth";
    secrets_in_the_query_are_accepted: SecretInQuery => "credentials::secrets_in_the_query_are_not_accepted";
    the_first_of_two_credentials_is_used: FirstCredential => "credentials::two_authorization_headers_are_a_bad_request";
    the_reason_of_a_401_is_revealed: ReasonRevealed => "credentials::the_reason_of_a_401_is_not_revealed";
    a_response_repeats_the_secret: SecretRepeated => "credentials::responses_never_repeat_a_secret";
    trailing_slashes_are_ignored: SlashIgnored =>
        "paths::paths_are_compared_exactly", "order::the_path_is_checked_third";
    deposits_need_no_credential: AnonymousDeposits =>
        "credentials::nothing_is_deposited_or_managed_without_a_credential";
    a_route_of_management_needs_no_credential: ManagementOpen =>
        "credentials::nothing_is_deposited_or_managed_without_a_credential";
    metrics_are_open_to_everyone: MetricsOpen => "paths::metrics_and_profiles_are_open_to_no_one";
    paths_are_decoded: PathsDecoded => "paths::paths_are_compared_exactly";
    uris_are_decoded_twice: UriDecodedTwice => "fetches::the_uri_is_decoded_once";
    uris_are_case_insensitive: UriCaseIgnored => "fetches::near_misses_of_a_valid_uri_are_not_found";
    null_is_accepted: NullAccepted => "json::null_is_a_bad_request";
    unknown_members_are_ignored: UnknownIgnored => "json::unknown_members_are_a_bad_request";
    a_response_has_null: ResponseHasNull => "json::responses_contain_no_null";
    invalid_names_return_400: InvalidNameIs400 => "names::invalid_names_are_rejected";
    names_are_trimmed: NamesTrimmed => "names::invalid_names_are_rejected";
    reserved_names_are_accepted: ReservedNameAccepted => "names::reserved_names_are_rejected";
    whoami_accepts_the_admin: AdminIsWorker => "whoami::whoami_is_forbidden_for_the_admin";
    lists_contain_tokens: ListHasTokens => "workers::no_other_response_contains_a_token";
    old_tokens_are_accepted: OldTokenAccepted => "workers::reissue_invalidates_the_old_token_at_once";
    list_filters_are_ignored: FilterIgnored =>
        "workers::lists_are_filtered_by_the_exact_name", "groups::lists_are_filtered_by_the_exact_name";
    cycles_are_accepted: CycleAccepted =>
        "cycles::a_group_cannot_contain_itself", "cycles::concurrent_edges_cannot_form_a_cycle";
    deleting_a_group_returns_200: DeletedIs200 => "groups::deleted_groups_are_not_found";
    content_codings_are_ignored: CodingIgnored => "deposits::content_codings_are_rejected";
    content_digests_are_ignored: DigestIgnored =>
        "digests::wrong_body_digests_are_a_bad_request", "content::declared_digests_are_verified";
    the_cap_is_one_byte_larger: CapOneMore =>
        "cap::artifacts_up_to_the_cap_are_accepted", "content::the_cap_is_exact";
    data_after_the_form_is_ignored: TrailingDataIgnored => "forms::only_white_space_may_follow_the_closing_boundary";
    bare_line_feeds_are_repaired: LineFeedsRepaired => "forms::bare_line_feeds_are_rejected";
    equal_bytes_get_the_same_uri: SameUriForSameBytes => "deposits::every_deposit_gets_a_new_id";
    bodies_are_read_before_the_checks: BodyReadEarly => "deposits::continue_is_sent_only_after_the_checks";
    holds_are_ignored: HoldIgnored => "management::held_artifacts_are_not_deleted";
    unknown_parameters_are_ignored: ParameterIgnored =>
        "management::parameters_are_strict", "management::the_experiment_header_may_be_left_out";
    an_artifact_is_listed_twice: ArtifactListedTwice =>
        "management::pages_contain_every_artifact_once", "management::lists_are_filtered";
    revoked_tokens_are_accepted: RevocationIgnored => "tokens::revoked_tokens_are_refused_at_once",
        "tokens::deleted_workers_are_refused_at_once_and_their_artifacts_stay";
    every_expiry_is_accepted: ExpiryUnchecked => "tokens::expiries_are_checked";
    revoked_administrators_are_accepted: AdministratorUndeletable =>
        "administrators::revoked_tokens_are_refused_at_once",
        "administrators::deleted_administrators_are_refused_at_once_and_their_artifacts_stay";
    old_tokens_of_administrators_are_accepted: OldTokenAccepted =>
        "administrators::new_tokens_replace_the_old_one";
    administrators_are_refused_as_workers: AdministratorRefused =>
        "administrators::administrators_may_do_what_the_admin_may";
    administrators_are_recorded_as_the_admin: AdministratorIsAdmin =>
        "administrators::administrators_are_recorded_as_principals",
        "administrators::administrators_may_do_what_the_admin_may";
    workers_list_administrators: WorkersListAdministrators =>
        "administrators::workers_may_not_manage_administrators";
    pages_lack_an_administrator: AdministratorListedInPart =>
        "administrators::pages_contain_every_administrator_once";
    artifacts_go_with_their_administrator: AdministratorArtifactsGone =>
        "administrators::deleted_administrators_are_refused_at_once_and_their_artifacts_stay";
    administrators_have_any_expiry: ExpiryUnchecked => "administrators::names_and_expiries_are_checked";
    administrators_have_reserved_names: ReservedNameAccepted =>
        "administrators::names_and_expiries_are_checked";
    administrators_lack_their_token: NoAdministratorToken =>
        "administrators::registering_returns_the_administrator_and_its_token";
    administrators_are_workers: AdminIsWorker => "administrators::administrators_are_not_workers";
    deleted_artifacts_are_read: DeletedIsRead => "management::deleted_artifacts_are_not_found",
        "collections::collections_are_deleted_with_their_files";
    every_worker_sees_every_artifact: HiddenIsRead =>
        "management::artifacts_are_described", "management::deleted_artifacts_are_not_found",
        "content::only_those_of_the_read_rule_fetch_the_bytes",
        "content::new_experiments_are_hosted_at_once",
        "collections::only_the_owner_and_administrators_see_a_collection";
    basic_is_accepted_everywhere: BasicAnywhere => "content::basic_credentials_are_accepted";
    basic_credentials_that_another_site_sent_are_accepted: SiteIgnored =>
        "content::basic_credentials_are_accepted";
    scripts_make_the_browser_ask: ScriptsAsk => "content::scripts_do_not_make_the_browser_ask";
    the_page_may_be_framed: PageFramed => "page::the_page_needs_no_credential_and_is_protected";
    the_page_is_on_every_path: PageEverywhere => "page::paths_beside_the_files_of_the_page_are_not_found";
    an_unready_server_says_ready: ReadyAnyway => "paths::readiness_needs_no_credential";
    readiness_may_be_cached: ReadinessCached => "paths::readiness_needs_no_credential";
    an_unready_server_gives_no_time: ReadinessWithoutRetry => "paths::readiness_needs_no_credential";
    readiness_names_a_file: ReadinessTellsAll => "paths::readiness_needs_no_credential";
    readiness_needs_a_credential: ReadinessNeedsCredential => "paths::readiness_needs_no_credential";
    readiness_can_be_posted: ReadinessPosted => "paths::readiness_needs_no_credential";
    declared_names_are_ignored: NameIgnored => "content::names_and_types_come_from_the_header";
    forms_are_stored_as_files: FormStored => "content::forms_are_refused";
    a_201_lacks_its_location: NoLocation => "content::the_body_is_the_file";
    receipts_have_a_wrong_signature: ReceiptSignatureWrong =>
        "receipts::deposits_return_a_signed_receipt", "receipts::receipts_are_proven";
    receipts_have_another_size: ReceiptOfOtherSize =>
        "receipts::deposits_return_a_signed_receipt", "receipts::receipts_are_proven";
    receipts_are_not_in_the_log: ReceiptNotInLog => "receipts::receipts_are_proven";
    receipts_lack_their_proof: ReceiptWithoutProof => "receipts::receipts_are_proven";
    receipts_of_deposits_are_left_out: ReceiptFieldIgnored => "receipts::deposits_return_a_signed_receipt",
        "receipts::complete_uploads_return_a_signed_receipt";
    any_wish_for_a_receipt_is_accepted: ReceiptFieldUnchecked =>
        "receipts::receipts_are_returned_only_if_wanted";
    every_worker_reads_receipts: ReceiptForEveryone => "receipts::only_those_of_the_read_rule_read_receipts";
    the_log_forks: CheckpointForks =>
        "receipts::checkpoints_only_grow", "receipts::tiles_have_the_hashes_of_the_tree";
    the_log_shrinks: CheckpointShrinks => "receipts::checkpoints_only_grow";
    checkpoints_have_a_wrong_signature: CheckpointSignatureWrong =>
        "receipts::checkpoints_only_grow", "receipts::checkpoints_need_no_credential";
    tiles_have_other_hashes: TileChanged =>
        "receipts::checkpoints_only_grow", "receipts::tiles_have_the_hashes_of_the_tree";
    tiles_are_made_up: TileMadeUp => "receipts::no_other_path_is_a_tile";
    keys_are_ignored: KeyIgnored =>
        "keys::a_repeated_deposit_returns_the_same_artifact", "keys::a_key_of_another_deposit_is_refused",
        "keys::concurrent_deposits_with_a_key_make_one_artifact", "keys::a_key_outlives_its_artifact",
        "keys::malformed_keys_are_refused";
    a_key_is_compared_without_the_deposit: KeyAlone => "keys::a_key_of_another_deposit_is_refused";
    a_key_belongs_to_everyone: KeyShared => "keys::keys_belong_to_their_depositor";
    other_versions_of_tus_are_accepted: TusVersionIgnored => "uploads::other_versions_of_tus_are_refused";
    negative_lengths_are_accepted: NegativeLengthAccepted => "uploads::lengths_are_exact_and_never_change";
    appends_at_wrong_offsets_are_acknowledged: WrongOffsetAccepted =>
        "uploads::appends_begin_at_the_offset", "uploads::concurrent_appends_have_one_winner";
    offsets_are_one_byte_too_high: OffsetOneMore =>
        "uploads::an_upload_becomes_an_artifact_with_its_last_byte", "uploads::appends_begin_at_the_offset";
    a_complete_upload_does_not_name_its_artifact: NoArtifactLocation =>
        "uploads::an_upload_becomes_an_artifact_with_its_last_byte", "uploads::empty_files_are_complete_at_once";
    the_digest_of_an_upload_is_ignored: UploadDigestIgnored =>
        "uploads::a_wrong_digest_ends_the_upload", "uploads::malformed_metadata_is_refused";
    ended_uploads_stay: EndIgnored => "uploads::ended_uploads_are_gone";
    uploads_of_others_are_forbidden: UploadHidden => "uploads::uploads_exist_for_their_creator_only";
    checksums_are_ignored: ChecksumIgnored =>
        "uploads_verified::wrong_checksums_keep_nothing",
        "uploads_verified::unknown_and_malformed_checksums_are_refused",
        "uploads_verified::content_digests_are_verified_in_both_protocols";
    appends_with_a_wrong_checksum_are_kept: BadAppendKept =>
        "uploads_verified::wrong_checksums_keep_nothing",
        "uploads_verified::interrupted_appends_with_a_checksum_keep_nothing",
        "uploads_verified::content_digests_are_verified_in_both_protocols";
    a_right_checksum_is_refused: BadAppendKept => "uploads_verified::right_checksums_are_accepted";
    the_algorithms_are_not_listed: NoAlgorithms => "uploads_verified::the_server_lists_its_algorithms";
    a_part_completes_an_upload_of_another_length: DraftLengthIgnored =>
        "uploads_by_draft::a_part_of_a_file_never_completes_it",
        "uploads_by_draft::a_whole_file_has_its_declared_length",
        "uploads_by_draft::lengths_never_change", "uploads_by_draft::more_than_the_length_is_refused";
    a_request_that_breaks_completes_an_upload: CutIsEnd =>
        "uploads_by_draft::a_part_of_a_file_never_completes_it";
    malformed_fields_of_the_draft_are_ignored: DraftFieldsIgnored =>
        "uploads_by_draft::malformed_fields_are_refused", "uploads_by_draft::a_part_of_a_file_is_no_deposit";
    fields_of_both_protocols_are_accepted: BothProtocols =>
        "uploads_by_draft::fields_of_both_protocols_are_refused";
    parts_are_taken_as_whole_files: PartAsWhole =>
        "uploads_by_draft::a_part_of_a_file_is_no_deposit", "collections::a_part_of_a_file_gets_no_name";
    appends_have_any_type: DraftTypeIgnored => "uploads_by_draft::the_content_has_its_type";
    complete_uploads_take_more: CompleteAppends => "uploads_by_draft::complete_uploads_take_no_more";
    limits_are_not_announced: NoUploadLimit =>
        "uploads_by_draft::the_limits_are_known_before_the_upload",
        "uploads_by_draft::a_file_is_sent_in_pieces";
    responses_do_not_say_whether_an_upload_is_complete: NoUploadComplete =>
        "uploads_by_draft::a_file_is_sent_in_pieces", "uploads_by_draft::a_whole_file_is_a_deposit",
        "uploads_by_draft::the_upload_is_that_of_tus";
    appends_of_the_draft_are_acknowledged_at_wrong_offsets: WrongOffsetAccepted =>
        "uploads_by_draft::appends_begin_at_the_offset",
        "uploads_by_draft::concurrent_appends_have_one_winner";
    cancelled_uploads_stay: EndIgnored => "uploads_by_draft::cancelled_uploads_are_gone";
    uploads_of_the_draft_are_forbidden_for_others: UploadHidden =>
        "uploads_by_draft::cancelled_uploads_are_gone";
    names_are_given_again: NameOverwritten =>
        "collections::a_name_is_given_once", "collections::one_of_concurrent_deposits_of_a_name_succeeds",
        "collections::a_file_is_no_folder", "collections::deleted_names_are_never_given_again",
        "collections::a_sealed_collection_is_final";
    names_with_dot_segments_are_accepted: NameUnchecked => "collections::only_names_of_the_grammar_are_accepted";
    collections_of_others_are_listed: CollectionsLeaked =>
        "collections::only_the_owner_and_administrators_see_a_collection";
    prefixes_are_ignored: PrefixIgnored => "collections::lists_are_by_prefix_and_folder";
    sealed_collections_grow: SealIgnored => "collections::a_sealed_collection_is_final";
    the_digest_of_a_manifest_is_another: ManifestDigestWrong => "collections::a_manifest_can_be_recomputed";
    quotas_are_ignored: QuotaIgnored =>
        "quotas::quotas_are_returned_as_set", "quotas::deposits_over_the_quota_are_refused",
        "quotas::a_quota_is_filled_exactly", "quotas::large_deposits_are_refused_before_their_body",
        "quotas::the_number_of_artifacts_is_limited", "quotas::deposits_at_the_same_time_are_limited",
        "quotas::removed_artifacts_give_room_back", "quotas::quotas_are_listed_in_pages",
        "quotas::files_of_a_collection_count_for_its_owner", "quotas::an_upload_is_completed_once_there_is_room",
        "quotas::uploads_that_never_fit_are_refused_at_once", "quotas::usage_shows_the_quota";
    a_full_quota_has_no_name_under_v1: QuotaUnnamed => "quotas::deposits_over_the_quota_are_refused";
    a_full_quota_has_a_name_under_v0: QuotaNamedInV0 => "quotas::deposits_over_the_quota_are_refused";
    a_full_quota_does_not_say_what_is_left: QuotaWithoutRest =>
        "quotas::deposits_over_the_quota_are_refused", "quotas::the_number_of_artifacts_is_limited";
    every_worker_sees_every_quota: QuotaShownToAll => "quotas::only_the_admin_sets_quotas";
    nothing_seems_to_be_left: QuotaAsZero => "quotas::usage_shows_the_quota";
    limits_are_not_checked: QuotaSetUnchecked => "quotas::a_quota_has_valid_limits";
    revoked_grants_of_collections_count: ShareRevocationIgnored =>
        "collections::grants_of_a_collection_that_have_ended_do_not_count";
    expired_grants_of_collections_count: GrantNeverExpires =>
        "collections::grants_of_a_collection_that_have_ended_do_not_count";
    grantees_share_collections_further: GranteeShares =>
        "collections::a_grant_of_a_collection_lets_a_worker_read_and_nothing_else",
        "collections::only_the_owner_and_administrators_share_a_collection";
    grantees_write_into_collections: GranteeWrites =>
        "collections::a_grant_of_a_collection_lets_a_worker_read_and_nothing_else";
    grantees_see_collections_in_their_list: CollectionsLeaked =>
        "collections::a_grant_of_a_collection_lets_a_worker_read_and_nothing_else";
    a_grant_of_a_collection_leaves_its_artifacts_out: CollectionGrantLists =>
        "collections::a_grant_of_a_collection_lets_a_worker_read_and_nothing_else",
        "collections::a_grant_of_a_collection_counts_for_later_files_and_members";
    everyone_reads_collections: HiddenIsRead =>
        "collections::a_grant_of_a_collection_counts_for_later_files_and_members",
        "collections::grants_of_a_collection_end_with_it_and_with_their_grantee";
    grants_of_collections_to_groups_are_ignored: GroupGrantIgnored =>
        "collections::a_grant_of_a_collection_counts_for_later_files_and_members",
        "collections::grants_of_a_collection_end_with_it_and_with_their_grantee";
    a_grant_of_a_collection_lacks_its_maker: GrantLacksItsMembers =>
        "collections::grants_of_a_collection_are_described_and_listed";
    unknown_grantees_of_collections_are_accepted: UnknownGranteeAccepted =>
        "collections::only_the_owner_and_administrators_share_a_collection";
    deleted_collections_are_read: DeletedIsRead =>
        "collections::grants_of_a_collection_end_with_it_and_with_their_grantee";
    workers_of_another_experiment_get_401: ForeignWorkerIs401 =>
        "experiments::workers_of_another_experiment_are_forbidden";
    revoked_grants_count: ShareRevocationIgnored => "sharing::revoked_grants_do_not_count";
    revoked_links_work: ShareRevocationIgnored => "sharing::links_that_do_not_work_have_one_answer";
    expired_grants_count: GrantNeverExpires => "sharing::expired_grants_do_not_count";
    grantees_share_further: GranteeShares =>
        "sharing::a_grant_lets_a_worker_read_and_nothing_else",
        "sharing::only_depositors_and_administrators_share";
    unknown_grantees_are_accepted: UnknownGranteeAccepted =>
        "sharing::malformed_grants_and_links_are_refused";
    a_grant_lacks_its_maker: GrantLacksItsMembers => "sharing::grants_are_described_and_listed";
    grants_to_groups_are_ignored: GroupGrantIgnored =>
        "sharing::a_grant_to_a_group_counts_for_its_members", "sharing::grants_end_with_their_grantee";
    a_link_is_used_once_more: LinkOnceMore =>
        "sharing::downloads_are_counted_exactly", "sharing::links_that_do_not_work_have_one_answer";
    a_link_fetches_another_artifact: LinkOfAnother => "sharing::a_link_fetches_without_a_credential";
    a_head_is_a_download: LinkHeadCounts => "sharing::downloads_are_counted_exactly";
    a_link_that_ended_is_gone: LinkIsGone => "sharing::links_that_do_not_work_have_one_answer";
    lists_of_links_have_urls: LinkListHasUrls => "sharing::links_are_listed_without_their_secrets";
    a_link_needs_a_credential: LinkNeedsCredential => "sharing::a_link_fetches_without_a_credential";
    a_link_outlives_its_maker: LinkOutlivesItsMaker =>
        "sharing::links_end_with_the_token_of_their_maker";
    a_link_leaks_by_the_referrer: LinkLacksReferrerPolicy =>
        "sharing::a_link_fetches_without_a_credential";
}
