//! Property tests: the split into chunks never changes the result.

use artifact_multipart::Boundary;
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::sample::select;

use crate::fuzz_replay::multipart;
use crate::support::{BOUNDARY, FILE, body, disposition};

/// Pieces of delimiters, of header fields, and near misses of both.
const WORDS: &[&str] = &[
    "\r",
    "\n",
    "\r\n",
    "\r\n\r\n",
    "-",
    "--",
    "\r\n--",
    "--b0undar",
    "--b0undary",
    "\r\n--b0undary",
    "\r\n--b0undary--",
    "\r\n--b0undary\r\n",
    "\n--b0undary--",
    "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n",
    "Content-Type: a/b\r\n",
    "X: y\r\n",
    "\r\n ",
    " ",
    "text",
    "\0",
    "\u{ff}",
];
/// Pieces of a `Content-Disposition`.
const PARAMETERS: &[&str] = &[
    ";",
    "; ",
    "name=\"file\"",
    "filename=\"f\"",
    "filename*=UTF-8''e",
    "name=",
    "filename=\"",
    "\"",
    "\\",
    "\\\"",
    "=",
    " ",
    "\t",
    "\r\n ",
    "token",
];

proptest! {
    #[test]
    fn every_split_in_two_has_the_same_result(
        words in vec(select(WORDS), 0..8),
        file in vec(select(WORDS), 0..6),
    ) {
        let boundary = Boundary::new(BOUNDARY.as_bytes()).unwrap();
        let form = body(FILE, file.concat().as_bytes());
        for input in [words.concat().into_bytes(), form] {
            let whole = multipart::parse(&boundary, &[&input]);
            for at in 0..=input.len() {
                let halves = [&input[..at], &input[at..]];
                prop_assert_eq!(&multipart::parse(&boundary, &halves), &whole);
            }
        }
    }

    #[test]
    fn random_chunk_sizes_do_not_change_the_result(
        file in vec(select(WORDS), 0..40),
        lengths in vec(1_usize..20, 1..10),
    ) {
        let boundary = Boundary::new(BOUNDARY.as_bytes()).unwrap();
        let input = body(FILE, file.concat().as_bytes());
        let (mut rest, mut chunks) = (&input[..], Vec::new());
        for length in lengths.iter().cycle() {
            let (chunk, left) = rest.split_at((*length).min(rest.len()));
            chunks.push(chunk);
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        let whole = multipart::parse(&boundary, &[&input]);
        prop_assert_eq!(multipart::parse(&boundary, &chunks), whole);
    }

    #[test]
    fn accepted_headers_are_unambiguous(parameters in vec(select(PARAMETERS), 0..12)) {
        let input = disposition(format!("form-data; {}", parameters.concat()));
        let start = format!("multipart/form-data; boundary={BOUNDARY}\n");
        multipart::check(&[start.as_bytes(), &input].concat());
    }

    #[test]
    fn random_bytes_do_not_break_the_parser(input in vec(any::<u8>(), 0..200)) {
        let start = format!("multipart/form-data; boundary={BOUNDARY}\n--{BOUNDARY}\r\n");
        multipart::check(&input);
        multipart::check(&[start.as_bytes(), &input].concat());
    }
}
