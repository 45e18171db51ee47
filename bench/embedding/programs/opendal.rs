//! Keeps a blob in the service of a URL: `file:///folder` or `memory://localhost/`.

use std::error::Error;

use futures_util::TryStreamExt;
use opendal::{ErrorKind, Operator};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("give a URL")?;
    opendal::init_default_registry();
    let operator = Operator::from_uri(url.as_str())?;
    let bytes = vec![7; 1 << 20];

    let create = operator.write_with("report", bytes.clone());
    create.if_not_exists(true).await?;
    let create = operator.write_with("report", "other bytes");
    let refused = create.if_not_exists(true).await;
    let refused = refused.err().ok_or("a blob was overwritten")?;
    assert_eq!(refused.kind(), ErrorKind::ConditionNotMatch);

    let mut part = Vec::new();
    let reader = operator.reader("report").await?;
    let mut chunks = reader.into_bytes_stream(1000..2000).await?;
    while let Some(chunk) = chunks.try_next().await? {
        part.extend_from_slice(&chunk);
    }
    assert_eq!(part, bytes[1000..2000]);

    let mut listed = operator.list("/").await?;
    listed.retain(|entry| entry.metadata().is_file());
    assert_eq!(listed.len(), 1);
    assert_eq!(
        operator.stat(listed[0].path()).await?.content_length(),
        1 << 20
    );
    operator.delete("report").await?;
    let mut listed = operator.list("/").await?;
    listed.retain(|entry| entry.metadata().is_file());
    assert!(listed.is_empty());
    Ok(())
}
