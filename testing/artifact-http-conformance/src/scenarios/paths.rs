//! HTTP versions, paths, methods, and headers of every response.

use http::Version;

use super::endpoints::{METHODS, OPERATIONS};
use crate::reply::JSON;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::Context;

scenarios!("paths":
    http_1_1_is_served ["C-1"],
    http_2_behaves_like_http_1_1 ["C-1"],
    paths_outside_the_api_are_not_found ["C-4"],
    metrics_and_profiles_are_open_to_no_one ["C-4"],
    paths_are_compared_exactly ["C-3"],
    options_is_not_allowed ["C-5"],
    head_returns_get_without_the_body ["C-6"],
    json_responses_have_the_json_media_type ["C-7"],
    request_ids_are_returned ["C-8"],
    health_needs_no_credential ["X-2"],
    readiness_needs_no_credential ["X-5"],
    openapi_describes_every_operation ["X-3", "C-7"],
);

async fn http_1_1_is_served(site: Context) -> Outcome {
    let reply = site.call("GET", "").by(&site.admin).send().await?;
    reply.status(200)?;
    let seen = format!("{:?}", reply.version);
    reply.check(reply.version == Version::HTTP_11, "HTTP/1.1", seen)?;
    // Sends two requests on one connection.
    let mut raw = site
        .raw("two GETs of the experiment on one connection")
        .await?;
    for _ in 0..2 {
        let lines = site.lines("GET", "", &site.admin);
        raw.write(format!("{lines}\r\n")).await;
        let reply = raw.response().await?;
        reply.json(200)?;
    }
    Ok(())
}

async fn http_2_behaves_like_http_1_1(site: Context) -> Outcome {
    let call = site.call("GET", "").by(&site.admin).over_http2();
    let Ok(reply) = call.send().await else {
        return Err(Stop::Skipped(
            "this server does not support HTTP/2 without TLS, which is optional".to_owned(),
        ));
    };
    reply.json(200)?;
    let artifact = site.artifact().await?;
    let reply = site
        .fetch(site.depositor().await?, artifact)
        .over_http2()
        .send()
        .await?;
    reply.status(200)?.content(&artifact.bytes)?;
    let call = site.call("GET", "/nothing").by(&site.admin).over_http2();
    let reply = call.send().await?;
    reply.problem(404, "not-found")?;
    let problem = reply.parsed()?;
    let instance = reply.text_of(&problem, "instance")?;
    let expected = format!("{}{}", site.subject.origin(), site.subject.prefix);
    let expected = format!("{expected}{}", site.path("/nothing"));
    reply.check(
        instance == expected,
        &format!("instance {expected}"),
        instance,
    )
}

async fn paths_outside_the_api_are_not_found(site: Context) -> Outcome {
    for path in [
        "/",
        "/v0",
        "/v2/experiments/x",
        "/V0/x",
        "/healthz/",
        "/readyz/",
        "/%76%30/x",
        "//v0/x",
    ] {
        for method in METHODS {
            let reply = site.bare(method, path).send().await?;
            reply.problem(404, "not-found")?;
            let reply = site.bare(method, path).by(&site.admin).send().await?;
            reply.problem(404, "not-found")?;
        }
    }
    Ok(())
}

/// What servers often open to everyone.
async fn metrics_and_profiles_are_open_to_no_one(site: Context) -> Outcome {
    for path in [
        "/metrics",
        "/v0/metrics",
        "/v1/metrics",
        "/debug/pprof/",
        "/debug/pprof/heap",
        "/debug/vars",
        "/actuator",
        "/server-status",
        "/status",
        "/config",
        "/admin",
    ] {
        let anonymous = site.bare("GET", path);
        let worker = site.bare("GET", path).by(site.stranger().await?);
        for call in [anonymous, worker] {
            let reply = call.send().await?;
            let is_closed = matches!(reply.status, 401 | 403 | 404);
            reply.check(is_closed, "401, 403 or 404", reply.status.to_string())?;
        }
        let reply = site.bare("GET", path).by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn paths_are_compared_exactly(site: Context) -> Outcome {
    let experiment = &site.subject.experiment;
    let odd = [
        format!("/v0//experiments/{experiment}"),
        "/v0/experiments//artifacts".to_owned(),
        "/v0/experiments/".to_owned(),
        "/v0/experiments".to_owned(),
        format!("/v0/Experiments/{experiment}"),
        format!("/v0/./experiments/{experiment}"),
    ];
    for path in odd {
        let call = site.bare("GET", path).by(&site.admin);
        let reply = call.experiment(experiment).send().await?;
        reply.problem(404, "not-found")?;
    }
    for rest in [
        "/",
        "//",
        "/artifacts/",
        "/artifacts/../artifacts",
        "/%61rtifacts",
        "/artifacts%2f",
    ] {
        let reply = site.call("GET", rest).by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn options_is_not_allowed(site: Context) -> Outcome {
    for operation in OPERATIONS {
        let call = site.call("OPTIONS", &operation.absent()).by(&site.admin);
        let call = call
            .with("origin", "https://foreign.example")
            .with("access-control-request-method", operation.method);
        let reply = call.send().await?;
        reply.problem(405, "about:blank")?;
        reply.field("allow")?;
        reply.lacks("access-control-allow-origin")?;
        let reply = site.call("OPTIONS", &operation.absent()).send().await?;
        reply.problem(401, "unauthorized")?;
    }
    Ok(())
}

async fn head_returns_get_without_the_body(site: Context) -> Outcome {
    let worker = site.stranger().await?;
    let paths = [
        "",
        "/whoami",
        "/workers?name=unknown",
        "/groups?name=admins",
        "/nothing",
    ];
    for rest in paths {
        let get = site.call("GET", rest).by(worker).send().await?;
        let head = site.call("HEAD", rest).by(worker).send().await?;
        head.status(get.status)?;
        head.check(head.body.is_empty(), "no content", head.text())?;
        head.has("content-type", get.field("content-type")?)?;
        // RFC 9110, section 8.6: the length of the GET response, or absent.
        if let Some(length) = head.fields.get("content-length") {
            let seen = format!("{length:?} against {} bytes", get.body.len());
            let same = length.as_bytes() == get.body.len().to_string().as_bytes();
            head.check(same, "the Content-Length of GET", seen)?;
        }
    }
    Ok(())
}

async fn json_responses_have_the_json_media_type(site: Context) -> Outcome {
    let worker = site.stranger().await?;
    for rest in ["", "/whoami", "/workers", "/groups"] {
        let reply = site.call("GET", rest).by(worker).send().await?;
        reply.status(200)?.has("content-type", JSON)?;
        reply.parsed()?;
    }
    Ok(())
}

async fn request_ids_are_returned(site: Context) -> Outcome {
    let first = site.call("GET", "").by(&site.admin).send().await?;
    if first.fields.get("x-request-id").is_none() {
        return Err(Stop::Skipped(
            "this server does not send X-Request-Id, which is optional for embedders".to_owned(),
        ));
    }
    let longest = "x".repeat(128);
    for id in ["a", "A-1.b_2~c", &longest] {
        let call = site
            .call("GET", "")
            .by(&site.admin)
            .with("x-request-id", id);
        call.send().await?.has("x-request-id", id)?;
    }
    let longer = "x".repeat(129);
    for id in ["with space", "a;b", "<script>", &longer] {
        let call = site
            .call("GET", "")
            .by(&site.admin)
            .with("x-request-id", id);
        let reply = call.send().await?;
        let found = reply.field("x-request-id")?;
        reply.check(
            found != id && !found.is_empty(),
            "a new id of the server",
            found,
        )?;
    }
    // Error responses also have an id, and every id is different.
    let reply = site.call("GET", "/nothing").send().await?;
    let other = first.field("x-request-id")?;
    let found = reply.field("x-request-id")?;
    reply.check(found != other, "another id", found)
}

async fn health_needs_no_credential(site: Context) -> Outcome {
    for method in ["GET", "HEAD"] {
        site.bare(method, "/healthz").send().await?.status(200)?;
    }
    for method in ["POST", "OPTIONS"] {
        let reply = site.bare(method, "/healthz").send().await?;
        reply.problem(405, "about:blank")?.field("allow")?;
    }
    Ok(())
}

/// The server need not be ready, but the response has to be what X-5 says.
async fn readiness_needs_no_credential(site: Context) -> Outcome {
    let reply = site.bare("GET", "/readyz").send().await?;
    if reply.status == 404 {
        return Err(Stop::Skipped(
            "this server has no /readyz, which is optional".to_owned(),
        ));
    }
    let is_ready = reply.status == 200;
    let body = reply.json(if is_ready { 200 } else { 503 })?;
    reply.has("cache-control", "no-store")?;
    reply.members(&body, &["ready", "reasons"])?;
    let ready = body["ready"].to_string();
    reply.check(body["ready"] == is_ready, &is_ready.to_string(), ready)?;
    let reasons = body["reasons"].as_array().map_or(&[][..], Vec::as_slice);
    let expected = "an array of reasons that is empty if the server is ready";
    let fits = body["reasons"].is_array() && reasons.is_empty() == is_ready;
    reply.check(fits, expected, reply.text())?;
    for reason in reasons {
        reply.members(reason, &["part", "reason"])?;
        for member in ["part", "reason"] {
            let text = reply.text_of(reason, member)?;
            let names_something = text.contains(['/', '\\', ':', '@']);
            reply.check(!names_something, "no file, host or user", text)?;
        }
    }
    if !is_ready {
        reply.field("retry-after")?;
    }
    let head = site.bare("HEAD", "/readyz").send().await?;
    let is_known = matches!(head.status, 200 | 503) && head.body.is_empty();
    head.check(
        is_known,
        "200 or 503 without content",
        head.status.to_string(),
    )?;
    for method in ["POST", "OPTIONS"] {
        let reply = site.bare(method, "/readyz").send().await?;
        reply
            .problem(405, "about:blank")?
            .has("allow", "GET, HEAD")?;
    }
    Ok(())
}

async fn openapi_describes_every_operation(site: Context) -> Outcome {
    let reply = site.bare("GET", "/openapi.json").send().await?;
    let document = reply.json(200)?;
    let version = reply.text_of(&document, "openapi")?;
    reply.check(version.starts_with("3.1."), "openapi 3.1", version)?;
    for operation in OPERATIONS {
        let path = format!("/v0/experiments/{{E}}{}", operation.path);
        let method = operation.method.to_ascii_lowercase();
        let found = document["paths"][&path][&method]["responses"].is_object();
        let expected = format!("the operation {} {path}", operation.method);
        reply.check(found, &expected, "no such operation in the document")?;
    }
    let head = site.bare("HEAD", "/openapi.json").send().await?;
    head.status(200)?;
    let reply = site.bare("POST", "/openapi.json").send().await?;
    reply.problem(405, "about:blank")?.field("allow")?;
    Ok(())
}
