//! Valid bodies, and the values read from them.

use std::fmt::Write;

use artifact_multipart::{Boundary, Event, Parser};
use bytes::Bytes;

use crate::support::{BOUNDARY, FILE, body, disposition, parse};

#[test]
fn the_header_and_the_bytes_are_returned() {
    let lines = "Content-Type: text/plain\r\nX-One: 1\r\ncontent-digest:\tsha-256=:AA==: \r\n";
    let (head, file) = parse(&body(&format!("{FILE}{lines}"), b"bytes")).unwrap();
    assert_eq!(head.file_name(), "f.bin");
    assert_eq!(head.content_type(), Some(&b"text/plain"[..]));
    assert_eq!(head.field("content-digest"), Some(&b"sha-256=:AA==:"[..]));
    assert_eq!(head.field("absent"), None);
    let names: Vec<_> = head.fields().map(|(name, _)| name).collect();
    let expected = [
        "content-disposition",
        "content-type",
        "x-one",
        "content-digest",
    ];
    assert_eq!(names, expected);
    assert_eq!(file, b"bytes");
}

#[test]
fn files_may_contain_almost_anything() {
    let boundary = format!("--{BOUNDARY}");
    for file in [
        "",
        "\r\n",
        "\r",
        "\n",
        "\r\n\r\n",
        "\r\r\n",
        "--",
        "\r\n--",
        "\r\n-",
        &boundary[..9],
        &format!("\r\n{}", &boundary[..9]),
        &format!("\n{}", &boundary[..9]),
        &format!("\r{}\r", &boundary[..9]),
        &format!("within a line {boundary}--\r\n and more"),
        &format!("-{boundary}--"),
        &format!("\n{boundary}x"),
        &format!("\r{boundary}x"),
        &format!("{boundary}x"),
        &format!("\r\n-{boundary}--"),
        &format!("{boundary}x").replace("b0", "b1"),
        "\0\u{ff}",
    ] {
        let (_, read) = parse(&body(FILE, file.as_bytes())).unwrap();
        assert_eq!(read, file.as_bytes(), "{file:?}");
    }
}

#[test]
fn file_names_are_read() {
    for (parameters, expected) in [
        ("name=\"file\"; filename=\"a b;c=d\"", "a b;c=d"),
        ("name=file; filename=token.txt", "token.txt"),
        ("filename=\"f\"; name=\"file\"", "f"),
        ("NAME=\"file\"; FileName=\"f\"", "f"),
        ("name=\"file\";filename=\"f\"", "f"),
        ("name=\"file\" ;\t filename=\"f\" ", "f"),
        ("name=\"file\"; filename=\"f\";", "f"),
        ("name=\"file\";; filename=\"f\"", "f"),
        ("name=\"file\"; filename=\"\"", ""),
        ("name=\"file\"; filename=\"näme 文\"", "näme 文"),
        ("name=\"file\"; filename=\"a%22b\"", "a%22b"),
        ("name=\"file\"; filename=\"tab\there\"", "tab\there"),
        // Parameters without a meaning, before and after.
        ("name=\"file\"; filename*=UTF-8''e; filename=\"f\"", "f"),
        ("name=\"file\"; filename=\"f\"; filename*=UTF-8''e", "f"),
        ("name*=UTF-8''x; name=\"file\"; filename=\"f\"", "f"),
        ("name=\"file\"; x=\"; filename=evil\"; filename=\"f\"", "f"),
        ("name=\"file\"; size=3; filename=\"f\"", "f"),
        // Escapes, and backslashes without a meaning.
        ("name=\"file\"; filename=\"a\\\"b\"", "a\"b"),
        ("name=\"file\"; filename=\"a\\\"; x\"", "a\"; x"),
        ("name=\"file\"; filename=\"a\\\\b\"", "a\\b"),
        ("name=\"file\"; filename=\"C:\\dir\\f\"", "C:\\dir\\f"),
        ("name=\"file\"; filename=\"a\\\\\"", "a\\"),
        // A backslash at the end, which clients do not escape.
        ("name=\"file\"; filename=\"a\\\"", "a\\"),
        ("name=\"file\"; filename=\"a\\\" ", "a\\"),
        ("filename=\"a\\\"; name=\"file\"", "a\\"),
        ("filename=\"a\\\" ; name=\"file\"; x=y", "a\\"),
        ("name=\"file\"; filename=\"a\\\\b\\\"", "a\\b\\"),
    ] {
        let parsed = parse(&disposition(format!("form-data; {parameters}")));
        let (head, file) = parsed.unwrap_or_else(|error| panic!("{parameters}: {error}"));
        assert_eq!(head.file_name(), expected, "{parameters}");
        assert_eq!(file, b"bytes");
    }
}

#[test]
fn folded_header_lines_are_accepted() {
    for (value, expected) in [
        ("form-data; name=\"file\";\r\n filename=\"f\"", "f"),
        ("form-data;\r\n\tname=\"file\";\r\n\t filename=\"f\"", "f"),
        ("\r\n form-data; name=\"file\"; filename=\"f\"", "f"),
        ("form-data; name=\"file\"; filename=\"a\r\n b\"", "a b"),
        ("form-data; name=\"file\"; filename=\"a \r\n  b\"", "a   b"),
    ] {
        let (head, _) = parse(&disposition(value)).unwrap();
        assert_eq!(head.file_name(), expected, "{value:?}");
    }
    let folded = format!("{FILE}Content-Type:\r\n  text/plain;\r\n charset=utf-8\r\n");
    let (head, _) = parse(&body(&folded, b"")).unwrap();
    let expected = &b"text/plain; charset=utf-8"[..];
    assert_eq!(head.content_type(), Some(expected));
}

#[test]
fn text_may_surround_the_part() {
    let good = body(FILE, b"bytes");
    let text = String::from_utf8(good.clone()).unwrap();
    let dashed = format!("--{BOUNDARY}");
    for around in [
        good[..good.len() - 2].to_vec(),
        [&good[..], b"\r\n \t\r\n\n"].concat(),
        [b"a preamble\r\n", &good[..]].concat(),
        [b"\r\n", &good[..]].concat(),
        [b"a\r\n\r\nb\nc\r\n\r\n", &good[..]].concat(),
        [b"--\r\n-\r\n--b0\r\n", &good[..]].concat(),
        [&vec![b'p'; 16_000][..], b"\r\n", &good].concat(),
        text.replacen(&dashed, &format!("{dashed} \t"), 1).into(),
    ] {
        let (_, file) = parse(&around).unwrap();
        assert_eq!(file, b"bytes");
    }
}

#[test]
fn encodings_that_change_nothing_are_accepted() {
    for encoding in ["7bit", "8bit", "Binary"] {
        let header = format!("{FILE}Content-Transfer-Encoding: {encoding}\r\n");
        parse(&body(&header, b"bytes")).unwrap();
    }
}

#[test]
fn thirty_two_header_fields_are_accepted() {
    let mut header = FILE.to_owned();
    for _ in 0..31 {
        write!(header, "X-Same: value\r\n").unwrap();
    }
    let (head, _) = parse(&body(&header, b"bytes")).unwrap();
    assert_eq!(head.fields().count(), 32);
}

#[test]
fn nested_multipart_bodies_are_not_parsed() {
    let header = format!("{FILE}Content-Type: multipart/mixed; boundary=in\r\n");
    let inner = b"--in\r\n\r\nx\r\n--in--\r\n";
    let (_, file) = parse(&body(&header, inner)).unwrap();
    assert_eq!(file, inner);
}

#[test]
fn the_name_of_the_part_is_configurable() {
    let boundary = Boundary::new(BOUNDARY.as_bytes()).unwrap();
    let mut parser = Parser::new(&boundary).with_name("upload");
    let mut input = disposition("form-data; name=upload; filename=f").into();
    let event = parser.parse(&mut input).unwrap();
    assert!(matches!(event, Some(Event::Head(head)) if head.file_name() == "f"));
}

#[test]
fn data_is_a_slice_of_the_input() {
    let boundary = Boundary::new(BOUNDARY.as_bytes()).unwrap();
    let mut parser = Parser::new(&boundary);
    let whole = Bytes::from(body(FILE, &[7; 1000]));
    let range = whole.as_ptr_range();
    let mut input = whole.clone();
    let mut lengths = Vec::new();
    while let Some(event) = parser.parse(&mut input).unwrap() {
        if let Event::Data(bytes) = event {
            assert!(range.contains(&bytes.as_ptr()), "the bytes were copied");
            lengths.push(bytes.len());
        }
    }
    assert_eq!(lengths, [1000]);
    parser.finish().unwrap();
}
