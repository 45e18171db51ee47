//! Injects a fault at every system call of an operation: a kill, an error, or a short transfer.
//!
//! The subject runs under ptrace(2). The tracer numbers its system calls on files from the line `BEGIN` to
//! the line `END`, or to its exit. At each call the tracer may inject a fault, or change the environment
//! while the subject waits. A tracer cannot see operations that go through `io_uring`, so a subject that
//! sets one up is rejected.
//!
//! Linux on `x86_64` only, because the tracer accesses this architecture's registers.

mod call;
mod fault;
mod memory;
mod sweep;
mod table;
mod trace;

pub use call::Call;
pub use fault::Fault;
pub use sweep::{SyscallSweep, sweep, sweep_where};
pub use trace::{TracedRun, available, trace};
