//! Conditional fetches, and the order of the conditions.

use crate::check::sha256_hex;
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("conditionals":
    if_none_match_with_the_etag_returns_304 ["F-10", "F-11"],
    if_none_match_with_another_tag_returns_the_bytes ["F-10"],
    if_match_is_strong_and_evaluated_first ["F-10", "P-1"],
    if_range_uses_strong_comparison ["F-10", "F-12"],
    conditions_are_evaluated_before_ranges ["F-10"],
    date_conditions_are_ignored ["F-10"],
);

async fn etag(site: &Context) -> Outcome<String> {
    Ok(format!("\"{}\"", sha256_hex(&site.artifact().await?.bytes)))
}

async fn if_none_match_with_the_etag_returns_304(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let etag = etag(&site).await?;
    for value in [
        etag.clone(),
        format!("W/{etag}"),
        "*".to_owned(),
        format!("\"x\", {etag}"),
        format!("\"a,b\",W/{etag}"),
    ] {
        for method in ["GET", "HEAD"] {
            let call = site.call(method, &artifact.path()).by(&site.admin);
            let reply = call.with("if-none-match", &value).send().await?;
            reply.status(304)?.content(b"")?;
            reply
                .has("etag", &etag)?
                .has("cache-control", "private, no-store")?
                .has("vary", "Authorization")?;
        }
    }
    Ok(())
}

async fn if_none_match_with_another_tag_returns_the_bytes(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let etag = etag(&site).await?;
    let bare = etag.trim_matches('"').to_owned();
    for value in [
        "\"x\"".to_owned(),
        bare,
        etag.to_ascii_uppercase().replace("W/", ""),
        String::new(),
        etag[..etag.len() - 1].to_owned(),
    ] {
        if value == etag {
            continue;
        }
        let call = site
            .fetch(&site.admin, artifact)
            .with("if-none-match", &value);
        call.send().await?.status(200)?.content(&artifact.bytes)?;
    }
    Ok(())
}

async fn if_match_is_strong_and_evaluated_first(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let etag = etag(&site).await?;
    for value in [etag.clone(), "*".to_owned(), format!("\"x\", {etag}")] {
        let call = site.fetch(&site.admin, artifact).with("if-match", &value);
        call.send().await?.status(200)?.content(&artifact.bytes)?;
    }
    for value in ["\"x\"".to_owned(), format!("W/{etag}")] {
        let call = site.fetch(&site.admin, artifact).with("if-match", &value);
        call.send().await?.problem(412, "about:blank")?;
        let call = site.fetch(&site.admin, artifact).with("if-match", &value);
        let reply = call
            .with("if-none-match", &etag)
            .with("range", "bytes=0-0")
            .send()
            .await?;
        reply.problem(412, "about:blank")?;
    }
    Ok(())
}

async fn if_range_uses_strong_comparison(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let etag = etag(&site).await?;
    let call = site.fetch(&site.admin, artifact).with("range", "bytes=2-5");
    let reply = call.with("if-range", &etag).send().await?;
    reply.status(206)?.content(&artifact.bytes[2..6])?;
    for value in [
        format!("W/{etag}"),
        "\"x\"".to_owned(),
        "Tue, 15 Nov 1994 12:45:26 GMT".to_owned(),
        "Fri, 01 Jan 2100 00:00:00 GMT".to_owned(),
    ] {
        // Returns the whole artifact, even if the range alone would be rejected.
        for range in ["bytes=2-5", "bytes=5000-"] {
            let call = site.fetch(&site.admin, artifact).with("range", range);
            let reply = call.with("if-range", &value).send().await?;
            reply.status(200)?.content(&artifact.bytes)?;
        }
    }
    Ok(())
}

async fn conditions_are_evaluated_before_ranges(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let etag = etag(&site).await?;
    for range in ["bytes=0-0", "bytes=5000-"] {
        let call = site.fetch(&site.admin, artifact).with("range", range);
        let reply = call.with("if-none-match", &etag).send().await?;
        reply.status(304)?.content(b"")?;
    }
    Ok(())
}

async fn date_conditions_are_ignored(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    for (name, value) in [
        ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:01 GMT"),
        ("if-modified-since", "no date"),
    ] {
        let call = site.fetch(&site.admin, artifact).with(name, value);
        call.send().await?.status(200)?.content(&artifact.bytes)?;
    }
    Ok(())
}
