//! JSON schemas of the text forms.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::digest::Sha256Digest;
use crate::id::ArtifactId;
use crate::store_id::StoreId;
use crate::uri::{ArtifactUri, UriPrefix};

macro_rules! schemas {
    ($($name:ident => $schema:tt;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!("artifact_backend::", stringify!($name)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

schemas! {
    ArtifactId => {
        "type": "string",
        "description": "The opaque id of an artifact.",
        "pattern": "^[0-9a-f]{32}$",
    };
    StoreId => {
        "type": "string",
        "description": "The id of a store.",
        "pattern": "^store-[0-9a-f]{32}$",
    };
    Sha256Digest => {
        "type": "string",
        "description": "A SHA-256 digest.",
        "pattern": "^[0-9a-f]{64}$",
    };
    UriPrefix => {
        "type": "string",
        "description": "The text before the id in every URI of one deployment.",
        "pattern": "^[!-~]{0,199}/$",
    };
    ArtifactUri => {
        "type": "string",
        "description": "The URI of an artifact.",
        "pattern": "^[!-~]{0,199}/[0-9a-f]{32}$",
    };
}
