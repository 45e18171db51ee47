//! Random bytes from the operating system.

/// Returns `N` random bytes from the operating system, fit for ids and secrets.
///
/// # Panics
///
/// If the operating system has no random source. Without it no id or secret would be safe, and on
/// every supported platform it means that the machine is broken.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that asks the operating system for random bytes"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}
