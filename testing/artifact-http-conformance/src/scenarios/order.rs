//! The order of checks, on every path and with every method.

use super::endpoints::{Class, METHODS, OPERATIONS, UNKNOWN, filled, paths};
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential};

scenarios!("order":
    the_credential_is_checked_first ["C-2", "A-2"],
    the_experiment_header_is_checked_second ["C-2", "E-1"],
    the_path_is_checked_third ["C-2", "C-3"],
    the_method_is_checked_fourth ["C-2", "C-5"],
    the_principal_class_is_checked_fifth ["C-2"],
    the_principal_class_is_checked_before_the_body ["C-2", "J-1", "D-1"],
);

/// Returns all paths, known or not, with unknown ids and with ill-formed ids.
fn every_path() -> Vec<String> {
    let known = paths().into_iter().map(|(path, _)| filled(path));
    let ill = ["/workers/x", "/groups/x", "/groups/x/members/y"];
    let others = UNKNOWN.into_iter().chain(ill).map(str::to_owned);
    known.chain(others).collect()
}

async fn the_credential_is_checked_first(site: Context) -> Outcome {
    let wrong = Credential::new("admin", "not-the-token-of-anybody");
    for rest in every_path() {
        for method in METHODS {
            let without = site.bare(method, site.path(&rest));
            let reply = without.send().await?;
            reply
                .problem(401, "unauthorized")?
                .has("www-authenticate", "Bearer")?;
            let call = site.bare(method, site.path(&rest)).by(&wrong);
            let reply = call.experiment("another").send().await?;
            reply.problem(401, "unauthorized")?;
        }
    }
    // Also below /v0/ and outside every experiment.
    for path in ["/v0/", "/v0/nothing", "/v0/experiments", "/v0/experiments/"] {
        let reply = site.bare("GET", path).send().await?;
        reply.problem(401, "unauthorized")?;
        let reply = site.bare("GET", path).by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn the_experiment_header_is_checked_second(site: Context) -> Outcome {
    for rest in every_path() {
        for method in METHODS {
            let call = site.bare(method, site.path(&rest)).by(&site.admin);
            let reply = call.send().await?;
            reply.problem(400, "experiment-id-mismatch")?;
        }
    }
    Ok(())
}

async fn the_path_is_checked_third(site: Context) -> Outcome {
    for rest in UNKNOWN {
        for method in METHODS {
            let reply = site.call(method, rest).by(&site.admin).send().await?;
            reply.problem(404, "not-found")?;
        }
    }
    Ok(())
}

async fn the_method_is_checked_fourth(site: Context) -> Outcome {
    let worker = site.stranger().await?;
    for (path, allowed) in paths() {
        for method in METHODS {
            if allowed.contains(&method) {
                continue;
            }
            // The method is checked before the principal class, so every principal gets 405.
            for credential in [&site.admin, worker] {
                let reply = site
                    .call(method, &filled(path))
                    .by(credential)
                    .send()
                    .await?;
                reply.problem(405, "about:blank")?;
                let allow = reply.field("allow")?;
                let mut named: Vec<&str> = allow.split(',').map(str::trim).collect();
                named.sort_unstable();
                let mut expected = allowed.clone();
                expected.sort_unstable();
                let seen = format!("Allow: {allow}");
                reply.check(named == expected, &format!("Allow with {expected:?}"), seen)?;
            }
        }
    }
    Ok(())
}

async fn the_principal_class_is_checked_fifth(site: Context) -> Outcome {
    let worker = site.stranger().await?;
    for operation in OPERATIONS {
        let credential = match operation.class {
            Class::Any => continue,
            Class::Admin => worker,
            Class::Worker => &site.admin,
        };
        let mut methods = vec![operation.method];
        if operation.method == "GET" {
            methods.push("HEAD");
        }
        for method in methods {
            // The ids do not exist: a principal with access would get 404.
            let reply = site
                .call(method, &operation.absent())
                .by(credential)
                .send()
                .await?;
            reply.problem(403, "forbidden")?;
        }
    }
    Ok(())
}

async fn the_principal_class_is_checked_before_the_body(site: Context) -> Outcome {
    let worker = site.stranger().await?;
    for operation in OPERATIONS {
        if operation.class != Class::Admin || operation.method != "POST" {
            continue;
        }
        let call = site.call("POST", &operation.absent()).by(worker);
        let reply = call.json("{\"no\": [such").send().await?;
        reply.problem(403, "forbidden")?;
    }
    // The credential is also checked before the form.
    let reply = site
        .call("POST", "/artifacts")
        .body("no form")
        .send()
        .await?;
    reply.problem(401, "unauthorized")?;
    Ok(())
}
