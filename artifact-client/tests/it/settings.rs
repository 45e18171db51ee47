use artifact_client::{Client, Credential, ErrorKind};

fn build(url: &str, experiment: &str) -> Result<Client, artifact_client::Error> {
    let credential = Credential::new("admin", "secret").unwrap();
    Client::builder(url, experiment, credential).build()
}

#[test]
fn an_address_that_is_none_is_refused_with_what_to_write() {
    for (url, said) in [
        ("", "like http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "like http://127.0.0.1:8080"),
        ("localhost:8080", "like http://127.0.0.1:8080"),
        ("ftp://host", "like http://127.0.0.1:8080"),
        ("http://admin:canary@host", "does not belong"),
        ("http://host/?x", "neither a query nor a fragment"),
        ("http://host/#x", "neither a query nor a fragment"),
        #[cfg(not(feature = "tls"))]
        ("https://host", "feature `tls`"),
    ] {
        let error = build(url, "default").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(error.to_string().contains(said), "{url}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
    }
}

#[test]
fn an_experiment_that_would_need_an_escape_is_refused() {
    for experiment in ["", ".", "..", "a/b", "a b", "%41", "é", &"x".repeat(129)] {
        let error = build("http://127.0.0.1:8080", experiment).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{experiment}");
    }
    build("http://127.0.0.1:8080/prefix/", &"x".repeat(128)).unwrap();
}

#[cfg(feature = "tls")]
#[test]
fn an_https_address_is_taken() {
    build("https://host", "default").unwrap();
}
