//! What every scenario is given: the server, and principals and artifacts on it.

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

/// Who asks.
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

/// An artifact that was deposited.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) uri: String,
    pub(crate) bytes: Vec<u8>,
}

impl Artifact {
    /// The path of its fetch, under the experiment.
    pub(crate) fn path(&self) -> String {
        fetch_path(&self.uri)
    }
}

/// The server, and what several scenarios share.
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

    /// A request of exactly this path, without any field of ours.
    pub(crate) fn bare(&self, method: &str, path: impl Into<String>) -> Call<'_> {
        Call::new(&self.subject, method, path.into())
    }

    /// A request under the experiment, with its header.
    pub(crate) fn call(&self, method: &str, rest: &str) -> Call<'_> {
        let experiment = &self.subject.experiment;
        self.bare(method, self.path(rest)).experiment(experiment)
    }

    /// The path of what lies under the experiment.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v0/experiments/{}{rest}", self.subject.experiment)
    }

    /// A request under the second experiment, with its header; without one the scenario is skipped.
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

    /// The first lines of a request under the experiment, to be said by hand; the empty line that
    /// ends the header is not among them.
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

    /// A worker of its own.
    pub(crate) async fn worker(&self) -> Outcome<Credential> {
        let (reply, worker) = self.register(&json!({})).await?;
        let id = reply.text_of(&worker, "worker_id")?;
        let token = reply.text_of(&worker, "registration_token")?;
        Ok(Credential::new(id, token))
    }

    /// A worker that several scenarios share: it deposits.
    pub(crate) async fn depositor(&self) -> Outcome<&Credential> {
        self.depositor.get_or_try_init(|| self.worker()).await
    }

    /// Another one: it deposited nothing, and is in no group.
    pub(crate) async fn stranger(&self) -> Outcome<&Credential> {
        self.stranger.get_or_try_init(|| self.worker()).await
    }

    /// Registers a group and gives its id.
    pub(crate) async fn group(&self, members: &[&str]) -> Outcome<String> {
        let body = json!({ "members": members }).to_string();
        let call = self.call("POST", "/groups").by(&self.admin).json(body);
        let reply = call.send().await?;
        let group = reply.json(200)?;
        Ok(reply.text_of(&group, "group_id")?.to_owned())
    }

    /// Asks to put a member into a group.
    pub(crate) async fn add(&self, group: &str, member: &str) -> Outcome<Reply> {
        let call = self.call("POST", &format!("/groups/{group}/members"));
        let body = json!({ "member_id": member }).to_string();
        call.by(&self.admin).json(body).send().await
    }

    /// Asks to take a member out of a group.
    pub(crate) async fn remove(&self, group: &str, member: &str) -> Outcome<Reply> {
        let call = self.call("DELETE", &format!("/groups/{group}/members/{member}"));
        call.by(&self.admin).send().await
    }

    /// The id of the group of this name.
    pub(crate) async fn group_named(&self, name: &str) -> Outcome<String> {
        let call = self.call("GET", &format!("/groups?name={name}"));
        let reply = call.by(&self.admin).send().await?;
        let list = reply.json(200)?;
        match list["groups"].as_array().map(Vec::as_slice) {
            Some([group]) => Ok(reply.text_of(group, "group_id")?.to_owned()),
            _ => Err(reply.fail(format!("one group named {name}"), reply.text())),
        }
    }

    /// A deposit with this body, as the form that it should be.
    pub(crate) fn deposit(&self, who: &Credential, body: Vec<u8>) -> Call<'_> {
        let call = self.call("POST", "/artifacts").by(who);
        call.with("content-type", form_type()).body(body)
    }

    /// Deposits these bytes.
    pub(crate) async fn put(&self, who: &Credential, bytes: Vec<u8>) -> Outcome<Artifact> {
        self.put_part(who, form::FILE, bytes).await
    }

    /// Deposits these bytes in a part with this header.
    pub(crate) async fn put_part(
        &self,
        who: &Credential,
        head: &str,
        bytes: Vec<u8>,
    ) -> Outcome<Artifact> {
        let reply = self
            .deposit(who, form::form(&[(head, &bytes)]))
            .send()
            .await?;
        let answer = reply.json(201)?;
        let uri = reply.text_of(&answer, "artifacts_uri")?.to_owned();
        Ok(Artifact { uri, bytes })
    }

    /// An artifact of the depositor that several scenarios share.
    pub(crate) async fn artifact(&self) -> Outcome<&Artifact> {
        let make = || async { self.put(self.depositor().await?, noise(1000)).await };
        self.artifact.get_or_try_init(make).await
    }

    /// A fetch.
    pub(crate) fn fetch(&self, who: &Credential, artifact: &Artifact) -> Call<'_> {
        self.call("GET", &artifact.path()).by(who)
    }
}

/// The path of a fetch, under the experiment.
pub(crate) fn fetch_path(uri: &str) -> String {
    format!(
        "/artifacts?uri={}",
        utf8_percent_encode(uri, NON_ALPHANUMERIC)
    )
}
