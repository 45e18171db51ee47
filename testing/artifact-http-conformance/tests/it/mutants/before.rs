//! What a mutant changes of a request before the sound server sees it.

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::how::{How, Memory};

pub(super) const EXPERIMENT: HeaderName = HeaderName::from_static("x-eden-experiment-id");

impl How {
    /// What it makes of a request.
    pub(crate) fn before(self, asked: &mut Parts, body: &mut Vec<u8>, memory: &Memory) {
        let drop_field = |asked: &mut Parts, name: &HeaderName| {
            asked.headers.remove(name);
        };
        match self {
            Self::IgnoresIfNoneMatch => drop_field(asked, &IF_NONE_MATCH),
            Self::IgnoresIfRange => drop_field(asked, &IF_RANGE),
            Self::IgnoresIfMatch => drop_field(asked, &IF_MATCH),
            Self::CodingIgnored => drop_field(asked, &CONTENT_ENCODING),
            Self::DigestIgnored => drop_field(asked, &HeaderName::from_static("content-digest")),
            Self::ProxyBelieved => {
                if let Some(host) = asked.headers.get("x-forwarded-host").cloned() {
                    asked.headers.insert("host", host);
                }
            }
            Self::FirstCredential => {
                if let Some(first) = asked.headers.get(AUTHORIZATION).cloned() {
                    asked.headers.insert(AUTHORIZATION, first);
                }
            }
            Self::ExperimentOptional => {
                let experiment = asked.uri.path().split('/').nth(3).unwrap_or_default();
                if !asked.headers.contains_key(EXPERIMENT) && !experiment.is_empty() {
                    let value = HeaderValue::from_str(experiment).unwrap();
                    asked.headers.insert(EXPERIMENT, value);
                }
            }
            Self::SecretInQuery => {
                let query = asked.uri.query().unwrap_or_default();
                if let Some(secret) = query.strip_prefix("access_token=") {
                    let value = HeaderValue::from_str(&format!("Bearer {secret}")).unwrap();
                    asked.headers.insert(AUTHORIZATION, value);
                }
            }
            Self::FirstRange => {
                let range = asked
                    .headers
                    .get(RANGE)
                    .and_then(|range| range.to_str().ok());
                if let Some((first, _)) = range.and_then(|range| range.split_once(',')) {
                    let first = HeaderValue::from_str(first).unwrap();
                    asked.headers.insert(RANGE, first);
                }
            }
            Self::FormerTokenLives => {
                let value = asked
                    .headers
                    .get(AUTHORIZATION)
                    .and_then(|value| value.to_str().ok());
                let worker = value
                    .and_then(|value| value.strip_prefix("Bearer ")?.split_once(':'))
                    .map(|(worker, _)| worker.to_owned());
                let tokens = memory.tokens.lock().unwrap();
                if let Some((worker, token)) =
                    worker.and_then(|worker| tokens.get_key_value(&worker))
                {
                    let value = format!("Bearer {worker}:{token}");
                    asked
                        .headers
                        .insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
                }
            }
            Self::EndIgnored => {
                let end = b"cOnF-boundary-cOnF--\r\n";
                if let Some(at) = body.windows(end.len()).position(|here| here == end) {
                    body.truncate(at + end.len());
                    asked.headers.insert(CONTENT_LENGTH, body.len().into());
                }
            }
            Self::LineFeedsRepaired => {
                if let Some(at) = body.windows(2).position(|here| here == b"\n\n") {
                    body.splice(at..at + 2, *b"\r\n\r\n");
                    asked.headers.insert(CONTENT_LENGTH, body.len().into());
                }
            }
            Self::NullIsNothing | Self::UnknownIgnored | Self::NamesTrimmed => {
                self.mend_json(asked, body);
            }
            _ => self.mend_target(asked),
        }
    }

    fn mend_target(self, asked: &mut Parts) {
        let target = asked.uri.to_string();
        let (path, query) = target
            .split_once('?')
            .map_or((&*target, ""), |(path, query)| (path, query));
        let mended = match self {
            Self::SlashIgnored => format!("{}?{query}", path.trim_end_matches('/')),
            Self::PathsDecoded => format!("{}?{query}", path.replace("%61", "a")),
            Self::UriDecodedTwice => format!("{path}?{}", query.replace("%25", "%")),
            Self::UriWithoutCase => format!("{path}?{}", query.to_ascii_lowercase()),
            Self::FilterIgnored if path.ends_with("ers") || path.ends_with("groups") => {
                path.to_owned()
            }
            _ => return,
        };
        if let Ok(uri) = mended.trim_end_matches('?').parse() {
            asked.uri = uri;
        }
    }

    fn mend_json(self, asked: &mut Parts, body: &mut Vec<u8>) {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(body) else {
            return;
        };
        match self {
            Self::NullIsNothing => members.retain(|_, value| !value.is_null()),
            Self::UnknownIgnored => {
                members.retain(|name, _| {
                    ["name", "labels", "members", "member_id"].contains(&&**name)
                });
            }
            _ => {
                if let Some(Value::String(name)) = members.get_mut("name") {
                    *name = name.trim().to_owned();
                }
            }
        }
        *body = serde_json::to_vec(&members).unwrap();
        asked.headers.insert(CONTENT_LENGTH, body.len().into());
    }
}
