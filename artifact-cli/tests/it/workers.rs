//! Tests that workers and groups survive a restart of a real server.

use serde_json::{Value, json};

use crate::harness::{Answer, Server};

/// Sends one request on a new connection and returns the response.
pub(crate) fn ask(server: &Server, who: &str, experiment: &str, line: &str, body: &str) -> Answer {
    let (method, path) = line.split_once(' ').unwrap();
    Answer::of(&server.say(format!(
        "{method} /v0/experiments/{experiment}{path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \
         {who}\r\nX-Eden-Experiment-Id: {experiment}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )))
}

pub(crate) fn json(answer: &Answer) -> Value {
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    serde_json::from_slice(&answer.body).unwrap()
}

/// Returns the credential `PRINCIPAL:SECRET` from the response to a registration.
pub(crate) fn credential(answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    format!("{}:{}", text("worker_id"), text("registration_token"))
}

#[test]
fn each_experiment_has_its_own_groups() {
    let server = Server::start(&["--experiment", "one", "--experiment", "two"]);
    let admin = format!("admin:{}", server.token());
    let mut ids = Vec::new();
    for experiment in ["one", "two"] {
        for name in ["admins", "orchestrators"] {
            let line = format!("GET /groups?name={name}");
            let found = json(&ask(&server, &admin, experiment, &line, ""));
            assert_eq!(found["groups"].as_array().unwrap().len(), 1, "{found}");
            ids.push(found["groups"][0]["group_id"].as_str().unwrap().to_owned());
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn workers_rights_and_reissued_tokens_survive_a_restart() {
    let server = Server::start(&[]);
    let admin = format!("admin:{}", server.token());
    let ask_admin = |server: &Server, line: &str, body: Value| {
        json(&ask(server, &admin, "default", line, &body.to_string()))
    };
    let worker = ask_admin(&server, "POST /workers", json!({ "name": "w" }));
    let former = credential(&worker);
    let id = worker["worker_id"].as_str().unwrap();
    let line = format!("POST /workers/{id}/reissue-credential");
    let fresh = credential(&ask_admin(&server, &line, json!({})));
    let admins = ask_admin(&server, "GET /groups?name=admins", json!({}));
    let admins = admins["groups"][0]["group_id"].as_str().unwrap();
    let line = format!("POST /groups/{admins}/members");
    let before = ask_admin(&server, &line, json!({ "member_id": id }));

    let again = Server::start_in(server.stop("TERM"), &[]);
    let whoami = |who: &str| ask(&again, who, "default", "GET /whoami", "");
    whoami(&former).assert_problem(401, "eden://error/unauthorized");
    for _ in 0..2 {
        let expected = json!({ "worker_id": id, "name": "w" });
        assert_eq!(json(&whoami(&fresh)), expected);
    }
    let line = format!("GET /groups/{admins}");
    assert_eq!(json(&ask(&again, &fresh, "default", &line, "")), before);
}

#[test]
fn no_token_reaches_the_log_at_any_level() {
    let mut server = Server::start(&["--log-level", "trace", "--log-format", "json"]);
    let admin = format!("admin:{}", server.token());
    let worker = json(&ask(&server, &admin, "default", "POST /workers", "{}"));
    let good = credential(&worker);
    let wrong = format!("{good}canary");
    let unknown = "wkr_00000000000000000000000000:canary-5f2b77c1d9e04a63";
    for who in [&*good, &wrong, unknown] {
        for line in [
            "GET /whoami",
            "POST /workers",
            "GET /nothing",
            "DELETE /workers",
        ] {
            ask(&server, who, "default", line, "{}");
        }
    }
    let secrets = [
        worker["registration_token"].as_str().unwrap(),
        "canary",
        &server.token(),
        "argon2id",
    ]
    .map(str::to_owned);
    server.signal("TERM");
    server.wait();
    let log = server.stderr();
    assert!(log.contains(worker["worker_id"].as_str().unwrap()), "{log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
}
