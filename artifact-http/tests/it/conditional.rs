//! Preconditions: their order, and that the read rule comes first.

use crate::support::{Site, Who};

#[tokio::test]
async fn preconditions_are_evaluated_in_order() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"hello world").await;
    let etag = site
        .get(Who::Worker, &uri, &[])
        .await
        .header("etag")
        .to_owned();
    let weak = format!("W/{etag}");
    let list = format!("\"x\", {etag}");
    let (inm, im, range) = ("if-none-match", "if-match", ("range", "bytes=0-4"));
    let table: [(&[(&str, &str)], u16); 17] = [
        (&[(inm, &etag)], 304),
        (&[(inm, &weak)], 304),
        (&[(inm, &list)], 304),
        (&[(inm, "*")], 304),
        (&[(inm, "\"x\"")], 200),
        (&[(inm, &etag), range], 304),
        (&[(inm, &etag), ("range", "bytes=99-")], 304),
        (&[(inm, "\"x\""), range], 206),
        (&[(im, &etag)], 200),
        (&[(im, "*")], 200),
        (&[(im, &weak)], 412),
        (&[(im, "\"x\""), (inm, &etag)], 412),
        (&[("if-range", &etag), range], 206),
        (&[("if-range", &weak), range], 200),
        (&[("if-range", "\"x\""), ("range", "bytes=99-")], 200),
        (&[("if-range", "Tue, 15 Nov 1994 12:45:26 GMT"), range], 200),
        (
            &[("if-modified-since", "Tue, 15 Nov 2094 12:45:26 GMT")],
            200,
        ),
    ];
    for (fields, status) in table {
        let reply = site.get(Who::Worker, &uri, fields).await;
        assert_eq!(reply.status, status, "{fields:?}");
        match status {
            304 => {
                assert_eq!(reply.body, b"");
                assert_eq!(reply.header("etag"), etag);
                assert_eq!(reply.header("cache-control"), "private, no-store");
                assert_eq!(reply.header("vary"), "Authorization");
                assert!(!reply.headers.contains_key("content-type"));
            }
            412 => reply.assert_problem(412, "about:blank", "If-Match"),
            206 => assert_eq!(reply.body, b"hello"),
            _ => assert_eq!(reply.body, b"hello world"),
        }
    }
}

#[tokio::test]
async fn header_fields_do_not_change_a_403() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"hello world").await;
    let etag = site
        .get(Who::Worker, &uri, &[])
        .await
        .header("etag")
        .to_owned();
    let before = site.calls();
    let fields: [&[(&str, &str)]; 6] = [
        &[],
        &[("if-none-match", &etag)],
        &[("if-none-match", "*")],
        &[("if-match", "\"x\"")],
        &[("range", "bytes=99-")],
        &[("if-range", &etag), ("range", "bytes=0-1")],
    ];
    for fields in fields {
        let reply = site.get(Who::Neighbour, &uri, fields).await;
        reply.assert_problem(403, "forbidden", &format!("{fields:?}"));
        for name in [
            "etag",
            "repr-digest",
            "content-disposition",
            "content-range",
        ] {
            assert!(
                !reply.headers.contains_key(name),
                "{name} reveals the artifact"
            );
        }
    }
    assert_eq!(site.calls(), before);
}
