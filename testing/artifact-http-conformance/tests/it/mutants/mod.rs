//! Servers that are wrong in one thing, each caught by the scenarios that are about it, by name.

mod after;
mod before;
mod how;
mod server;

use artifact_http_conformance::{Report, Suite, Verdict};

pub(crate) use self::how::How;
pub(crate) use self::server::{Server, TOKEN};

/// Runs the scenarios of this name, or all of them.
async fn run(how: How, name: Option<&str>) -> Report {
    let server = Server::start(how).await;
    let suite = Suite::new(server.subject());
    match name {
        Some(name) => suite.with_filter(name).run().await,
        None => suite.run().await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sound_server_that_all_mutants_are_made_of_passes() {
    let report = run(How::Sound, None).await;
    assert!(report.passed(), "{report}");
    let skipped: Vec<_> = report.skipped().map(|one| one.name).collect();
    let embedded = [
        "paths::a_request_id_comes_back",
        "framing::what_is_no_http_is_refused",
        "framing::ambiguous_framing_is_refused",
        "framing::a_header_that_is_too_long_is_refused",
        "framing::a_path_that_is_too_long_is_refused",
    ];
    assert_eq!(skipped, embedded, "{report}");
}

async fn caught(how: How, by: &[&str]) {
    for name in by {
        let report = run(how, Some(name)).await;
        let [one] = report.scenarios() else {
            panic!("there is no scenario {name}, or several");
        };
        let Verdict::Failed { expected, seen, .. } = &one.verdict else {
            panic!("{how:?} is not caught by {name}: {:?}", one.verdict);
        };
        // A server that does not answer at all would be caught by everything.
        assert!(
            !seen.starts_with("none came"),
            "{how:?} by {name}: {expected}, {seen}"
        );
    }
}

/// One test a mutant: what is wrong with it, and the scenarios that must say so.
macro_rules! mutants {
    ($($test:ident: $how:ident => $($name:literal),+;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            caught(How::$how, &[$($name),+]).await;
        }
    )+};
}

mutants! {
    a_deposit_is_200: DepositIs200 => "deposits::an_answer_has_uri_size_and_type";
    no_www_authenticate: NoWwwAuthenticate =>
        "credentials::what_is_malformed_is_unauthorized", "order::the_credential_comes_first";
    a_charset_is_added: CharsetAdded =>
        "delivery::the_content_type_is_as_recorded", "deposits::a_content_type_is_cleaned";
    a_detail_is_no_text: DetailIsNoText => "problems::every_refusal_has_the_envelope";
    a_problem_has_a_member_more: MemberMore => "problems::every_refusal_has_the_envelope";
    a_problem_has_no_charset: ProblemWithoutCharset => "problems::every_refusal_has_the_envelope";
    a_problem_has_another_status: StatusOfProblem => "problems::every_refusal_has_the_envelope";
    a_type_is_of_no_vocabulary: TypeUnknown => "problems::every_type_is_of_the_vocabulary";
    an_instance_is_relative: InstanceRelative => "problems::the_instance_is_the_url_of_the_request";
    a_proxy_is_believed: ProxyBelieved => "problems::what_a_proxy_would_say_does_not_count";
    json_has_no_charset: JsonWithoutCharset => "paths::json_has_its_media_type";
    a_part_is_200: PartIs200 => "ranges::one_range_is_answered";
    no_content_range: NoContentRange => "ranges::one_range_is_answered";
    a_range_that_holds_nothing_is_ignored: UnsatisfiableIgnored =>
        "ranges::a_range_that_holds_nothing_is_refused";
    several_ranges_are_the_first: FirstRange => "ranges::several_ranges_are_ignored";
    no_nosniff: NoNosniff => "delivery::every_protecting_field_is_there";
    it_is_kept_by_caches: Cached => "delivery::every_protecting_field_is_there";
    it_opens_in_the_browser: Inline => "delivery::it_is_an_attachment_with_its_name";
    an_etag_is_weak: WeakEtag => "delivery::the_digests_are_those_of_the_whole";
    a_part_has_its_own_digest: DigestOfPart => "delivery::the_digests_are_those_of_the_whole";
    a_byte_is_changed: ByteChanged =>
        "delivery::the_exact_bytes_with_their_length", "deposits::every_size_comes_back";
    a_304_has_no_vary: NotModifiedWithoutVary => "conditionals::a_client_that_has_it_is_told_so";
    if_none_match_is_ignored: IgnoresIfNoneMatch => "conditionals::a_client_that_has_it_is_told_so";
    if_range_is_ignored: IgnoresIfRange => "conditionals::if_range_is_strong";
    if_match_is_ignored: IgnoresIfMatch => "conditionals::if_match_is_strong_and_comes_first";
    forbidden_is_not_found: ForbiddenIsNotFound => "read_rule::a_stranger_is_forbidden";
    everybody_reads: EverybodyReads =>
        "read_rule::a_stranger_is_forbidden", "read_rule::a_refusal_stays_one_whatever_is_asked";
    a_refusal_has_the_etag: RefusalHasEtag => "read_rule::a_refusal_tells_nothing_of_the_artifact";
    no_allow: NoAllow => "order::the_method_comes_fourth";
    options_is_answered: OptionsAnswered => "paths::options_is_no_exception";
    head_is_no_method: HeadIsNoMethod => "paths::head_is_get_without_content";
    the_experiment_comes_before_the_credential: ExperimentFirst =>
        "order::the_credential_comes_first";
    the_path_comes_before_the_experiment: PathFirst => "order::the_experiment_header_comes_second";
    the_experiment_header_is_optional: ExperimentOptional =>
        "order::the_experiment_header_comes_second";
    the_body_comes_before_the_class: BodyBeforeClass => "order::the_class_comes_before_the_body";
    workers_register_workers: WorkersRegister => "order::the_class_of_principal_comes_fifth";
    a_secret_in_the_query_counts: SecretInQuery => "credentials::a_secret_in_the_query_does_not_count";
    the_first_of_two_credentials_counts: FirstCredential => "credentials::two_fields_are_a_bad_request";
    a_reason_is_told: ReasonTold => "credentials::which_it_was_is_not_told";
    a_secret_is_repeated: SecretRepeated => "credentials::no_answer_repeats_a_secret";
    a_slash_at_the_end_is_nothing: SlashIgnored =>
        "paths::a_path_is_compared_letter_for_letter", "order::the_path_comes_third";
    paths_are_decoded: PathsDecoded => "paths::a_path_is_compared_letter_for_letter";
    a_uri_is_decoded_twice: UriDecodedTwice => "fetches::it_is_decoded_once";
    a_uri_has_no_case: UriWithoutCase => "fetches::what_comes_near_a_valid_uri_is_not_found";
    null_is_nothing: NullIsNothing => "json::null_is_a_bad_request";
    unknown_members_are_ignored: UnknownIgnored => "json::an_unknown_member_is_a_bad_request";
    an_answer_has_null: AnswerHasNull => "json::nothing_is_null_in_an_answer";
    an_invalid_name_is_400: InvalidNameIs400 => "names::bad_names_are_refused";
    names_are_trimmed: NamesTrimmed => "names::bad_names_are_refused";
    a_reserved_name_is_taken: ReservedTaken => "names::reserved_names_are_refused";
    the_admin_is_somebody: AdminIsSomebody => "whoami::the_admin_is_no_worker";
    a_list_has_tokens: ListHasTokens => "workers::no_other_answer_has_a_token";
    a_former_token_lives: FormerTokenLives => "workers::a_reissue_ends_the_former_token_at_once";
    a_filter_is_ignored: FilterIgnored =>
        "workers::a_list_is_filtered_by_the_exact_name", "groups::a_list_is_filtered_by_the_exact_name";
    a_cycle_is_taken: CycleTaken =>
        "cycles::a_group_is_no_member_of_itself", "cycles::of_two_changes_at_once_one_is_refused";
    a_deleted_group_is_200: DeletedIs200 => "groups::a_deleted_group_is_gone";
    a_coding_is_ignored: CodingIgnored => "deposits::a_content_coding_is_unsupported";
    a_digest_is_ignored: DigestIgnored => "digests::a_wrong_digest_of_the_body_is_a_bad_request";
    the_cap_is_one_more: CapOneMore => "cap::so_many_bytes_are_taken_and_one_more_is_not";
    what_follows_the_end_is_ignored: EndIgnored => "forms::nothing_follows_the_last_boundary";
    bare_line_feeds_are_repaired: LineFeedsRepaired => "forms::bare_line_feeds_are_refused";
    equal_bytes_have_one_uri: OneUri => "deposits::every_deposit_has_an_id_of_its_own";
    a_body_is_read_before_it_is_wanted: ReadsFirst => "deposits::continue_is_said_only_after_the_checks";
    a_stranger_from_elsewhere_is_unknown: ForeignIsUnknown =>
        "experiments::a_worker_of_another_experiment_is_forbidden";
}
