//! Scenarios for error responses: the problem document and its members.

use crate::call::Call;
use crate::form::{FILE, form};
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("problems":
    every_error_has_the_problem_envelope ["P-1", "P-2"],
    the_instance_is_the_request_url ["P-2"],
    forwarded_headers_are_ignored ["P-2"],
    invalid_hosts_become_localhost ["P-2"],
    every_problem_type_is_in_the_vocabulary ["P-3"],
    details_reveal_no_internals ["P-4"],
);

/// The problem types that the protocol defines, each with its status code.
const VOCABULARY: [(&str, u16); 15] = [
    ("bad-request", 400),
    ("experiment-id-mismatch", 400),
    ("unauthorized", 401),
    ("forbidden", 403),
    ("worker-not-registered", 403),
    ("not-found", 404),
    ("payload-too-large", 413),
    ("already-exists", 409),
    ("reserved-identifier", 409),
    ("invalid-name", 422),
    ("cycle-detected", 409),
    ("held", 409),
    ("offset-mismatch", 409),
    ("checksum-mismatch", 460),
    ("key-reused", 422),
];

/// Returns requests that fail, one for each error that is easy to cause.
async fn failing_requests(site: &Context) -> Outcome<Vec<Call<'_>>> {
    let worker = site.stranger().await?;
    let artifact = site.artifact().await?;
    let admin = &site.admin;
    let group = site.group(&[]).await?;
    let two_parts = site.deposit(admin, form(&[(FILE, b"x"), (FILE, b"y")]));
    Ok(vec![
        site.call("GET", ""),
        site.bare("GET", site.path("")).by(admin),
        site.call("GET", "/nothing?with=query&more").by(admin),
        site.bare("GET", "/nowhere"),
        site.call("PUT", "/artifacts").by(admin),
        site.call("OPTIONS", "").by(admin),
        site.call("POST", "/workers").by(worker),
        site.call("GET", "/whoami").by(admin),
        site.call("GET", "/artifacts").by(admin),
        site.call("GET", "/artifacts?uri=x").by(admin),
        site.call("GET", &artifact.path()).by(worker),
        site.call("GET", &artifact.path())
            .by(admin)
            .with("range", "bytes=5000-"),
        site.call("GET", &artifact.path())
            .by(admin)
            .with("if-match", "\"x\""),
        site.call("POST", "/artifacts")
            .by(admin)
            .with("content-encoding", "gzip"),
        site.call("POST", "/artifacts").by(admin),
        site.call("POST", "/workers").by(admin).json("{"),
        site.call("POST", "/workers")
            .by(admin)
            .json("{\"name\": \"\"}"),
        site.call("POST", "/workers")
            .by(admin)
            .json("{\"name\": \"admin\"}"),
        site.call("POST", &format!("/groups/{group}/members"))
            .by(admin)
            .json(format!("{{\"member_id\": \"{group}\"}}")),
        two_parts,
    ])
}

async fn every_error_has_the_problem_envelope(site: Context) -> Outcome {
    for call in failing_requests(&site).await? {
        let reply = call.send().await?;
        let refused = (400..600).contains(&reply.status);
        reply.check(refused, "a refusal", reply.status.to_string())?;
        reply.has("content-type", crate::reply::PROBLEM)?;
        reply.envelope(&reply.parsed()?)?;
    }
    Ok(())
}

async fn the_instance_is_the_request_url(site: Context) -> Outcome {
    let before = format!("{}{}", site.subject.origin(), site.subject.prefix);
    let odd = "/nothing?a=b&uri=eden%3A%2F%2Fx&c=%22%00%FF+d";
    for (path, call) in [
        ("/nowhere?x".to_owned(), site.bare("GET", "/nowhere?x")),
        (site.path(""), site.call("GET", "")),
        (site.path(""), site.call("PUT", "").by(&site.admin)),
        (site.path(odd), site.call("GET", odd).by(&site.admin)),
        (
            site.path("/%2e%2e/x"),
            site.call("GET", "/%2e%2e/x").by(&site.admin),
        ),
    ] {
        let reply = call.send().await?;
        let problem = reply.parsed()?;
        let instance = reply.text_of(&problem, "instance")?;
        let expected = format!("{before}{path}");
        reply.check(
            instance == expected,
            &format!("instance {expected}"),
            instance,
        )?;
    }
    Ok(())
}

async fn forwarded_headers_are_ignored(site: Context) -> Outcome {
    let call = site
        .call("GET", "")
        .with("x-forwarded-host", "evil.example");
    let call = call
        .with("x-forwarded-proto", "gopher")
        .with("x-forwarded-for", "203.0.113.9")
        .with("forwarded", "host=evil.example;proto=gopher");
    let reply = call.send().await?;
    let problem = reply.problem(401, "unauthorized")?.parsed()?;
    let instance = reply.text_of(&problem, "instance")?;
    let foreign = instance.contains("evil.example") || instance.starts_with("gopher");
    reply.check(!foreign, "an instance of this server", instance)
}

async fn invalid_hosts_become_localhost(site: Context) -> Outcome {
    if site.subject.public_url.is_some() {
        return Ok(());
    }
    let path = format!("{}/nowhere", site.subject.prefix);
    let mut raw = site.raw("GET /nowhere with an invalid Host").await?;
    raw.write(format!("GET {path} HTTP/1.1\r\nHost: a\"<script>b\r\n\r\n"))
        .await;
    let reply = raw.response().await?;
    if site.subject.embedded && reply.status == 400 {
        return Ok(());
    }
    // RFC 9112, section 3.2, demands 400.
    let problem = match reply.status {
        404 => reply.problem(404, "not-found")?,
        _ => reply.problem(400, "bad-request")?,
    };
    let problem = problem.parsed()?;
    let instance = reply.text_of(&problem, "instance")?;
    let expected = format!("http://localhost{path}");
    reply.check(
        instance == expected,
        &format!("instance {expected}"),
        instance,
    )
}

async fn every_problem_type_is_in_the_vocabulary(site: Context) -> Outcome {
    for call in failing_requests(&site).await? {
        let reply = call.send().await?;
        let problem = reply.parsed()?;
        let name = reply.text_of(&problem, "type")?;
        let plain = [405, 408, 412, 414, 415, 416, 429, 431, 500, 503, 507];
        let known = if let Some(name) = name.strip_prefix("eden://error/") {
            VOCABULARY.contains(&(name, reply.status))
        } else {
            name == "about:blank" && plain.contains(&reply.status)
        };
        let expected = format!("a type of the vocabulary for status {}", reply.status);
        reply.check(known, &expected, name)?;
    }
    Ok(())
}

async fn details_reveal_no_internals(site: Context) -> Outcome {
    for call in failing_requests(&site).await? {
        let reply = call.send().await?;
        let problem = reply.parsed()?;
        let detail = reply.text_of(&problem, "detail")?;
        for word in [
            "panicked", ".rs:", "SQL", "sqlite", "/src/", "/home/", "/tmp/", "Error {",
        ] {
            reply.check(!detail.contains(word), "a detail without internals", detail)?;
        }
    }
    Ok(())
}
