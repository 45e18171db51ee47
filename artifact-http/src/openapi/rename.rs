//! The document of a router whose names are not those of the wire binding.

use std::borrow::Cow;

use artifact_backend::UriPrefix;
use serde_json::{Value, json};

use crate::auth_scheme::AuthScheme;
use crate::binding::{BasePath, ErrorPrefix, ExperimentHeader};
use crate::config::HttpConfig;
use crate::problem;

/// Replaces the default names in the text of the document. None of the names needs an escape in JSON except
/// perhaps the URI prefix.
pub(super) fn renamed(document: &'static str, config: &HttpConfig) -> Cow<'static, str> {
    let mut names = [
        (
            format!("{}/", BasePath::DEFAULT),
            format!("{}/", config.base_path.as_str()),
        ),
        (
            format!("{}/", BasePath::MANAGEMENT),
            format!("{}/", config.management_path.as_str()),
        ),
        (
            ExperimentHeader::DEFAULT.to_owned(),
            config.experiment_header.as_str().to_owned(),
        ),
        (
            ErrorPrefix::DEFAULT.to_owned(),
            config.error_prefix.as_str().to_owned(),
        ),
        (
            UriPrefix::DEFAULT.to_owned(),
            escaped(config.uri_prefix.as_str()),
        ),
    ]
    .to_vec();
    names.retain(|(default, name)| default != name);
    let mut text = Cow::Borrowed(document);
    if !names.is_empty() {
        text = replaced(&text, &names).into();
    }
    match config.auth_scheme.security() {
        None => text,
        Some(security) => with_security(&text, security, &config.auth_scheme).into(),
    }
}

/// Replaces each occurrence of a name, and nothing in what it was replaced by.
fn replaced(text: &str, names: &[(String, String)]) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let found = names
            .iter()
            .filter_map(|(old, new)| Some((rest.find(old.as_str())?, old, new)));
        let Some((at, old, new)) = found.min_by_key(|(at, ..)| *at) else {
            break;
        };
        done.push_str(&rest[..at]);
        done.push_str(new);
        rest = &rest[at + old.len()..];
    }
    done + rest
}

/// Escapes a text for a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn with_security(text: &str, security: &Value, scheme: &AuthScheme) -> String {
    let mut document: Value = serde_json::from_str(text).expect("the document is valid JSON");
    let components = &mut document["components"];
    components["securitySchemes"]["principal"] = security.clone();
    if let Some(schemes) = components["securitySchemes"].as_object_mut() {
        schemes.remove("basic");
    }
    let challenge = String::from_utf8_lossy(scheme.challenge().as_bytes());
    components["headers"]["WWW-Authenticate"]["schema"] = json!({ "const": challenge });
    let content = &mut components["responses"]["Problem401"]["content"][problem::MEDIA_TYPE];
    content["example"]["detail"] = scheme.hint().into();
    // Only the scheme of the wire binding has HTTP Basic beside it.
    let items = document["paths"].as_object_mut().into_iter();
    let items = items.flat_map(|paths| paths.values_mut());
    for operation in items.flat_map(|item| {
        item.as_object_mut()
            .into_iter()
            .flat_map(|item| item.values_mut())
    }) {
        if let Some(schemes) = operation.get_mut("security").and_then(Value::as_array_mut) {
            schemes.retain(|scheme| scheme.get("basic").is_none());
        }
    }
    let text = serde_json::to_string_pretty(&document);
    text.expect("strings, numbers and maps are valid JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn replaced_names_are_not_replaced_again() {
        let names =
            [("ab", "bc"), ("bc", "ab"), ("x", "")].map(|(old, new)| (old.into(), new.into()));
        assert_eq!(replaced("ab bc, axb, abc", &names), "bc ab, ab, bcc");
        assert_eq!(replaced("", &names), "");
    }
}
