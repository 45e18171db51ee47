use artifact_client::{Client, Credential, ErrorKind};

#[test]
fn credentials_are_split_at_the_first_colon() {
    let credential: Credential = "wkr_1:a:b".parse().unwrap();
    assert_eq!(credential.principal(), Some("wkr_1"));
}

#[test]
fn invalid_credentials_are_rejected_without_repeating_the_secret() {
    for text in [
        "admin",
        ":secret",
        "admin:",
        "admin:can ary",
        "ad min:canary",
        "admin:canary\n",
        "admin:canarý",
    ] {
        let error = text.parse::<Credential>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        assert!(!format!("{error} {error:?}").contains("canar"), "{error:?}");
    }
}

#[test]
fn debug_shows_the_principal_but_not_the_secret() {
    let credential = Credential::new("admin", "canary").unwrap();
    let builder = Client::builder("http://127.0.0.1:1", "e", credential.clone());
    let client = builder.clone().build().unwrap();
    let shown = format!("{credential:?} {builder:?} {client:?}");
    assert!(shown.contains("admin"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}
