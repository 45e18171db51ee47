//! Target `digest_fields`: the digests of a deposit are read as RFC 9651 and RFC 9530 say, and compared with
//! the bytes.

use artifact_backend::Sha256Digest;
use artifact_http::fuzzing::Digests;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256, Sha512};

const FIELDS: [&str; 2] = ["content-digest", "repr-digest"];

/// Checks one input: lines of `C` or `R` and the value of a `Content-Digest` or `Repr-Digest` field, an empty
/// line, and the bytes.
///
/// # Panics
///
/// If one of these rules is broken:
///
/// - fields are accepted if and only if each is a dictionary of byte sequences, by an independent parser;
/// - the digests of SHA-256 and SHA-512 are those that the independent parser reads;
/// - they hold if and only if each is the digest of the bytes, whether or not the store compares the SHA-256;
/// - the fields with the right digests hold, and do not hold for other bytes.
pub fn check(data: &[u8]) {
    let end = data.windows(2).position(|bytes| bytes == b"\n\n");
    let (lines, content) = match end {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[][..]),
    };
    let mut headers = HeaderMap::new();
    let mut joined = [None::<Vec<u8>>, None];
    for line in lines.split(|byte| *byte == b'\n') {
        let (field, value) = match line {
            [b'C', value @ ..] => (0, value),
            [b'R', value @ ..] => (1, value),
            _ => continue,
        };
        let Ok(header) = HeaderValue::from_bytes(value) else {
            continue;
        };
        headers.append(HeaderName::from_static(FIELDS[field]), header);
        // RFC 9651, section 4.2: several lines are joined with a comma.
        match &mut joined[field] {
            Some(text) => text.extend_from_slice(&[b", ", value].concat()),
            first => *first = Some(value.to_vec()),
        }
    }
    let expected = expect(&joined);
    match (Digests::of(&headers), &expected) {
        (Err(answer), None) => assert_eq!(answer.status(), 400),
        (Ok(None), Some(expected)) => assert_eq!(*expected, []),
        (Ok(Some(mut found)), Some(expected)) => {
            assert_eq!(found.claims(), *expected);
            let holds = expected
                .iter()
                .all(|(algorithm, claim)| *claim == digest(algorithm, content));
            let taken = found.take_sha256();
            let taken = taken.is_none_or(|taken| taken == sha256(content));
            assert_eq!(found.hold_for(content) && taken, holds);
            let untaken = Digests::of(&headers).expect("it was accepted before");
            let untaken = untaken.expect("it had digests before");
            assert_eq!(untaken.hold_for(content), holds);
        }
        (found, expected) => panic!("the parsers disagree: {found:?}, {expected:?}"),
    }
    check_right_digests(content);
}

fn check_right_digests(content: &[u8]) {
    let mut headers = HeaderMap::new();
    for (field, algorithm) in FIELDS.into_iter().zip(["sha-256", "sha-512"]) {
        let value = format!("{algorithm}=:{}:", encode(&digest(algorithm, content)));
        let value = HeaderValue::from_str(&value).expect("base64 is ASCII");
        headers.insert(HeaderName::from_static(field), value);
    }
    let right = || {
        let right = Digests::of(&headers).expect("the fields are well-formed");
        right.expect("both algorithms are supported")
    };
    assert!(right().hold_for(content));
    assert!(!right().hold_for(&[content, b"x"].concat()));
}

fn digest(algorithm: &str, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        "sha-256" => Sha256::digest(bytes).to_vec(),
        _ => Sha512::digest(bytes).to_vec(),
    }
}

fn sha256(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

type Claims = Vec<(&'static str, Vec<u8>)>;

/// Returns the digests of both fields, those of SHA-256 first; `None` if a field is malformed.
fn expect(fields: &[Option<Vec<u8>>]) -> Option<Claims> {
    let mut all = Vec::new();
    for field in fields.iter().flatten() {
        all.extend(Cursor(field).dictionary()?);
    }
    let mut claims = Vec::new();
    for algorithm in ["sha-256", "sha-512"] {
        let wanted = all.iter().filter(|(key, _)| key == algorithm.as_bytes());
        claims.extend(wanted.map(|(_, value)| (algorithm, value.clone())));
    }
    Some(claims)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0, |sum, at| {
            sum << 8 | u32::from(chunk.get(at).copied().unwrap_or_default())
        });
        for at in 0..4 {
            let digit = ALPHABET[(number >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

/// Decodes base64. RFC 9651, section 4.2.7: some or all padding may be missing, and the bits after the last byte are
/// ignored.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text
        .iter()
        .position(|byte| *byte == b'=')
        .unwrap_or(text.len());
    let (digits, padding) = text.split_at(digits);
    let needed = match digits.len() % 4 {
        0 => 0,
        1 => return None,
        over => 4 - over,
    };
    if padding.len() > needed || padding.iter().any(|byte| *byte != b'=') {
        return None;
    }
    let (mut bytes, mut bits, mut number) = (Vec::new(), 0, 0_u32);
    for digit in digits {
        let value = ALPHABET.iter().position(|other| other == digit)?;
        number = number << 6 | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((number >> bits).to_le_bytes()[0]);
        }
    }
    Some(bytes)
}

/// The value of a member of a dictionary.
enum Value {
    Bytes(Vec<u8>),
    Other,
}

/// Parses a dictionary of byte sequences by RFC 9651, section 4.2.
struct Cursor<'t>(&'t [u8]);

impl<'t> Cursor<'t> {
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'t [u8] {
        let length = self.0.iter().take_while(|byte| wanted(**byte)).count();
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn accept(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.accept(byte).then_some(())
    }

    fn dictionary(&mut self) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut members: Vec<(Vec<u8>, Value)> = Vec::new();
        self.take(|byte| byte == b' ');
        while !self.0.is_empty() {
            let key = self.key()?;
            let value = self.value()?;
            self.parameters()?;
            match members.iter_mut().find(|(other, _)| *other == key) {
                Some((_, other)) => *other = value,
                None => members.push((key, value)),
            }
            let blank = |byte| byte == b' ' || byte == b'\t';
            self.take(blank);
            if self.0.is_empty() {
                break;
            }
            self.expect(b',')?;
            self.take(blank);
            if self.0.is_empty() {
                return None;
            }
        }
        let members = members.into_iter().map(|(key, value)| match value {
            Value::Bytes(bytes) => Some((key, bytes)),
            Value::Other => None,
        });
        members.collect()
    }

    /// Reads the value of a member. A later member with the same key replaces it, whatever it is.
    fn value(&mut self) -> Option<Value> {
        if !self.accept(b'=') {
            // A key alone means true.
            return Some(Value::Other);
        }
        if self.accept(b':') {
            return self.byte_sequence().map(Value::Bytes);
        }
        if self.accept(b'(') {
            self.inner_list()?;
        } else {
            self.bare_item()?;
        }
        Some(Value::Other)
    }

    /// Reads an inner list (section 4.2.1.2) after its parenthesis.
    fn inner_list(&mut self) -> Option<()> {
        loop {
            self.take(|byte| byte == b' ');
            if self.accept(b')') {
                return Some(());
            }
            self.bare_item()?;
            self.parameters()?;
            if !matches!(self.0.first()?, b' ' | b')') {
                return None;
            }
        }
    }

    fn key(&mut self) -> Option<Vec<u8>> {
        if !matches!(self.0.first()?, b'a'..=b'z' | b'*') {
            return None;
        }
        let goes_on =
            |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*');
        Some(self.take(goes_on).to_vec())
    }

    fn byte_sequence(&mut self) -> Option<Vec<u8>> {
        let text = self.take(|byte| byte != b':');
        self.expect(b':')?;
        decode(text)
    }

    fn parameters(&mut self) -> Option<()> {
        while self.accept(b';') {
            self.take(|byte| byte == b' ');
            self.key()?;
            if self.accept(b'=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn bare_item(&mut self) -> Option<()> {
        match self.0.first()? {
            b':' => {
                self.expect(b':')?;
                self.byte_sequence().map(drop)
            }
            b'"' => self.string(),
            b'?' => {
                self.expect(b'?')?;
                (self.accept(b'0') || self.accept(b'1')).then_some(())
            }
            b'@' => {
                self.expect(b'@')?;
                // A date has no fraction.
                self.number(false)
            }
            b'%' => self.display_string(),
            b'-' | b'0'..=b'9' => self.number(true),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                let text =
                    |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
                self.take(text);
                Some(())
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        while !self.accept(b'"') {
            let escaped = self.accept(b'\\');
            let byte = *self.0.first()?;
            let is_valid = if escaped {
                matches!(byte, b'"' | b'\\')
            } else {
                (b' '..=b'~').contains(&byte)
            };
            if !is_valid {
                return None;
            }
            self.0 = &self.0[1..];
        }
        Some(())
    }

    /// RFC 9651, section 4.2.4: up to 15 digits, or up to 12, a point and 1 to 3.
    fn number(&mut self, fraction: bool) -> Option<()> {
        self.accept(b'-');
        let whole = self.take(|byte| byte.is_ascii_digit()).len();
        if self.0.first() != Some(&b'.') {
            return (1..=15).contains(&whole).then_some(());
        }
        self.expect(b'.')?;
        let after = self.take(|byte| byte.is_ascii_digit()).len();
        let is_decimal = (1..=12).contains(&whole) && (1..=3).contains(&after);
        (fraction && is_decimal).then_some(())
    }

    /// RFC 9651, section 4.2.10.
    fn display_string(&mut self) -> Option<()> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        let mut bytes = Vec::new();
        while !self.accept(b'"') {
            let byte = *self.0.first()?;
            self.0 = &self.0[1..];
            if !(b' '..=b'~').contains(&byte) {
                return None;
            }
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let (digits, rest) = self.0.split_at_checked(2)?;
            self.0 = rest;
            let mut value = 0;
            for digit in digits {
                let digit = b"0123456789abcdef"
                    .iter()
                    .position(|other| other == digit)?;
                value = value << 4 | u8::try_from(digit).ok()?;
            }
            bytes.push(value);
        }
        str::from_utf8(&bytes).ok().map(drop)
    }
}
