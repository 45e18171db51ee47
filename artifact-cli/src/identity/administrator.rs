//! `artifact administrator`.

use anyhow::Result;
use artifact_client::{NewAdministrator, RegisteredAdministrator};
use serde_json::json;

use super::credential_output::IssuedCredential;
use super::{AdministratorCommand, print};
use crate::cli::Json;
use crate::connect::{ClientContext, until_interrupted};

pub(crate) async fn administrator(
    context: &ClientContext,
    command: AdministratorCommand,
) -> Result<()> {
    until_interrupted(run(context, command)).await
}

async fn run(context: &ClientContext, command: AdministratorCommand) -> Result<()> {
    let client = &context.client;
    let explain = |error| context.explain(error);
    match command {
        AdministratorCommand::Create {
            name,
            expires_in,
            output,
        } => {
            let mut new = NewAdministrator::new(name);
            if let Some(period) = expires_in {
                new = new.with_token_expires_in(period.0);
            }
            output.check()?;
            let registered = client.register_administrator(&new).await;
            output.write(&issued(&registered.map_err(explain)?)?)
        }
        AdministratorCommand::Reissue {
            administrator,
            expires_in,
            output,
        } => {
            output.check()?;
            let period = expires_in.map(|period| period.0);
            let registered = client.issue_administrator_token(&administrator, period);
            output.write(&issued(&registered.await.map_err(explain)?)?)
        }
        AdministratorCommand::Revoke { administrator } => {
            let revoked = client.revoke_administrator_token(&administrator).await;
            revoked.map_err(explain)
        }
        AdministratorCommand::Delete { administrator } => {
            let deleted = client.delete_administrator(&administrator).await;
            deleted.map_err(explain)
        }
        AdministratorCommand::List {
            json: Json { json },
        } => {
            let all = client.list_administrators().await.map_err(explain)?;
            if json {
                return print::json(&json!({ "administrators": all }));
            }
            let mut all = all.iter();
            all.try_for_each(|each| print::line(&each.administrator_id, Some(&each.name)))
        }
        AdministratorCommand::Show {
            administrator,
            json: Json { json },
        } => {
            let found = client.administrator_info(&administrator).await;
            let found = found.map_err(explain)?;
            if json {
                print::json(&found)
            } else {
                print::administrator(&found)
            }
        }
    }
}

fn issued(registered: &RegisteredAdministrator) -> Result<IssuedCredential<'_>> {
    let RegisteredAdministrator {
        administrator,
        registration_token,
        ..
    } = registered;
    let (id, again) = (
        &administrator.administrator_id,
        "artifact administrator reissue",
    );
    IssuedCredential::new(id, registration_token, administrator, again)
}
