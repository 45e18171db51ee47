//! JSON bodies for the fuzz target `json_bodies`.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use super::groups::{NewGroup, NewMember};
use super::json_body;
use super::utf8_field::Utf8Field;
use super::workers::NewWorker;
use crate::fuzzing::answer;

/// An endpoint that takes a JSON body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonEndpoint {
    /// `POST /workers`.
    RegisterWorker,
    /// `POST /groups`.
    RegisterGroup,
    /// `POST /groups/{G}/members`.
    AddMember,
}

/// The members of a body, as the endpoint reads them before it checks their values.
///
/// A name with a lone surrogate is `Some(None)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonBody {
    /// A body of [`RegisterWorker`](JsonEndpoint::RegisterWorker).
    NewWorker {
        /// The display name.
        name: Option<Option<String>>,
        /// The labels.
        labels: Option<BTreeMap<String, String>>,
    },
    /// A body of [`RegisterGroup`](JsonEndpoint::RegisterGroup).
    NewGroup {
        /// The display name.
        name: Option<Option<String>>,
        /// The texts of the members' ids.
        members: Option<Vec<String>>,
    },
    /// A body of [`AddMember`](JsonEndpoint::AddMember).
    NewMember {
        /// The text of the member's id.
        member_id: String,
    },
}

impl JsonEndpoint {
    /// Reads a body as this endpoint does.
    ///
    /// # Errors
    ///
    /// The problem that the client gets.
    ///
    /// # Panics
    ///
    /// If the reader waits, although the whole body is there.
    pub fn read(self, headers: &HeaderMap, body: Bytes) -> Result<JsonBody, Box<Response>> {
        Ok(match self {
            Self::RegisterWorker => {
                let NewWorker { name, labels } = read(headers, body)?;
                JsonBody::NewWorker {
                    name: name.map(text),
                    labels: labels.map(|labels| labels.0),
                }
            }
            Self::RegisterGroup => {
                let NewGroup { name, members } = read(headers, body)?;
                JsonBody::NewGroup {
                    name: name.map(text),
                    members,
                }
            }
            Self::AddMember => {
                let NewMember { member_id } = read(headers, body)?;
                JsonBody::NewMember { member_id }
            }
        })
    }
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Bytes) -> Result<T, Box<Response>> {
    let read = json_body::read(headers, Body::from(body)).now_or_never();
    let read = read.expect("a body in memory is read at once");
    Ok(read.map_err(answer)?)
}

fn text(field: Utf8Field) -> Option<String> {
    match field {
        Utf8Field::Valid(text) => Some(text),
        Utf8Field::Surrogate => None,
    }
}
