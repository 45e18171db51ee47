//! Lines to paste: what to do with a server that has just started.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use artifact_server::Address;

use super::plan::Plan;
use crate::output::shell_word;
use crate::settings::Key;

/// Three commands that work as they stand, in the folder and the environment of the server. None of
/// them holds the token.
pub(crate) fn text(plan: &Plan, address: &Address) -> String {
    let (url, socket) = match address {
        Address::Tcp { address, tls } => {
            let address = reachable(*address);
            let address = Address::Tcp { address, tls: *tls };
            (address.to_string(), None)
        }
        Address::Unix(path) => ("http://localhost".to_owned(), Some(path)),
    };
    let program = shell_word(&program());
    let experiment = plan.experiments.first().map_or("", |id| id.as_str());

    let mut options = String::new();
    if url != Key::Server.setting().default.unwrap_or_default() {
        options = format!("{options} --server {url}");
    }
    if experiment != Key::Experiment.setting().default.unwrap_or_default() {
        options = format!("{options} --experiment {experiment}");
    }
    let token = match plan.token.path() {
        Some(path) => {
            let path = shell_word(&path.to_string_lossy());
            options = format!("{options} --admin-token-file {path}");
            format!("$(cat {path})")
        }
        // Both commands read the variable themselves; it must be exported for them.
        None => "$ARTIFACT_ADMIN_TOKEN".to_owned(),
    };
    if let Some(path) = socket {
        // put and get speak TCP only.
        let path = shell_word(&path.to_string_lossy());
        return format!(
            "To deposit something by curl:\n\
             \x20 echo hello | curl --unix-socket {path} -H \"Authorization: Bearer admin:{token}\" \
             -H 'X-Eden-Experiment-Id: {experiment}' -F 'file=@-;filename=hello.txt' \
             {url}/v0/experiments/{experiment}/artifacts"
        );
    }
    format!(
        "To deposit something, to fetch it, and to deposit it by curl:\n\
         \x20 uri=$(echo hello | {program} put{options} -)\n\
         \x20 {program} get{options} -o - \"$uri\"\n\
         \x20 echo hello | curl -H \"Authorization: Bearer admin:{token}\" \
         -H 'X-Eden-Experiment-Id: {experiment}' -F 'file=@-;filename=hello.txt' \
         {url}/v0/experiments/{experiment}/artifacts"
    )
}

/// The program as it was called, so that a pasted line calls the same one.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    if called.is_empty() {
        "artifact".to_owned()
    } else {
        called.to_string_lossy().into_owned()
    }
}

/// An address that can be connected to: every address is also this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => return address,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
