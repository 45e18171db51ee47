//! Keys and notes, with the vectors of C2SP and RFC 8032.

use artifact_receipt::{
    Checkpoint, KeyName, ReceiptErrorKind, SignedNote, SigningKey, TreeHash, VerifierKey,
};

/// The example of <https://c2sp.org/signed-note>.
const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.\n\n\
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn key(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

#[test]
fn the_example_of_c2sp_is_verified() {
    let note = SignedNote::parse(NOTE).unwrap();
    assert_eq!(note.to_string(), NOTE);
    let keys = [key(KEY)];
    assert_eq!(keys[0].to_string(), KEY);
    let (text, signer) = note.verify(&keys).unwrap();
    assert_eq!(text, "This is an example message.\n");
    assert_eq!(signer, &keys[0]);
}

#[test]
fn keys_are_those_of_rfc_8032() {
    // Section 7.1, test 1.
    let hex = |text: &str| -> [u8; 32] {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        std::array::from_fn(|place| digit(place * 2))
    };
    let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    let name: KeyName = "example.com/log".parse().unwrap();
    let signing = SigningKey::from_seed(name.clone(), &seed);
    assert_eq!(signing.verifier(), VerifierKey::new(name, public));
    let again: SigningKey = signing.to_text().parse().unwrap();
    assert_eq!(again.verifier(), signing.verifier());
    assert_eq!(again.to_text(), signing.to_text());
    assert!(!format!("{signing:?}").contains("nWGxne"), "{signing:?}");
}

#[test]
fn malformed_keys_are_refused() {
    let signing = SigningKey::from_seed("example.com/log".parse().unwrap(), &[1; 32]);
    let secret = signing.to_text().to_string();
    for text in [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "exam ple+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        &format!("{KEY}\n"),
        &format!(" {KEY}"),
        &secret,
    ] {
        let error = text.parse::<VerifierKey>().unwrap_err();
        assert!(!error.to_string().contains("AQEBAQ"), "{error}");
    }
    for text in [
        "",
        KEY,
        &secret[1..],
        &secret[..secret.len() - 1],
        &secret.replace("log", "lag"),
    ] {
        assert!(text.parse::<SigningKey>().is_err(), "{text}");
    }
    let long = "x".repeat(256);
    for name in [
        "", "a b", "a+b", "a\u{a0}b", "a\nb", "a\0", "a\u{85}b", &*long,
    ] {
        let error = name.parse::<KeyName>().unwrap_err();
        assert_eq!(error.kind(), ReceiptErrorKind::InvalidValue, "{name:?}");
    }
}

#[test]
fn signatures_of_unknown_keys_are_ignored_and_wrong_ones_of_known_keys_are_not() {
    let other = SigningKey::from_seed("example.com/other".parse().unwrap(), &[2; 32]);
    let checkpoint = Checkpoint::new(
        "example.com/other".parse().unwrap(),
        0,
        TreeHash::of_nothing(),
    );
    let note = checkpoint.sign(&other).to_string();
    // A witness has signed, too.
    let cosigned = format!("{note}— witness.example AAAAAAECAwQ=\n");
    let parsed = SignedNote::parse(&cosigned).unwrap();
    assert_eq!(parsed.to_string(), cosigned);
    assert_eq!(
        Checkpoint::verify(&parsed, &[other.verifier()]),
        Ok(checkpoint)
    );
    let unknown = parsed.verify(&[key(KEY)]).unwrap_err();
    assert_eq!(unknown.kind(), ReceiptErrorKind::UnknownKey);
    assert_eq!(
        unknown.to_string(),
        "it is signed by example.com/other, witness.example, with none of the given keys"
    );

    // A wrong signature by a known key counts, though another one is right.
    let line = note.lines().last().unwrap().to_owned();
    let wrong = NOTE
        .lines()
        .last()
        .unwrap()
        .replace("example.com/foo", "example.com/other");
    assert_ne!(line, wrong);
    let forged = format!("{note}{}\n", line.replace("GA", "GB"));
    if forged.contains("GB") {
        let error = SignedNote::parse(&forged)
            .unwrap()
            .verify(&[other.verifier()])
            .unwrap_err();
        assert_eq!(error.kind(), ReceiptErrorKind::BadSignature);
    }
}

#[test]
fn malformed_notes_are_refused() {
    for note in [
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\n\n",
        "text\n— a AAAAAAE=\n",
        "text\n\n— a AAAAAAE=",
        "text\n\n- a AAAAAAE=\n",
        "text\n\n—a AAAAAAE=\n",
        "text\n\n— a\n",
        "text\n\n— a \n",
        "text\n\n— a AAAAAA==\n",
        "text\n\n— a AAAAAAE\n",
        "text\n\n— a AAAAAAF=\n",
        "text\n\n—  AAAAAAE=\n",
        "text\n\n— a+b AAAAAAE=\n",
        "text\n\n— a AAAAAAE= \n",
        "text\r\n\n— a AAAAAAE=\n",
        "te\0xt\n\n— a AAAAAAE=\n",
        "te\txt\n\n— a AAAAAAE=\n",
        "text\n\n— a AAAAAAE=\n\n— a AAAAAAE=\nx\n",
    ] {
        let error = SignedNote::parse(note).unwrap_err();
        assert_eq!(error.kind(), ReceiptErrorKind::Malformed, "{note:?}");
    }
    let signature = "— a AAAAAAE=\n";
    let most = format!("text\n\n{}", signature.repeat(SignedNote::MAX_SIGNATURES));
    assert!(SignedNote::parse(&most).is_ok());
    assert!(SignedNote::parse(&format!("{most}{signature}")).is_err());
    let long = format!("{}\n\n{signature}", "x".repeat(SignedNote::MAX_LEN));
    assert!(SignedNote::parse(&long).is_err());
    // The text can have empty lines; the last one separates it.
    assert!(SignedNote::parse(&format!("a\n\nb\n\n{signature}")).is_ok());
}
