//! Malformed and hostile forms.

use crate::form::{BOUNDARY, FILE, file, form, form_type, noise};
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("forms":
    bodies_that_are_not_forms_are_a_bad_request ["D-1"],
    the_boundary_must_be_given_once_and_valid ["D-1"],
    forms_must_have_exactly_one_part ["D-1"],
    the_part_must_be_named_file_with_a_filename ["D-1", "D-3"],
    bodies_must_end_with_the_closing_boundary ["D-1"],
    truncated_bodies_are_a_bad_request ["D-1", "D-11"],
    bytes_outside_the_file_are_limited ["D-2"],
    only_white_space_may_follow_the_closing_boundary ["D-2"],
    parts_have_at_most_32_header_fields ["D-2"],
    boundaries_of_up_to_70_characters_are_accepted ["D-1"],
    bare_line_feeds_are_rejected ["D-1"],
);

async fn refused(site: &Context, media: Option<&str>, body: Vec<u8>, why: &str) -> Outcome {
    let depositor = site.depositor().await?;
    let call = site.deposit(depositor, body).without("content-type");
    let call = match media {
        Some(media) => call.with("content-type", media),
        None => call,
    };
    let reply = call.send().await?;
    let reply = crate::reply::Reply {
        asked: format!("{} ({why})", reply.asked),
        ..reply
    };
    reply.problem(400, "bad-request")?;
    Ok(())
}

async fn bodies_that_are_not_forms_are_a_bad_request(site: Context) -> Outcome {
    for media in [
        "application/json",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=cOnF-boundary-cOnF",
        "multipart/related; boundary=cOnF-boundary-cOnF",
        "multipart",
        "form-data",
        "",
    ] {
        refused(&site, Some(media), file(b"x"), "another media type").await?;
    }
    refused(&site, None, file(b"x"), "no media type").await?;
    let kind = form_type();
    refused(&site, Some(&kind), Vec::new(), "no body").await?;
    refused(
        &site,
        Some(&kind),
        b"x=y".to_vec(),
        "a body without a boundary",
    )
    .await
}

async fn the_boundary_must_be_given_once_and_valid(site: Context) -> Outcome {
    let long = "b".repeat(71);
    for media in [
        "multipart/form-data".to_owned(),
        "multipart/form-data;".to_owned(),
        "multipart/form-data; boundary".to_owned(),
        "multipart/form-data; boundary=".to_owned(),
        "multipart/form-data; boundary=\"\"".to_owned(),
        format!("multipart/form-data; boundary={BOUNDARY}; boundary={BOUNDARY}"),
        format!("multipart/form-data; boundary={BOUNDARY}; boundary=other"),
        format!("multipart/form-data; boundary={long}"),
    ] {
        let body = String::from_utf8_lossy(&file(b"x")).replace(BOUNDARY, &long);
        let body = if media.contains(&long) {
            body.into_bytes()
        } else {
            file(b"x")
        };
        refused(&site, Some(&media), body, "an invalid boundary").await?;
    }
    let depositor = site.depositor().await?;
    let call = site
        .deposit(depositor, file(b"x"))
        .with("content-type", form_type());
    call.send().await?.problem(400, "bad-request")?;
    Ok(())
}

async fn boundaries_of_up_to_70_characters_are_accepted(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let longest = "b".repeat(70);
    for (boundary, written) in [
        ("x", "x"),
        (longest.as_str(), longest.as_str()),
        ("a b:c/d=e?f", "\"a b:c/d=e?f\""),
        ("--", "--"),
    ] {
        let body = String::from_utf8_lossy(&file(b"bytes")).replace(BOUNDARY, boundary);
        let call = site
            .deposit(depositor, body.into_bytes())
            .without("content-type");
        let call = call.with(
            "content-type",
            format!("multipart/form-data; boundary={written}"),
        );
        call.send().await?.json(201)?;
    }
    // Names of media types and parameters are case-insensitive.
    let call = site.deposit(depositor, file(b"x")).without("content-type");
    let media = format!("Multipart/Form-Data; charset=utf-8; Boundary=\"{BOUNDARY}\"");
    call.with("content-type", media).send().await?.json(201)?;
    Ok(())
}

async fn forms_must_have_exactly_one_part(site: Context) -> Outcome {
    let kind = form_type();
    let field = "Content-Disposition: form-data; name=\"note\"\r\n";
    let many: Vec<(&str, &[u8])> = vec![(FILE, &b"x"[..]); 200];
    for (why, body) in [
        ("no part", form(&[])),
        ("two files", form(&[(FILE, b"x"), (FILE, b"y")])),
        ("two files", form(&[(FILE, b"x"), (FILE, b"x")])),
        ("a field after it", form(&[(FILE, b"x"), (field, b"y")])),
        ("a field before it", form(&[(field, b"y"), (FILE, b"x")])),
        ("an empty field", form(&[(FILE, b"x"), (field, b"")])),
        ("200 parts", form(&many)),
        ("only a field", form(&[(field, b"y")])),
    ] {
        refused(&site, Some(&kind), body, why).await?;
    }
    // Large enough that the server stores data before it sees the second part.
    let body = form(&[(FILE, &noise(500_000)), (field, b"y")]);
    refused(&site, Some(&kind), body, "a field after a large file").await?;
    let nested = "Content-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed; boundary=in\r\n";
    let inner = b"--in\r\nContent-Disposition: attachment; filename=\"f\"\r\n\r\nx\r\n--in--\r\n";
    refused(
        &site,
        Some(&kind),
        form(&[(nested, inner)]),
        "a nested form",
    )
    .await
}

async fn the_part_must_be_named_file_with_a_filename(site: Context) -> Outcome {
    let kind = form_type();
    for disposition in [
        "form-data; name=\"file\"",
        "form-data; name=\"File\"; filename=\"f\"",
        "form-data; name=\"files\"; filename=\"f\"",
        "form-data; name=\"\"; filename=\"f\"",
        "form-data; filename=\"f\"",
        "form-data; name*=UTF-8''file; filename=\"f\"",
        "form-data; name=\"file\"; filename*=UTF-8''f",
        "form-data",
    ] {
        let head = format!("Content-Disposition: {disposition}\r\n");
        refused(&site, Some(&kind), form(&[(&head, b"x")]), disposition).await?;
    }
    refused(
        &site,
        Some(&kind),
        form(&[("", b"x")]),
        "a part without a header",
    )
    .await?;
    refused(
        &site,
        Some(&kind),
        form(&[("Content-Type: text/plain\r\n", b"x")]),
        "no disposition",
    )
    .await
}

async fn bodies_must_end_with_the_closing_boundary(site: Context) -> Outcome {
    let kind = form_type();
    let whole = file(&noise(3000));
    for cut in [1, 2, 3, 4, 5, 10, 100, whole.len() - 10, whole.len() - 1] {
        // A form is complete without its last line break.
        if cut <= 2 {
            continue;
        }
        let body = whole[..whole.len() - cut].to_vec();
        refused(&site, Some(&kind), body, "a truncated body").await?;
    }
    let other =
        String::from_utf8_lossy(&file(b"x")).replace(&format!("--{BOUNDARY}--"), "--other--");
    refused(
        &site,
        Some(&kind),
        other.into_bytes(),
        "a different closing boundary",
    )
    .await?;
    // The line break is optional.
    let mut body = file(b"x");
    body.truncate(body.len() - 2);
    site.deposit(site.depositor().await?, body)
        .send()
        .await?
        .json(201)?;
    Ok(())
}

async fn truncated_bodies_are_a_bad_request(site: Context) -> Outcome {
    let lines = site.lines("POST", "/artifacts", site.depositor().await?);
    let kind = form_type();
    let body = file(&noise(100_000));
    // Content-Length is too large, and the client closes after the closing boundary.
    let mut raw = site
        .raw("a deposit that ends before its Content-Length")
        .await?;
    let length = body.len() + 10;
    raw.write(format!(
        "{lines}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ))
    .await;
    raw.write(&body).await;
    raw.finish().await;
    if let Ok(reply) = raw.response().await {
        reply.problem(400, "bad-request")?;
    }
    // Content-Length is too small: it ends before the closing boundary.
    let mut raw = site
        .raw("a deposit whose Content-Length is too small")
        .await?;
    let length = body.len() - 10;
    raw.write(format!(
        "{lines}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ))
    .await;
    raw.write(&body).await;
    raw.response().await?.problem(400, "bad-request")?;
    // The last chunk is missing.
    let mut raw = site.raw("a chunked deposit without the last chunk").await?;
    raw.write(format!(
        "{lines}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    raw.write(format!("{:x}\r\n", body.len())).await;
    raw.write(&body).await;
    raw.write("\r\n").await;
    raw.finish().await;
    if let Ok(reply) = raw.response().await {
        reply.problem(400, "bad-request")?;
    }
    // The server still works.
    site.put(site.depositor().await?, b"x".to_vec()).await?;
    Ok(())
}

async fn bytes_outside_the_file_are_limited(site: Context) -> Outcome {
    let kind = form_type();
    let long = "x".repeat(20 << 10);
    let mut preamble = long.clone().into_bytes();
    preamble.extend_from_slice(b"\r\n");
    preamble.extend_from_slice(&file(b"x"));
    refused(&site, Some(&kind), preamble, "a preamble of 20 KiB").await?;
    let field = format!("{FILE}X-Long: {long}\r\n");
    refused(
        &site,
        Some(&kind),
        form(&[(&field, b"x")]),
        "a field of 20 KiB",
    )
    .await?;
    let name = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{long}\"\r\n");
    refused(
        &site,
        Some(&kind),
        form(&[(&name, b"x")]),
        "a filename of 20 KiB",
    )
    .await?;
    let mut blank = file(b"x");
    blank.extend(std::iter::repeat_n(b' ', 20 << 10));
    refused(
        &site,
        Some(&kind),
        blank,
        "20 KiB of white space after the form",
    )
    .await
}

async fn only_white_space_may_follow_the_closing_boundary(site: Context) -> Outcome {
    let kind = form_type();
    for surplus in [&b"x"[..], b"\0", b"--", b"\r\n\r\nepilogue"] {
        let mut body = file(b"x");
        body.extend_from_slice(surplus);
        refused(&site, Some(&kind), body, "data after the form").await?;
    }
    let mut twice = file(b"x");
    twice.extend_from_slice(&file(b"y"));
    refused(&site, Some(&kind), twice, "a second form after the form").await?;
    // The same rule applies to large files.
    let mut body = file(&noise(300_000));
    body.extend_from_slice(b"x");
    refused(&site, Some(&kind), body, "data after a large form").await?;
    let mut blank = file(b"x");
    blank.extend_from_slice(b"\r\n \t\r\n");
    site.deposit(site.depositor().await?, blank)
        .send()
        .await?
        .json(201)?;
    Ok(())
}

async fn parts_have_at_most_32_header_fields(site: Context) -> Outcome {
    let kind = form_type();
    let with = |count: usize| format!("{FILE}{}", "X-A: b\r\n".repeat(count));
    refused(&site, Some(&kind), form(&[(&with(31), b"x")]), "33 fields").await?;
    refused(
        &site,
        Some(&kind),
        form(&[(&with(1000), b"x")]),
        "1,002 fields",
    )
    .await?;
    site.deposit(site.depositor().await?, form(&[(&with(20), b"x")]))
        .send()
        .await?
        .json(201)?;
    Ok(())
}

async fn bare_line_feeds_are_rejected(site: Context) -> Outcome {
    let kind = form_type();
    let valid = String::from_utf8_lossy(&file(b"bytes")).into_owned();
    let bare = valid.replacen("\r\n\r\n", "\n\n", 1);
    refused(
        &site,
        Some(&kind),
        bare.into_bytes(),
        "the header ends with bare line feeds",
    )
    .await
}
