//! Host names, for the crates that open connections.

#[cfg(feature = "blocking")]
use std::io;
use std::net::IpAddr;
#[cfg(feature = "blocking")]
use std::net::{SocketAddr, ToSocketAddrs as _};

/// Returns whether a host is `localhost`, in any case, or a loopback IP address. An IPv6 address may be in square
/// brackets, as in a URL (RFC 3986, section 3.2.2). No name is resolved.
pub fn is_loopback(host: &str) -> bool {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address = bracketed.unwrap_or(host).parse::<IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| {
        address.is_loopback()
    })
}

/// Looks up the addresses of a host name on tokio's blocking pool, in the order in which the operating
/// system sorts them. The port is 0.
///
/// The look-ups of tokio and hyper panic if no thread can be started. This one returns an error.
#[cfg(feature = "blocking")]
pub async fn look_up(name: String) -> io::Result<Vec<SocketAddr>> {
    let look_up = move || Ok((name, 0).to_socket_addrs()?.collect());
    let found = crate::blocking::run(look_up).await;
    found.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_localhost_and_loopback_addresses_stay_on_this_machine() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "localhost",
            "LocalHost",
            "::1",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "10.0.0.1",
            "localhost.example.com",
            "[::2]",
            "",
            "127.0.0.1.nip.io",
            "[::1",
            "[localhost]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
