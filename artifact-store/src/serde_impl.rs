//! `Serialize` and `Deserialize` of the types in a row. All of them are text, except the id and the digest.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::collections::{CollectionId, CollectionPath};
use crate::content_type::ContentType;
use crate::experiment::ExperimentId;
use crate::external_id::ExternalId;
use crate::file_name::FileName;
use crate::identity::{AdministratorId, DisplayName, GroupId, MemberId, WorkerId};
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// A type whose text form is checked when it is read.
trait Text: Sized {
    const EXPECTED: &str;

    fn read<E: de::Error>(text: &str) -> Result<Self, E>;
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: Text> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::read(text)
    }
}

macro_rules! text {
    ($($name:ident $expected:literal $read:expr;)+) => {$(
        impl Text for $name {
            const EXPECTED: &str = $expected;

            fn read<E: de::Error>(text: &str) -> Result<Self, E> {
                let read: fn(&str) -> Result<Self, E> = $read;
                read(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextVisitor(PhantomData))
            }
        }
    )+};
}

text! {
    ExperimentId "the id of an experiment" |text| text.parse().map_err(E::custom);
    WorkerId "the id of a worker" |text| text.parse().map_err(E::custom);
    GroupId "the id of a group" |text| text.parse().map_err(E::custom);
    AdministratorId "the id of an administrator" |text| text.parse().map_err(E::custom);
    MemberId "the id of a worker or a group" |text| text.parse().map_err(E::custom);
    PrincipalId "the id of a principal" |text| text.parse().map_err(E::custom);
    ExternalId "the id of a principal of the program" |text| text.parse().map_err(E::custom);
    DisplayName "a name" |text| text.parse().map_err(E::custom);
    CollectionPath "the name of a file in a collection" |text| text.parse().map_err(E::custom);
    // These two have been made safe before. A text that is not safe is refused, not changed.
    ContentType "a content type of visible ASCII" |text| {
        let clean = ContentType::clean(text);
        let same = clean.as_str() == text;
        same.then_some(clean).ok_or_else(|| E::custom("the content type is not visible ASCII of 1 to 255 bytes"))
    };
    FileName "a file name without a path" |text| {
        let clean = FileName::clean(text).filter(|clean| clean.as_str() == text);
        clean.ok_or_else(|| E::custom("the file name has a path, forbidden characters or more than 255 bytes"))
    };
}

impl Text for CollectionId {
    const EXPECTED: &str = "the id of a collection";

    fn read<E: de::Error>(text: &str) -> Result<Self, E> {
        text.parse().map_err(E::custom)
    }
}

impl Serialize for CollectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CollectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

/// Reads a time and truncates it to microseconds, as every record does.
pub(crate) fn micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Timestamp::deserialize(deserializer).map(truncate_to_micros)
}

/// Reads a time that may be missing, and truncates it to microseconds.
pub(crate) fn optional_micros<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let time = Option::<Timestamp>::deserialize(deserializer)?;
    Ok(time.map(truncate_to_micros))
}
