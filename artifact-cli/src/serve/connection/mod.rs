//! One connection: what it may take, who watches it, and the requests on it.

mod answer_body;
mod guard;
mod limits;
mod pace;
mod pulse;
mod record;
mod refusal;
mod request_body;
mod request_id;
mod requests;
mod serve;

pub(crate) use limits::{BACKLOG, Limits};
pub(crate) use pulse::Pulse;
pub(crate) use refusal::wire;
pub(crate) use requests::Front;
pub(crate) use serve::{builder, serve};
