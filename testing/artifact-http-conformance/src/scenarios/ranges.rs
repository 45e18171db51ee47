//! Ranges: single ranges are returned, others are ignored, unsatisfiable ones are rejected.

use crate::form::noise;
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("ranges":
    single_ranges_are_returned ["F-12"],
    ranges_are_clamped_to_the_end ["F-12"],
    several_ranges_are_ignored ["F-12"],
    malformed_ranges_are_ignored ["F-12"],
    unsatisfiable_ranges_are_rejected ["F-12", "P-1"],
    ranges_of_empty_artifacts_follow_rfc_9110 ["F-12"],
    adjacent_ranges_make_the_whole_artifact ["F-12", "F-6"],
    a_thousand_ranges_are_ignored_quickly ["F-12"],
);

async fn part(site: &Context, range: &str, first: usize, last: usize) -> Outcome {
    let artifact = site.artifact().await?;
    let reply = site
        .fetch(&site.admin, artifact)
        .with("range", range)
        .send()
        .await?;
    let length = artifact.bytes.len();
    reply.status(206)?.content(&artifact.bytes[first..=last])?;
    reply.has("content-range", &format!("bytes {first}-{last}/{length}"))?;
    reply.has("content-length", &(last - first + 1).to_string())?;
    reply.has("content-type", crate::form::FILE_TYPE)?;
    Ok(())
}

async fn single_ranges_are_returned(site: Context) -> Outcome {
    let length = site.artifact().await?.bytes.len();
    part(&site, "bytes=0-0", 0, 0).await?;
    part(&site, "bytes=2-5", 2, 5).await?;
    part(&site, "bytes=0-999", 0, 999).await?;
    part(&site, "bytes=500-", 500, length - 1).await?;
    part(&site, "bytes=0-", 0, length - 1).await?;
    part(&site, "bytes=-1", length - 1, length - 1).await?;
    part(&site, "bytes=-10", length - 10, length - 1).await?;
    part(&site, "Bytes=2-5", 2, 5).await
}

async fn ranges_are_clamped_to_the_end(site: Context) -> Outcome {
    let length = site.artifact().await?.bytes.len();
    part(&site, "bytes=10-99999", 10, length - 1).await?;
    part(&site, "bytes=10-99999999999999999999999999", 10, length - 1).await?;
    part(&site, "bytes=-99999", 0, length - 1).await?;
    part(&site, "bytes=-99999999999999999999999999", 0, length - 1).await
}

async fn ignored(site: &Context, range: &str) -> Outcome {
    let artifact = site.artifact().await?;
    let reply = site
        .fetch(&site.admin, artifact)
        .with("range", range)
        .send()
        .await?;
    reply
        .status(200)?
        .content(&artifact.bytes)?
        .lacks("content-range")?;
    Ok(())
}

async fn several_ranges_are_ignored(site: Context) -> Outcome {
    for range in [
        "bytes=0-0,2-2",
        "bytes=0-0, -1",
        "bytes=0-,0-",
        "bytes=0-1,5000-",
    ] {
        ignored(&site, range).await?;
    }
    let artifact = site.artifact().await?;
    let call = site.fetch(&site.admin, artifact).with("range", "bytes=0-0");
    let reply = call.with("range", "bytes=1-1").send().await?;
    reply.status(200)?.content(&artifact.bytes)?;
    Ok(())
}

async fn malformed_ranges_are_ignored(site: Context) -> Outcome {
    for range in [
        "",
        "x",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=x-y",
        "bytes=5-2",
        "bytes=-x",
        "bytes=0-x",
        "bytes=+1-2",
        "bytes=1--2",
        "bytes=0x1-0x2",
        "lines=0-1",
        "bytes 0-1",
        "bytes=1.0-2",
        "bytes=\u{b9}-2",
    ] {
        ignored(&site, range).await?;
    }
    Ok(())
}

async fn unsatisfiable_ranges_are_rejected(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let length = artifact.bytes.len();
    for range in [
        format!("bytes={length}-"),
        format!("bytes={length}-{length}"),
        "bytes=5000-6000".to_owned(),
        "bytes=99999999999999999999999999-".to_owned(),
        "bytes=-0".to_owned(),
    ] {
        let reply = site
            .fetch(&site.admin, artifact)
            .with("range", &range)
            .send()
            .await?;
        reply.problem(416, "about:blank")?;
        reply.has("content-range", &format!("bytes */{length}"))?;
    }
    Ok(())
}

async fn ranges_of_empty_artifacts_follow_rfc_9110(site: Context) -> Outcome {
    let empty = site.put(&site.admin, Vec::new()).await?;
    for range in ["bytes=0-", "bytes=0-0", "bytes=1-", "bytes=-0"] {
        let reply = site
            .fetch(&site.admin, &empty)
            .with("range", range)
            .send()
            .await?;
        reply
            .problem(416, "about:blank")?
            .has("content-range", "bytes */0")?;
    }
    for range in ["bytes=-1", "bytes=-1000"] {
        let reply = site
            .fetch(&site.admin, &empty)
            .with("range", range)
            .send()
            .await?;
        reply.status(200)?.content(b"")?.lacks("content-range")?;
    }
    Ok(())
}

async fn adjacent_ranges_make_the_whole_artifact(site: Context) -> Outcome {
    let cap = site.subject.max_artifact_bytes.unwrap_or(u64::MAX);
    let length = usize::try_from(cap.min(300_000)).unwrap_or(300_000);
    let artifact = site.put(&site.admin, noise(length)).await?;
    let mut whole = Vec::new();
    let step = 70_001;
    for first in (0..length).step_by(step) {
        let range = format!("bytes={first}-{}", first + step - 1);
        let reply = site
            .fetch(&site.admin, &artifact)
            .with("range", range)
            .send()
            .await?;
        whole.extend_from_slice(&reply.status(206)?.body);
    }
    let reply = site.fetch(&site.admin, &artifact).send().await?;
    let seen = format!("{} bytes that differ", whole.len());
    reply.check(
        whole == artifact.bytes,
        "ranges that together are the whole artifact",
        seen,
    )
}

async fn a_thousand_ranges_are_ignored_quickly(site: Context) -> Outcome {
    let ranges: Vec<String> = (0..1000).map(|n| format!("{n}-{n}")).collect();
    ignored(&site, &format!("bytes={}", ranges.join(","))).await
}
