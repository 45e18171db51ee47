//! Writes a new credential to a file or to standard output.

use std::path::Path;

use anyhow::{Context, Result};
use artifact_client::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::Value;

use super::command::CredentialOutput;
use super::print;
use crate::failure::setup;
use crate::{files, output};

/// A credential that the server shows only once.
pub(super) struct IssuedCredential<'c> {
    id: &'c str,
    token: &'c SecretString,
    /// The record that it belongs to, without the token.
    record: Value,
    /// The command that gives the principal another credential.
    again: &'static str,
}

impl<'c> IssuedCredential<'c> {
    pub(super) fn new(
        id: &'c str,
        token: &'c SecretString,
        record: &impl Serialize,
        again: &'static str,
    ) -> Result<Self> {
        let record = serde_json::to_value(record).context("cannot write the record as JSON")?;
        Ok(Self {
            id,
            token,
            record,
            again,
        })
    }
}

impl CredentialOutput {
    /// Checks that the file can be created. The server shows a credential only once, so this comes before
    /// the request.
    pub(super) fn check(&self) -> Result<()> {
        let Some(path) = &self.token_file else {
            return Ok(());
        };
        let shown = path.display();
        if path.symlink_metadata().is_ok() {
            return Err(setup(format!(
                "{shown} already exists; give the name of a new file"
            )));
        }
        files::check_new_file(path)
            .map_err(|error| setup(format!("cannot create {shown}: {error}; give another file")))
    }

    /// Writes the credential to the file, or to standard output.
    pub(super) fn write(&self, issued: &IssuedCredential<'_>) -> Result<()> {
        let IssuedCredential {
            id, record, again, ..
        } = issued;
        let token = issued.token.expose_secret();
        if let Some(path) = &self.token_file {
            return self.write_file(path, issued, &format!("{id}:{token}"));
        }
        output::note(format_args!(
            "the credential of {id} is shown only now; keep it in a file of mode 0600 for \
             --credential-file"
        ));
        let printed = if self.json.json {
            let mut json = record.clone();
            json["registration_token"] = token.into();
            print::json(&json)
        } else {
            output::data(format_args!("{id}:{token}"))
        };
        printed.inspect_err(|_| {
            output::note(format_args!(
                "the credential of {id} could not be printed; get another one with: {again} {id}"
            ));
        })
    }

    fn write_file(
        &self,
        path: &Path,
        issued: &IssuedCredential<'_>,
        credential: &str,
    ) -> Result<()> {
        let IssuedCredential {
            id, record, again, ..
        } = issued;
        let shown = path.display();
        files::create_secret(path, credential).with_context(|| {
            format!(
                "the server gave {id} a new credential, but {shown} cannot be written; get another \
                 credential with: {again} {id}"
            )
        })?;
        output::note(format_args!(
            "the credential is in {shown}; use it with --credential-file"
        ));
        if self.json.json {
            print::json(record)
        } else {
            output::data(id)
        }
    }
}
