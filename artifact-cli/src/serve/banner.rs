//! Ready-to-paste commands, printed when the server has started.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use artifact_server::Address;

use super::admin_token::TokenPlace;
use super::plan::ServePlan;
use crate::output::shell_word;
use crate::settings::{DEFAULT_EXPERIMENT, DEFAULT_SERVER};

/// Returns three commands that work unchanged in the folder and the environment of the server. None of
/// them contains the token. If the token is elsewhere, a line says where. With a page, its address follows.
pub(crate) fn text(
    plan: &ServePlan<'_>,
    token: &TokenPlace,
    address: &Address,
    has_page: bool,
) -> String {
    let (url, socket) = match address {
        Address::Tcp { address, tls } => {
            let address = reachable(*address);
            let address = Address::Tcp { address, tls: *tls };
            (address.to_string(), None)
        }
        Address::Unix(path) => ("http://localhost".to_owned(), Some(path)),
    };
    let program = shell_word(&program());
    let experiment = plan
        .store
        .settings
        .experiments
        .first()
        .map_or("", |id| id.as_str());

    let mut options = String::new();
    if url != DEFAULT_SERVER {
        options = format!("{options} --server {url}");
    }
    if experiment != DEFAULT_EXPERIMENT {
        options = format!("{options} --experiment {experiment}");
    }
    let mut note = String::new();
    let token = match token {
        TokenPlace::File(path) => {
            let path = shell_word(&path.to_string_lossy());
            options = format!("{options} --admin-token-file {path}");
            format!("$(cat {path})")
        }
        // `put` and `get` read the variable themselves if it is exported.
        TokenPlace::Environment => "$ARTIFACT_ADMIN_TOKEN".to_owned(),
        TokenPlace::Elsewhere(kept_in) => {
            note = format!(
                "The admin token is that of the database, which all its servers accept. It is in {kept_in}\n\
                 Put it into ARTIFACT_ADMIN_TOKEN first.\n"
            );
            "$ARTIFACT_ADMIN_TOKEN".to_owned()
        }
    };
    if let Some(path) = socket {
        // `put` and `get` connect by TCP only.
        let path = shell_word(&path.to_string_lossy());
        return format!(
            "{note}To deposit with curl:\n\
             \x20 echo hello | curl --unix-socket {path} -H \"Authorization: Bearer admin:{token}\" \
             -H 'X-Eden-Experiment-Id: {experiment}' -F 'file=@-;filename=hello.txt' \
             {url}/v0/experiments/{experiment}/artifacts"
        );
    }
    let page = if has_page {
        format!("\nTo do it in a browser: {url}/ui/")
    } else {
        String::new()
    };
    format!(
        "{note}To deposit, to fetch, and to deposit with curl:\n\
         \x20 uri=$(echo hello | {program} put{options} -)\n\
         \x20 {program} get{options} -o - \"$uri\"\n\
         \x20 echo hello | curl -H \"Authorization: Bearer admin:{token}\" \
         -H 'X-Eden-Experiment-Id: {experiment}' -F 'file=@-;filename=hello.txt' \
         {url}/v0/experiments/{experiment}/artifacts{page}"
    )
}

/// Returns the name that this program was called by, so that a pasted line calls the same program.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    if called.is_empty() {
        "artifact".to_owned()
    } else {
        called.to_string_lossy().into_owned()
    }
}

/// Returns an address that clients on this machine can connect to: the unspecified address includes
/// the loopback address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => return address,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
