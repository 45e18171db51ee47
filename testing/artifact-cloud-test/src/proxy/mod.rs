//! A reverse proxy that loses requests and answers by a script.

mod answer;
mod fault;
mod forward;
mod script;
mod server;

pub use answer::Answer;
pub use fault::{Fault, Loss};
pub use script::Seen;
pub use server::FaultProxy;
