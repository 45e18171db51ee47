//! `artifact receipt keygen` and `artifact receipt public-key`.

use std::path::Path;

use anyhow::Result;
use artifact_backend::random;
use artifact_receipt::SigningKey;
use secrecy::ExposeSecret as _;

use super::command::{KeygenArguments, PublicKeyArguments};
use crate::failure::{setup, setup_from};
use crate::{files, output};

pub(super) fn generate(arguments: &KeygenArguments) -> Result<()> {
    let KeygenArguments { name, output } = arguments;
    let name = name.parse();
    let name = name.map_err(|error| setup_from(error, "the name cannot be used"))?;
    let key = SigningKey::from_seed(name, &random::bytes());
    let shown = output.display();
    files::create_secret(output, &key.to_text())
        .map_err(|error| setup_from(error, format!("cannot create {shown}")))?;
    output::note(format_args!("wrote the key to {shown}; keep it secret"));
    output::data(key.verifier())
}

pub(super) fn print_public(arguments: &PublicKeyArguments) -> Result<()> {
    output::data(read(&arguments.key)?.verifier())
}

/// Reads a key that signs, from a file that others cannot read.
pub(crate) fn read(path: &Path) -> Result<SigningKey> {
    let shown = path.display();
    let missing = || {
        setup(format!(
            "there is no file {shown}; make a key with artifact receipt keygen NAME -o {shown}"
        ))
    };
    let text = files::read_secret(path)?.ok_or_else(missing)?;
    let key = text.expose_secret().parse();
    key.map_err(|error| setup_from(error, format!("{shown} cannot be used")))
}
