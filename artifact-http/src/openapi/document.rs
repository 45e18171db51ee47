//! Assembles the document.

use http::Method;
use schemars::Schema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value, json};

use super::docs::Docs;
use super::{DOCS, PATH, parameters, responses};
use crate::endpoint::{Access, Endpoint};
use crate::endpoints::endpoints;
use crate::{health, readiness, receipts, sharing};

/// What the description adds about the endpoints of management.
const MANAGEMENT: &str = "Under /v1/ the order is the same; the experiment header may be left out there, because the path names the experiment.";

/// Collect the schemas. A member that may be missing is described differently for bodies that are
/// read and bodies that are written.
pub(super) struct Generators {
    pub(super) requests: SchemaGenerator,
    pub(super) answers: SchemaGenerator,
}

impl Generators {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12()
                .with(|settings| settings.definitions_path = "/components/schemas".into())
                .with_transform(RecursiveTransform(tidy))
        };
        Self {
            requests: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
        }
    }

    fn into_components(mut self) -> Value {
        let mut schemas = self.requests.take_definitions(true);
        schemas.extend(self.answers.take_definitions(true));
        Value::Object(schemas)
    }
}

/// Removes what describes Rust's types and not the protocol: widths of integers, and `null` as the
/// default of a member that must not be `null`.
fn tidy(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    let format = schema.get("format").and_then(Value::as_str);
    if format.is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
}

/// Assembles the document of the endpoints that `serves` accepts, and of `/readyz` if the router has it.
pub(super) fn document(serves: impl Fn(&Endpoint) -> bool, with_readiness: bool) -> Value {
    let listed: Vec<_> = endpoints()
        .iter()
        .copied()
        .filter(|endpoint| serves(endpoint))
        .collect();
    let with_sharing = listed.iter().any(|endpoint| endpoint.needs_sharing());
    let with_receipts = listed.iter().any(|endpoint| endpoint.needs_receipts());
    let with_management = listed.iter().any(|endpoint| endpoint.needs_management());
    let mut generators = Generators::new();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "artifact",
            "summary": "A blob store for files that must not change",
            "description": "docs/http-api.md says in numbered clauses what clients may rely on; `x-clauses` names those of an operation. On every path under /v0/ the checks run in this order: credential (401), experiment header (400), path (404), method (405), class of principal (403), and then the operation's own.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "tags": [
            { "name": "artifacts", "description": "Deposit and fetch files." },
            { "name": "workers", "description": "The principals that deposit and fetch." },
            { "name": "groups", "description": "Sets of workers and groups; members of the group `admins` may read every artifact." },
            { "name": "experiment", "description": "The tenant that everything else belongs to." },
            { "name": "server", "description": "The server itself; needs no credential." },
        ],
        "security": [{ "principal": [] }],
        "paths": paths(&listed, with_readiness, &mut generators),
        "components": {
            "securitySchemes": {
                "principal": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "<principal>:<secret>",
                    "description": "`Authorization: Bearer <principal>:<secret>`, split at the first colon. The principal is `admin`, with the deployment's admin token, or the id of a worker or of a named administrator, with its registration token.",
                },
            },
            "parameters": parameters::components(&mut generators),
            "headers": responses::headers(),
            "responses": responses::components(&mut generators),
            "schemas": generators.into_components(),
        },
    });
    if with_management {
        let with_collections = listed.iter().any(|endpoint| endpoint.needs_collections());
        describe_management(&mut document, with_collections);
        if listed
            .iter()
            .any(|endpoint| endpoint.docs.tag == "administrators")
            && let Some(tags) = document["tags"].as_array_mut()
        {
            tags.push(json!({
                "name": "administrators",
                "description": "Principals that may do what `admin` may, each with a token of its own.",
            }));
        }
    }
    if with_sharing && let Some(tags) = document["tags"].as_array_mut() {
        let description = "Let workers and groups read an artifact or a collection, or everyone who has a link read an artifact.";
        let tag = json!({ "name": sharing::TAG, "description": description });
        tags.insert(2, tag);
    }
    if with_receipts && let Some(tags) = document["tags"].as_array_mut() {
        let description = "What the store signs about each artifact, and the log of it.";
        tags.push(json!({ "name": receipts::TAG, "description": description }));
    }
    document
}

/// Adds what the document says about the endpoints of management in general.
fn describe_management(document: &mut Value, with_collections: bool) {
    let description = &mut document["info"]["description"];
    let text = description.as_str().unwrap_or_default();
    *description = format!("{text} {MANAGEMENT}").into();
    if let Some(tags) = document["tags"].as_array_mut() {
        let tag = json!({
            "name": "management",
            "description": "Deposit, fetch, list, delete, hold and expire artifacts; experiments and administrators.",
        });
        tags.insert(1, tag);
        let tag = json!({
            "name": "uploads",
            "description": "Resumable uploads, by tus 1.0 and by draft-ietf-httpbis-resumable-upload.",
        });
        tags.insert(2, tag);
        if with_collections {
            let tag = json!({
                "name": "collections",
                "description": "Files under names that are given once.",
            });
            tags.insert(3, tag);
        }
    }
    document["components"]["securitySchemes"]["basic"] = json!({
        "type": "http",
        "scheme": "basic",
        "description": "The principal as the user, its token as the password; only under /v1/ (A-9).",
    });
}

fn paths(listed: &[&Endpoint], with_readiness: bool, generators: &mut Generators) -> Value {
    let mut paths = Map::new();
    for endpoint in listed {
        let path = paths
            .entry(endpoint.path)
            .or_insert_with(|| json!({ "parameters": parameters::of_path(endpoint) }));
        let access = Some(endpoint.access).filter(|access| *access != Access::Anyone);
        let mut operation = operation(endpoint.id, access, &endpoint.docs, generators);
        if endpoint.needs_management() && access.is_some() {
            operation["security"] = json!([{ "principal": [] }, { "basic": [] }]);
        }
        if endpoint.method == Method::GET {
            path["head"] = head(&operation);
        }
        path[endpoint.method.as_str().to_ascii_lowercase()] = operation;
    }
    let readiness = (readiness::PATH, "readiness", &readiness::DOCS);
    let of_server = [
        (health::PATH, "health", &health::DOCS),
        (PATH, "describe", &DOCS),
    ];
    let readiness = with_readiness.then_some(readiness);
    for (path, id, docs) in of_server.into_iter().chain(readiness) {
        let get = operation(id, None, docs, generators);
        paths.insert(path.to_owned(), json!({ "head": head(&get), "get": get }));
    }
    if listed.iter().any(|endpoint| endpoint.needs_receipts()) {
        add_log(&mut paths, generators);
    }
    Value::Object(paths)
}

/// Adds the paths of the log of receipts.
fn add_log(paths: &mut Map<String, Value>, generators: &mut Generators) {
    let checkpoint = operation(
        "readCheckpoint",
        None,
        &receipts::CHECKPOINT_DOCS,
        generators,
    );
    let path = json!({ "head": head(&checkpoint), "get": checkpoint });
    paths.insert(receipts::CHECKPOINT.to_owned(), path);
    let tile = operation("readTile", None, &receipts::TILE_DOCS, generators);
    let parameter = json!({
        "name": "F",
        "in": "path",
        "required": true,
        "description": "The level of the tile, its number, and for a tile that is not full its width, by c2sp.org/tlog-tiles. Its slashes are not encoded.",
        "schema": { "type": "string" },
        "example": "0/000.p/1",
    });
    let path = json!({ "parameters": [parameter], "head": head(&tile), "get": tile });
    paths.insert(receipts::TILE.to_owned(), path);
}

/// Describes an operation; `access` is `None` if it needs no credential.
fn operation(id: &str, access: Option<Access>, docs: &Docs, generators: &mut Generators) -> Value {
    let common = match access {
        Some(_) => &responses::COMMON[..],
        None => &responses::WITHOUT_CREDENTIAL,
    };
    let mut answers = Map::new();
    for answer in docs.answers {
        let mut response = json!({
            "description": answer.description,
            "headers": responses::header_references(answer.headers),
        });
        if let Some((media_type, schema)) = answer.content {
            let schema = schema(&mut generators.answers);
            response["content"] = json!({ media_type: { "schema": schema } });
        }
        for (links, operation) in answer.links.iter().flat_map(|links| {
            links
                .operations
                .iter()
                .map(move |operation| (links, operation))
        }) {
            response["links"][operation] = json!({
                "operationId": operation,
                "parameters": { links.parameter: format!("$response.body#/{}", links.member) },
            });
        }
        answers.insert(answer.status.to_string(), response);
    }
    for status in common.iter().chain(docs.problems) {
        let answer = answers.entry(status.to_string());
        answer.or_insert_with(|| responses::problem(*status));
    }
    let access_rule = access.map_or("Needs no credential.", Access::description);
    let clauses = docs.clauses.join(", ");
    let mut operation = json!({
        "operationId": id,
        "tags": [docs.tag],
        "summary": docs.summary,
        "description": format!("{access_rule} Clauses {clauses} of docs/http-api.md."),
        "x-clauses": docs.clauses,
        "responses": answers,
    });
    if !docs.parameters.is_empty() {
        let parameters = docs.parameters.iter();
        operation["parameters"] = parameters.map(|parameter| parameter.reference()).collect();
    }
    if let Some(content) = docs.content {
        let schema = (content.schema)(&mut generators.requests);
        let types = content.media_types.iter();
        let types = types.map(|media_type| ((*media_type).to_owned(), json!({ "schema": schema })));
        operation["requestBody"] = json!({
            "required": content.required,
            "content": types.collect::<Map<_, _>>(),
        });
    }
    if access.is_none() {
        operation["security"] = json!([]);
    }
    operation
}

/// Describes the `HEAD` that belongs to a `GET`: the same without content and ranges (F-13).
fn head(get: &Value) -> Value {
    let mut head = get.clone();
    for (member, suffix) in [("operationId", "Head"), ("summary", ": only the header")] {
        let text = get[member].as_str().unwrap_or_default();
        head[member] = format!("{text}{suffix}").into();
    }
    if let Some(clauses) = head["x-clauses"].as_array_mut() {
        clauses.push("C-6".into());
    }
    if let Some(responses) = head["responses"].as_object_mut() {
        responses.remove("206");
        responses.remove("416");
        for response in responses.values_mut().filter_map(Value::as_object_mut) {
            response.remove("content");
        }
    }
    head
}

/// Returns a reference to a component of the document.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}
