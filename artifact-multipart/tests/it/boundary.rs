//! The request's `Content-Type`.

use artifact_multipart::{Boundary, Error};

fn read(content_type: &str) -> Result<String, Error> {
    let boundary = Boundary::from_content_type(content_type.as_bytes())?;
    Ok(String::from_utf8(boundary.as_bytes().to_vec()).unwrap())
}

#[test]
fn boundaries_are_read() {
    let longest = "b".repeat(70);
    for (content_type, expected) in [
        ("multipart/form-data; boundary=a", "a"),
        ("multipart/form-data;boundary=a", "a"),
        ("multipart/form-data ;\tboundary=a", "a"),
        ("multipart/form-data ; boundary=\"a\" ", "a"),
        ("Multipart/Form-Data; charset=utf-8; Boundary=\"a\"", "a"),
        ("multipart/form-data; boundary=a;", "a"),
        ("multipart/form-data; x=\"; boundary=b\"; boundary=a", "a"),
        (
            "multipart/form-data; boundary=\"a b:c/d=e?f\"",
            "a b:c/d=e?f",
        ),
        ("multipart/form-data; boundary=*****", "*****"),
        ("multipart/form-data; boundary=--", "--"),
        (
            &format!("multipart/form-data; boundary={longest}"),
            &longest,
        ),
    ] {
        assert_eq!(
            read(content_type).as_deref(),
            Ok(expected),
            "{content_type}"
        );
    }
}

#[test]
fn invalid_content_types_are_refused() {
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    for (content_type, error) in [
        ("", Error::NotFormData),
        ("multipart", Error::NotFormData),
        ("application/json", Error::NotFormData),
        ("multipart/mixed; boundary=a", Error::NotFormData),
        ("multipart/form-data, x; boundary=a", Error::NotFormData),
        ("multipart/form-data", Error::NoBoundary),
        ("multipart/form-data;", Error::NoBoundary),
        ("multipart/form-data; x=\"boundary=a\"", Error::NoBoundary),
        ("multipart/form-data; boundary*=a", Error::NoBoundary),
        ("multipart/form-data; boundary", Error::MalformedContentType),
        (
            "multipart/form-data; boundary=",
            Error::MalformedContentType,
        ),
        (
            "multipart/form-data; boundary=a b",
            Error::MalformedContentType,
        ),
        (
            "multipart/form-data; boundary=a:b",
            Error::MalformedContentType,
        ),
        (
            "multipart/form-data; boundary=\"a",
            Error::MalformedContentType,
        ),
        (
            "multipart/form-data; boundary=\"a\"b",
            Error::MalformedContentType,
        ),
        (
            "multipart/form-data; boundary=a; boundary=a",
            Error::DuplicateBoundary,
        ),
        (
            "multipart/form-data; boundary=a; Boundary=b",
            Error::DuplicateBoundary,
        ),
        ("multipart/form-data; boundary=\"\"", Error::InvalidBoundary),
        (
            "multipart/form-data; boundary=\"a \"",
            Error::InvalidBoundary,
        ),
        (
            "multipart/form-data; boundary=\"a\tb\"",
            Error::InvalidBoundary,
        ),
        (
            "multipart/form-data; boundary=\"ä\"",
            Error::InvalidBoundary,
        ),
        (
            "multipart/form-data; boundary=\"a\\\"b\"",
            Error::InvalidBoundary,
        ),
        (&long, Error::InvalidBoundary),
    ] {
        assert_eq!(read(content_type), Err(error), "{content_type}");
    }
}
