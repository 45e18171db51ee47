//! What a mutant changes of the sound server's answer.

use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};

use super::before::EXPERIMENT;
use super::how::{Answer, How, Memory};

impl How {
    /// What it makes of an answer.
    pub(crate) fn after(self, asked: &Parts, said: &[u8], answer: &mut Answer, memory: &Memory) {
        let path = asked.uri.path();
        let status = answer.status.as_u16();
        let fetched = path.ends_with("/artifacts")
            && asked.method != Method::POST
            && [200, 206].contains(&status);
        match self {
            Self::DepositIs200 if status == 201 => answer.status = StatusCode::OK,
            Self::NoWwwAuthenticate => drop(answer.fields.remove(WWW_AUTHENTICATE)),
            Self::NoAllow => drop(answer.fields.remove(ALLOW)),
            Self::NoNosniff => drop(answer.fields.remove(X_CONTENT_TYPE_OPTIONS)),
            Self::NoContentRange => drop(answer.fields.remove(CONTENT_RANGE)),
            Self::NotModifiedWithoutVary if status == 304 => drop(answer.fields.remove(VARY)),
            Self::Cached if fetched => answer.set(&CACHE_CONTROL, "public, max-age=60"),
            Self::Inline if fetched => answer.set(&CONTENT_DISPOSITION, "inline"),
            Self::CharsetAdded if fetched => {
                let kind = answer.fields[CONTENT_TYPE].to_str().unwrap().to_owned();
                answer.set(&CONTENT_TYPE, &format!("{kind}; charset=utf-8"));
            }
            Self::WeakEtag if fetched => {
                let etag = answer.fields[ETAG].to_str().unwrap().to_owned();
                answer.set(&ETAG, &format!("W/{etag}"));
            }
            Self::DigestOfPart if status == 206 => {
                let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
                answer.set(&HeaderName::from_static("repr-digest"), digest);
            }
            Self::ByteChanged if fetched => {
                if let Some(last) = answer.body.last_mut() {
                    *last ^= 1;
                }
            }
            Self::PartIs200 if status == 206 => answer.status = StatusCode::OK,
            Self::UnsatisfiableIgnored if status == 416 => answer.succeed(&json!({})),
            Self::JsonWithoutCharset if !answer.is_problem() && !fetched => {
                answer.set(&CONTENT_TYPE, "application/json");
            }
            Self::OptionsAnswered if asked.method == Method::OPTIONS && status == 405 => {
                answer.status = StatusCode::NO_CONTENT;
                answer.body.clear();
                answer.set(&HeaderName::from_static("access-control-allow-origin"), "*");
            }
            Self::HeadIsNoMethod if asked.method == Method::HEAD => {
                answer.status = StatusCode::METHOD_NOT_ALLOWED;
            }
            Self::OneUri if status == 201 => {
                let mut deposits = memory.deposits.lock().unwrap();
                let first = deposits
                    .entry(said.to_vec())
                    .or_insert_with(|| answer.body.clone());
                answer.body.clone_from(first);
            }
            Self::FormerTokenLives if path.ends_with("/reissue-credential") && status == 200 => {
                let value: Value = serde_json::from_slice(&answer.body).unwrap();
                let text = |name: &str| value[name].as_str().unwrap().to_owned();
                let mut tokens = memory.tokens.lock().unwrap();
                tokens.insert(text("worker_id"), text("registration_token"));
            }
            Self::ListHasTokens if path.ends_with("/workers") && asked.method == Method::GET => {
                answer.edit(|value| {
                    for worker in value["workers"].as_array_mut().into_iter().flatten() {
                        worker["registration_token"] = "x".into();
                    }
                });
            }
            Self::AnswerHasNull if status == 200 && !fetched => {
                answer.edit(|value| value["name"] = Value::Null);
            }
            Self::DeletedIs200 if status == 204 => answer.succeed(&json!({})),
            _ if answer.is_problem() => self.after_refusal(asked, said, answer),
            // A mutant is wrong in one thing.
            _ => {}
        }
    }

    /// What it makes of a refusal.
    fn after_refusal(self, asked: &Parts, said: &[u8], answer: &mut Answer) {
        let path = asked.uri.path();
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let is = |kind: &str| problem["type"] == format!("eden://error/{kind}").as_str();
        let credential = asked
            .headers
            .get(AUTHORIZATION)
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        match self {
            Self::DetailIsNoText => answer.edit(|problem| problem["detail"] = 42.into()),
            Self::MemberMore => answer.edit(|problem| problem["trace"] = "x".into()),
            Self::StatusOfProblem => answer.edit(|problem| problem["status"] = 500.into()),
            Self::TypeUnknown => {
                answer.edit(|problem| problem["type"] = "eden://error/oops".into());
            }
            Self::InstanceRelative => answer.edit(|problem| problem["instance"] = path.into()),
            Self::ProblemWithoutCharset => answer.set(&CONTENT_TYPE, "application/problem+json"),
            Self::SecretRepeated => {
                let text = credential.unwrap_or_default();
                answer.edit(|problem| problem["detail"] = text.into());
            }
            Self::ReasonTold if credential.is_none() => {
                answer.edit(|problem| problem["detail"] = "no credential".into());
            }
            Self::ForbiddenIsNotFound if is("forbidden") => answer.refuse(404, "not-found", asked),
            Self::ForeignIsUnknown
                if is("forbidden") && path.starts_with("/v0/experiments/other") =>
            {
                answer.refuse(401, "unauthorized", asked);
            }
            Self::EverybodyReads if is("forbidden") && path.ends_with("/artifacts") => {
                answer.succeed(&json!({}));
            }
            Self::RefusalHasEtag if is("forbidden") => answer.set(&ETAG, "\"x\""),
            Self::ExperimentFirst
                if is("unauthorized") && !asked.headers.contains_key(EXPERIMENT) =>
            {
                answer.refuse(400, "experiment-id-mismatch", asked);
            }
            Self::PathFirst if is("experiment-id-mismatch") && path.ends_with("/nothing") => {
                answer.refuse(404, "not-found", asked);
            }
            Self::BodyBeforeClass if is("forbidden") && said.starts_with(b"{\"no\"") => {
                answer.refuse(400, "bad-request", asked);
            }
            Self::WorkersRegister if is("forbidden") && path.ends_with("/workers") => {
                answer.succeed(&json!({}));
            }
            Self::InvalidNameIs400 if is("invalid-name") => {
                answer.refuse(400, "bad-request", asked);
            }
            Self::ReservedTaken if is("reserved-identifier") => answer.succeed(&json!({})),
            Self::CycleTaken if is("cycle-detected") => answer.succeed(&json!({ "members": [] })),
            Self::AdminIsSomebody if is("forbidden") && path.ends_with("/whoami") => {
                answer.succeed(&json!({ "worker_id": "admin" }));
            }
            _ => {}
        }
    }
}
