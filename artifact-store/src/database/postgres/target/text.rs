//! The URL of a PostgreSQL database as text.

use std::fmt;

use artifact_open::location::percent_encode;
use tokio_postgres::config::SslMode;

use super::{Host, Target};

/// The port of a URL without one.
const DEFAULT_PORT: u16 = 5432;

impl Target {
    /// Writes the URL, which parses to the same database.
    pub(crate) fn write_url(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", percent_encode(user, b""))?;
        }
        for (n, (host, port)) in self.hosts.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            match host {
                // An IPv6 address (RFC 3986, section 3.2.2).
                Host::Name(name) if name.contains(':') => {
                    write!(f, "[{}]", percent_encode(name, b":"))?;
                }
                Host::Name(name) | Host::Folder(name) => {
                    f.write_str(&percent_encode(name, b""))?;
                }
            }
            if *port != DEFAULT_PORT {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", percent_encode(&self.database, b""))?;
        match self.ssl_mode {
            SslMode::Prefer => f.write_str("?sslmode=prefer")?,
            SslMode::Require => f.write_str("?sslmode=verify-full")?,
            _ => {}
        }
        // Only a URL with TLS has it, so it is the second parameter.
        if let Some(path) = &self.root_certificates {
            write!(f, "&sslrootcert={}", percent_encode(path, b"/:"))?;
        }
        Ok(())
    }
}
