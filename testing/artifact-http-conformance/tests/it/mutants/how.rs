//! What is wrong with a server, and what it remembers for that.

use std::collections::HashMap;
use std::sync::Mutex;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Sound,
    DepositIs200,
    NoWwwAuthenticate,
    CharsetAdded,
    DetailIsNoText,
    MemberMore,
    ProblemWithoutCharset,
    StatusOfProblem,
    TypeUnknown,
    InstanceRelative,
    ProxyBelieved,
    JsonWithoutCharset,
    PartIs200,
    NoContentRange,
    UnsatisfiableIgnored,
    FirstRange,
    NoNosniff,
    Cached,
    Inline,
    WeakEtag,
    DigestOfPart,
    ByteChanged,
    NotModifiedWithoutVary,
    IgnoresIfNoneMatch,
    IgnoresIfRange,
    IgnoresIfMatch,
    ForbiddenIsNotFound,
    EverybodyReads,
    RefusalHasEtag,
    NoAllow,
    OptionsAnswered,
    HeadIsNoMethod,
    ExperimentFirst,
    PathFirst,
    ExperimentOptional,
    BodyBeforeClass,
    WorkersRegister,
    SecretInQuery,
    FirstCredential,
    ReasonTold,
    SecretRepeated,
    SlashIgnored,
    PathsDecoded,
    UriDecodedTwice,
    UriWithoutCase,
    NullIsNothing,
    UnknownIgnored,
    AnswerHasNull,
    InvalidNameIs400,
    NamesTrimmed,
    ReservedTaken,
    AdminIsSomebody,
    ListHasTokens,
    FormerTokenLives,
    FilterIgnored,
    CycleTaken,
    DeletedIs200,
    CodingIgnored,
    DigestIgnored,
    CapOneMore,
    EndIgnored,
    LineFeedsRepaired,
    OneUri,
    ReadsFirst,
    ForeignIsUnknown,
}

/// What some mutants remember between requests.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The newest token of each worker.
    pub(super) tokens: Mutex<HashMap<String, String>>,
    /// The answer to a deposit by its bytes.
    pub(super) deposits: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

/// An answer that can be changed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(super) fn is_problem(&self) -> bool {
        self.status.is_client_error() && self.fields.contains_key(CONTENT_TYPE)
    }

    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice(&self.body) {
            change(&mut value);
            self.body = serde_json::to_vec(&value).unwrap();
        }
    }

    /// A problem instead.
    pub(super) fn refuse(&mut self, status: u16, kind: &str, asked: &Parts) {
        let host = asked.headers["host"].to_str().unwrap();
        let problem = json!({
            "type": format!("eden://error/{kind}"), "title": "x", "status": status, "detail": "x",
            "instance": format!("http://{host}{}", asked.uri),
        });
        self.status = StatusCode::from_u16(status).unwrap();
        self.body = serde_json::to_vec(&problem).unwrap();
        self.set(&CONTENT_TYPE, "application/problem+json; charset=utf-8");
    }

    pub(super) fn set(&mut self, name: &HeaderName, value: &str) {
        self.fields
            .insert(name, HeaderValue::from_str(value).unwrap());
    }

    /// JSON of success instead.
    pub(super) fn succeed(&mut self, value: &Value) {
        self.status = StatusCode::OK;
        self.body = serde_json::to_vec(value).unwrap();
        self.set(&CONTENT_TYPE, "application/json; charset=utf-8");
    }
}

impl How {
    /// Whether it looks into the content of requests, which is then read before anything is checked.
    pub(crate) fn reads_body(self) -> bool {
        matches!(
            self,
            Self::NullIsNothing
                | Self::UnknownIgnored
                | Self::NamesTrimmed
                | Self::EndIgnored
                | Self::LineFeedsRepaired
                | Self::OneUri
                | Self::ReadsFirst
                | Self::BodyBeforeClass
        )
    }
}
