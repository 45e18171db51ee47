//! The context of all scenarios: the server, and principals and artifacts on it.

use std::fmt;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::call::Call;
use crate::form::{self, form_type, noise};
use crate::raw::Raw;
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop};
use crate::subject::Subject;

pub(crate) type Context = Arc<Site>;

/// A principal and its secret.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) principal: String,
    pub(crate) secret: String,
}

impl Credential {
    pub(crate) fn new(principal: &str, secret: &str) -> Self {
        Self {
            principal: principal.to_owned(),
            secret: secret.to_owned(),
        }
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}:{}", self.principal, self.secret)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credential").field(&self.principal).finish()
    }
}

/// A deposited artifact.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) uri: String,
    pub(crate) bytes: Vec<u8>,
}

impl Artifact {
    /// Returns the path to fetch it, below the experiment.
    pub(crate) fn path(&self) -> String {
        fetch_path(&self.uri)
    }
}

/// The server, and the principals and artifacts that several scenarios share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) subject: Subject,
    pub(crate) admin: Credential,
    depositor: OnceCell<Credential>,
    stranger: OnceCell<Credential>,
    artifact: OnceCell<Artifact>,
}

impl Site {
    pub(crate) fn new(subject: Subject) -> Self {
        let admin = Credential::new("admin", &subject.admin_token);
        Self {
            subject,
            admin,
            depositor: OnceCell::new(),
            stranger: OnceCell::new(),
            artifact: OnceCell::new(),
        }
    }

    /// Starts a request with exactly this path and no header fields.
    pub(crate) fn bare(&self, method: &str, path: impl Into<String>) -> Call<'_> {
        Call::new(&self.subject, method, path.into())
    }

    /// Starts a request below the experiment, with the experiment header.
    pub(crate) fn call(&self, method: &str, rest: &str) -> Call<'_> {
        let experiment = &self.subject.experiment;
        self.bare(method, self.path(rest)).experiment(experiment)
    }

    /// Returns a path below the experiment.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v0/experiments/{}{rest}", self.subject.experiment)
    }

    /// Starts a request below the second experiment, with its header. Skips the scenario if there is no
    /// second experiment.
    pub(crate) fn elsewhere(&self, method: &str, rest: &str) -> Outcome<Call<'_>> {
        let Some(experiment) = &self.subject.second_experiment else {
            return Err(Stop::Skipped(
                "needs a second experiment: --second-experiment".to_owned(),
            ));
        };
        let path = format!("/v0/experiments/{experiment}{rest}");
        Ok(self.bare(method, path).experiment(experiment))
    }

    pub(crate) async fn raw(&self, asked: &str) -> Outcome<Raw> {
        Raw::connect(&self.subject, asked).await
    }

    /// Returns the head of a request below the experiment, for a raw connection, without the empty line
    /// that ends it.
    pub(crate) fn lines(&self, method: &str, rest: &str, credential: &Credential) -> String {
        format!(
            "{method} {}{} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nX-Eden-Experiment-Id: {}\r\n",
            self.subject.prefix,
            self.path(rest),
            self.subject.authority(),
            credential.bearer(),
            self.subject.experiment,
        )
    }

    /// Registers a worker.
    pub(crate) async fn register(&self, body: &Value) -> Outcome<(Reply, Value)> {
        let call = self.call("POST", "/workers").by(&self.admin);
        let reply = call.json(body.to_string()).send().await?;
        let worker = reply.json(200)?;
        Ok((reply, worker))
    }

    /// Registers a new worker.
    pub(crate) async fn worker(&self) -> Outcome<Credential> {
        let (reply, worker) = self.register(&json!({})).await?;
        let id = reply.text_of(&worker, "worker_id")?;
        let token = reply.text_of(&worker, "registration_token")?;
        Ok(Credential::new(id, token))
    }

    /// Returns the shared worker that deposits artifacts.
    pub(crate) async fn depositor(&self) -> Outcome<&Credential> {
        self.depositor.get_or_try_init(|| self.worker()).await
    }

    /// Returns a shared worker that deposits nothing and is in no group.
    pub(crate) async fn stranger(&self) -> Outcome<&Credential> {
        self.stranger.get_or_try_init(|| self.worker()).await
    }

    /// Registers a group and returns its id.
    pub(crate) async fn group(&self, members: &[&str]) -> Outcome<String> {
        let body = json!({ "members": members }).to_string();
        let call = self.call("POST", "/groups").by(&self.admin).json(body);
        let reply = call.send().await?;
        let group = reply.json(200)?;
        Ok(reply.text_of(&group, "group_id")?.to_owned())
    }

    /// Sends a request to add a member to a group.
    pub(crate) async fn add(&self, group: &str, member: &str) -> Outcome<Reply> {
        let call = self.call("POST", &format!("/groups/{group}/members"));
        let body = json!({ "member_id": member }).to_string();
        call.by(&self.admin).json(body).send().await
    }

    /// Sends a request to remove a member from a group.
    pub(crate) async fn remove(&self, group: &str, member: &str) -> Outcome<Reply> {
        let call = self.call("DELETE", &format!("/groups/{group}/members/{member}"));
        call.by(&self.admin).send().await
    }

    /// Returns the id of the group with this name.
    pub(crate) async fn group_named(&self, name: &str) -> Outcome<String> {
        let call = self.call("GET", &format!("/groups?name={name}"));
        let reply = call.by(&self.admin).send().await?;
        let list = reply.json(200)?;
        match list["groups"].as_array().map(Vec::as_slice) {
            Some([group]) => Ok(reply.text_of(group, "group_id")?.to_owned()),
            _ => Err(reply.fail(format!("one group named {name}"), reply.text())),
        }
    }

    /// Starts a deposit with this body and the media type of a valid form.
    pub(crate) fn deposit(&self, credential: &Credential, body: Vec<u8>) -> Call<'_> {
        let call = self.call("POST", "/artifacts").by(credential);
        call.with("content-type", form_type()).body(body)
    }

    /// Deposits these bytes.
    pub(crate) async fn put(&self, credential: &Credential, bytes: Vec<u8>) -> Outcome<Artifact> {
        self.put_part(credential, form::FILE, bytes).await
    }

    /// Deposits these bytes in a part with this header.
    pub(crate) async fn put_part(
        &self,
        credential: &Credential,
        head: &str,
        bytes: Vec<u8>,
    ) -> Outcome<Artifact> {
        let reply = self
            .deposit(credential, form::form(&[(head, &bytes)]))
            .send()
            .await?;
        let answer = reply.json(201)?;
        let uri = reply.text_of(&answer, "artifacts_uri")?.to_owned();
        Ok(Artifact { uri, bytes })
    }

    /// Returns the shared artifact of the depositor.
    pub(crate) async fn artifact(&self) -> Outcome<&Artifact> {
        let deposit = || async { self.put(self.depositor().await?, noise(1000)).await };
        self.artifact.get_or_try_init(deposit).await
    }

    /// Starts a fetch.
    pub(crate) fn fetch(&self, credential: &Credential, artifact: &Artifact) -> Call<'_> {
        self.call("GET", &artifact.path()).by(credential)
    }
}

/// Returns the path to fetch a URI, below the experiment.
pub(crate) fn fetch_path(uri: &str) -> String {
    format!(
        "/artifacts?uri={}",
        utf8_percent_encode(uri, NON_ALPHANUMERIC)
    )
}
