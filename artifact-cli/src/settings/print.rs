//! The effective settings, for `--print-config`: a settings file with each source beside it.

use std::fmt::Write as _;

use super::load::Loaded;
use super::registry::{Command, Kind, SETTINGS, Setting};
use super::value::Value;

/// The settings of a command as a settings file. Secrets are hidden; what cannot stand in a
/// settings file, or is not set, is a comment.
pub(crate) fn effective(command: Command, loaded: &Loaded) -> String {
    let mut text = String::new();
    for setting in SETTINGS.iter().filter(|setting| setting.is_of(command)) {
        let name = setting.name;
        let _ = match loaded.value(setting.key) {
            None => writeln!(text, "# {name} is not set"),
            Some(value) if setting.secret => {
                writeln!(text, "# {name} = (hidden) # {}", value.source)
            }
            Some(value) => {
                let comment = if setting.in_file { "" } else { "# " };
                let shown = shown(setting, value);
                writeln!(text, "{comment}{name} = {shown} # {}", value.source)
            }
        };
    }
    text
}

fn shown(setting: &Setting, value: &Value) -> String {
    let texts = value.texts.iter().map(|text| without_password(text));
    match setting.kind {
        Kind::List => toml::Value::Array(texts.map(toml::Value::String).collect()).to_string(),
        Kind::Text | Kind::Number | Kind::Bytes => {
            let text = texts.collect::<String>();
            let number = text.parse().ok().map(toml::Value::Integer);
            let number = number.filter(|_| setting.kind != Kind::Text);
            number.unwrap_or(toml::Value::String(text)).to_string()
        }
    }
}

/// A URL without the password in it. Where passwords in URLs are refused, this is printed before.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // The last @ of the authority: a password may hold others.
    let Some((user, host)) = rest[..end].rsplit_once('@') else {
        return text.to_owned();
    };
    let Some((user, _)) = user.split_once(':') else {
        return text.to_owned();
    };
    format!("{scheme}://{user}:(hidden)@{host}{}", &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_in_a_url_is_hidden() {
        for (text, shown) in [
            ("/a/b", "/a/b"),
            ("file:///a@b:c", "file:///a@b:c"),
            ("postgres://u:canary@h/d?x", "postgres://u:(hidden)@h/d?x"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:can@ary@h", "postgres://u:(hidden)@h"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
