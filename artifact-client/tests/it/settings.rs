use artifact_client::{Client, Credential, ErrorKind};

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
