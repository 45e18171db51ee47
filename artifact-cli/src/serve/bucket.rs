//! The settings of a bucket.

use std::borrow::Cow;

use anyhow::Result;
use artifact_store::{Backend, BackendOptions};

use crate::failure::{setup, setup_from};
use crate::output;
use crate::settings::{Key, Loaded};

/// How a bucket is used, and what is done about one that does not keep its word.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) options: BackendOptions,
    pub(crate) probe: Probe,
}

/// What a start does about a bucket that overwrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Refuse,
    Warn,
    Off,
}

impl Bucket {
    pub(crate) fn plan(loaded: &Loaded) -> Result<Self> {
        Ok(Self {
            options: options(loaded)?,
            probe: one_of(
                loaded,
                Key::BucketProbe,
                &[
                    ("refuse", Probe::Refuse),
                    ("warn", Probe::Warn),
                    ("off", Probe::Off),
                ],
            )?,
        })
    }
}

#[cfg(not(feature = "bucket"))]
#[expect(clippy::unnecessary_wraps, reason = "of one shape with the real one")]
fn options(_loaded: &Loaded) -> Result<BackendOptions> {
    // No URL of a bucket gets this far.
    Ok(BackendOptions::default())
}

#[cfg(feature = "bucket")]
fn options(loaded: &Loaded) -> Result<BackendOptions> {
    let text = |key| loaded.value(key).map(|_| loaded.text(key).to_owned());
    let yes_or_no = [("yes", true), ("no", false)];
    let parallel = loaded.count(Key::BucketParallelParts)?;
    let mut options = BackendOptions::default();
    options.bucket.endpoint = text(Key::BucketEndpoint);
    options.bucket.region = text(Key::BucketRegion);
    if loaded.value(Key::BucketAddressing).is_some() {
        let path_style = one_of(
            loaded,
            Key::BucketAddressing,
            &[("path", true), ("host", false)],
        )?;
        options.bucket.path_style = Some(path_style);
    }
    options.bucket.allow_http = one_of(loaded, Key::BucketAllowHttp, &yes_or_no)?;
    options.s3 = options
        .s3
        .with_part_bytes(loaded.number(Key::BucketPartBytes)?.unwrap_or_default())
        .with_parallel_parts(parallel)
        .with_parallel_ranges(parallel)
        .with_deadline(loaded.seconds(Key::BucketDeadline)?);
    Ok(options)
}

/// The setting as one of these words.
fn one_of<T: Copy>(loaded: &Loaded, key: Key, words: &[(&str, T)]) -> Result<T> {
    let text = loaded.text(key);
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        setup(format!(
            "{} must be one of {}, not '{}'",
            loaded.called(key),
            words.join(", "),
            text.escape_debug()
        ))
    })
}

/// Tries whether the bucket keeps its word, as far as that is wanted.
pub(crate) async fn probe(backend: &Backend, probe: Probe, called: &str) -> Result<()> {
    if probe == Probe::Off {
        return Ok(());
    }
    let Err(error) = backend.probe().await else {
        return Ok(());
    };
    if probe == Probe::Refuse {
        let sentence = format!(
            "{called} cannot be used; where it must be all the same, --bucket-probe warn allows it, at \
             the price that the documentation of bucket_probe names"
        );
        return Err(setup_from(error, sentence));
    }
    let mut line: Cow<'static, str> = "the bucket is used although its probe failed".into();
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        line = format!("{line}: {error}").into();
        cause = error.source();
    }
    output::warn(&line);
    Ok(())
}
