//! Ids, ranges and errors as the types of the program.

use std::io;

use artifact_backend::{ArtifactBackend, ArtifactBackendExt, ArtifactId, ByteRange};
use uuid::Uuid;

use crate::{Outcome, expect, stored};

const TEXT: &str = "000102030405060708090a0b0c0d0e0f";
const NUMBER: u128 = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f;

pub async fn byte_range_from_a_range() -> Outcome {
    let (backend, id) = stored("twelve bytes").await?;
    expect(
        backend.load_range(id, (0..6).into()).await?,
        "twelve".into(),
    )?;
    expect(backend.load_range(id, (7..).into()).await?, "bytes".into())?;
    expect(ByteRange::from(2..=4), ByteRange::from(2..5))
}

pub async fn id_from_a_number() -> Outcome {
    let id = ArtifactId::from(NUMBER);
    expect(id.to_string().as_str(), TEXT)?;
    expect(u128::from(id), NUMBER)
}

pub async fn id_from_bytes() -> Outcome {
    let bytes: [u8; 16] = std::array::from_fn(|index| index as u8);
    let id = ArtifactId::from(bytes);
    expect(id.to_string().as_str(), TEXT)?;
    expect(<[u8; 16]>::from(id), bytes)?;
    expect::<&[u8]>(id.as_ref(), &bytes)
}

pub async fn id_from_text() -> Outcome {
    expect(u128::from(ArtifactId::try_from(TEXT)?), NUMBER)?;
    expect(ArtifactId::try_from("../etc/passwd").is_err(), true)
}

pub async fn id_from_a_uuid() -> Outcome {
    let uuid = Uuid::from_u128(NUMBER);
    let id = ArtifactId::from(uuid);
    expect(id.to_string().as_str(), TEXT)?;
    expect(Uuid::from(id), uuid)
}

pub async fn io_error_from_an_error() -> Outcome {
    let (backend, _) = stored("another blob").await?;
    let loaded = backend.load(ArtifactId::mint()).await;
    let error = loaded.map_err(io::Error::from).err();
    let kind = error.map(|error| error.kind());
    expect(kind, Some(io::ErrorKind::NotFound))
}

pub async fn json_of_an_id() -> Outcome {
    let id = ArtifactId::from(NUMBER);
    let json = serde_json::to_string(&id)?;
    expect(json.trim_matches('"'), TEXT)?;
    expect(serde_json::from_str::<ArtifactId>(&json)?, id)
}
