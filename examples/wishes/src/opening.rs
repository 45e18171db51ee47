//! Opening and configuring.

use artifact_backend::bytes::Bytes;
use artifact_backend::{ArtifactBackend, ArtifactId, async_trait};
use artifact_open::{Backend, BackendOptions, BackendUrl, SchemeRegistry};
use artifact_store::DatabaseUrl;

use crate::{Outcome, expect};

pub async fn options_of_a_bucket_in_every_build() -> Outcome {
    let mut options = BackendOptions::default();
    options.bucket.endpoint = Some("https://minio.example:9000".to_owned());
    let endpoint = options.bucket.endpoint.as_deref();
    expect(endpoint, Some("https://minio.example:9000"))
}

pub async fn url_of_a_backend_as_text_and_json() -> Outcome {
    let url: BackendUrl = "/srv/blobs".parse()?;
    expect(url.to_string().as_str(), "file:///srv/blobs")?;
    let json = serde_json::to_string(&url)?;
    expect(json.as_str(), "\"file:///srv/blobs\"")?;
    expect(serde_json::from_str::<BackendUrl>(&json)?, url)
}

pub async fn url_of_a_database_as_text_and_json() -> Outcome {
    let url: DatabaseUrl = "mem:".parse()?;
    expect(url.to_string().as_str(), "mem:")?;
    expect(serde_json::from_str::<DatabaseUrl>("\"mem:\"")?, url)
}

pub async fn scheme_of_the_program() -> Outcome {
    let open = |_, _| Backend::from_url("mem:");
    let registry = SchemeRegistry::new().with_scheme("scratch", open)?;
    let url = registry.parse("scratch:shelf")?;
    expect(url.rest(), Some("shelf"))?;
    let backend = registry.open(&url, BackendOptions::default()).await?;
    let id = ArtifactId::mint();
    backend.backend().store(id, Bytes::from("a blob")).await?;
    expect(backend.backend().stat(id).await?.size, 6)
}

#[async_trait]
trait Length {
    async fn length(&self) -> usize;
}

#[async_trait]
impl Length for Bytes {
    async fn length(&self) -> usize {
        self.len()
    }
}

pub async fn bytes_and_async_trait_from_one_crate() -> Outcome {
    let bytes: &dyn Length = &Bytes::from_static(b"twelve bytes");
    // The future of a trait object is boxed by `async_trait`.
    expect(bytes.length().await, 12)
}
