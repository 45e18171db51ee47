//! The description of an endpoint, as it stands next to its handler.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::parameters::Parameter;
use crate::response::JSON;

/// Returns the schema of a type, usually as a reference to the document's components.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What the OpenAPI document says about an endpoint, apart from its method, path and access rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Docs {
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    /// The clauses of `docs/http-api.md` that the endpoint follows.
    pub(crate) clauses: &'static [&'static str],
    /// Parameters other than those of the path.
    pub(crate) parameters: &'static [&'static Parameter],
    pub(crate) content: Option<RequestContent>,
    pub(crate) answers: &'static [Answer],
    /// The statuses of further problems, besides those that every endpoint returns.
    pub(crate) problems: &'static [u16],
}

impl Docs {
    pub(crate) const EMPTY: Self = Self {
        tag: "",
        summary: "",
        clauses: &[],
        parameters: &[],
        content: None,
        answers: &[],
        problems: &[],
    };
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestContent {
    pub(crate) media_types: &'static [&'static str],
    pub(crate) schema: SchemaOf,
    pub(crate) required: bool,
}

impl RequestContent {
    /// A JSON body that must be present.
    pub(crate) const fn json<T: JsonSchema>() -> Self {
        Self {
            media_types: &["application/json"],
            schema: SchemaGenerator::subschema_for::<T>,
            required: true,
        }
    }

    /// Bytes of any type. None at all are bytes too: those of an empty file.
    pub(crate) const fn bytes() -> Self {
        Self {
            media_types: &["*/*"],
            schema: any_bytes,
            required: false,
        }
    }

    /// A piece of a file, for an append to an upload.
    pub(crate) const fn of_append() -> Self {
        Self {
            media_types: &[
                "application/offset+octet-stream",
                "application/partial-upload",
            ],
            ..Self::bytes()
        }
    }

    /// A JSON body that may be left out (J-1).
    pub(crate) const fn optional_json<T: JsonSchema>() -> Self {
        Self {
            required: false,
            ..Self::json::<T>()
        }
    }

    pub(crate) const fn multipart<T: JsonSchema>() -> Self {
        Self {
            media_types: &["multipart/form-data"],
            ..Self::json::<T>()
        }
    }
}

/// A successful response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    /// Header fields that are always present.
    pub(crate) headers: &'static [&'static str],
    /// The media type and the schema.
    pub(crate) content: Option<(&'static str, SchemaOf)>,
    pub(crate) links: Option<Links>,
}

/// Operations that take a member of the response as a parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    pub(crate) member: &'static str,
    pub(crate) parameter: &'static str,
    pub(crate) operations: &'static [&'static str],
}

impl Answer {
    /// A response without content.
    pub(crate) const fn empty(status: u16, description: &'static str) -> Self {
        Self {
            status,
            description,
            headers: &[],
            content: None,
            links: None,
        }
    }

    pub(crate) const fn json<T: JsonSchema>(status: u16, description: &'static str) -> Self {
        Self::empty(status, description).with_content(JSON, SchemaGenerator::subschema_for::<T>)
    }

    pub(crate) const fn with_content(mut self, media_type: &'static str, schema: SchemaOf) -> Self {
        self.content = Some((media_type, schema));
        self
    }

    pub(crate) const fn with_headers(mut self, headers: &'static [&'static str]) -> Self {
        self.headers = headers;
        self
    }

    pub(crate) const fn with_links(mut self, links: Links) -> Self {
        self.links = Some(links);
        self
    }
}

fn any_bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({})
}
