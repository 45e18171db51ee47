//! Credentials: their syntax, and that only valid ones are accepted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::endpoints::ABSENT_WORKER;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential};

scenarios!("credentials":
    the_auth_scheme_is_case_insensitive ["A-1"],
    credentials_are_split_at_the_first_colon ["A-1"],
    malformed_credentials_are_unauthorized ["A-2"],
    wrong_credentials_are_unauthorized ["A-2"],
    the_reason_of_a_401_is_not_revealed ["A-2"],
    two_authorization_headers_are_a_bad_request ["A-3"],
    secrets_in_the_query_are_not_accepted ["A-4"],
    responses_never_repeat_a_secret ["A-5"],
    nothing_is_deposited_or_managed_without_a_credential ["A-2"],
    registration_tokens_are_long_and_url_safe ["A-7"],
);

async fn the_auth_scheme_is_case_insensitive(site: Context) -> Outcome {
    let worker = site.depositor().await?;
    for credential in [&site.admin, worker] {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            let value = credential.bearer().replacen("Bearer", scheme, 1);
            let reply = site
                .call("GET", "")
                .with("authorization", value)
                .send()
                .await?;
            reply.status(200)?;
        }
    }
    Ok(())
}

/// Routes that write, and routes that show what others deposited, under both base paths.
async fn nothing_is_deposited_or_managed_without_a_credential(site: Context) -> Outcome {
    let experiment = &site.subject.experiment;
    let (managed, artifact) = ("/v1/experiments", "0".repeat(32));
    let own = format!("{managed}/{experiment}");
    for (method, path) in [
        ("POST", site.path("/artifacts")),
        ("POST", site.path("/workers")),
        ("POST", site.path("/groups")),
        ("POST", format!("{own}/artifacts")),
        ("POST", format!("{own}/uploads")),
        ("POST", format!("{own}/collections")),
        ("POST", format!("{own}/workers")),
        ("PUT", format!("{own}/retention")),
        ("DELETE", format!("{own}/artifacts/{artifact}")),
        ("GET", format!("{own}/artifacts")),
        ("GET", format!("{own}/usage")),
        ("GET", managed.to_owned()),
        ("POST", managed.to_owned()),
        ("GET", "/v1/administrators".to_owned()),
        ("POST", "/v1/administrators".to_owned()),
    ] {
        for value in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer :"),
            Some("Basic Og=="),
        ] {
            let mut call = site.bare(method, &path);
            if let Some(value) = value {
                call = call.with("authorization", value);
            }
            if method != "GET" {
                call = call.body(b"anonymous".to_vec());
            }
            let reply = call.send().await?;
            // A server without management has no paths below /v1.
            if reply.status != 404 || !path.starts_with("/v1") {
                reply.problem(401, "unauthorized")?;
            }
        }
    }
    Ok(())
}

async fn credentials_are_split_at_the_first_colon(site: Context) -> Outcome {
    let Credential { principal, secret } = &site.admin;
    // A second colon belongs to the secret; the principal stays the same.
    for value in [
        format!("{principal}::{secret}"),
        format!("{principal}:{secret}:"),
        format!("{principal}:x:{secret}"),
        format!(":{principal}:{secret}"),
    ] {
        let call = site
            .call("GET", "")
            .with("authorization", format!("Bearer {value}"));
        call.send().await?.problem(401, "unauthorized")?;
    }
    Ok(())
}

async fn malformed_credentials_are_unauthorized(site: Context) -> Outcome {
    let Credential { principal, secret } = &site.admin;
    let basic = STANDARD.encode(format!("{principal}:{secret}"));
    let mut values: Vec<Vec<u8>> = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer :".to_owned(),
        format!("Bearer {principal}"),
        format!("Bearer {principal}:"),
        format!("Bearer :{secret}"),
        format!("Bearer {secret}"),
        format!("{principal}:{secret}"),
        format!("Bearer{principal}:{secret}"),
        format!("Basic {basic}"),
        format!("Token {principal}:{secret}"),
        format!("Bearer \"{principal}:{secret}\""),
        format!("Bearer {principal} : {secret}"),
        format!("Bearer {principal}:{secret}, Bearer {principal}:{secret}"),
        format!("Bearer {principal}:{}", "x".repeat(4000)),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    values.push(
        b"Bearer admin:\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc".to_vec(),
    );
    for value in values {
        let reply = site
            .call("GET", "")
            .with("authorization", value)
            .send()
            .await?;
        reply
            .problem(401, "unauthorized")?
            .has("www-authenticate", "Bearer")?;
    }
    let reply = site.call("GET", "").send().await?;
    reply
        .problem(401, "unauthorized")?
        .has("www-authenticate", "Bearer")?;
    Ok(())
}

async fn wrong_credentials_are_unauthorized(site: Context) -> Outcome {
    let worker = site.depositor().await?;
    let other = site.stranger().await?;
    let admin = &site.admin;
    let wrong = [
        Credential::new(&admin.principal, &worker.secret),
        Credential::new(&worker.principal, &admin.secret),
        Credential::new(&worker.principal, &other.secret),
        Credential::new(ABSENT_WORKER, &worker.secret),
        Credential::new("Admin", &admin.secret),
        Credential::new("ADMIN", &admin.secret),
        Credential::new("system", &admin.secret),
        Credential::new("internal", &admin.secret),
        Credential::new("admins", &admin.secret),
        Credential::new(&worker.principal.to_ascii_uppercase(), &worker.secret),
        Credential::new(&worker.principal, &worker.secret.to_ascii_uppercase()),
        Credential::new(&worker.principal, &format!("{}x", worker.secret)),
        Credential::new(&worker.principal, &worker.secret[1..]),
        Credential::new(&worker.principal, &worker.secret[..worker.secret.len() - 1]),
        Credential::new(&admin.principal, &admin.secret[..admin.secret.len() - 1]),
    ];
    for credential in wrong {
        let reply = site.call("GET", "").by(&credential).send().await?;
        reply
            .problem(401, "unauthorized")?
            .has("www-authenticate", "Bearer")?;
    }
    Ok(())
}

async fn the_reason_of_a_401_is_not_revealed(site: Context) -> Outcome {
    let worker = site.depositor().await?;
    let missing = site.call("GET", "").send().await?;
    let missing = missing.problem(401, "unauthorized")?;
    for value in [
        "Bearer unknown".to_owned(),
        format!("Bearer {ABSENT_WORKER}:{}", worker.secret),
        format!("Bearer {}:wrong-wrong-wrong-wrong", worker.principal),
        "Bearer admin:wrong-wrong-wrong-wrong".to_owned(),
    ] {
        let reply = site
            .call("GET", "")
            .with("authorization", value)
            .send()
            .await?;
        let seen = reply.text();
        reply.check(
            reply.body == missing.body,
            "the same problem for every reason",
            seen,
        )?;
    }
    Ok(())
}

async fn two_authorization_headers_are_a_bad_request(site: Context) -> Outcome {
    let wrong = Credential::new("admin", "wrong-wrong-wrong-wrong");
    for second in [&site.admin, &wrong] {
        let call = site.call("GET", "").by(&site.admin).by(second);
        call.send().await?.problem(400, "bad-request")?;
    }
    Ok(())
}

async fn secrets_in_the_query_are_not_accepted(site: Context) -> Outcome {
    let Credential { principal, secret } = &site.admin;
    let plain = format!("{principal}:{secret}");
    for query in [
        format!("access_token={plain}"),
        format!("token={plain}"),
        format!("authorization=Bearer%20{plain}"),
        format!("Authorization=Bearer%20{plain}"),
        format!("access_token={secret}"),
    ] {
        let reply = site.call("GET", &format!("?{query}")).send().await?;
        reply.problem(401, "unauthorized")?;
    }
    Ok(())
}

async fn responses_never_repeat_a_secret(site: Context) -> Outcome {
    let canary = "canary-5e1f9c7b-canary";
    let wrong = Credential::new("admin", canary);
    let worker = site.depositor().await?;
    let calls = [
        site.call("GET", "").by(&wrong),
        site.call("POST", "/artifacts").by(&wrong),
        site.call("GET", "").by(&site.admin).by(&wrong),
        site.call("GET", "/nothing").by(&site.admin),
        site.call("GET", "").by(worker),
        site.call("GET", "/whoami").by(worker),
        site.call("GET", "/workers").by(worker),
        site.call("GET", "/groups").by(worker),
        site.call("PUT", "").by(worker),
        site.bare("GET", site.path("")).by(worker),
    ];
    for call in calls {
        let reply = call.send().await?;
        let shown = format!(
            "{:?} {}",
            reply.fields,
            String::from_utf8_lossy(&reply.body)
        );
        for secret in [canary, &worker.secret, &site.admin.secret] {
            let found = shown.contains(secret);
            reply.check(!found, "no secret in the response", "a secret")?;
        }
    }
    Ok(())
}

async fn registration_tokens_are_long_and_url_safe(site: Context) -> Outcome {
    let (one, other) = (site.depositor().await?, site.stranger().await?);
    let (reply, _) = site.register(&serde_json::json!({})).await?;
    for token in [&one.secret, &other.secret] {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let seen = "other characters";
        reply.check(token.bytes().all(plain), "a token of A-Z a-z 0-9 - _", seen)?;
        // 256 bits are 43 characters of 6 bits.
        let seen = format!("{} characters", token.len());
        reply.check(token.len() >= 43, "a token of at least 43 characters", seen)?;
    }
    let same = one.secret == other.secret;
    reply.check(
        !same,
        "different tokens for different workers",
        "the same token twice",
    )
}
