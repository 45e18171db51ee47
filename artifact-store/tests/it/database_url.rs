use artifact_store::{Database, DatabaseUrl, ErrorKind};

/// Asserts that what `Display` and serde write parses to the same value, and returns it.
fn round_trip(text: &str) -> String {
    let url: DatabaseUrl = text.parse().unwrap();
    let shown = url.to_string();
    assert_eq!(
        shown.parse::<DatabaseUrl>().unwrap(),
        url,
        "{text:?}: {shown}"
    );
    #[cfg(feature = "serde")]
    {
        let json = serde_json::to_string(&url).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), shown);
        assert_eq!(serde_json::from_str::<DatabaseUrl>(&json).unwrap(), url);
    }
    shown
}

#[test]
fn memory_is_shown_as_mem() {
    assert_eq!(round_trip("MEM:"), "mem:");
}

#[cfg(feature = "sqlite")]
#[test]
fn database_files_are_shown_as_urls_unless_a_url_cannot_name_them() {
    for (text, shown) in [
        ("/srv/rows.sqlite", "sqlite:///srv/rows.sqlite"),
        ("SQLITE:/srv/a%20b%2525.db", "sqlite:///srv/a%20b%2525.db"),
        ("/srv/a:b?#.db", "sqlite:///srv/a:b%3F%23.db"),
        ("/srv/../rows.db", "/srv/../rows.db"),
    ] {
        assert_eq!(round_trip(text), shown);
    }
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_urls_are_shown_in_one_form_without_the_password() {
    for (text, shown) in [
        ("POSTGRESQL://u@h:5432/db", "postgres://u@h/db"),
        (
            "postgres://h:6543/db?user=u%40v",
            "postgres://u%40v@h:6543/db",
        ),
        (
            "postgres://u@a:1,b:2,[::1]/d%2Fb",
            "postgres://u@a:1,b:2,[::1]/d%2Fb",
        ),
        (
            "postgres://u@/db?host=/run/a,b",
            "postgres://u@%2Frun%2Fa,b/db",
        ),
        (
            "postgres://u@%2Frun%2Ca:7/db",
            "postgres://u@%2Frun%2Ca:7/db",
        ),
        (
            "postgres://[fe80::1%25eth0]:7/db",
            "postgres://[fe80::1%25eth0]:7/db",
        ),
    ] {
        assert_eq!(round_trip(text), shown);
        let with_password = DatabaseUrl::parse(text).unwrap().with_password("canary");
        assert_eq!(with_password.to_string(), shown);
        #[cfg(feature = "serde")]
        assert!(
            !serde_json::to_string(&with_password)
                .unwrap()
                .contains("canary")
        );
    }
}

#[cfg(feature = "postgres-tls")]
#[test]
fn urls_with_tls_are_shown_in_one_form() {
    for (text, shown) in [
        (
            "postgres://h/db?sslmode=require",
            "postgres://h/db?sslmode=verify-full",
        ),
        (
            "postgres://h/db?sslmode=verify-full&sslrootcert=system",
            "postgres://h/db?sslmode=verify-full",
        ),
        (
            "postgres://h/db?sslrootcert=/a%20b%26.pem&sslmode=prefer",
            "postgres://h/db?sslmode=prefer&sslrootcert=/a%20b%26.pem",
        ),
        (
            "postgres://u@/db?host=/run&sslmode=prefer",
            "postgres://u@%2Frun/db?sslmode=prefer",
        ),
    ] {
        assert_eq!(round_trip(text), shown);
    }
}

#[cfg(all(feature = "postgres", not(feature = "postgres-tls")))]
#[test]
fn tls_to_the_database_needs_its_feature() {
    for mode in ["prefer", "require", "verify-full"] {
        let (kind, detail) = refused(&format!("postgres://host/db?sslmode={mode}"));
        assert_eq!(kind, ErrorKind::Unsupported, "{mode}: {detail}");
        assert!(detail.contains("feature `postgres-tls`"), "{detail}");
    }
}

proptest::proptest! {
    #[test]
    fn every_database_that_parses_is_shown_as_a_text_that_parses_to_it(
        text in r#"(\./|/|\.\./|sqlite://+|)[a-z ~.:@?#%\\ü&+'"=/]{0,12}"#
    ) {
        if text.parse::<DatabaseUrl>().is_ok() {
            round_trip(&text);
        }
    }

    #[test]
    fn every_server_that_parses_is_shown_as_a_text_that_parses_to_it(
        text in r"postgres://([a-zü%4@:]{0,6}@)?[a-b:%F2\[\].,1]{0,10}/[a-zü%2]{1,6}(\?(host|port|user)=[/:a1,%]{0,8})?"
    ) {
        if text.parse::<DatabaseUrl>().is_ok() {
            round_trip(&text);
        }
    }
}

fn refused(text: &str) -> (ErrorKind, String) {
    let error = DatabaseUrl::parse(text).unwrap_err();
    (error.kind(), error.detail().to_owned())
}

#[test]
fn memory_urls_have_no_path() {
    assert_eq!(DatabaseUrl::parse("mem:").unwrap().path(), None);
}

#[cfg(feature = "sqlite")]
#[test]
fn database_files_are_parsed_from_urls_and_paths() {
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
fn invalid_database_urls_are_rejected_with_a_reason() {
    use ErrorKind::Misconfigured;
    let cases = [
        ("", Misconfigured, "empty"),
        ("mem:x", Misconfigured, "nothing may follow"),
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
    ];
    for (text, kind, reason) in cases {
        let (found, detail) = refused(text);
        assert_eq!(found, kind, "{text}: {detail}");
        assert!(detail.contains(reason), "{text}: {detail}");
    }
}

#[cfg(not(feature = "postgres"))]
#[test]
fn postgres_needs_its_feature() {
    for text in ["postgres://host/db", "postgresql://host/db"] {
        let (kind, detail) = refused(text);
        assert_eq!(kind, ErrorKind::Unsupported, "{text}: {detail}");
        assert!(detail.contains("feature `postgres`"), "{text}: {detail}");
    }
}

#[cfg(feature = "postgres")]
#[test]
fn equivalent_postgres_urls_are_equal() {
    let same = [
        "postgres://u@h/db",
        "POSTGRESQL://u@h:5432/db",
        "postgres://h/db?user=u",
        "postgres://u@/db?host=h&port=5432&sslmode=disable",
        "postgres://%75@%68/%64b",
    ];
    let first = DatabaseUrl::parse(same[0]).unwrap();
    for text in same {
        assert_eq!(DatabaseUrl::parse(text).unwrap(), first, "{text}");
    }
    let same = [
        "postgres://u@%2Frun%2Fpostgresql/db",
        "postgres://u@/db?host=/run/postgresql",
        "postgres://u@:5432/db?host=%2Frun/postgresql",
    ];
    let socket = DatabaseUrl::parse(same[0]).unwrap();
    for text in same {
        assert_eq!(DatabaseUrl::parse(text).unwrap(), socket, "{text}");
    }
    let same = [
        "postgres://u@a:1,b:2,[::1]/db",
        "postgres://u@/db?host=a,b,::1&port=1,2,5432",
        "postgres://u@/db?port=1,2,5432&host=a,b,[::1]",
    ];
    let several = DatabaseUrl::parse(same[0]).unwrap();
    for text in same {
        assert_eq!(DatabaseUrl::parse(text).unwrap(), several, "{text}");
    }
    assert_ne!(socket, first);
    for text in [
        "postgres://[::1]:5432/db",
        "postgres://u@[::1]/db",
        "postgres://a_b.c-d/db",
    ] {
        assert_ne!(DatabaseUrl::parse(text).unwrap(), first, "{text}");
        assert_eq!(DatabaseUrl::parse(text).unwrap().path(), None);
    }
}

#[cfg(feature = "postgres")]
#[test]
fn invalid_postgres_urls_are_rejected_with_a_reason() {
    let cases = [
        ("postgres:", "two slashes"),
        ("postgres:host/db", "two slashes"),
        ("postgres://", "no database"),
        ("postgres://host", "no database"),
        ("postgres://host/", "no database"),
        ("postgres:///db", "no host"),
        ("postgres://@host/db", "no user"),
        ("postgres://u:canary@host/db", "PGPASSWORD"),
        ("postgres://u:@host/db", "PGPASSWORD"),
        ("postgres://host/db?password=canary", "PGPASSWORD"),
        ("postgres://host:0/db", "1 to 65535"),
        ("postgres://host:65536/db", "1 to 65535"),
        ("postgres://host:+1/db", "1 to 65535"),
        ("postgres://host:/db", "1 to 65535"),
        ("postgres://a,/db", "no host"),
        ("postgres://a,b:0/db", "1 to 65535"),
        ("postgres://a,b c/db", "one name"),
        ("postgres://a,b,c/db?port=1,2", "one port"),
        ("postgres://a,%2Frun/db?sslmode=require", "Unix"),
        ("postgres://a b/db", "one name"),
        ("postgres://host/db/x", "slash"),
        ("postgres://host/db#x", "%23"),
        ("postgres://host/%zz", "%25"),
        ("postgres://host/a%00", "control character"),
        ("postgres://host/db?options=-c%20fsync=off", "only host"),
        ("postgres://host/db?sslmode=verify-ca", "verify-full"),
        ("postgres://host/db?sslmode=allow", "verify-full"),
        ("postgres://host/db?sslmode=", "verify-full"),
        ("postgres:///db?host=/run&sslmode=require", "Unix"),
        (
            "postgres://host/db?sslrootcert=/ca.pem",
            "add sslmode=verify-full",
        ),
        (
            "postgres://host/db?sslmode=disable&sslrootcert=/ca.pem",
            "add sslmode=verify-full",
        ),
        (
            "postgres://host/db?sslmode=require&sslrootcert=ca.pem",
            "absolute",
        ),
        ("postgres://host/db?sslmode=require&sslrootcert=", "no file"),
    ];
    for (text, reason) in cases {
        let (_, detail) = refused(text);
        assert!(detail.contains(reason), "{text}: {detail}");
        assert!(!detail.contains("canary"), "{detail}");
    }
}

#[test]
fn errors_never_repeat_secrets_in_urls() {
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
    let reason = if cfg!(feature = "postgres") {
        "password"
    } else {
        "credentials"
    };
    assert!(detail.contains(reason), "{detail}");
}

#[tokio::test]
async fn parsing_creates_nothing_and_opening_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let text = format!("sqlite://{}", path.display());
    if cfg!(feature = "sqlite") {
        let url = DatabaseUrl::parse(&text).unwrap();
        assert!(!path.exists());
        let opened = url.open().await.unwrap();
        assert_eq!(opened.catalog.experiments().await.unwrap(), []);
        assert!(path.exists());
    } else {
        let (kind, detail) = refused(&text);
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(detail.contains("feature `sqlite`"), "{detail}");
    }
    assert_eq!(
        Database::from_url("mem:")
            .await
            .unwrap()
            .catalog
            .experiments()
            .await
            .unwrap(),
        []
    );
}
