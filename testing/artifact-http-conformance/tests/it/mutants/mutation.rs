//! The mutations of a server, and their state.

use std::collections::HashMap;
use std::sync::Mutex;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// One deviation from the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    Sound,
    DepositIs200,
    NoWwwAuthenticate,
    CharsetAdded,
    DetailIsNumber,
    ExtraMember,
    ProblemWithoutCharset,
    WrongProblemStatus,
    UnknownType,
    InstanceRelative,
    ForwardedHostUsed,
    JsonWithoutCharset,
    PartIs200,
    NoContentRange,
    UnsatisfiableRangeIgnored,
    FirstRange,
    NoNosniff,
    Cached,
    Inline,
    WeakEtag,
    DigestOfPart,
    DepositWithoutDigest,
    DepositDigestOfOtherBytes,
    ByteChanged,
    NotModifiedWithoutVary,
    IgnoresIfNoneMatch,
    IgnoresIfRange,
    IgnoresIfMatch,
    ForbiddenIsNotFound,
    AnyWorkerReads,
    RefusalHasEtag,
    NoAllow,
    OptionsAnswered,
    HeadNotAllowed,
    ExperimentFirst,
    PathFirst,
    ExperimentOptional,
    BodyBeforeClass,
    WorkersRegister,
    SecretInQuery,
    FirstCredential,
    ReasonRevealed,
    SecretRepeated,
    SlashIgnored,
    PathsDecoded,
    UriDecodedTwice,
    UriCaseIgnored,
    HoldIgnored,
    ParameterIgnored,
    ArtifactListedTwice,
    DeletedIsRead,
    HiddenIsRead,
    NullAccepted,
    UnknownIgnored,
    ResponseHasNull,
    InvalidNameIs400,
    NamesTrimmed,
    ReservedNameAccepted,
    AdminIsWorker,
    ListHasTokens,
    OldTokenAccepted,
    FilterIgnored,
    CycleAccepted,
    DeletedIs200,
    CodingIgnored,
    DigestIgnored,
    CapOneMore,
    TrailingDataIgnored,
    LineFeedsRepaired,
    SameUriForSameBytes,
    BodyReadEarly,
    ForeignWorkerIs401,
    BasicAnywhere,
    ScriptsAsk,
    PageFramed,
    PageEverywhere,
    ReadyAnyway,
    ReadinessCached,
    ReadinessWithoutRetry,
    ReadinessTellsAll,
    ReadinessNeedsCredential,
    ReadinessPosted,
    SiteIgnored,
    NameIgnored,
    FormStored,
    NoLocation,
    RevocationIgnored,
    ExpiryUnchecked,
    AdministratorRefused,
    AdministratorIsAdmin,
    WorkersListAdministrators,
    AdministratorListedInPart,
    AdministratorUndeletable,
    AdministratorArtifactsGone,
    NoAdministratorToken,
    KeyIgnored,
    KeyAlone,
    KeyShared,
    ShareRevocationIgnored,
    GrantNeverExpires,
    GranteeShares,
    UnknownGranteeAccepted,
    GrantLacksItsMembers,
    GroupGrantIgnored,
    LinkOnceMore,
    LinkOfAnother,
    LinkHeadCounts,
    LinkIsGone,
    LinkListHasUrls,
    LinkNeedsCredential,
    LinkOutlivesItsMaker,
    LinkLacksReferrerPolicy,
    TusVersionIgnored,
    NegativeLengthAccepted,
    WrongOffsetAccepted,
    OffsetOneMore,
    NoArtifactLocation,
    UploadDigestIgnored,
    EndIgnored,
    UploadHidden,
    ChecksumIgnored,
    BadAppendKept,
    NoAlgorithms,
    DraftLengthIgnored,
    DraftFieldsIgnored,
    DraftTypeIgnored,
    BothProtocols,
    PartAsWhole,
    CutIsEnd,
    CompleteAppends,
    NoUploadLimit,
    NoUploadComplete,
    NameOverwritten,
    NameUnchecked,
    CollectionsLeaked,
    PrefixIgnored,
    SealIgnored,
    ManifestDigestWrong,
    QuotaIgnored,
    QuotaUnnamed,
    QuotaNamedInV0,
    QuotaWithoutRest,
    QuotaShownToAll,
    QuotaAsZero,
    QuotaSetUnchecked,
    MetricsOpen,
    AnonymousDeposits,
    ManagementOpen,
    GranteeWrites,
    CollectionGrantLists,
    ReceiptSignatureWrong,
    ReceiptOfOtherSize,
    ReceiptNotInLog,
    ReceiptWithoutProof,
    ReceiptFieldIgnored,
    ReceiptFieldUnchecked,
    ReceiptForEveryone,
    CheckpointForks,
    CheckpointShrinks,
    CheckpointSignatureWrong,
    TileChanged,
    TileMadeUp,
}

/// State that some mutations keep between requests.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The newest token of each worker.
    pub(super) tokens: Mutex<HashMap<String, String>>,
    /// The response to a deposit, by its bytes.
    pub(super) deposits: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    /// The response to the first deposit with each key.
    pub(super) keys: Mutex<HashMap<HeaderValue, Vec<u8>>>,
    /// The path of the first link that was used.
    pub(super) link: Mutex<Option<String>>,
    /// The first checkpoint.
    pub(super) checkpoint: Mutex<Option<String>>,
}

/// A response that can be changed.
#[derive(Debug)]
pub(crate) struct MutableResponse {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl MutableResponse {
    pub(super) fn is_problem(&self) -> bool {
        self.status.is_client_error() && self.fields.contains_key(CONTENT_TYPE)
    }

    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice(&self.body) {
            change(&mut value);
            self.body = serde_json::to_vec(&value).unwrap();
        }
    }

    /// Replaces the response by a problem.
    pub(super) fn refuse(&mut self, status: u16, kind: &str, request: &Parts) {
        let host = request.headers["host"].to_str().unwrap();
        let problem = json!({
            "type": format!("eden://error/{kind}"), "title": "x", "status": status, "detail": "x",
            "instance": format!("http://{host}{}", request.uri),
        });
        self.status = StatusCode::from_u16(status).unwrap();
        self.body = serde_json::to_vec(&problem).unwrap();
        self.set(&CONTENT_TYPE, "application/problem+json; charset=utf-8");
    }

    pub(super) fn set(&mut self, name: &HeaderName, value: &str) {
        self.fields
            .insert(name, HeaderValue::from_str(value).unwrap());
    }

    /// Replaces the response by a 200 with JSON.
    pub(super) fn succeed(&mut self, value: &Value) {
        self.status = StatusCode::OK;
        self.body = serde_json::to_vec(value).unwrap();
        self.set(&CONTENT_TYPE, "application/json; charset=utf-8");
    }
}

impl Mutation {
    /// Returns whether the mutation reads request bodies, which happens before all checks.
    pub(crate) fn reads_body(self) -> bool {
        matches!(
            self,
            Self::NullAccepted
                | Self::UnknownIgnored
                | Self::NamesTrimmed
                | Self::TrailingDataIgnored
                | Self::LineFeedsRepaired
                | Self::SameUriForSameBytes
                | Self::BodyReadEarly
                | Self::BodyBeforeClass
                | Self::GrantNeverExpires
                | Self::GroupGrantIgnored
                | Self::LinkOnceMore
                | Self::CutIsEnd
        )
    }
}
