//! Lets glibc return freed memory to the system.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable from which glibc takes the trim threshold in bytes (mallopt(3)).
const VARIABLE: &str = "MALLOC_TRIM_THRESHOLD_";
/// glibc's own first threshold. Once it is set, glibc does not raise it.
const THRESHOLD: &str = "131072";

/// Starts this program again in the same process, with a fixed trim threshold, unless it is set.
///
/// glibc raises the threshold by itself and then keeps most of the memory that many readers needed. It
/// reads its settings when the process starts, and a safe program cannot change them later. If the program
/// cannot be started again, this one goes on.
pub(crate) fn fix_trim_threshold() {
    #[expect(
        clippy::disallowed_methods,
        reason = "variables of glibc, not of this program"
    )]
    let is_set = |name| std::env::var_os(name).is_some();
    if !cfg!(target_env = "gnu") || is_set(VARIABLE) || is_set("GLIBC_TUNABLES") {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // Returns only if it fails.
    let _error = command.args(arguments).env(VARIABLE, THRESHOLD).exec();
}
