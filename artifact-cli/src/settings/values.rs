//! The types of settings, and the parsers for values that have no type of their own.
//!
//! An error continues a sentence that starts with the setting's name: "--max-uploads must be 1 or more".

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use artifact_store::{BackendUrl, DatabaseUrl, ExperimentId};
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

pub(crate) use super::common::ByteSize;
use super::common::whole_number;
pub(super) use super::common::{seconds, text};

type Result<T> = std::result::Result<T, String>;

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// `HOST:PORT`, resolved when the socket is bound.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            // The kernel would choose a name for an empty path, and no client would know it.
            return match path {
                "" => Err("must have a path after unix:".into()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            return Ok(Self::Tcp(text.to_owned()));
        }
        let text = text.escape_debug();
        Err(format!(
            "must be an address and a port, such as 127.0.0.1:8080, not '{text}'"
        ))
    }
}

/// The mode of a Unix socket, in octal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketMode(pub(crate) u32);

impl FromStr for SocketMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self> {
        let mode = u32::from_str_radix(text, 8).ok();
        let mode = mode.filter(|mode| *mode <= 0o777);
        mode.map(Self).ok_or_else(|| {
            let text = text.escape_debug();
            format!("must be a mode in octal, such as 0660, not '{text}'")
        })
    }
}

/// How requests name an S3 bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Addressing {
    Path,
    Host,
}

/// What the server does at the start if the bucket overwrites existing objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BucketProbe {
    Refuse,
    Warn,
    Off,
}

/// Which lines of the audit log are on disk before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditLines {
    Changes,
    All,
}

/// What happens to requests while the audit log cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFailure {
    Refuse,
    Continue,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Parses a number of things that must be at least 1.
pub(super) fn count(text: &str) -> Result<usize> {
    let number = whole_number(text)?;
    let count = usize::try_from(number).ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("must be 1 or more, not {number}"))
}

/// Parses a number of requests, from 1 to a million.
pub(super) fn rate(text: &str) -> Result<u32> {
    let number = whole_number(text)?;
    let rate = u32::try_from(number).ok();
    let rate = rate.filter(|rate| (1..=1_000_000).contains(rate));
    rate.ok_or_else(|| format!("must be from 1 to 1000000, not {number}"))
}

/// Parses a time in whole seconds as `seconds` does, or 0 for never.
pub(super) fn seconds_or_never(text: &str) -> Result<Duration> {
    match whole_number(text)? {
        0 => Ok(Duration::ZERO),
        _ => seconds(text),
    }
}

/// Parses the number of an open file descriptor.
pub(super) fn descriptor(text: &str) -> Result<u32> {
    let number = whole_number(text)?;
    u32::try_from(number).map_err(|_| format!("must be a file descriptor, not {number}"))
}

/// Parses the part size of a bucket: the range that S3 allows.
pub(super) fn part_bytes(text: &str) -> Result<ByteSize> {
    let size: ByteSize = text.parse()?;
    if (ByteSize(5 << 20)..=ByteSize(5 << 30)).contains(&size) {
        Ok(size)
    } else {
        Err("must be from 5MiB to 5GiB".into())
    }
}

pub(super) fn header_bytes(text: &str) -> Result<ByteSize> {
    let size: ByteSize = text.parse()?;
    if (ByteSize(1 << 10)..=ByteSize(1 << 20)).contains(&size) {
        Ok(size)
    } else {
        Err("must be from 1KiB to 1MiB".into())
    }
}

pub(super) fn yes_or_no(text: &str) -> Result<bool> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!(
            "must be one of yes, no, not '{}'",
            text.escape_debug()
        )),
    }
}

pub(super) fn public_url(text: &str) -> Result<String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]/%".contains(&byte);
    if rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(allowed)) {
        Ok(text.to_owned())
    } else {
        Err("must be a URL such as https://files.example".into())
    }
}

pub(super) fn collector(text: &str) -> Result<String> {
    public_url(text).map_err(|_| "must be a URL such as http://127.0.0.1:4318".into())
}

pub(super) fn log_filter(filter: &str) -> Result<String> {
    let filter = text(filter)?;
    match EnvFilter::builder().parse(&filter) {
        Ok(_) => Ok(filter),
        Err(error) => Err(format!(
            "cannot be used: {error}; write a level such as info"
        )),
    }
}

pub(crate) fn backend(text: &str) -> Result<BackendUrl> {
    BackendUrl::parse(text).map_err(|error| format!("cannot be used: {}", error.detail()))
}

pub(crate) fn database(text: &str) -> Result<DatabaseUrl> {
    DatabaseUrl::parse(text).map_err(|error| format!("cannot be used: {}", error.detail()))
}

pub(super) fn experiment_id(text: &str) -> Result<ExperimentId> {
    text.parse()
        .map_err(|error| format!("cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_sizes_are_digits_with_or_without_a_binary_unit() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("104857600", Some(104_857_600)),
            ("100MiB", Some(104_857_600)),
            ("1 GiB", Some(1 << 30)),
            ("5KiB", Some(5120)),
            ("100MB", None),
            ("-1", None),
            ("1.5GiB", None),
            ("MiB", None),
            ("", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("16777216TiB", None),
        ] {
            assert_eq!(text.parse().ok(), bytes.map(ByteSize), "{text}");
        }
    }

    #[test]
    fn listen_addresses_have_a_port_or_name_a_unix_socket() {
        for text in ["127.0.0.1:8080", "[::1]:0", "localhost:80"] {
            assert_eq!(text.parse(), Ok(ListenAddress::Tcp(text.to_owned())));
        }
        assert_eq!("unix:a b".parse(), Ok(ListenAddress::Unix("a b".into())));
        for text in [
            "8080",
            ":8080",
            "localhost",
            "h:65536",
            "h:http",
            "unix:",
            "",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
