//! What the audit log must say about a request.

use artifact_http::Endpoint;
use http::Method;
use serde_json::Value;

use super::sender::Sender;
use crate::support::{ADMIN_SECRET, ExpectedLine, Member};

/// Returns the secrets of all senders.
pub(super) fn secrets_of(senders: &[(Sender, Option<Member>)]) -> Vec<String> {
    let known = senders.iter().filter_map(|(_, member)| member.as_ref());
    let known = known.map(|member| member.secret.clone());
    let mut secrets: Vec<_> = known.collect();
    secrets.push(ADMIN_SECRET.to_owned());
    secrets
}

/// Returns the secret in the path of a link.
pub(super) fn secret_in_path(endpoint: &Endpoint, path: &str) -> Option<String> {
    let is_link = endpoint.path.contains("{L}");
    let secret = path.rsplit('/').next().filter(|_| is_link);
    secret.map(str::to_owned)
}

/// Returns the tokens and the secrets of links in a response.
pub(super) fn secrets_in(body: &[u8]) -> Vec<String> {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let token = json["registration_token"].as_str();
    let link = json["url"].as_str().and_then(|url| url.rsplit('/').next());
    token.into_iter().chain(link).map(str::to_owned).collect()
}

/// Returns the line of a request. `member` is its sender, if the credential is valid.
pub(super) fn expected_line(
    endpoint: &Endpoint,
    method: &Method,
    path: &str,
    member: Option<&Member>,
    status: u16,
) -> ExpectedLine {
    let is_link = endpoint.id == "fetchLink";
    // A link needs no credential, and the line of one that sends one does not name it.
    let principal = member
        .filter(|_| !is_link)
        .map(|member| member.principal.clone());
    let is_authenticated = principal.is_some();
    let mut members = Vec::new();
    for (letter, name) in [
        ("{E}", "experiment"),
        ("{A}", "artifact"),
        ("{N}", "grant"),
        ("{K}", "link"),
        ("{W}", "worker"),
        ("{G}", "group"),
        ("{U}", "upload"),
        ("{O}", "administrator"),
        ("{C}", "collection"),
    ] {
        if let Some(at) = endpoint.path.split('/').position(|part| part == letter) {
            let segment = path.split('/').nth(at).unwrap().to_owned();
            members.push((name, is_authenticated.then_some(segment)));
        }
    }
    // The name of a file can be personal data.
    members.push(("file", None));
    ExpectedLine {
        action: endpoint.id,
        method: method.to_string(),
        status,
        principal,
        members,
    }
}
