//! Schemas of types whose grammar serde does not know.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Ids for examples.
pub(crate) const WORKER: &str = "wkr_01jd9v0w7q3k5n8r2t4x6z0abc";
pub(crate) const GROUP: &str = "grp_01jd9v0w7q3k5n8r2t4x6z0def";
pub(crate) const ADMINISTRATOR: &str = "adm_01jd9v0w7q3k5n8r2t4x6z0ghj";
pub(crate) const ARTIFACT: &str = "4f2a9c0de1b83756a0c4d2f19e7b6385";
pub(crate) const GRANT: &str = "gnt_01jd9v0w7q3k5n8r2t4x6z0ghj";
pub(crate) const LINK: &str = "lnk_01jd9v0w7q3k5n8r2t4x6z0kmn";
pub(crate) const LINK_URL: &str = "http://127.0.0.1:8080/v1/links/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
pub(crate) const LINK_SECRET: &str =
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
pub(crate) const UPLOAD: &str = "b9c1e6d27f0a4c8395d2be61074fa83c";
pub(crate) const COLLECTION: &str = "col_4f2a9c0de1b83756a0c4d2f19e7b6385";
pub(crate) const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
pub(crate) const URI: &str = "eden://artifacts/4f2a9c0de1b83756a0c4d2f19e7b6385";

/// Defines types that stand for their schemas and have no values.
macro_rules! schemas {
    ($($name:ident inline $inline:literal => $schema:tt;)+) => {$(
        pub(crate) enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                $inline
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

schemas! {
    WorkerId inline false => {
        "type": "string",
        // 26 digits of Crockford's base 32 in lower case.
        "pattern": "^wkr_[0-9a-hjkmnp-tv-z]{26}$",
        "examples": [WORKER],
    };
    GroupId inline false => {
        "type": "string",
        "pattern": "^grp_[0-9a-hjkmnp-tv-z]{26}$",
        "examples": [GROUP],
    };
    AdministratorId inline false => {
        "type": "string",
        "pattern": "^adm_[0-9a-hjkmnp-tv-z]{26}$",
        "examples": [ADMINISTRATOR],
    };
    MemberId inline false => {
        "type": "string",
        "pattern": "^(wkr|grp)_[0-9a-hjkmnp-tv-z]{26}$",
        "examples": [WORKER],
    };
    DisplayName inline false => {
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "pattern": r"^\S(.*\S)?$",
        "description": "A label in Unicode normalization form C, without control, private-use and unassigned code points, and without leading or trailing white space (N-1). Several workers, groups or administrators may have the same one.",
        "examples": ["builder"],
    };
    ArtifactId inline false => {
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
        "examples": [ARTIFACT],
    };
    GrantId inline false => {
        "type": "string",
        "pattern": "^gnt_[0-9a-hjkmnp-tv-z]{26}$",
        "examples": [GRANT],
    };
    LinkId inline false => {
        "type": "string",
        "pattern": "^lnk_[0-9a-hjkmnp-tv-z]{26}$",
        "examples": [LINK],
    };
    LinkSecret inline false => {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "examples": [LINK_SECRET],
    };
    UploadId inline false => {
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
        "examples": [UPLOAD],
    };
    CollectionId inline false => {
        "type": "string",
        "pattern": "^col_[0-9a-f]{32}$",
        "examples": [COLLECTION],
    };
    FileInCollection inline true => { "type": "string", "minLength": 1, "maxLength": 1024 };
    ExperimentName inline true => { "type": "string", "minLength": 1, "maxLength": 128 };
    ExperimentField inline true => {
        "type": "string",
        "description": "The experiment.",
        "examples": ["default"],
    };
    Principal inline true => {
        "type": "string",
        "description": "`admin`, or the id of a worker or of a named administrator.",
        "examples": ["admin"],
    };
    Time inline true => {
        "type": "string",
        "format": "date-time",
        "description": "RFC 3339 in UTC.",
        "examples": ["2026-01-02T03:04:05.000006Z"],
    };
    File inline false => {
        "type": "object",
        "required": ["file"],
        "additionalProperties": false,
        "properties": {
            "file": {
                "type": "string",
                "format": "binary",
                "contentMediaType": "application/octet-stream",
                "description": "One file upload: it has a filename, and may have a Content-Type of its own (D-1).",
            },
        },
    };
}
