//! A parameter of a statement.

/// A parameter of a statement. It owns its value, so that a query can move to another thread.
#[derive(Debug, Clone)]
pub(in crate::database) enum Param {
    Text(String),
    OptionalText(Option<String>),
    Integer(i64),
    OptionalInteger(Option<i64>),
    Bytes(Vec<u8>),
    /// A text that may not be UTF-8, as [`raw_text`](super::Columns::raw_text) returns it.
    RawText(Vec<u8>),
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<&str>> for Param {
    fn from(text: Option<&str>) -> Self {
        Self::OptionalText(text.map(str::to_owned))
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Option<i64>> for Param {
    fn from(number: Option<i64>) -> Self {
        Self::OptionalInteger(number)
    }
}

impl From<&[u8]> for Param {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

/// Makes an array of parameters from values of different types.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        [$($crate::database::sql::Param::from($value)),*]
    };
}
pub(in crate::database) use params;
