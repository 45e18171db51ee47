use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::harness::{BINARY, Server};

#[test]
fn the_printed_address_has_the_chosen_port() {
    let server = Server::start(&[]);
    let port: u16 = server
        .url
        .strip_prefix("http://127.0.0.1:")
        .unwrap()
        .parse()
        .unwrap();
    assert_ne!(port, 0);
    drop(server.connect());
}

#[test]
fn the_ready_descriptor_gets_the_address_line() {
    let folder = tempfile::tempdir().unwrap();
    // The shell puts descriptor 7 onto its own standard output, and that onto standard error.
    let script = format!("exec {BINARY} serve --listen 127.0.0.1:0 --ready-fd 7 7>&1 1>&2");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.starts_with("listening on http://127.0.0.1:"),
        "{line:?}"
    );
}
