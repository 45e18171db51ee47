//! The page for browsers, if the server has one.

use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::Context;

scenarios!("page":
    the_page_needs_no_credential_and_is_protected ["X-4"],
    paths_beside_the_files_of_the_page_are_not_found ["X-4", "C-4"],
);

fn is_protected(reply: &Reply) -> Outcome {
    let policy = reply.field("content-security-policy")?;
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        let has_rule = policy.split(';').any(|part| part.trim() == rule);
        reply.check(has_rule, rule, policy)?;
    }
    reply.has("x-content-type-options", "nosniff")?;
    Ok(())
}

async fn the_page_needs_no_credential_and_is_protected(site: Context) -> Outcome {
    let reply = site.bare("GET", "/ui/").send().await?;
    if reply.status == 404 {
        return Err(Stop::Skipped("the server has no page".to_owned()));
    }
    for method in ["GET", "HEAD"] {
        let reply = site.bare(method, "/ui/").send().await?;
        is_protected(reply.status(200)?)?;
        let etag = reply.field("etag")?;
        let again = site.bare(method, "/ui/").with("if-none-match", etag);
        is_protected(again.send().await?.status(304)?)?;
    }
    let reply = site.bare("GET", "/ui").send().await?;
    reply.status(308)?.has("location", "ui/")?;
    let reply = site.bare("POST", "/ui/").send().await?;
    reply.problem(405, "about:blank")?.field("allow")?;
    Ok(())
}

async fn paths_beside_the_files_of_the_page_are_not_found(site: Context) -> Outcome {
    for path in ["/ui/nothing", "/ui//", "/ui/views/", "/uix", "/UI/"] {
        for method in ["GET", "POST"] {
            let reply = site.bare(method, path).send().await?;
            reply.problem(404, "not-found")?;
        }
    }
    Ok(())
}
