//! The one seam to the operating system's random source.

/// `N` random bytes from the operating system, fit for ids and secrets.
///
/// # Panics
///
/// If the operating system has no random source: no id or secret made without one would be safe,
/// and on every platform that this runs on it means that the machine is broken.
#[must_use = "random bytes that are not used were drawn for nothing"]
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}
