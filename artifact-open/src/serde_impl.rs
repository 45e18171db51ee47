//! Serialization of [`BackendUrl`] as text.

use std::fmt;
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, Serializer};

use crate::backend_url::BackendUrl;

impl Serialize for BackendUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.path().map(Path::to_str) == Some(None) {
            return Err(ser::Error::custom("the path of the folder is not UTF-8"));
        }
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BackendUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UrlVisitor;

        impl Visitor<'_> for UrlVisitor {
            type Value = BackendUrl;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the URL or the path of a backend")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<BackendUrl, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(UrlVisitor)
    }
}
