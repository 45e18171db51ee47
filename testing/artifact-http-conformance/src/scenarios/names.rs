//! Display names of workers and groups.

use serde_json::json;

use crate::reply::Reply;
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("names":
    valid_names_are_returned_unchanged ["N-1"],
    invalid_names_are_rejected ["N-1"],
    lone_surrogates_are_rejected ["N-1"],
    two_workers_or_groups_may_share_a_name ["N-2"],
    reserved_names_are_rejected ["N-3"],
    reserved_names_are_matched_exactly ["N-3"],
);

const WHERE: [(&str, &str); 2] = [("/workers", "worker_id"), ("/groups", "group_id")];

async fn register(site: &Context, rest: &str, name: &str) -> Outcome<Reply> {
    let body = json!({ "name": name }).to_string();
    let call = site.call("POST", rest).by(&site.admin).json(body);
    let reply = call.send().await?;
    // Shows the name in the report.
    Ok(Reply {
        asked: format!("{}, the name {}", reply.asked, name.escape_unicode()),
        ..reply
    })
}

async fn valid_names_are_returned_unchanged(site: Context) -> Outcome {
    let longest = "\u{e4}".repeat(128);
    let names = [
        "a",
        "two words",
        "a:b/c\\d\"e'f<g>&h",
        "..",
        "na\u{ef}ve",
        "\u{65e5}\u{672c}\u{8a9e}",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
        "\u{1f980}",
        // Joined by a format character, which is allowed.
        "\u{1f469}\u{200d}\u{1f680}",
        "wkr_00000000000000000000000000",
        &longest,
    ];
    for (rest, id) in WHERE {
        for name in names {
            let reply = register(&site, rest, name).await?;
            let made = reply.json(200)?;
            let found = reply.text_of(&made, "name")?;
            reply.check(found == name, "the name as registered", found)?;
            let path = format!("{rest}/{}", reply.text_of(&made, id)?);
            let reply = site.call("GET", &path).by(&site.admin).send().await?;
            let read = reply.json(200)?;
            let found = reply.text_of(&read, "name")?;
            reply.check(found == name, "the name as registered", found)?;
        }
    }
    Ok(())
}

async fn invalid_names_are_rejected(site: Context) -> Outcome {
    let (long, long_in_bytes) = ("x".repeat(129), "\u{1f980}".repeat(129));
    let names = [
        "",
        &long,
        &long_in_bytes,
        // Not in normalization form C: a letter with a separate accent, a compatibility character.
        "e\u{301}",
        "\u{212b}",
        "\u{1100}\u{1161}",
        // Controls.
        "a\0b",
        "a\nb",
        "a\rb",
        "a\tb",
        "\u{7f}",
        "a\u{85}b",
        "a\u{9f}b",
        // Private use.
        "\u{e000}",
        "a\u{f8ff}",
        "\u{f0000}",
        "\u{10fffd}",
        // Unassigned code points and noncharacters.
        "\u{378}",
        "\u{fdd0}",
        "\u{ffff}",
        "\u{1fffe}",
        "\u{10ffff}",
        // White space at an end.
        " a",
        "a ",
        " ",
        "\u{a0}a",
        "a\u{2003}",
        "\u{3000}",
        "\u{2028}a",
    ];
    for (rest, _) in WHERE {
        for name in names {
            let reply = register(&site, rest, name).await?;
            reply.problem(422, "invalid-name")?;
        }
    }
    Ok(())
}

async fn lone_surrogates_are_rejected(site: Context) -> Outcome {
    for (rest, _) in WHERE {
        for body in [r#"{"name": "\ud800"}"#, r#"{"name": "a\udc00b"}"#] {
            let call = site.call("POST", rest).by(&site.admin).json(body);
            let reply = call.send().await?;
            let kind = if reply.status == 400 {
                "bad-request"
            } else {
                "invalid-name"
            };
            reply.one_of(&[400, 422])?.problem(reply.status, kind)?;
        }
    }
    Ok(())
}

async fn two_workers_or_groups_may_share_a_name(site: Context) -> Outcome {
    for (rest, id) in WHERE {
        let one = register(&site, rest, "conformance twice").await?;
        let other = register(&site, rest, "conformance twice").await?;
        let (first, second) = (one.json(200)?, other.json(200)?);
        let same = one.text_of(&first, id)? == other.text_of(&second, id)?;
        other.check(!same, "a new id", "the same id twice")?;
    }
    Ok(())
}

async fn reserved_names_are_rejected(site: Context) -> Outcome {
    for name in ["admin", "system", "internal"] {
        let reply = register(&site, "/workers", name).await?;
        reply.problem(409, "reserved-identifier")?;
    }
    for name in ["admins", "orchestrators"] {
        let reply = register(&site, "/groups", name).await?;
        reply.problem(409, "reserved-identifier")?;
    }
    Ok(())
}

async fn reserved_names_are_matched_exactly(site: Context) -> Outcome {
    for name in ["Admin", "SYSTEM", "internals", "admins", "orchestrators"] {
        register(&site, "/workers", name).await?.json(200)?;
    }
    for name in ["Admins", "admin", "system", "internal", "orchestrator"] {
        register(&site, "/groups", name).await?.json(200)?;
    }
    Ok(())
}
