//! The settings of a bucket, and its probe at the start.

use anyhow::Result;
use artifact_store::{Backend, BackendOptions, BackendUrl};

use crate::failure::{chain, setup_from};
use crate::output;
use crate::settings::{Addressing, BucketProbe, ServeSettings};

/// Returns the options of a bucket.
pub(crate) fn options(settings: &ServeSettings) -> BackendOptions {
    let mut options = BackendOptions::default();
    options
        .bucket
        .endpoint
        .clone_from(&settings.bucket_endpoint);
    options.bucket.region.clone_from(&settings.bucket_region);
    let addressing = settings.bucket_addressing;
    options.bucket.path_style = addressing.map(|addressing| addressing == Addressing::Path);
    options.bucket.allow_http = settings.bucket_allow_http;
    options.s3 = options
        .s3
        .with_part_bytes(settings.bucket_part_bytes.0)
        .with_parallel_parts(settings.bucket_parallel_parts)
        .with_parallel_ranges(settings.bucket_parallel_parts)
        .with_deadline(settings.bucket_deadline);
    // Without a limit, the default decides how long a sweep leaves slow uploads alone.
    if settings.min_throughput.0 > 0 {
        options.s3 = options.s3.with_min_client_rate(settings.min_throughput.0);
    }
    options
}

/// Tests whether a folder acknowledges stores, and whether a bucket refuses to overwrite, as far as
/// `bucket_probe` asks for it. `name` is what messages call the setting of the backend.
pub(crate) async fn probe(backend: &Backend, settings: &ServeSettings, name: &str) -> Result<()> {
    probe_of(backend, &settings.backend, settings, name).await
}

/// Tests another backend than that of the settings, with their `bucket_probe`.
pub(crate) async fn probe_of(
    backend: &Backend,
    url: &BackendUrl,
    settings: &ServeSettings,
    name: &str,
) -> Result<()> {
    let mode = settings.bucket_probe;
    let is_bucket = url.path().is_none();
    if is_bucket && mode == BucketProbe::Off {
        return Ok(());
    }
    let Err(error) = backend.probe().await else {
        return Ok(());
    };
    if !is_bucket {
        return Err(setup_from(error, format!("{name} cannot be used")));
    }
    if mode == BucketProbe::Refuse {
        let sentence = format!(
            "{name} cannot be used; --bucket-probe warn uses it nevertheless, with the risks that the \
             documentation of bucket_probe names"
        );
        return Err(setup_from(error, sentence));
    }
    let causes = chain(&error);
    output::warn(format_args!(
        "the bucket is used although its probe failed: {causes}"
    ));
    Ok(())
}
