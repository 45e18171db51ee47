//! JSON schemas of ids.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::collections::CollectionId;
use crate::experiment::ExperimentId;
use crate::external_id::ExternalId;
use crate::identity::{AdministratorId, GroupId, MemberId, WorkerId};
use crate::principal::PrincipalId;

macro_rules! schemas {
    ($($name:ident => $schema:tt;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!("artifact_store::", stringify!($name)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

schemas! {
    ExperimentId => {
        "type": "string",
        "description": "The id of an experiment; neither `.` nor `..`.",
        "pattern": "^[A-Za-z0-9._~-]{1,128}$",
    };
    WorkerId => {
        "type": "string",
        "description": "The id of a worker.",
        "pattern": "^wkr_[0-9a-hjkmnp-tv-z]{26}$",
    };
    GroupId => {
        "type": "string",
        "description": "The id of a group.",
        "pattern": "^grp_[0-9a-hjkmnp-tv-z]{26}$",
    };
    AdministratorId => {
        "type": "string",
        "description": "The id of a named administrator.",
        "pattern": "^adm_[0-9a-hjkmnp-tv-z]{26}$",
    };
    CollectionId => {
        "type": "string",
        "description": "The id of a collection.",
        "pattern": "^col_[0-9a-f]{32}$",
    };
    MemberId => {
        "type": "string",
        "description": "The id of a worker or of a group.",
        "pattern": "^(wkr|grp)_[0-9a-hjkmnp-tv-z]{26}$",
    };
    PrincipalId => {
        "type": "string",
        "description": "The id of a principal: `admin`, a named administrator, a worker, or a principal of the program.",
        "minLength": 1,
        "maxLength": 128,
    };
    ExternalId => {
        "type": "string",
        "description": "The id of a principal of the program: 1 to 128 bytes of UTF-8 in one line.",
        "minLength": 1,
        "maxLength": 128,
    };
}
