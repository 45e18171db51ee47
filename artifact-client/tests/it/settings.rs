use artifact_client::{Client, Credential, ErrorKind};

use crate::server::{response, server_replying};

fn build(url: &str, experiment: &str) -> Result<Client, artifact_client::Error> {
    let credential = Credential::new("admin", "secret").unwrap();
    Client::builder(url, experiment, credential).build()
}

#[test]
fn invalid_addresses_are_rejected_with_advice() {
    for (url, advice) in [
        ("", "like http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "like http://127.0.0.1:8080"),
        ("localhost:8080", "like http://127.0.0.1:8080"),
        ("ftp://host", "like http://127.0.0.1:8080"),
        ("http://admin:canary@host", "pass the credential separately"),
        ("http://host/?x", "must not have a query or a fragment"),
        ("http://host/#x", "must not have a query or a fragment"),
        #[cfg(not(feature = "tls"))]
        ("https://host", "feature `tls`"),
    ] {
        let error = build(url, "default").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(error.to_string().contains(advice), "{url}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
    }
}

#[test]
fn experiment_ids_that_need_an_escape_are_rejected() {
    for experiment in ["", ".", "..", "a/b", "a b", "%41", "é", &"x".repeat(129)] {
        let error = build("http://127.0.0.1:8080", experiment).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{experiment}");
    }
    build("http://127.0.0.1:8080/prefix/", &"x".repeat(128)).unwrap();
}

#[cfg(feature = "tls")]
#[test]
fn https_addresses_are_accepted_with_the_tls_feature() {
    build("https://host", "default").unwrap();
}

/// The tests are built like a program in which another crate enables TLS and decompression in reqwest.
#[tokio::test]
async fn compressed_responses_are_rejected_although_another_crate_enables_decompression() {
    let reply = response("200 OK", "content-encoding: gzip\r\n", "hello");
    let (client, _served) = server_replying(reply).await;
    let fetched = client.fetch("eden://artifacts/1").await;
    let error = fetched.map(|fetched| fetched.size).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("compressed"), "{error}");
}

#[test]
fn the_client_leaves_the_choice_of_a_crypto_provider_to_the_program() {
    build("http://127.0.0.1:8080", "default").unwrap();
    let installed = rustls::crypto::CryptoProvider::get_default();
    assert!(installed.is_none());
}

#[test]
fn the_default_stall_timeout_is_longer_than_the_commit_timeout_of_a_server() {
    let client = build("http://127.0.0.1:8080", "default").unwrap();
    let shown = format!("{client:?}");
    assert!(shown.contains("stall_timeout: 120s"), "{shown}");
}
