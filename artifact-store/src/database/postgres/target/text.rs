//! The URL of a PostgreSQL database as text.

use artifact_open::location::percent_encode;

use super::{Host, Target};

/// The port of a URL without one.
const DEFAULT_PORT: u16 = 5432;

impl Target {
    /// Returns the URL, which parses to the same database.
    pub(crate) fn to_url(&self) -> String {
        let mut url = "postgres://".to_owned();
        if let Some(user) = &self.user {
            url += &percent_encode(user, b"");
            url.push('@');
        }
        for (n, (host, port)) in self.hosts.iter().enumerate() {
            if n > 0 {
                url.push(',');
            }
            match host {
                // An IPv6 address (RFC 3986, section 3.2.2).
                Host::Name(name) if name.contains(':') => {
                    url += &format!("[{}]", percent_encode(name, b":"));
                }
                Host::Name(name) | Host::Folder(name) => url += &percent_encode(name, b""),
            }
            if *port != DEFAULT_PORT {
                url += &format!(":{port}");
            }
        }
        url.push('/');
        url += &percent_encode(&self.database, b"");
        if self.encrypted {
            url += "?sslmode=verify-full";
        }
        url
    }
}
