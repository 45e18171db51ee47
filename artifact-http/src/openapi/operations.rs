//! What each operation is: its words, its clauses, what it takes and answers.

use serde_json::{Map, Value, json};

use super::{reference, responses};
use crate::routes::{Endpoint, Handler, Identity, Who};

/// An operation, before it is put into the document's shape.
#[derive(Debug, Default)]
struct Operation {
    tag: &'static str,
    summary: &'static str,
    clauses: &'static [&'static str],
    /// Its parameters beside those of its path.
    parameters: &'static [&'static str],
    /// The media type and schema of its content, and whether there must be any (J-1).
    takes: Option<(&'static str, &'static str, bool)>,
    answers: Vec<(u16, Value)>,
    /// The refusals beside those that every operation has.
    refuses: &'static [u16],
}

/// The refusals of an operation that takes JSON and writes.
const WRITES: &[u16] = &[409, 413, 415, 422, 507];

/// The operation of an endpoint.
pub(super) fn of(endpoint: &Endpoint) -> Value {
    let operation = match endpoint.handler {
        Handler::ReadExperiment => Operation {
            tag: "experiment",
            summary: "Read the experiment",
            clauses: &["X-1", "J-4"],
            answers: vec![(200, json_of("The experiment.", "Experiment"))],
            ..Operation::default()
        },
        Handler::Deposit => Operation {
            tag: "artifacts",
            summary: "Deposit a file",
            clauses: &[
                "D-1", "D-2", "D-3", "D-4", "D-5", "D-6", "D-7", "D-8", "D-9", "D-10", "D-11",
                "D-12", "D-13",
            ],
            parameters: &["ContentDigest", "ReprDigest"],
            takes: Some(("multipart/form-data", "File", true)),
            answers: vec![(
                201,
                leading_to(
                    json_of("The file is kept, durably.", "Deposited"),
                    "uri",
                    "artifacts_uri",
                    &["fetch"],
                ),
            )],
            refuses: &[413, 415, 429, 507],
        },
        Handler::Fetch => fetch(),
        Handler::IdentityStore(identity) => of_identities(identity),
    };
    operation.finish(endpoint.id, Some(endpoint))
}

/// The operations on workers and groups.
fn of_identities(identity: Identity) -> Operation {
    match identity {
        Identity::Whoami => whoami(),
        Identity::RegisterWorker => register_worker(),
        Identity::ListWorkers => list_workers(),
        Identity::ReadWorker => read_worker(),
        Identity::ReissueCredential => reissue_credential(),
        Identity::RegisterGroup => register_group(),
        Identity::ListGroups => list_groups(),
        Identity::ReadGroup => read_group(),
        Identity::DeleteGroup => delete_group(),
        Identity::AddMember => add_member(),
        Identity::RemoveMember => remove_member(),
    }
}

fn whoami() -> Operation {
    Operation {
        tag: "workers",
        summary: "Read one's own id and name",
        clauses: &["W-6"],
        answers: vec![(200, json_of("The worker who asks.", "Whoami"))],
        ..Operation::default()
    }
}

fn register_worker() -> Operation {
    Operation {
        tag: "workers",
        summary: "Register a worker",
        clauses: &["W-1", "I-1", "N-1", "N-2", "N-3", "J-1", "A-7"],
        takes: Some(("application/json", "NewWorker", false)),
        answers: vec![(
            200,
            leading_to(
                json_of("The worker, and its token this once.", "RegisteredWorker"),
                "W",
                "worker_id",
                &["readWorker", "reissueCredential"],
            ),
        )],
        refuses: WRITES,
        ..Operation::default()
    }
}

fn list_workers() -> Operation {
    Operation {
        tag: "workers",
        summary: "List workers",
        clauses: &["W-2", "W-4"],
        parameters: &["Name"],
        answers: vec![(200, json_of("The workers.", "Workers"))],
        ..Operation::default()
    }
}

fn read_worker() -> Operation {
    Operation {
        tag: "workers",
        summary: "Read a worker",
        clauses: &["W-3", "W-4", "I-2"],
        answers: vec![(200, json_of("The worker.", "Worker"))],
        ..Operation::default()
    }
}

fn reissue_credential() -> Operation {
    Operation {
        tag: "workers",
        summary: "Give a worker a new token",
        clauses: &["W-5", "I-2", "J-2", "A-7"],
        answers: vec![(
            200,
            json_of(
                "The worker, and its new token this once.",
                "RegisteredWorker",
            ),
        )],
        refuses: &[507],
        ..Operation::default()
    }
}

fn register_group() -> Operation {
    Operation {
        tag: "groups",
        summary: "Register a group",
        clauses: &["G-2", "I-1", "N-1", "N-2", "N-3", "J-1"],
        takes: Some(("application/json", "NewGroup", false)),
        answers: vec![(
            200,
            leading_to(
                json_of("The group.", "Group"),
                "G",
                "group_id",
                &["readGroup", "addMember", "removeMember", "deleteGroup"],
            ),
        )],
        refuses: WRITES,
        ..Operation::default()
    }
}

fn list_groups() -> Operation {
    Operation {
        tag: "groups",
        summary: "List groups",
        clauses: &["G-1", "G-3"],
        parameters: &["Name"],
        answers: vec![(200, json_of("The groups.", "Groups"))],
        ..Operation::default()
    }
}

fn read_group() -> Operation {
    Operation {
        tag: "groups",
        summary: "Read a group",
        clauses: &["G-3", "I-2"],
        answers: vec![(200, json_of("The group.", "Group"))],
        ..Operation::default()
    }
}

fn delete_group() -> Operation {
    Operation {
        tag: "groups",
        summary: "Delete a group",
        clauses: &["G-6", "I-2"],
        answers: vec![(204, empty("It is gone.", &[]))],
        refuses: &[409, 507],
        ..Operation::default()
    }
}

fn add_member() -> Operation {
    Operation {
        tag: "groups",
        summary: "Add a member",
        clauses: &["G-4", "G-5", "G-7", "I-2", "J-1"],
        takes: Some(("application/json", "NewMember", true)),
        answers: vec![(200, json_of("The group, with the member.", "Group"))],
        refuses: WRITES,
        ..Operation::default()
    }
}

fn remove_member() -> Operation {
    Operation {
        tag: "groups",
        summary: "Remove a member",
        clauses: &["G-4", "G-7", "I-2", "J-2"],
        answers: vec![(200, json_of("The group, without the member.", "Group"))],
        refuses: &[507],
        ..Operation::default()
    }
}

fn fetch() -> Operation {
    let bytes = json!({ "*/*": { "schema": {} } });
    let whole = json!({
        "description": "The bytes, with the recorded Content-Type.",
        "headers": responses::with_request_id(&responses::DELIVERY),
        "content": bytes,
    });
    let mut fields = responses::DELIVERY.to_vec();
    fields.push("Content-Range");
    let part = json!({
        "description": "The bytes of the range.",
        "headers": responses::with_request_id(&fields),
        "content": bytes,
    });
    let known = empty("The client has it.", &["ETag", "Cache-Control", "Vary"]);
    Operation {
        tag: "artifacts",
        summary: "Fetch a file",
        clauses: &[
            "F-1", "F-2", "F-3", "F-4", "F-5", "F-6", "F-7", "F-8", "F-9", "F-10", "F-11", "F-12",
            "F-13", "F-14",
        ],
        parameters: &["Uri", "Range", "IfMatch", "IfNoneMatch", "IfRange"],
        answers: vec![(200, whole), (206, part), (304, known)],
        refuses: &[412, 416],
        ..Operation::default()
    }
}

/// What is served to everybody, each with its path.
pub(super) fn outside() -> [(&'static str, Value); 2] {
    let ok = json!({ "schema": { "const": "ok" }, "example": "ok" });
    let health = Operation {
        tag: "server",
        summary: "Whether requests are served",
        clauses: &["X-2"],
        answers: vec![(
            200,
            json!({
                "description": "They are.",
                "headers": responses::with_request_id(&[]),
                "content": { "text/plain; charset=utf-8": ok },
            }),
        )],
        ..Operation::default()
    };
    let document = json!({ "schema": { "type": "object", "required": ["openapi", "paths"] } });
    let api = Operation {
        tag: "server",
        summary: "This document",
        clauses: &["X-3", "C-7"],
        answers: vec![(
            200,
            json!({
                "description": "OpenAPI 3.1.",
                "headers": responses::with_request_id(&[]),
                "content": { "application/json; charset=utf-8": document },
            }),
        )],
        ..Operation::default()
    };
    [
        ("/healthz", health.finish("health", None)),
        (super::PATH, api.finish("describe", None)),
    ]
}

/// A `HEAD` beside this `GET`: the same, without content.
pub(super) fn head_of(get: &Value) -> Value {
    let mut head = get.clone();
    let id = get["operationId"].as_str().unwrap_or_default();
    head["operationId"] = format!("{id}Head").into();
    let summary = get["summary"].as_str().unwrap_or_default();
    head["summary"] = format!("{summary}: the fields alone").into();
    let clauses = head["x-clauses"].as_array_mut();
    clauses
        .expect("an operation has clauses")
        .push("C-6".into());
    let responses = head["responses"].as_object_mut();
    let responses = responses.expect("an operation has responses");
    // F-13: there is no range of a HEAD.
    responses.remove("206");
    responses.remove("416");
    for response in responses.values_mut() {
        if let Some(members) = response.as_object_mut() {
            members.remove("content");
        }
    }
    head
}

/// An answer in JSON.
fn json_of(what: &str, schema: &str) -> Value {
    json!({
        "description": what,
        "headers": responses::with_request_id(&[]),
        "content": { "application/json; charset=utf-8": { "schema": reference("schemas", schema) } },
    })
}

/// The same answer, of which a member is the parameter of these operations.
fn leading_to(mut answer: Value, parameter: &str, member: &str, operations: &[&str]) -> Value {
    let link = |operation: &&str| {
        let value = format!("$response.body#/{member}");
        let link = json!({ "operationId": operation, "parameters": { parameter: value } });
        ((*operation).to_owned(), link)
    };
    answer["links"] = Value::Object(operations.iter().map(link).collect());
    answer
}

/// An answer without content.
fn empty(what: &str, fields: &[&str]) -> Value {
    json!({ "description": what, "headers": responses::with_request_id(fields) })
}

impl Operation {
    /// In the document's shape; without an endpoint, one that needs no credential.
    fn finish(self, id: &str, endpoint: Option<&Endpoint>) -> Value {
        let Self {
            tag,
            summary,
            clauses,
            parameters,
            takes,
            answers,
            refuses,
        } = self;
        let common = match endpoint {
            Some(_) => &responses::COMMON[..],
            None => &responses::OUTSIDE,
        };
        let mut all = Map::new();
        for (status, answer) in answers {
            all.insert(status.to_string(), answer);
        }
        for status in common.iter().chain(refuses) {
            all.insert(
                status.to_string(),
                reference("responses", &responses::name(*status)),
            );
        }
        let who = endpoint.map_or("For everybody.", |endpoint| who(endpoint.who));
        let cited = clauses.join(", ");
        let mut operation = json!({
            "operationId": id,
            "tags": [tag],
            "summary": summary,
            "description": format!("{who} Clauses {cited} of docs/http-api.md."),
            "x-clauses": clauses,
            "responses": all,
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters
                .iter()
                .map(|name| reference("parameters", name))
                .collect();
        }
        if let Some((media, schema, required)) = takes {
            operation["requestBody"] = json!({
                "required": required,
                "content": { media: { "schema": reference("schemas", schema) } },
            });
        }
        if endpoint.is_none() {
            operation["security"] = json!([]);
        }
        operation
    }
}

fn who(who: Who) -> &'static str {
    match who {
        Who::Any => "For every valid credential of the experiment.",
        Who::WorkerOrAdmin => "For workers and the admin.",
        Who::Admin => "For the admin alone.",
        Who::Worker => "For workers, and not the admin.",
    }
}
