use artifact_store::{DatabaseUrl, ErrorKind, rows};

fn refused(text: &str) -> (ErrorKind, String) {
    let error = DatabaseUrl::parse(text).unwrap_err();
    (error.kind(), error.detail().to_owned())
}

#[test]
fn memory_has_no_path() {
    assert_eq!(DatabaseUrl::parse("mem:").unwrap().path(), None);
}

#[cfg(feature = "sqlite")]
#[test]
fn files_are_named_by_url_or_by_path() {
    use std::path::Path;

    let here = std::env::current_dir().unwrap();
    let cases = [
        (
            "sqlite:///srv/rows.sqlite",
            Path::new("/srv/rows.sqlite").to_owned(),
        ),
        ("SQLITE:/srv/rows.sqlite", "/srv/rows.sqlite".into()),
        (
            "sqlite://localhost/srv/a%20b%2525.db",
            "/srv/a b%25.db".into(),
        ),
        ("/srv/rows", "/srv/rows".into()),
        ("rows.sqlite", here.join("rows.sqlite")),
        ("./a:b.sqlite", here.join("a:b.sqlite")),
        ("../rows.db", here.join("../rows.db")),
    ];
    for (text, expected) in cases {
        let url = DatabaseUrl::parse(text).unwrap();
        assert_eq!(url.path(), Some(&*expected), "{text}");
    }
}

#[test]
fn what_names_no_database_is_refused_with_a_reason() {
    use ErrorKind::{Misconfigured, Unsupported};
    let cases = [
        ("", Misconfigured, "empty"),
        ("mem:x", Misconfigured, "nothing follows"),
        ("sqlite:", Misconfigured, "no path"),
        ("sqlite:rows.sqlite", Misconfigured, "relative"),
        ("sqlite://rows.sqlite", Misconfigured, "three slashes"),
        ("sqlite://rows/db.sqlite", Misconfigured, "three slashes"),
        ("sqlite:///srv/rows?mode=memory", Misconfigured, "query"),
        ("sqlite:///srv/../rows", Misconfigured, ".."),
        ("sqlite:///", Misconfigured, "folder"),
        ("sqlite:///srv/", Misconfigured, "folder"),
        ("/srv/", Misconfigured, "folder"),
        ("..", Misconfigured, "folder"),
        ("~/rows.sqlite", Misconfigured, "shell"),
        (
            "file:///srv/rows.sqlite",
            Misconfigured,
            "file: is not known",
        ),
        ("mysql://host/db", Misconfigured, "mysql: is not known"),
        ("postgres://host/db", Unsupported, "`postgres`"),
        ("postgresql://host/db", Unsupported, "`postgres`"),
    ];
    for (text, kind, reason) in cases {
        let (found, detail) = refused(text);
        assert_eq!(found, kind, "{text}: {detail}");
        assert!(detail.contains(reason), "{text}: {detail}");
    }
}

#[test]
fn a_secret_in_a_url_is_never_repeated() {
    for text in [
        "postgres://user:canary@host/db",
        "postgres://host/db?password=canary",
        "mysql://user:canary@host/db",
        "sqlite://user:canary@host/db",
        "sqlite:///db?key=canary",
        "user:canary@host/db",
    ] {
        let error = DatabaseUrl::parse(text).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{text}: {error}"
        );
    }
    let (kind, detail) = refused("postgres://user:canary@host/db");
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(detail.contains("credentials"), "{detail}");
}

#[tokio::test]
async fn parsing_makes_nothing_and_opening_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let text = format!("sqlite://{}", path.display());
    if cfg!(feature = "sqlite") {
        let url = DatabaseUrl::parse(&text).unwrap();
        assert!(!path.exists());
        let opened = url.open().await.unwrap();
        assert_eq!(opened.rows.experiments().await.unwrap(), []);
        assert!(path.exists());
    } else {
        let (kind, detail) = refused(&text);
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(detail.contains("feature `sqlite`"), "{detail}");
    }
    assert_eq!(
        rows::from_url("mem:")
            .await
            .unwrap()
            .experiments()
            .await
            .unwrap(),
        []
    );
}
