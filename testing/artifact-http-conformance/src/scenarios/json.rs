//! JSON bodies: requests are strict, responses omit absent members.

use serde_json::{Value, json};

use super::endpoints::ABSENT_WORKER;
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("json":
    bodies_that_are_not_objects_are_a_bad_request ["J-1"],
    unknown_members_are_a_bad_request ["J-1"],
    wrong_types_are_a_bad_request ["J-1"],
    null_is_a_bad_request ["J-1"],
    missing_members_are_a_bad_request ["J-1"],
    ill_formed_ids_are_a_bad_request ["J-1", "G-4"],
    rejected_bodies_change_nothing ["J-1"],
    a_media_type_without_a_body_is_accepted ["J-2"],
    other_media_types_are_rejected ["J-2"],
    empty_bodies_count_as_empty_objects ["J-1"],
    duplicate_members_are_a_bad_request ["J-1"],
    responses_contain_no_null ["J-3"],
);

/// Returns the paths of the operations with a JSON body; the last is of an existing group.
async fn with_body(site: &Context) -> Outcome<[String; 3]> {
    let group = site.group(&[]).await?;
    let members = format!("/groups/{group}/members");
    Ok(["/workers".to_owned(), "/groups".to_owned(), members])
}

async fn refused(site: &Context, rest: &str, body: impl Into<Vec<u8>>) -> Outcome {
    let body = body.into();
    let shown = String::from_utf8_lossy(&body).into_owned();
    let call = site.call("POST", rest).by(&site.admin).json(body);
    let reply = call.send().await?;
    let seen = format!("{} to {shown}: {}", reply.status, reply.text());
    reply.check(reply.status == 400, "400", seen)?;
    reply.problem(400, "bad-request")?;
    Ok(())
}

async fn bodies_that_are_not_objects_are_a_bad_request(site: Context) -> Outcome {
    for rest in with_body(&site).await? {
        for body in [
            "[]",
            "[{}]",
            "null",
            "true",
            "1",
            "\"x\"",
            "{",
            "}",
            "{}{}",
            "{} x",
            "{\"name\"}",
            "{'name': 'x'}",
            "{name: \"x\"}",
            "{\"name\": \"x\",}",
            "\u{feff}nonsense",
            "name=x",
            "<a/>",
            "{\"name\": NaN}",
            " ",
        ] {
            refused(&site, &rest, body).await?;
        }
        refused(&site, &rest, &b"{\"name\": \"\xff\xfe\"}"[..]).await?;
        refused(&site, &rest, &b"\xff\xfe{\0}\0"[..]).await?;
    }
    Ok(())
}

async fn unknown_members_are_a_bad_request(site: Context) -> Outcome {
    let known = "{\"name\": \"x\", \"nmae\": \"y\"}";
    let others = [
        "{\"x\": 1}",
        "{\"Name\": \"x\"}",
        "{\"\": \"\"}",
        "{\"__proto__\": {}}",
        known,
    ];
    for rest in with_body(&site).await? {
        for body in others {
            refused(&site, &rest, body).await?;
        }
    }
    for body in [
        json!({ "worker_id": ABSENT_WORKER }),
        json!({ "registration_token": "x" }),
        json!({ "registered_by": "admin" }),
        json!({ "experiment_id": site.subject.experiment }),
        json!({ "members": [] }),
    ] {
        refused(&site, "/workers", body.to_string()).await?;
    }
    for body in [
        json!({ "group_id": "x" }),
        json!({ "created_by": "admin" }),
        json!({ "labels": {} }),
    ] {
        refused(&site, "/groups", body.to_string()).await?;
    }
    let [.., members] = with_body(&site).await?;
    let body = json!({ "member_id": ABSENT_WORKER, "name": "x" });
    refused(&site, &members, body.to_string()).await
}

async fn wrong_types_are_a_bad_request(site: Context) -> Outcome {
    let [workers, groups, members] = with_body(&site).await?;
    for value in [json!(1), json!(true), json!([]), json!({}), json!(["x"])] {
        refused(&site, &workers, json!({ "name": value }).to_string()).await?;
        refused(&site, &groups, json!({ "name": value }).to_string()).await?;
        refused(&site, &members, json!({ "member_id": value }).to_string()).await?;
    }
    for value in [
        json!("x"),
        json!(1),
        json!([]),
        json!({ "a": 1 }),
        json!({ "a": {} }),
        json!({ "a": ["x"] }),
    ] {
        refused(&site, &workers, json!({ "labels": value }).to_string()).await?;
    }
    for value in [
        json!("x"),
        json!(1),
        json!({}),
        json!([1]),
        json!([[]]),
        json!([{}]),
    ] {
        refused(&site, &groups, json!({ "members": value }).to_string()).await?;
    }
    Ok(())
}

async fn null_is_a_bad_request(site: Context) -> Outcome {
    let [workers, groups, members] = with_body(&site).await?;
    refused(&site, &workers, "{\"name\": null}").await?;
    refused(&site, &workers, "{\"labels\": null}").await?;
    refused(&site, &workers, "{\"labels\": {\"a\": null}}").await?;
    refused(&site, &groups, "{\"name\": null}").await?;
    refused(&site, &groups, "{\"members\": null}").await?;
    refused(&site, &groups, "{\"members\": [null]}").await?;
    refused(&site, &members, "{\"member_id\": null}").await
}

async fn missing_members_are_a_bad_request(site: Context) -> Outcome {
    let [_, _, members] = with_body(&site).await?;
    refused(&site, &members, "{}").await?;
    refused(&site, &members, "").await
}

async fn ill_formed_ids_are_a_bad_request(site: Context) -> Outcome {
    let [_, groups, members] = with_body(&site).await?;
    for id in super::ids::ill_formed() {
        refused(&site, &members, json!({ "member_id": id }).to_string()).await?;
        let body = json!({ "members": [ABSENT_WORKER, id] });
        refused(&site, &groups, body.to_string()).await?;
    }
    Ok(())
}

async fn rejected_bodies_change_nothing(site: Context) -> Outcome {
    let name = format!("conformance refused {}", site.group(&[]).await?);
    for body in [
        json!({ "name": name, "labels": { "a": 1 } }),
        json!({ "name": name, "labels": null }),
        json!({ "name": name, "x": 1 }),
    ] {
        refused(&site, "/workers", body.to_string()).await?;
    }
    for body in [
        json!({ "name": name, "members": [ABSENT_WORKER, "x"] }),
        json!({ "name": name, "x": 1 }),
    ] {
        refused(&site, "/groups", body.to_string()).await?;
    }
    let query = name.replace(' ', "%20");
    for (rest, list) in [("/workers", "workers"), ("/groups", "groups")] {
        let call = site.call("GET", &format!("{rest}?name={query}"));
        let reply = call.by(&site.admin).send().await?;
        let found = &reply.json(200)?[list];
        reply.check(*found == json!([]), "an empty list", found.to_string())?;
    }
    Ok(())
}

async fn a_media_type_without_a_body_is_accepted(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let media = ("content-type", "application/json");
    for rest in ["", "/workers", "/groups"] {
        let call = site.call("GET", rest).by(&worker).with(media.0, media.1);
        call.send().await?.json(200)?;
    }
    let call = site
        .call("GET", "/whoami")
        .by(&worker)
        .with(media.0, media.1);
    call.send().await?.json(200)?;
    let rest = format!("/workers/{}/reissue-credential", worker.principal);
    let call = site.call("POST", &rest).by(&site.admin);
    call.with(media.0, media.1).send().await?.json(200)?;
    let group = site.group(&[]).await?;
    let rest = format!("/groups/{group}/members/{ABSENT_WORKER}");
    let call = site.call("DELETE", &rest).by(&site.admin);
    call.with(media.0, media.1).send().await?.json(200)?;
    let call = site
        .call("DELETE", &format!("/groups/{group}"))
        .by(&site.admin);
    call.with(media.0, media.1).send().await?.status(204)?;
    Ok(())
}

async fn other_media_types_are_rejected(site: Context) -> Outcome {
    for rest in with_body(&site).await? {
        for media in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
        ] {
            let call = site.call("POST", &rest).by(&site.admin).body("{}");
            let reply = call.with("content-type", media).send().await?;
            reply.problem(415, "about:blank")?;
        }
    }
    for media in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=UTF-8",
    ] {
        let call = site.call("POST", "/workers").by(&site.admin).body("{}");
        call.with("content-type", media).send().await?.json(200)?;
    }
    let call = site.call("POST", "/workers").by(&site.admin).body("{}");
    call.send().await?.json(200)?;
    Ok(())
}

async fn empty_bodies_count_as_empty_objects(site: Context) -> Outcome {
    for rest in ["/workers", "/groups"] {
        site.call("POST", rest)
            .by(&site.admin)
            .send()
            .await?
            .json(200)?;
        let call = site.call("POST", rest).by(&site.admin).json("");
        call.send().await?.json(200)?;
    }
    Ok(())
}

async fn duplicate_members_are_a_bad_request(site: Context) -> Outcome {
    let [workers, groups, members] = with_body(&site).await?;
    refused(&site, &workers, r#"{"name": "x", "name": "x"}"#).await?;
    refused(&site, &workers, r#"{"labels": {}, "labels": {}}"#).await?;
    refused(&site, &workers, r#"{"labels": {"a": "1", "a": "2"}}"#).await?;
    refused(&site, &groups, r#"{"members": [], "members": []}"#).await?;
    let body = format!(r#"{{"member_id": "{ABSENT_WORKER}", "member_id": "{ABSENT_WORKER}"}}"#);
    refused(&site, &members, body).await
}

async fn responses_contain_no_null(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let group = site.group(&[&worker.principal]).await?;
    for rest in [
        "/workers".to_owned(),
        format!("/workers/{}", worker.principal),
        "/groups".to_owned(),
        format!("/groups/{group}"),
        "/whoami".to_owned(),
    ] {
        let reply = site.call("GET", &rest).by(&worker).send().await?;
        let answer = reply.json(200)?;
        reply.check(!holds_null(&answer), "no null", "a null")?;
    }
    Ok(())
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(members) => members.values().any(holds_null),
        _ => false,
    }
}
