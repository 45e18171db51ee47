//! A reverse proxy that injects faults by a script.

mod canned;
mod fault;
mod forward;
mod script;
mod server;

pub use canned::CannedResponse;
pub use fault::{Fault, Loss};
pub use script::RecordedRequest;
pub use server::FaultProxy;
