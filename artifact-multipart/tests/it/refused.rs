//! Invalid bodies, each with its reason.

use artifact_multipart::{Boundary, Error, Parser};
use bytes::Bytes;

use crate::support::{BOUNDARY, FILE, body, disposition, parse};

#[track_caller]
fn refused(body: impl AsRef<[u8]>, error: Error) {
    let body = body.as_ref();
    assert_eq!(parse(body), Err(error), "{}", body.escape_ascii());
}

#[test]
fn bare_line_breaks_are_refused() {
    let good = String::from_utf8(body(FILE, b"bytes")).unwrap();
    let head_end = good.find("bytes").unwrap();
    // Each CRLF of the delimiter and the header in turn, as a bare LF.
    let breaks: Vec<_> = good[..head_end].match_indices("\r\n").collect();
    assert_eq!(breaks.len(), 3);
    for (at, _) in breaks {
        let bare = [&good[..at], &good[at + 1..]].concat();
        refused(&bare, Error::BareLineBreak);
    }
    let dashed = format!("--{BOUNDARY}");
    for file in ["", "bytes"] {
        for line_break in ["\r", "\n"] {
            for after in ["", "--", "--\r\n", "\r\n", " ", "\t\n"] {
                let file = format!("{file}{line_break}{dashed}{after}");
                refused(body(FILE, file.as_bytes()), Error::BareLineBreak);
            }
        }
    }
    refused(format!("preamble\n{good}"), Error::BareLineBreak);
    refused(
        good.replace("name=\"file\"", "name=\"file\r\""),
        Error::BareLineBreak,
    );
    refused(
        good.replace("\r\n\r\nbytes", "\n\nbytes"),
        Error::BareLineBreak,
    );
}

#[test]
fn misplaced_and_malformed_delimiters_are_refused() {
    let good = String::from_utf8(body(FILE, b"bytes")).unwrap();
    let dashed = format!("--{BOUNDARY}");
    refused(format!("x{good}"), Error::MisplacedDelimiter);
    refused(format!("preamble\r\n {good}"), Error::MisplacedDelimiter);
    refused(format!("preamble\r{good}"), Error::MisplacedDelimiter);
    // The file's first line has no line break in front of it.
    refused(
        body(FILE, format!("{dashed}--").as_bytes()),
        Error::MisplacedDelimiter,
    );
    refused(
        good.replacen(&dashed, &format!("{dashed}x"), 1),
        Error::MalformedDelimiter,
    );
    refused(
        good.replacen(&dashed, &format!("{dashed} x"), 1),
        Error::MalformedDelimiter,
    );
    for after in ["x", "x--", "-", "-x", "-\r\n"] {
        let file = format!("\r\n{dashed}{after}");
        refused(body(FILE, file.as_bytes()), Error::MalformedDelimiter);
    }
}

#[test]
fn anything_but_one_part_is_refused() {
    let good = body(FILE, b"bytes");
    let field = "Content-Disposition: form-data; name=\"note\"\r\n";
    let two = |first: &str, second: &str| {
        let first = body(first, b"1");
        let end = first.len() - "--\r\n".len();
        [&first[..end], &body(second, b"2")[2 + BOUNDARY.len()..]].concat()
    };
    refused(format!("--{BOUNDARY}--\r\n"), Error::NoPart);
    refused(two(FILE, FILE), Error::MoreThanOnePart);
    refused(two(FILE, field), Error::MoreThanOnePart);
    refused(two(field, FILE), Error::WrongName("file"));
    for more in [&b"x"[..], b"--", b"\0", b"\r\nepilogue", &good] {
        refused([&good[..], more].concat(), Error::TrailingBytes);
    }
    for end in 0..good.len() - 2 {
        refused(&good[..end], Error::Truncated);
    }
    let other = String::from_utf8(good).unwrap().replace(BOUNDARY, "other");
    refused(other, Error::Truncated);
}

#[test]
fn duplicate_fields_are_refused() {
    for line in [
        "Content-Disposition: form-data; name=\"x\"",
        "content-disposition: attachment",
        "Content-Type: a/b\r\nContent-Type: a/b",
        "Content-Type: a/b\r\nCONTENT-TYPE: c/d",
        "Content-Transfer-Encoding: binary\r\nContent-Transfer-Encoding: 8bit",
        "Content-Digest: md5=:AA==:\r\nContent-Digest: sha-256=:AA==:",
        "Repr-Digest: md5=:AA==:\r\nrepr-digest: sha-256=:AA==:",
    ] {
        refused(
            body(&format!("{FILE}{line}\r\n"), b""),
            Error::DuplicateField,
        );
    }
}

#[test]
fn malformed_header_lines_are_refused() {
    for line in [
        "nonsense",
        ": no name",
        "Space-Before : x",
        "In Name: x",
        "N\u{e4}me: x",
        "Nul: a\0b",
        "Control: a\u{b}b",
        "Delete: a\u{7f}b",
        "Fold-Of-Blanks: x\r\n \t",
    ] {
        refused(
            body(&format!("{FILE}{line}\r\n"), b""),
            Error::MalformedHeader,
        );
    }
    refused(body(&format!(" {FILE}"), b""), Error::MalformedHeader);
    let many = "X-Same: y\r\n".repeat(32);
    refused(body(&format!("{FILE}{many}"), b""), Error::TooManyFields);
}

#[test]
fn wrong_dispositions_are_refused() {
    refused(body("", b""), Error::NoDisposition);
    refused(
        body("Content-Type: text/plain\r\n", b""),
        Error::NoDisposition,
    );
    for value in [
        "",
        "attachment; name=\"file\"; filename=\"f\"",
        "file; name=\"file\"",
    ] {
        refused(disposition(value), Error::WrongDisposition);
    }
    let file = "name=\"file\"; filename=\"f\"";
    for (parameters, error) in [
        ("", Error::WrongName("file")),
        ("filename=\"f\"", Error::WrongName("file")),
        ("name=\"File\"; filename=\"f\"", Error::WrongName("file")),
        ("name=\"\"; filename=\"f\"", Error::WrongName("file")),
        (
            "name*=UTF-8''file; filename=\"f\"",
            Error::WrongName("file"),
        ),
        ("name=\"file\"", Error::NoFileName("file")),
        (
            "name=\"file\"; filename*=UTF-8''f",
            Error::NoFileName("file"),
        ),
        ("name=\"file\"; filename*0=\"f\"", Error::NoFileName("file")),
        (
            "name=\"file\"; x=\"; filename=evil\"",
            Error::NoFileName("file"),
        ),
        (&format!("{file}; name=\"file\""), Error::DuplicateParameter),
        (
            &format!("{file}; NAME=\"other\""),
            Error::DuplicateParameter,
        ),
        (
            &format!("{file}; filename=\"g\""),
            Error::DuplicateParameter,
        ),
        (
            "name=\"file\"; filename=\"a\\\"; filename=\"b\"",
            Error::DuplicateParameter,
        ),
        ("name=\"file\"; filename=\"f", Error::MalformedDisposition),
        (
            "name=\"file\"; filename=\"f\"g",
            Error::MalformedDisposition,
        ),
        (
            "name=\"file\"; filename=\"a\"b\"",
            Error::MalformedDisposition,
        ),
        ("name=\"file\" filename=\"f\"", Error::MalformedDisposition),
        ("name=\"file\", filename=\"f\"", Error::MalformedDisposition),
        (
            "x=\"\\\"; name=\"file\"; filename=\"f\"",
            Error::MalformedDisposition,
        ),
        (
            "name =\"file\"; filename=\"f\"",
            Error::MalformedDisposition,
        ),
        (
            "name= \"file\"; filename=\"f\"",
            Error::MalformedDisposition,
        ),
        ("name=\"file\"; filename=", Error::MalformedDisposition),
        ("name=\"file\"; filename", Error::MalformedDisposition),
        ("name=\"file\"; filename=a b", Error::MalformedDisposition),
        ("name='file'; filename=\"f\"", Error::WrongName("file")),
    ] {
        refused(disposition(format!("form-data; {parameters}")), error);
    }
    let latin_1 = b"form-data; name=\"file\"; filename=\"na\xefve\"";
    refused(disposition(latin_1), Error::FileNameNotUtf8);
    assert_eq!(
        Error::FileNameNotUtf8.to_string(),
        "the file name is not UTF-8"
    );
}

#[test]
fn encodings_that_change_bytes_are_refused() {
    for encoding in ["base64", "quoted-printable", "gzip", "", "binary, binary"] {
        let header = format!("{FILE}Content-Transfer-Encoding: {encoding}\r\n");
        refused(body(&header, b"bytes"), Error::TransferEncoding);
    }
}

/// How many bytes are taken before the error, in chunks of this length.
fn taken(body: &[u8], length: usize, expected: Error) -> usize {
    let mut parser = Parser::new(&Boundary::new(BOUNDARY.as_bytes()).unwrap());
    for (count, chunk) in body.chunks(length).enumerate() {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match parser.parse(&mut chunk) {
                Ok(None) => break,
                Ok(Some(_)) => {}
                Err(error) => {
                    assert_eq!(error, expected, "{}", body[..50].escape_ascii());
                    return (count + 1) * length;
                }
            }
        }
    }
    panic!("the body was accepted");
}

#[test]
fn hostile_bodies_are_refused_within_16_kib() {
    let open = format!("--{BOUNDARY}\r\n");
    let start = format!("{open}Content-Disposition: form-data; name=\"file\"");
    let whole = String::from_utf8(body(FILE, b"")).unwrap();
    for (head, filler, error) in [
        ("", "p", Error::TooMuchOverhead),
        ("", "\r\n", Error::TooMuchOverhead),
        ("", "\n", Error::TooMuchOverhead),
        ("", "-", Error::TooMuchOverhead),
        ("", "--b0undar", Error::TooMuchOverhead),
        ("", &open[..open.len() - 2], Error::TooMuchOverhead),
        ("", &format!("x{open}"), Error::MisplacedDelimiter),
        (&open, "h", Error::TooMuchOverhead),
        (&format!("{open}x: "), "h", Error::TooMuchOverhead),
        (&format!("{open}x: y"), "\r\n z", Error::TooMuchOverhead),
        (&open, "x: y\r\n", Error::TooManyFields),
        (
            &format!("{start}; filename=\""),
            "f",
            Error::TooMuchOverhead,
        ),
        (
            &format!("{start}; filename=\""),
            "\\\"",
            Error::TooMuchOverhead,
        ),
        (
            &format!("{start}; filename*="),
            "%41",
            Error::TooMuchOverhead,
        ),
        (&start, ";x=y", Error::TooMuchOverhead),
        (&start, ";", Error::TooMuchOverhead),
        (&whole, " ", Error::TooMuchOverhead),
        (&whole, "\r\n", Error::TooMuchOverhead),
        (&whole, "x", Error::TrailingBytes),
        (&whole, &whole, Error::TrailingBytes),
        (
            &format!("{open}{FILE}\r\n"),
            &format!("\r\n{open}"),
            Error::MoreThanOnePart,
        ),
    ] {
        let filler = filler.as_bytes().iter().cycle().take(1 << 20);
        let body: Vec<u8> = head.bytes().chain(filler.copied()).collect();
        for length in [1, 7, 4096] {
            let taken = taken(&body, length, error);
            assert!(taken <= (16 << 10) + length, "{taken} bytes: {error}");
        }
    }
}

#[test]
fn an_error_is_returned_again_by_every_later_call() {
    let mut parser = Parser::new(&Boundary::new(BOUNDARY.as_bytes()).unwrap());
    let body = format!("--{BOUNDARY}\r\nContent-Type: text/plain\n");
    let error = parser.parse(&mut body.into()).unwrap_err();
    assert_eq!(error, Error::BareLineBreak);
    assert_eq!(parser.parse(&mut Bytes::new()), Err(error));
    assert_eq!(parser.finish(), Err(error));
}
