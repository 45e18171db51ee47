//! Every system call of one operation, in turn: killed there, failing there, cut short there.
//!
//! The subject runs under ptrace(2). Its system calls on files are numbered from the line `BEGIN` that
//! it prints to the line `END` or its end, and at each the tracer decides what happens, or
//! does something itself while the subject waits in it. What the kernel is asked through `io_uring` no
//! tracer sees, so a subject that sets one up is refused instead of passed unseen.
//!
//! Linux on `x86_64` only: the registers are this architecture's.

mod call;
mod fault;
mod memory;
mod sweep;
mod table;
mod trace;

pub use call::Call;
pub use fault::Fault;
pub use sweep::{SyscallSweep, sweep};
pub use trace::{Traced, available, trace};
