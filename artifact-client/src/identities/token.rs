//! The secret of a worker, which the server shows once.

use std::fmt;

/// A registration token. It is shown by [`expose`](Self::expose) and by nothing else: `Debug` hides it,
/// and there is no `Display` and no serialisation.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrationToken(String);

impl RegistrationToken {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself: visible ASCII.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RegistrationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistrationToken(hidden)")
    }
}
