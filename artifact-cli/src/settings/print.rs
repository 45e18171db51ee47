//! The effective settings, for `--print-config`: a settings file with each source in a comment.

use std::fmt::Write as _;

use clap::{Arg, Args};
use toml::Value;

use super::definition::{Definition, definitions};
use super::load::Loaded;

/// Returns the settings of a command as a settings file. Secrets are hidden. Settings that have no value,
/// or cannot stand in a settings file, are comments.
pub(crate) fn effective<S: Args>(loaded: &Loaded) -> String {
    let mut text = String::new();
    for setting in definitions::<S>() {
        let name = setting.name();
        let _ = match loaded.sources.get(name) {
            None => writeln!(text, "# {name} is not set"),
            Some(source) if setting.is_secret() => {
                writeln!(text, "# {name} = (hidden) # {source}")
            }
            Some(source) => {
                let comment = if setting.is_in_file() { "" } else { "# " };
                let value = value(&setting, &loaded.texts(name));
                writeln!(text, "{comment}{name} = {value} # {source}")
            }
        };
    }
    text
}

fn value(setting: &Arg, texts: &[String]) -> Value {
    let mut texts = texts.iter().map(|text| without_password(text));
    if setting.is_list() {
        return Value::Array(texts.map(Value::String).collect());
    }
    let text = texts.next().unwrap_or_default();
    match text.parse() {
        Ok(number) if setting.is_number() => Value::Integer(number),
        _ => Value::String(text),
    }
}

/// Returns a URL with its password hidden. Not every setting refuses a URL that has one.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // The last @ of the authority: a password may contain others.
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
    fn the_password_in_a_url_is_hidden() {
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
