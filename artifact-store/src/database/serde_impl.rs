//! Serialization of [`DatabaseUrl`] as text, without its password.

use std::fmt;
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, Serializer};

use super::DatabaseUrl;

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.path().map(Path::to_str) == Some(None) {
            return Err(ser::Error::custom("the path of the database is not UTF-8"));
        }
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UrlVisitor;

        impl Visitor<'_> for UrlVisitor {
            type Value = DatabaseUrl;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the URL or the path of a database")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<DatabaseUrl, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(UrlVisitor)
    }
}
