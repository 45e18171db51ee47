//! Who may read, as an embedding program decides it.

use std::sync::{Arc, Mutex};

use artifact_http::HttpConfig;
use artifact_store::{
    BuiltInRule, Error, ErrorKind, Operation, Principal, ReadPolicy, Result, Row,
};
use async_trait::async_trait;
use http::Method;

use crate::support::{ELSEWHERE, HOME, Reply, Site, Who, fetch_path, request};
use axum::body::Body;

/// The answer to every question, which a test can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    BuiltIn,
    Allow,
    Deny,
    Hide,
    Later,
    Fail,
    Panic,
}

#[derive(Debug)]
struct Scripted {
    answer: Mutex<Answer>,
    questions: Mutex<u32>,
}

#[async_trait]
impl ReadPolicy for Scripted {
    async fn may_read(&self, principal: &Principal, row: &Row) -> Result<bool> {
        *self.questions.lock().unwrap() += 1;
        tokio::task::yield_now().await;
        let answer = *self.answer.lock().unwrap();
        let fail = |kind| Err(Error::new(kind, Operation::WriteWorker).with_detail("canary-77aa"));
        match answer {
            Answer::BuiltIn => Ok(BuiltInRule.allows(principal, row)),
            Answer::Allow => Ok(true),
            Answer::Deny => Ok(false),
            Answer::Hide => fail(ErrorKind::NotFound),
            Answer::Later => fail(ErrorKind::Unavailable),
            Answer::Fail => fail(ErrorKind::InvalidRange),
            Answer::Panic => panic!("the policy panics in this test"),
        }
    }
}

async fn site() -> (Site, Arc<Scripted>) {
    let policy = Arc::new(Scripted {
        answer: Mutex::new(Answer::BuiltIn),
        questions: Mutex::new(0),
    });
    let config = HttpConfig::default().with_read_policy(policy.clone());
    (Site::with(config).await, policy)
}

/// A response without what differs from request to request.
fn essence(reply: &Reply) -> (u16, String, Vec<(String, String)>) {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| name != "content-length")
        .collect();
    headers.sort();
    let mut body = reply.text();
    if let Ok(mut json) = serde_json::from_str::<serde_json::Value>(&body) {
        json["instance"] = "".into();
        body = json.to_string();
    }
    (reply.status.as_u16(), body, headers)
}

#[tokio::test]
async fn a_policy_widens_and_narrows_who_may_read() {
    let (site, policy) = site().await;
    let uri = site.put(Who::Worker, b"bytes").await;
    for (answer, own, neighbour, admin) in [
        (Answer::BuiltIn, 200, 403, 200),
        (Answer::Allow, 200, 200, 200),
        (Answer::Deny, 403, 403, 403),
        // The change takes effect with the next request.
        (Answer::Allow, 200, 200, 200),
        (Answer::Hide, 404, 404, 404),
        (Answer::Later, 503, 503, 503),
        (Answer::Fail, 500, 500, 500),
        (Answer::Panic, 500, 500, 500),
        (Answer::BuiltIn, 200, 403, 200),
    ] {
        *policy.answer.lock().unwrap() = answer;
        for (who, status) in [
            (Who::Worker, own),
            (Who::Neighbour, neighbour),
            (Who::Admin, admin),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let reply = site.ask(method.clone(), who, &uri, &[]).await;
                assert_eq!(reply.status, status, "{answer:?}: {method} by {who:?}");
                assert!(!reply.text().contains("canary"), "{}", reply.text());
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_by_a_policy_looks_like_the_one_by_the_built_in_rule() {
    let (site, policy) = site().await;
    let uri = site.put(Who::Worker, b"bytes").await;
    let missing = format!("{}{}", &uri[..uri.len() - 4], "0000");
    let fields: &[&[(&str, &str)]] = &[
        &[],
        &[("range", "bytes=0-1")],
        &[("range", "bytes=99-")],
        &[("if-none-match", "*")],
        &[("if-match", "\"x\"")],
    ];
    for method in [Method::GET, Method::HEAD] {
        for fields in fields {
            let ask = |who, uri| site.ask(method.clone(), who, uri, fields);
            *policy.answer.lock().unwrap() = Answer::BuiltIn;
            let forbidden = ask(Who::Neighbour, &uri).await;
            assert_eq!(forbidden.status, 403);
            let not_found = ask(Who::Neighbour, &missing).await;
            assert_eq!(not_found.status, 404);
            let calls = site.calls();
            for (answer, expected) in [(Answer::Deny, &forbidden), (Answer::Hide, &not_found)] {
                *policy.answer.lock().unwrap() = answer;
                for who in [Who::Worker, Who::Neighbour, Who::Admin] {
                    let reply = ask(who, &uri).await;
                    assert_eq!(
                        essence(&reply),
                        essence(expected),
                        "{answer:?} {method} {fields:?}"
                    );
                }
            }
            *policy.answer.lock().unwrap() = Answer::Later;
            let later = ask(Who::Worker, &uri).await;
            assert_eq!(
                (later.status.as_u16(), later.header("retry-after")),
                (503, "1")
            );
            assert_eq!(site.calls(), calls, "a refused read calls the backend");
        }
    }
}

#[tokio::test]
async fn a_policy_is_asked_only_about_existing_artifacts_of_the_experiment() {
    let (site, policy) = site().await;
    *policy.answer.lock().unwrap() = Answer::Allow;
    let uri = site.put(Who::Worker, b"bytes").await;
    let foreign = site.put(Who::Foreigner, b"bytes").await;
    let questions = || *policy.questions.lock().unwrap();
    assert_eq!(questions(), 0, "a deposit is no read");
    for (who, experiment, uri, status) in [
        (Who::Worker, HOME, foreign.as_str(), 404),
        (Who::Admin, HOME, &foreign, 404),
        (Who::Foreigner, HOME, &uri, 403),
        (Who::Foreigner, ELSEWHERE, &uri, 404),
        (Who::Worker, HOME, "eden://artifacts/x", 404),
        (Who::Wrong, HOME, &uri, 401),
        (Who::Anonymous, HOME, &uri, 401),
    ] {
        let request = request(Method::GET, &fetch_path(experiment, uri), who, experiment);
        let reply = site.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, status, "{who:?} {experiment} {uri}");
    }
    assert_eq!(questions(), 0);
    assert_eq!(site.get(Who::Neighbour, &uri, &[]).await.status, 200);
    assert_eq!(questions(), 1);
}
