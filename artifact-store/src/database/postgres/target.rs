//! Which database a URL names, and how it is reached.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::location::{Problem, percent_decode_component};

/// How long one attempt to connect may take, from the name of the host to a session that is set up.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// How long what was sent may stay unacknowledged before the connection is given up.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// How long a connection may be silent before it is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

const PASSWORD: &str = "a password never stands in a URL, which is logged and listed; leave it out, \
     and give it by PGPASSWORD or a password file";

/// A database of a PostgreSQL server, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    host: Host,
    port: u16,
    user: Option<String>,
    database: String,
    encrypted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// A name or an address.
    Name(String),
    /// The folder of a Unix socket.
    Folder(String),
}

/// A secret that is not printed.
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
    /// Reads what follows the colon of `postgres:`.
    pub(crate) fn parse(rest: &str) -> Result<Self, Problem> {
        let Some(rest) = rest.strip_prefix("//") else {
            return Err("two slashes follow the colon: postgres://user@host/database".into());
        };
        if rest.contains(['#', '\\']) {
            return Err("a # or a backslash has no meaning here; write %23 or %5C".into());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let Some((authority, database)) = rest.split_once('/') else {
            return Err("it names no database: postgres://user@host/database".into());
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(PASSWORD.into()),
            Some((user, host)) => (Some(text(user, "user")?), host),
            None => (None, authority),
        };
        if database.contains('/') {
            return Err("the name of the database has a slash in it; write %2F".into());
        }
        let (host, port) = split_port(host)?;
        let mut target = Self {
            host: Host::parse(host)?,
            port: port.unwrap_or(5432),
            user,
            database: text(database, "database")?,
            encrypted: false,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            target.parameter(pair)?;
        }
        if target.host == Host::Name(String::new()) {
            return Err(
                "it names no host; write postgres://user@host/database, or for a Unix \
                        socket postgres://user@/database?host=/folder/of/the/socket"
                    .into(),
            );
        }
        if target.encrypted && matches!(target.host, Host::Folder(_)) {
            return Err("there is no TLS on a Unix socket; leave sslmode out".into());
        }
        Ok(target)
    }

    fn parameter(&mut self, pair: &str) -> Result<(), Problem> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "password" => return Err(PASSWORD.into()),
            "host" => self.host = Host::parse(value)?,
            "port" => self.port = port(value)?,
            "user" => self.user = Some(text(value, "user")?),
            "sslmode" => match value {
                "disable" => self.encrypted = false,
                "require" | "verify-full" => self.encrypted = true,
                _ => {
                    return Err(
                        "sslmode is disable, or verify-full (require means the same here): \
                                what lies between protects from nobody who can change traffic"
                            .into(),
                    );
                }
            },
            _ => {
                return Err(
                    "only host, port, user and sslmode can follow the question mark".into(),
                );
            }
        }
        Ok(())
    }

    /// Whether the connection is to be encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether others on the way could listen.
    pub(super) fn is_exposed(&self) -> bool {
        match &self.host {
            Host::Folder(_) => false,
            Host::Name(name) => {
                let address = name.parse::<std::net::IpAddr>();
                let local = address.map_or(name == "localhost", |address| address.is_loopback());
                !local && !self.encrypted
            }
        }
    }

    pub(super) fn config(&self, password: Option<&Password>) -> Config {
        let Self {
            host,
            port,
            user,
            database,
            encrypted,
        } = self;
        let mut config = Config::new();
        match host {
            Host::Name(name) => config.host(name),
            Host::Folder(folder) => config.host_path(folder),
        };
        config
            .port(*port)
            .dbname(database)
            .application_name("artifact")
            .ssl_mode(if *encrypted {
                SslMode::Require
            } else {
                SslMode::Disable
            })
            .connect_timeout(CONNECT)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .keepalives_idle(KEEPALIVE);
        if let Some(user) = user {
            config.user(user);
        }
        if let Some(Password(password)) = password {
            config.password(password);
        }
        config
    }
}

/// Where it is, as messages say it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database.escape_debug();
        match &self.host {
            Host::Name(host) => write!(f, "{database} at {host}:{}", self.port),
            Host::Folder(folder) => {
                let folder = folder.escape_debug();
                write!(f, "{database} at {folder}/.s.PGSQL.{}", self.port)
            }
        }
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
        // Letters of names, also such as `_` of container networks, and of IPv6 addresses.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        if !host.bytes().all(allowed) {
            return Err("the host is one name or one address".into());
        }
        Ok(Self::Name(host.to_owned()))
    }
}

/// RFC 3986, section 3.2: the port behind the last colon that is not inside the brackets of an
/// IPv6 address.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), Problem> {
    match authority.rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => Ok((host, Some(port(number)?))),
        _ => Ok((authority, None)),
    }
}

fn port(text: &str) -> Result<u16, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|port| digits && *port != 0);
    number.ok_or_else(|| "the port is a number from 1 to 65535".into())
}

fn text(encoded: &str, what: &str) -> Result<String, Problem> {
    let text = percent_decode_component(encoded)?;
    if text.is_empty() {
        return Err(format!("it names no {what}: postgres://user@host/database").into());
    }
    Ok(text)
}
