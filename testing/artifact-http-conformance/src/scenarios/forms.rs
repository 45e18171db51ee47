//! Forms that are none, and hostile ones.

use crate::form::{BOUNDARY, FILE, file, form, form_type, noise};
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("forms":
    what_is_no_form_is_a_bad_request ["D-1"],
    a_boundary_is_named_once_and_well ["D-1"],
    there_is_exactly_one_part ["D-1"],
    the_part_is_named_file_and_has_a_filename ["D-1", "D-3"],
    a_body_ends_with_its_last_boundary ["D-1"],
    a_body_that_is_cut_is_a_bad_request ["D-1", "D-11"],
    what_surrounds_the_file_is_bounded ["D-2"],
    nothing_follows_the_last_boundary ["D-2"],
    a_part_has_at_most_32_fields ["D-2"],
    every_boundary_of_up_to_70_characters_is_taken ["D-1"],
    bare_line_feeds_are_refused ["D-1"],
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

async fn what_is_no_form_is_a_bad_request(site: Context) -> Outcome {
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
    refused(&site, Some(&kind), b"x=y".to_vec(), "no boundary in it").await
}

async fn a_boundary_is_named_once_and_well(site: Context) -> Outcome {
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
        refused(&site, Some(&media), body, "a boundary that is none").await?;
    }
    let depositor = site.depositor().await?;
    let call = site
        .deposit(depositor, file(b"x"))
        .with("content-type", form_type());
    call.send().await?.problem(400, "bad-request")?;
    Ok(())
}

async fn every_boundary_of_up_to_70_characters_is_taken(site: Context) -> Outcome {
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
    // Names of media types and parameters have no case.
    let call = site.deposit(depositor, file(b"x")).without("content-type");
    let media = format!("Multipart/Form-Data; charset=utf-8; Boundary=\"{BOUNDARY}\"");
    call.with("content-type", media).send().await?.json(201)?;
    Ok(())
}

async fn there_is_exactly_one_part(site: Context) -> Outcome {
    let kind = form_type();
    let field = "Content-Disposition: form-data; name=\"note\"\r\n";
    let many: Vec<(&str, &[u8])> = vec![(FILE, &b"x"[..]); 200];
    for (why, body) in [
        ("no part", form(&[])),
        ("two files", form(&[(FILE, b"x"), (FILE, b"y")])),
        ("the same file twice", form(&[(FILE, b"x"), (FILE, b"x")])),
        ("a field after it", form(&[(FILE, b"x"), (field, b"y")])),
        ("a field before it", form(&[(field, b"y"), (FILE, b"x")])),
        ("an empty field", form(&[(FILE, b"x"), (field, b"")])),
        ("200 parts", form(&many)),
        ("a field alone", form(&[(field, b"y")])),
    ] {
        refused(&site, Some(&kind), body, why).await?;
    }
    // Large enough to have been written down before the second part is seen.
    let body = form(&[(FILE, &noise(500_000)), (field, b"y")]);
    refused(&site, Some(&kind), body, "a field after a large file").await?;
    let nested = "Content-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed; boundary=in\r\n";
    let inner = b"--in\r\nContent-Disposition: attachment; filename=\"f\"\r\n\r\nx\r\n--in--\r\n";
    refused(
        &site,
        Some(&kind),
        form(&[(nested, inner)]),
        "a form in the form",
    )
    .await
}

async fn the_part_is_named_file_and_has_a_filename(site: Context) -> Outcome {
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
    refused(&site, Some(&kind), form(&[("", b"x")]), "no header at all").await?;
    refused(
        &site,
        Some(&kind),
        form(&[("Content-Type: text/plain\r\n", b"x")]),
        "no disposition",
    )
    .await
}

async fn a_body_ends_with_its_last_boundary(site: Context) -> Outcome {
    let kind = form_type();
    let whole = file(&noise(3000));
    for cut in [1, 2, 3, 4, 5, 10, 100, whole.len() - 10, whole.len() - 1] {
        // Without its last line break a form is whole all the same.
        if cut <= 2 {
            continue;
        }
        let body = whole[..whole.len() - cut].to_vec();
        refused(&site, Some(&kind), body, "it ends too early").await?;
    }
    let other =
        String::from_utf8_lossy(&file(b"x")).replace(&format!("--{BOUNDARY}--"), "--other--");
    refused(
        &site,
        Some(&kind),
        other.into_bytes(),
        "another last boundary",
    )
    .await?;
    // And the line break is not needed.
    let mut body = file(b"x");
    body.truncate(body.len() - 2);
    site.deposit(site.depositor().await?, body)
        .send()
        .await?
        .json(201)?;
    Ok(())
}

async fn a_body_that_is_cut_is_a_bad_request(site: Context) -> Outcome {
    let lines = site.lines("POST", "/artifacts", site.depositor().await?);
    let kind = form_type();
    let body = file(&noise(100_000));
    // A length that is too great, and a client that ends after the last boundary: not all of it came.
    let mut raw = site
        .raw("a deposit that ends before its Content-Length")
        .await?;
    let length = body.len() + 10;
    raw.say(format!(
        "{lines}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ))
    .await;
    raw.say(&body).await;
    raw.finish().await;
    if let Ok(reply) = raw.answer().await {
        reply.problem(400, "bad-request")?;
    }
    // One that is too small: the last boundary lies behind the end.
    let mut raw = site
        .raw("a deposit whose Content-Length is too small")
        .await?;
    let length = body.len() - 10;
    raw.say(format!(
        "{lines}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ))
    .await;
    raw.say(&body).await;
    raw.answer().await?.problem(400, "bad-request")?;
    // Chunks that end without the last one.
    let mut raw = site.raw("a deposit in chunks without the last one").await?;
    raw.say(format!(
        "{lines}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    raw.say(format!("{:x}\r\n", body.len())).await;
    raw.say(&body).await;
    raw.say("\r\n").await;
    raw.finish().await;
    if let Ok(reply) = raw.answer().await {
        reply.problem(400, "bad-request")?;
    }
    // The server is as well as before.
    site.put(site.depositor().await?, b"x".to_vec()).await?;
    Ok(())
}

async fn what_surrounds_the_file_is_bounded(site: Context) -> Outcome {
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
    refused(&site, Some(&kind), blank, "20 KiB of blanks behind the end").await
}

async fn nothing_follows_the_last_boundary(site: Context) -> Outcome {
    let kind = form_type();
    for surplus in [&b"x"[..], b"\0", b"--", b"\r\n\r\nepilogue"] {
        let mut body = file(b"x");
        body.extend_from_slice(surplus);
        refused(&site, Some(&kind), body, "something behind the end").await?;
    }
    let mut twice = file(b"x");
    twice.extend_from_slice(&file(b"y"));
    refused(&site, Some(&kind), twice, "a second form behind the end").await?;
    // Whatever its size was.
    let mut body = file(&noise(300_000));
    body.extend_from_slice(b"x");
    refused(
        &site,
        Some(&kind),
        body,
        "something behind the end of a large one",
    )
    .await?;
    let mut blank = file(b"x");
    blank.extend_from_slice(b"\r\n \t\r\n");
    site.deposit(site.depositor().await?, blank)
        .send()
        .await?
        .json(201)?;
    Ok(())
}

async fn a_part_has_at_most_32_fields(site: Context) -> Outcome {
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

async fn bare_line_feeds_are_refused(site: Context) -> Outcome {
    let kind = form_type();
    let good = String::from_utf8_lossy(&file(b"bytes")).into_owned();
    let empty_line = good.replacen("\r\n\r\n", "\n\n", 1);
    refused(
        &site,
        Some(&kind),
        empty_line.into_bytes(),
        "the header ends with bare line feeds",
    )
    .await
}
