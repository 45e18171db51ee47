//! Mounts the endpoints in a program whose users have JSON Web Tokens, and shares files with teams. Paths, header field
//! and errors have the program's own names. It serves on a free port, tests itself and exits.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-jwt-teams

mod token;
mod users;

use std::sync::Arc;

use artifact_client::{Client, Credential, DepositOptions, ErrorKind};
use artifact_http::{AuthScheme, BasePath, ErrorPrefix, ExperimentHeader, HttpConfig};
use artifact_store::{Experiment, Timestamp};
use axum::Router;
use embed_common::Failure;
use tokio::net::TcpListener;

use self::token::Key;
use self::users::{Grants, Users};

const KEY: Key = Key(b"an example key of the issuer, 32 bytes");
const FILE: &str = "shared with a team";
const LATER: u64 = 4_000_000_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let home = Experiment::new("demo".parse()?, Timestamp::UNIX_EPOCH);
    let users = Users {
        key: KEY,
        home: home.id.clone(),
    };
    let grants = Arc::new(Grants::default());
    let config = HttpConfig::default()
        .with_base_path(BasePath::new("/api")?)
        .with_experiment_header(ExperimentHeader::new("X-Tenant")?)
        .with_error_prefix(ErrorPrefix::new("urn:example:error:")?)
        .with_auth_scheme(AuthScheme::bearer("JWT"))
        .with_read_policy(grants.clone());
    let store = embed_common::open(&home).await?;
    let app = Router::new().nest(
        "/files",
        artifact_http::router(store, Arc::new(users), config),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/files", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = |token: String| -> Result<Client, Failure> {
        let builder = Client::builder(&url, "demo", Credential::bearer(&token)?);
        let builder = builder
            .with_base_path("/api")
            .with_experiment_header("X-Tenant");
        Ok(builder.with_error_prefix("urn:example:error:").build()?)
    };
    let alice = client(KEY.issue("alice@example.com", &["physics"], LATER))?;
    let bob = client(KEY.issue("bob@example.com", &["physics", "choir"], LATER))?;
    let carol = client(KEY.issue("carol@example.com", &["chemistry"], LATER))?;

    let uri = alice.deposit(FILE, DepositOptions::default()).await?.uri;
    let id = uri.rsplit('/').next().unwrap_or_default().parse()?;
    check(&alice, &uri, None, "the depositor").await?;
    check(
        &bob,
        &uri,
        Some(ErrorKind::Forbidden),
        "a colleague before the grant",
    )
    .await?;
    grants.share(id, "physics");
    check(&bob, &uri, None, "a colleague after the grant").await?;
    check(&carol, &uri, Some(ErrorKind::Forbidden), "another team").await?;
    grants.revoke(id);
    check(
        &bob,
        &uri,
        Some(ErrorKind::Forbidden),
        "a colleague after the revocation",
    )
    .await?;

    let valid = KEY.issue("alice@example.com", &[], LATER);
    let expired = KEY.issue("alice@example.com", &[], 1);
    let foreign = Key(b"the key of another issuer").issue("alice@example.com", &[], LATER);
    // The name of the administrator is not one that a user can have.
    let admin = KEY.issue("admin", &["physics"], LATER);
    for token in [
        expired,
        foreign,
        admin,
        valid[..valid.len() - 1].to_owned(),
        "admin:secret".to_owned(),
    ] {
        check(
            &client(token)?,
            &uri,
            Some(ErrorKind::Unauthorized),
            "an invalid token",
        )
        .await?;
    }
    println!("{uri} was shared with a team and withdrawn");
    Ok(())
}

/// Fetches the file, and compares the outcome with the expected one.
async fn check(
    reader: &Client,
    uri: &str,
    refused: Option<ErrorKind>,
    who: &str,
) -> Result<(), Failure> {
    let outcome = match reader.fetch(uri).await {
        Ok(fetched) => fetched.into_bytes(1024).await,
        Err(error) => Err(error),
    };
    match (outcome, refused) {
        (Ok(bytes), None) if bytes == FILE => Ok(()),
        (Err(error), Some(kind)) if error.kind() == kind => Ok(()),
        (outcome, _) => Err(format!("{who}: unexpected outcome {outcome:?}").into()),
    }
}
