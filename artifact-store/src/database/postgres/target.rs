//! The PostgreSQL database that a URL names.

mod text;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use artifact_backend::host;
use artifact_open::location::{Problem, percent_decode_component};
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

/// The time-out of one attempt to connect, from the look-up of the host names to the set-up session. All
/// hosts share it.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sent data may stay unacknowledged before the connection is closed.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent before TCP probes it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

const PASSWORD: &str = "a URL must not contain a password, because URLs are logged and listed; leave it out, \
     and set it with PGPASSWORD or a password file";

/// A database of a PostgreSQL server, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// At least one. The first that accepts writes is used.
    hosts: Vec<(Host, u16)>,
    user: Option<String>,
    database: String,
    ssl_mode: SslMode,
    /// The file of CA certificates, an absolute path. Without one, those of the platform are used.
    root_certificates: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A name or an address.
    Name(String),
    /// The folder of a Unix socket.
    Folder(String),
}

/// A password, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(String);

impl Password {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

impl Target {
    /// Parses the part of the URL after `postgres:`.
    pub(crate) fn parse(rest: &str) -> Result<Self, Problem> {
        let Some(rest) = rest.strip_prefix("//") else {
            return Err("two slashes must follow the colon: postgres://user@host/database".into());
        };
        if rest.contains(['#', '\\']) {
            return Err("a # or a backslash is not allowed here; write %23 or %5C".into());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let Some((authority, database)) = rest.split_once('/') else {
            return Err("it names no database; write postgres://user@host/database".into());
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(PASSWORD.into()),
            Some((user, host)) => (Some(text(user, "user")?), host),
            None => (None, authority),
        };
        if database.contains('/') {
            return Err("the name of the database contains a slash; write %2F".into());
        }
        let mut hosts = Vec::new();
        for host in host.split(',') {
            let (host, port) = split_port(host)?;
            hosts.push((Host::parse(host)?, port.unwrap_or(5432)));
        }
        let mut target = Self {
            hosts,
            user,
            database: text(database, "database")?,
            ssl_mode: SslMode::Disable,
            root_certificates: None,
        };
        // The ports are those of the hosts, so the hosts come first.
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let (hosts, others): (Vec<_>, Vec<_>) = pairs.partition(|pair| pair.starts_with("host="));
        for pair in hosts.into_iter().chain(others) {
            target.parameter(pair)?;
        }
        let nameless = Host::Name(String::new());
        if target.hosts.iter().any(|(host, _)| *host == nameless) {
            return Err(
                "it names no host; write postgres://user@host/database, or for a Unix \
                        socket postgres://user@/database?host=/folder/of/the/socket"
                    .into(),
            );
        }
        let is_folder = |(host, _): &(Host, u16)| matches!(host, Host::Folder(_));
        if target.ssl_mode == SslMode::Require && target.hosts.iter().any(is_folder) {
            return Err("a Unix socket has no TLS; leave sslmode out".into());
        }
        if target.root_certificates.is_some() && !target.may_use_tls() {
            return Err("sslrootcert has no effect without TLS; add sslmode=verify-full".into());
        }
        Ok(target)
    }

    fn parameter(&mut self, pair: &str) -> Result<(), Problem> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "password" => return Err(PASSWORD.into()),
            "host" => {
                let ports: Vec<_> = self.hosts.iter().map(|(_, port)| *port).collect();
                self.hosts.clear();
                for (n, host) in value.split(',').enumerate() {
                    let port = ports.get(n).unwrap_or(&ports[0]);
                    self.hosts.push((Host::parse(host)?, *port));
                }
            }
            "port" => {
                let ports: Vec<_> = value.split(',').map(port).collect::<Result<_, _>>()?;
                if ports.len() != 1 && ports.len() != self.hosts.len() {
                    return Err("write one port for each host, or one port for all".into());
                }
                for (n, (_, port)) in self.hosts.iter_mut().enumerate() {
                    *port = *ports.get(n).unwrap_or(&ports[0]);
                }
            }
            "user" => self.user = Some(text(value, "user")?),
            "sslmode" => match value {
                "disable" => self.ssl_mode = SslMode::Disable,
                "prefer" => self.ssl_mode = SslMode::Prefer,
                "require" | "verify-full" => self.ssl_mode = SslMode::Require,
                _ => {
                    return Err(
                        "sslmode must be disable, prefer or verify-full (require means the same here): \
                         certificates and host names are always verified"
                            .into(),
                    );
                }
            },
            "sslrootcert" if value == "system" => self.root_certificates = None,
            "sslrootcert" => {
                let path = text(value, "file in sslrootcert")?;
                if !Path::new(&path).is_absolute() {
                    return Err(
                        "sslrootcert must be system or the absolute path of a PEM file".into(),
                    );
                }
                self.root_certificates = Some(path);
            }
            _ => {
                return Err(
                    "only host, port, user, sslmode and sslrootcert can follow the question mark"
                        .into(),
                );
            }
        }
        Ok(())
    }

    /// Returns whether the URL requires TLS, or prefers it.
    pub(crate) fn may_use_tls(&self) -> bool {
        self.ssl_mode != SslMode::Disable
    }

    /// Returns the file of CA certificates.
    #[cfg(feature = "postgres-tls")]
    pub(super) fn root_certificates(&self) -> Option<&Path> {
        self.root_certificates.as_deref().map(Path::new)
    }

    /// Returns whether the connection crosses a network without protection. An attacker there can make a
    /// connection that only prefers TLS do without.
    pub(super) fn is_exposed(&self) -> bool {
        self.hosts.iter().any(|(host, _)| match host {
            Host::Folder(_) => false,
            Host::Name(name) => !host::is_loopback(name) && self.ssl_mode != SslMode::Require,
        })
    }

    /// Returns the hosts in the order in which they are tried.
    pub(super) fn hosts(&self) -> &[(Host, u16)] {
        &self.hosts
    }

    /// Returns the settings of a connection, without a host.
    pub(super) fn config(&self, password: Option<&Password>) -> Config {
        let mut config = Config::new();
        config
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .dbname(&self.database)
            .application_name("artifact")
            .ssl_mode(self.ssl_mode)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT)
            .keepalives_idle(KEEPALIVE_IDLE);
        if let Some(user) = &self.user {
            config.user(user);
        }
        if let Some(Password(password)) = password {
            config.password(password);
        }
        config
    }
}

/// The location, for messages.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at ", self.database.escape_debug())?;
        for (n, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            match host {
                Host::Name(host) => write!(f, "{comma}{host}:{port}")?,
                Host::Folder(folder) => {
                    write!(f, "{comma}{}/.s.PGSQL.{port}", folder.escape_debug())?;
                }
            }
        }
        Ok(())
    }
}

impl Host {
    fn parse(encoded: &str) -> Result<Self, Problem> {
        let host = percent_decode_component(encoded)?;
        if host.starts_with('/') {
            return Ok(Self::Folder(host));
        }
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .map_or(&*host, |address| address);
        // The characters of host names, including `_` in container networks, and of IPv6 addresses.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        if !host.bytes().all(allowed) {
            return Err("each host must be one name or one address".into());
        }
        Ok(Self::Name(host.to_owned()))
    }
}

/// Splits off the port, which follows the last colon outside the brackets of an IPv6 address (RFC
/// 3986, section 3.2).
fn split_port(authority: &str) -> Result<(&str, Option<u16>), Problem> {
    match authority.rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => Ok((host, Some(port(number)?))),
        _ => Ok((authority, None)),
    }
}

fn port(text: &str) -> Result<u16, Problem> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|port| is_number && *port != 0);
    number.ok_or_else(|| "the port must be a number from 1 to 65535".into())
}

fn text(encoded: &str, part: &str) -> Result<String, Problem> {
    let text = percent_decode_component(encoded)?;
    if text.is_empty() {
        return Err(format!("it names no {part}; write postgres://user@host/database").into());
    }
    Ok(text)
}
