//! The opaque ids of workers, groups, grants, links and named administrators.

use std::fmt;
use std::str::FromStr;

use artifact_backend::random;

/// The length of an id: a prefix such as `wkr_`, then 26 digits.
pub(crate) const LEN: usize = 30;
const PREFIX_LEN: usize = 4;

/// Crockford's base 32 in lower case, which has no i, l, o and u. <https://www.crockford.com/base32.html>
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Whether a byte is one of [`DIGITS`]. Each request of a worker looks up 26 bytes.
const IS_DIGIT: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index < DIGITS.len() {
        table[DIGITS[index] as usize] = true;
        index += 1;
    }
    table
};

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; LEN]);

        impl $name {
            /// The prefix of the text.
            pub const PREFIX: &'static str = $prefix;

            /// Creates a fresh id of 128 bits from the operating system's random source.
            ///
            /// # Panics
            ///
            /// If the operating system has no random source.
            #[must_use = "a fresh id has no effect until a record is written under it"]
            pub fn mint() -> Self {
                Self(mint(Self::PREFIX))
            }

            /// Returns the id as text, 30 ASCII characters.
            pub fn as_str(&self) -> &str {
                str::from_utf8(&self.0).expect("prefix and digits are ASCII")
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text, Self::PREFIX).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

opaque_id! {
    /// The id of a worker: `^wkr_[0-9a-hjkmnp-tv-z]{26}$`. Each id has exactly one text.
    WorkerId, "wkr_"
}

opaque_id! {
    /// The id of a group: `^grp_[0-9a-hjkmnp-tv-z]{26}$`. Each id has exactly one text.
    GroupId, "grp_"
}

opaque_id! {
    /// The id of a grant: `^gnt_[0-9a-hjkmnp-tv-z]{26}$`. Each id has exactly one text.
    GrantId, "gnt_"
}

opaque_id! {
    /// The id of a link: `^lnk_[0-9a-hjkmnp-tv-z]{26}$`. Each id has exactly one text. It is no secret; see
    /// [`LinkSecret`](crate::LinkSecret).
    LinkId, "lnk_"
}

opaque_id! {
    /// The id of a named administrator: `^adm_[0-9a-hjkmnp-tv-z]{26}$`. Each id has exactly one text.
    AdministratorId, "adm_"
}

/// The id of a member of a group: a worker, or another group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberId {
    /// A worker.
    Worker(WorkerId),
    /// A group, whose members are members too.
    Group(GroupId),
}

impl MemberId {
    /// Returns the id as text, 30 ASCII characters.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Worker(id) => id.as_str(),
            Self::Group(id) => id.as_str(),
        }
    }

    /// Returns the id of the group, or `None` for a worker.
    pub fn group(self) -> Option<GroupId> {
        match self {
            Self::Worker(_) => None,
            Self::Group(id) => Some(id),
        }
    }
}

impl FromStr for MemberId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.parse() {
            Ok(id) => Ok(Self::Worker(id)),
            Err(_) => text.parse().map(Self::Group),
        }
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberId({self})")
    }
}

impl From<WorkerId> for MemberId {
    fn from(id: WorkerId) -> Self {
        Self::Worker(id)
    }
}

impl From<GroupId> for MemberId {
    fn from(id: GroupId) -> Self {
        Self::Group(id)
    }
}

/// The error for a text that is not the id of a worker, a group, a grant, a link or a named administrator. Its message
/// does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an id is \"wkr_\" for a worker, \"grp_\" for a group, \"gnt_\" for a grant, \"lnk_\" for a link or \"adm_\" for an \
     administrator, and 26 of the characters 0-9 a-h j k m n p-t v-z"
)]
pub struct InvalidId(());

fn mint(prefix: &str) -> [u8; LEN] {
    // 26 digits hold 130 bits. The two highest stay 0, so that the digits are also a valid ULID.
    let mut bits = u128::from_be_bytes(random::bytes());
    let mut text = [0; LEN];
    text[..PREFIX_LEN].copy_from_slice(prefix.as_bytes());
    for digit in text[PREFIX_LEN..].iter_mut().rev() {
        *digit = DIGITS[(bits & 31) as usize];
        bits >>= 5;
    }
    text
}

fn parse(text: &str, prefix: &str) -> Result<[u8; LEN], InvalidId> {
    let bytes: [u8; LEN] = text.as_bytes().try_into().map_err(|_| InvalidId(()))?;
    let digits = text.strip_prefix(prefix).ok_or(InvalidId(()))?;
    if digits.bytes().all(|digit| IS_DIGIT[usize::from(digit)]) {
        Ok(bytes)
    } else {
        Err(InvalidId(()))
    }
}
