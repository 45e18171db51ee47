//! Pages, filters and usage.

use http::Method;
use serde_json::{Value, json};

use super::{detail, file, list, path_of, uris, walk};
use crate::support::{Community, ELSEWHERE, FILE, HOME, Member};

#[tokio::test]
async fn pages_have_every_artifact_once_while_deposits_go_on() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let mut deposited = Vec::new();
    for _ in 0..25 {
        deposited.push(community.put(&worker).await);
    }
    for limit in [1, 7, 24, 25, 26, 1000] {
        let all = walk(&community, limit, &worker, async || {}).await;
        assert_eq!(all, deposited, "pages of {limit}");
    }
    let mut more = Vec::new();
    let all = walk(&community, 10, &worker, async || {
        if more.len() < 12 {
            for _ in 0..4 {
                more.push(community.put(&worker).await);
            }
        }
    })
    .await;
    assert_eq!(all[..25], deposited);
    assert_eq!(all[25..], more[..all.len() - 25]);

    // An artifact that is removed between two pages is on one of them or on none.
    let mut rest = deposited.iter().rev();
    let all = walk(&community, 5, &worker, async || {
        if let Some(uri) = rest.next() {
            let reply = community
                .manage(Method::DELETE, &path_of(uri), &worker)
                .await;
            assert_eq!(reply.status, 204);
        }
    })
    .await;
    let expected: Vec<_> = deposited.iter().chain(&more).collect();
    assert!(all.iter().all(|uri| expected.contains(&uri)));
    assert_eq!(all[..5], deposited[..5]);
}

#[tokio::test]
async fn a_page_has_100_artifacts_by_default() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    for _ in 0..101 {
        community.put(&worker).await;
    }
    let page = list(&community, "", &worker).await;
    assert_eq!(uris(&page).len(), 100);
    let next = page["next"].as_str().unwrap();
    let page = list(&community, &format!("?after={next}"), &worker).await;
    assert_eq!((uris(&page).len(), &page["next"]), (1, &Value::Null));
    assert_eq!(
        uris(&list(&community, "?limit=1000", &worker).await).len(),
        101
    );
}

#[tokio::test]
async fn filters_select_artifacts() {
    let community = Community::new().await;
    let (one, other) = (
        community.register(HOME).await,
        community.register(HOME).await,
    );
    let admin = Member::admin();
    let mut deposited = Vec::new();
    for (who, name, content_type, bytes) in [
        (&one, "a.txt", "text/plain; charset=utf-8", &b"1"[..]),
        (&one, "b.PNG", "image/png", b"12345"),
        (&other, "c+d.jpg", "IMAGE/JPEG", b"1234567890"),
        (&admin, "e f.bin", "application/x", b""),
    ] {
        deposited.push(
            community
                .put_file(who, &file(name, content_type), bytes, &[])
                .await,
        );
    }
    let times: Vec<_> = list(&community, "", &admin).await["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["created_at"].as_str().unwrap().to_owned())
        .collect();
    let by = |who: &Member| format!("?created_by={}", who.principal);
    for (query, expected) in [
        (String::new(), &[0, 1, 2, 3][..]),
        ("?".to_owned(), &[0, 1, 2, 3]),
        (by(&one), &[0, 1]),
        (by(&other), &[2]),
        (by(&admin), &[3]),
        ("?min_size=5".to_owned(), &[1, 2]),
        ("?max_size=5".to_owned(), &[0, 1, 3]),
        ("?min_size=5&max_size=5".to_owned(), &[1]),
        ("?min_size=6&max_size=5".to_owned(), &[]),
        ("?content_type=text/plain".to_owned(), &[0]),
        ("?content_type=image%2F*".to_owned(), &[1, 2]),
        ("?content_type=Image/Png".to_owned(), &[1]),
        ("?name=.PNG".to_owned(), &[1]),
        ("?name=c%2Bd".to_owned(), &[2]),
        ("?name=e+f".to_owned(), &[3]),
        ("?name=absent".to_owned(), &[]),
        (format!("?created_from={}", times[2]), &[2, 3]),
        (format!("?created_before={}", times[2]), &[0, 1]),
        (
            format!("?created_from={}&created_before={}", times[1], times[2]),
            &[1],
        ),
        (
            "?created_from=2000-01-01T00:00:00%2B01:00".to_owned(),
            &[0, 1, 2, 3],
        ),
        (format!("{}&min_size=2&name=b", by(&one)), &[1]),
    ] {
        let found = uris(&list(&community, &query, &admin).await);
        let expected: Vec<_> = expected.iter().map(|at| deposited[*at].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn only_administrators_see_what_others_deposited() {
    let community = Community::new().await;
    let (one, other) = (
        community.register(HOME).await,
        community.register(HOME).await,
    );
    let member = community.register(HOME).await;
    let foreigner = community.register(ELSEWHERE).await;
    let admins = community.founding(HOME, "admins").await;
    community.add(HOME, &admins, &member.principal).await;
    let own = community.put(&one).await;
    let theirs = community.put_file(&other, FILE, b"12345", &[]).await;
    community.put(&foreigner).await;
    assert_eq!(
        uris(&list(&community, "", &one).await),
        std::slice::from_ref(&own)
    );
    for who in [&member, &Member::admin()] {
        assert_eq!(
            uris(&list(&community, "", who).await),
            [own.clone(), theirs.clone()]
        );
    }
    let by = format!("/artifacts?created_by={}", other.principal);
    let reply = community.manage(Method::GET, &by, &one).await;
    reply.assert_problem(403, "forbidden", "another depositor");
    assert_eq!(
        detail(&reply),
        "only administrators may list what others deposited"
    );
    let found = uris(&community.manage(Method::GET, &by, &member).await.json());
    assert_eq!(found, [theirs]);

    let usage = async |who: &Member| community.manage(Method::GET, "/usage", who).await.json();
    let of = |who: &Member, bytes: u64| json!({ "created_by": who.principal, "artifacts": 1, "bytes": bytes });
    let mut both = [of(&one, 1), of(&other, 5)];
    both.sort_by_key(|usage| usage["created_by"].as_str().unwrap().to_owned());
    for who in [&member, &Member::admin()] {
        let all = json!({ "artifacts": 2, "bytes": 6, "principals": both, "quota": null });
        assert_eq!(usage(who).await, all);
    }
    let mine = json!({ "artifacts": 1, "bytes": 1, "principals": [of(&one, 1)], "quota": null });
    assert_eq!(usage(&one).await, mine);
}
