//! The metrics of a running server: their values, their labels, who may read them, and the files that use them.

#![expect(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "the values are whole numbers"
)]

mod promtool;
mod scrape;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::tempdir;

use crate::harness::{Answer, Server, artifact, read_to_end, run, run_refused};
use crate::maintained::{blobs, flip, maintain};
use crate::reload::{reload, write_secret};
use scrape::{Scrape, address, ask, get, scrape, scrape_until};

const MEASURED: &[&str] = &["--metrics-listen", "127.0.0.1:0"];
const OTHER_ADDRESS: &str = "0.0.0.0:0";

/// Sends a request of the admin on a new connection.
fn admin(server: &Server, method: &str, path: &str, head: &str, body: &str) -> Answer {
    let (mut stream, credential) = server.connect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{credential}{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    Answer::of(&read_to_end(&mut stream))
}

/// Deposits bytes, and returns the id of the artifact.
fn deposit(server: &Server, body: &str) -> String {
    let answer = admin(
        server,
        "POST",
        "/v1/experiments/default/artifacts",
        "",
        body,
    );
    assert_eq!(answer.status, 201, "{answer:?}");
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    json["id"].as_str().unwrap().to_owned()
}

fn fetch(server: &Server, id: &str) -> Answer {
    let path = format!("/v1/experiments/default/artifacts/{id}/content");
    admin(server, "GET", &path, "", "")
}

/// Waits until the server has ended this number of requests: the last of their counts is written after the response.
fn after_requests(server: &Server, requests: f64) -> Scrape {
    let outcomes = ["answered", "cut", "gone"];
    let ended = |found: &Scrape| -> f64 {
        let series = outcomes
            .map(|outcome| format!("artifact_server_requests_total{{outcome=\"{outcome}\"}}"));
        series.iter().map(|series| found.count(series)).sum()
    };
    scrape_until(server, "the end of the requests", |found| {
        ended(found) == requests && found.value("artifact_server_requests_in_progress") == 0.0
    })
}

/// Returns what the traffic of the next test adds up to.
fn expected() -> Vec<(String, u32)> {
    const DEPOSITS: &str = "route=\"/v1/experiments/{E}/artifacts\",method=\"POST\"";
    const FETCHES: &str = "route=\"/v1/experiments/{E}/artifacts/{A}/content\",method=\"GET\"";
    let of_routes = vec![
        (
            format!("artifact_http_requests_total{{{DEPOSITS},status=\"201\"}}"),
            3,
        ),
        (
            format!("artifact_http_requests_total{{{FETCHES},status=\"200\"}}"),
            2,
        ),
        (
            format!("artifact_http_requests_total{{{FETCHES},status=\"404\"}}"),
            1,
        ),
        (
            format!(
                "artifact_http_request_duration_seconds_count{{{DEPOSITS},status_class=\"2xx\"}}"
            ),
            3,
        ),
        (
            format!(
                "artifact_http_request_duration_seconds_bucket{{{DEPOSITS},status_class=\"2xx\",le=\"+Inf\"}}"
            ),
            3,
        ),
    ];
    let others = [
        (
            "artifact_http_requests_total{route=\"other\",method=\"GET\",status=\"401\"}",
            1,
        ),
        (
            "artifact_http_requests_total{route=\"other\",method=\"PUT\",status=\"405\"}",
            1,
        ),
        ("artifact_http_refusals_total{reason=\"not-found\"}", 1),
        ("artifact_http_refusals_total{reason=\"unauthorized\"}", 1),
        (
            "artifact_http_refusals_total{reason=\"method-not-allowed\"}",
            1,
        ),
        ("artifact_http_refusals_total{reason=\"forbidden\"}", 0),
        ("artifact_http_in_progress{kind=\"deposit\"}", 0),
        ("artifact_http_in_progress_limit{kind=\"deposit\"}", 256),
        ("artifact_server_requests_total{outcome=\"answered\"}", 8),
        ("artifact_server_requests_in_progress", 0),
        ("artifact_server_rejections_total{reason=\"malformed\"}", 1),
        ("artifact_server_connections_total", 9),
        ("artifact_server_connections_limit", 4096),
        ("artifact_server_received_bytes_total", 3 + 5 + 7),
        ("artifact_store_deposited_artifacts_total", 3),
        ("artifact_store_deposited_bytes_total", 3 + 5 + 7),
        (
            "artifact_store_damaged_artifacts_total{found_by=\"read\"}",
            0,
        ),
        ("artifact_store_row_cache_lookups_total{result=\"hit\"}", 1),
        ("artifact_store_row_cache_lookups_total{result=\"miss\"}", 2),
        (
            "artifact_backend_operations_total{backend=\"fs\",operation=\"store\",outcome=\"ok\"}",
            3,
        ),
        (
            "artifact_backend_operations_in_flight{backend=\"fs\",operation=\"store\"}",
            0,
        ),
        (
            "artifact_backend_written_bytes_total{backend=\"fs\"}",
            3 + 5 + 7,
        ),
        ("artifact_backend_writes_refused{backend=\"fs\"}", 0),
        ("artifact_backend_sync_failures_total{backend=\"fs\"}", 0),
        ("artifact_store_database_waiting{pool=\"queries\"}", 0),
        ("artifact_ready", 1),
    ];
    let others = others
        .into_iter()
        .map(|(series, value): (&str, u32)| (series.to_owned(), value));
    of_routes.into_iter().chain(others).collect()
}

#[test]
fn known_traffic_gives_exact_counts() {
    let server = Server::start(MEASURED);
    let before = scrape(&server);
    assert_eq!(
        before.value("artifact_store_deposited_artifacts_total"),
        0.0
    );
    let ids = ["one", "three", "fifteen"].map(|body| deposit(&server, body));
    for _ in 0..2 {
        assert_eq!(fetch(&server, &ids[2]).body, b"fifteen");
    }
    assert_eq!(fetch(&server, &"0".repeat(32)).status, 404);
    let unauthorized = server.say(get("/v1/experiments", ""));
    assert_eq!(Answer::of(&unauthorized).status, 401);
    let body = Answer::of(&unauthorized).body.len();
    assert_eq!(admin(&server, "PUT", "/v1/experiments", "", "").status, 405);
    let malformed = server.say("no request\r\n\r\n");
    assert_eq!(Answer::of(&malformed).status, 400);

    let found = after_requests(&server, 8.0);
    for (series, value) in expected() {
        assert_eq!(found.value(&series), f64::from(value), "{series}");
    }
    let sent = found.value("artifact_server_sent_bytes_total");
    assert!(sent > (2 * 7 + body) as f64, "{sent}");
    // A blob is synced before it gets its name, and its folder after that.
    let syncs = found.value("artifact_backend_sync_duration_seconds_count{backend=\"fs\"}");
    assert!(syncs >= 6.0, "{syncs}");
}

#[test]
fn the_process_and_its_folders_are_measured() {
    let server = Server::start(MEASURED);
    let found = scrape(&server);
    let version = run(artifact(server.folder.path()).arg("--version")).succeeded();
    let version = version
        .stdout()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned();
    assert_eq!(
        found.value(&format!("artifact_build_info{{version=\"{version}\"}}")),
        1.0
    );
    for folder in ["data", "blobs", "database"] {
        let free = found.value(&format!(
            "artifact_filesystem_free_bytes{{folder=\"{folder}\"}}"
        ));
        let size = found.value(&format!(
            "artifact_filesystem_size_bytes{{folder=\"{folder}\"}}"
        ));
        assert!(0.0 < free && free <= size, "{folder}: {free} of {size}");
    }
    assert!(found.value("process_resident_memory_bytes") > 1e6);
    assert!(found.value("process_open_fds") > 5.0);
    assert!(found.value("process_start_time_seconds") > 1.7e9);
}

#[test]
fn maintenance_and_damage_are_counted() {
    let server =
        Server::start(&[MEASURED, &["--gc-interval", "1", "--verified-cache", "0"]].concat());
    let id = deposit(&server, "twelve bytes");
    let found = scrape_until(&server, "a collection", |found| {
        found.count("artifact_store_blobs") == 1.0
    });
    assert_eq!(found.value("artifact_store_blob_bytes"), 12.0);
    assert!(found.value("artifact_store_gc_runs_total{outcome=\"complete\"}") >= 1.0);
    assert!(found.value("artifact_store_gc_last_completed_timestamp_seconds") > 1.7e9);
    assert_eq!(
        found.value("artifact_store_gc_findings{kind=\"missing\"}"),
        0.0
    );
    assert_eq!(
        found.value("artifact_store_gc_removed_total{kind=\"orphan\"}"),
        0.0
    );
    assert!(found.value("artifact_store_scrub_last_began_timestamp_seconds") > 1.7e9);
    assert!(found.value("artifact_sweep_runs_total{outcome=\"ok\"}") >= 1.0);

    flip(&server, &id);
    // The damage shows at the last chunk, when the response has begun.
    let (mut stream, credential) = server.connect();
    let path = format!("/v1/experiments/default/artifacts/{id}/content");
    let request = format!("GET {path} HTTP/1.1\r\n{credential}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    read_to_end(&mut stream);
    let found = scrape(&server);
    let damaged = "artifact_store_damaged_artifacts_total{found_by=\"read\"}";
    assert_eq!(found.value(damaged), 1.0);
    let known =
        |found_by| format!("artifact_store_known_damaged_artifacts{{found_by=\"{found_by}\"}}");
    assert_eq!(found.value(&known("read")), 1.0);
    let (path, _) = blobs(&server).pop().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test removes its own file")]
    std::fs::remove_file(path).unwrap();
    scrape_until(&server, "a missing blob", |found| {
        found.count("artifact_store_gc_findings{kind=\"missing\"}") == 1.0
            && found.count("artifact_store_damaged_artifacts_total{found_by=\"gc\"}") >= 1.0
            && found.count(&known("gc")) == 1.0
    });
    let path = format!("/v1/experiments/default/artifacts/{id}");
    let deleted = admin(&server, "DELETE", &path, "", "");
    assert_eq!(deleted.status, 204, "{deleted:?}");
    scrape_until(&server, "no damage", |found| {
        found.value(&known("read")) == 0.0 && found.value(&known("gc")) == 0.0
    });
}

#[test]
fn damage_is_known_until_a_scrub_finds_it_repaired() {
    const KNOWN: &str = "artifact_store_known_damaged_artifacts{found_by=\"scrub\"}";
    let arguments = [MEASURED, &["--gc-interval", "0"]].concat();
    let finished = |server: &Server| {
        scrape_until(server, "the last scrub", |found| {
            found.count("artifact_store_scrub_finished") == 1.0
        })
    };
    let restart = |server: Server| {
        let folder = server.stop("TERM");
        // The log of the new server alone names its address.
        rustix::fs::unlink(folder.path().join("stderr")).unwrap();
        Server::start_in(folder, &arguments)
    };
    let server = Server::start(&arguments);
    assert_eq!(finished(&server).value(KNOWN), 0.0);
    let id = deposit(&server, "twelve bytes");
    flip(&server, &id);
    assert_eq!(maintain(&server, &["scrub"]).code, Some(1));
    let server = restart(server);
    assert_eq!(finished(&server).value(KNOWN), 1.0);
    // Part of a scrub does not know.
    maintain(&server, &["scrub", "--after", "1000"]).succeeded();
    let server = restart(server);
    assert_eq!(finished(&server).value(KNOWN), 1.0);
    flip(&server, &id);
    maintain(&server, &["scrub"]).succeeded();
    let server = restart(server);
    assert_eq!(finished(&server).value(KNOWN), 0.0);
}

#[test]
fn unknown_paths_and_methods_add_no_series() {
    // The first collection and the first scrub have series of their own.
    let unattended = ["--gc-interval", "0", "--scrub-interval", "0"];
    let server = Server::start(&[MEASURED, &unattended].concat());
    let send = |number: usize| {
        for (method, path) in [
            (format!("M{number}"), "/v1/experiments".to_owned()),
            ("GET".to_owned(), format!("/v1/unknown/{number}")),
            ("GET".to_owned(), format!("/unknown{number}")),
            (
                "GET".to_owned(),
                format!("/v1/experiments/e{number}/artifacts"),
            ),
            (format!("M{number}"), "/healthz".to_owned()),
            (
                "GET".to_owned(),
                format!("/v1/experiments/default/artifacts/{number:032x}"),
            ),
            (
                "DELETE".to_owned(),
                format!("/v1/experiments/default/collections/{number:032x}/files/f{number}"),
            ),
        ] {
            let status = admin(&server, &method, &path, "", "").status;
            assert!((400..500).contains(&status), "{method} {path}: {status}");
        }
        let credential = format!("Authorization: Bearer worker{number}:secret{number}\r\n");
        server.say(get("/v0/experiments/default", &credential));
    };
    send(0);
    let first = after_requests(&server, 8.0);
    for number in 1..30 {
        send(number);
    }
    let last = after_requests(&server, 240.0);
    let new: BTreeSet<_> = last.all().into_iter().collect();
    let old: BTreeSet<_> = first.all().into_iter().collect();
    let added: Vec<_> = new.difference(&old).collect();
    assert!(added.is_empty(), "{added:?}");
    let healthz =
        "artifact_http_requests_total{route=\"/healthz\",method=\"other\",status=\"405\"}";
    assert_eq!(last.value(healthz), 30.0);
}

#[test]
fn no_name_id_or_secret_is_in_the_metrics() {
    let folder = tempdir().unwrap();
    let place = folder.path().to_str().unwrap().to_owned();
    let arguments = [
        MEASURED,
        &[
            "--experiment",
            "canary-experiment",
            "--experiment",
            "default",
        ],
    ]
    .concat();
    let server = Server::start_in(folder, &arguments);
    let json =
        |answer: &Answer| -> serde_json::Value { serde_json::from_slice(&answer.body).unwrap() };
    let base = "/v1/experiments/canary-experiment";
    let head = "X-Request-Id: canary-request\r\nIdempotency-Key: \"canary-key\"\r\nContent-Disposition: attachment; filename=\"canary-file\"\r\n\
                Content-Type: text/x-canary-type\r\n";
    // The header of `connect` names the other experiment, so the field is left out.
    let send = |method: &str, path: &str, head: &str, body: &str| {
        let mut stream = server.stream();
        let length = body.len();
        let token = server.token();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer admin:{token}\r\n{head}Content-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        Answer::of(&read_to_end(&mut stream))
    };
    let deposited = json(&send(
        "POST",
        &format!("{base}/artifacts"),
        head,
        "canary-bytes",
    ));
    let artifact = deposited["id"].as_str().unwrap().to_owned();
    let worker = send(
        "POST",
        &format!("{base}/workers"),
        "Content-Type: application/json\r\n",
        "{\"name\":\"canary-worker\"}",
    );
    let worker = json(&worker);
    let worker_id = worker["worker_id"].as_str().unwrap().to_owned();
    let worker_token = worker["registration_token"].as_str().unwrap().to_owned();
    let link = send(
        "POST",
        &format!("{base}/artifacts/{artifact}/links"),
        "Content-Type: application/json\r\n",
        "{\"expires_in\":3600}",
    );
    let link: String = json(&link)["url"].as_str().unwrap().to_owned();
    let secret = link.rsplit('/').next().unwrap().to_owned();
    for path in [
        format!("{base}/artifacts/{artifact}/content"),
        format!("{base}/workers/{worker_id}"),
        format!("/v1/links/{secret}"),
        "/canary-path?canary-query=1".to_owned(),
        format!("/v0/experiments/canary-experiment/artifacts?uri=eden://artifacts/{artifact}"),
    ] {
        send(
            "GET",
            &path,
            "X-Eden-Experiment-Id: canary-experiment\r\n",
            "",
        );
    }
    let wrong = format!("Authorization: Bearer {worker_id}:canary-wrong-secret\r\n");
    server.say(get(base, &wrong));

    let found = scrape(&server);
    let text = found.text.to_lowercase();
    let token = server.token();
    for (what, planted) in [
        ("the admin token", &*token),
        ("the token of a worker", &worker_token),
        ("the id of a worker", &worker_id),
        ("the id of an artifact", &artifact),
        ("the secret of a link", &secret),
        ("the folder", &place),
        ("a name", "canary"),
    ] {
        assert!(!planted.is_empty(), "{what}");
        assert!(
            !text.contains(&planted.to_lowercase()),
            "{what} is in\n{text}"
        );
    }
    // No label value has the form of an id.
    let is_long = |word: &str| word.len() >= 26 && word.bytes().any(|byte| byte.is_ascii_digit());
    let ids: Vec<_> = text
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| is_long(word))
        .collect();
    assert!(ids.is_empty(), "{ids:?}");
}

#[test]
fn metrics_are_on_an_address_of_their_own() {
    let server = Server::start(&[]);
    assert_eq!(Answer::of(&server.say(get("/metrics", ""))).status, 404);
    assert!(!server.stderr().contains("serving metrics"));
    drop(server);

    let server = Server::start(MEASURED);
    assert_eq!(Answer::of(&server.say(get("/metrics", ""))).status, 404);
    assert_eq!(ask(&server, &get("/v1/experiments", "")).status, 404);
    assert_eq!(ask(&server, &get("/", "")).status, 404);
    let post =
        "POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(&server, post).status, 405);
    assert_ne!(address(&server), server.url);
}

#[test]
fn other_machines_need_a_token() {
    const TOKEN: &str = "canary-4c7d659f86d08188";
    let folder = tempdir().unwrap();
    let refused = run_refused(artifact(folder.path()).args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        OTHER_ADDRESS,
    ]));
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("--metrics-token-file"),
        "{}",
        refused.stderr
    );
    assert!(!folder.path().join("artifact-data").exists());

    let write = |content: &str| {
        let path = folder.path().join("metrics-token");
        let mut file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        writeln!(file, "{content}").unwrap();
        file.persist(path).unwrap();
    };
    let token = ["--metrics-token-file", "metrics-token"];
    let with = |listen: &'static str| [&["--metrics-listen", listen][..], &token].concat();
    let serve = |arguments: &[&str]| {
        let mut command = artifact(folder.path());
        run_refused(
            command
                .args(["serve", "--listen", "127.0.0.1:0"])
                .args(arguments),
        )
    };
    let absent = serve(&with(OTHER_ADDRESS));
    assert!(
        absent.stderr.contains("there is no file metrics-token"),
        "{}",
        absent.stderr
    );
    write("changeme");
    let weak = serve(&with(OTHER_ADDRESS));
    assert!(
        weak.stderr
            .contains("metrics-token has fewer than 16 characters"),
        "{}",
        weak.stderr
    );
    let alone = serve(&token);
    assert!(
        alone.stderr.contains("--metrics-listen is not; give both"),
        "{}",
        alone.stderr
    );
    for refused in [absent, weak, alone] {
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    }

    write(TOKEN);
    let server = Server::start_in(folder, &with(OTHER_ADDRESS));
    server.wait_until("the warning", || {
        server.stderr().contains("the token is not encrypted")
    });
    let admin = server.token();
    for credential in [
        String::new(),
        "Authorization: Bearer canary-4c7d659f86d08189\r\n".to_owned(),
        format!("Authorization: Bearer admin:{TOKEN}\r\n"),
        format!("Authorization: Bearer {admin}\r\n"),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n"),
    ] {
        let answer = ask(&server, &get("/metrics", &credential));
        assert_eq!(answer.status, 401, "{credential}");
        assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
        assert!(
            !String::from_utf8(answer.body)
                .unwrap()
                .contains("artifact_")
        );
    }
    assert_eq!(
        ask(&server, &get(&format!("/metrics?token={TOKEN}"), "")).status,
        401
    );
    let answer = ask(
        &server,
        &get("/metrics", &format!("Authorization: Bearer {TOKEN}\r\n")),
    );
    assert_eq!(answer.status, 200);
    assert!(!String::from_utf8(answer.body).unwrap().contains(TOKEN));
    assert!(!server.stderr().contains(TOKEN));
}

#[test]
fn sighup_reloads_the_token_of_the_metrics_and_keeps_it_if_the_file_is_invalid() {
    const TOKENS: [&str; 2] = ["canary-4c7d659f86d08188", "canary-27b6e4805f3a9c1d"];
    let folder = tempdir().unwrap();
    let write =
        |server: &Server, text: &str| write_secret(server.folder.path(), "metrics-token", text);
    write_secret(folder.path(), "metrics-token", TOKENS[0]);
    let arguments = [
        "--metrics-listen",
        OTHER_ADDRESS,
        "--metrics-token-file",
        "metrics-token",
    ];
    let server = Server::start_in(folder, &arguments);
    let statuses = || {
        TOKENS.map(|token| {
            let credential = format!("Authorization: Bearer {token}\r\n");
            ask(&server, &get("/metrics", &credential)).status
        })
    };
    assert_eq!(statuses(), [200, 401]);
    write(&server, TOKENS[1]);
    reload(&server, "reloaded the token of the metrics");
    assert_eq!(statuses(), [401, 200]);

    let failed = "cannot reload the token of the metrics; the former value stays in use";
    let least = "; use at least 16 random characters";
    for (text, reason) in [("", least), ("canary", least), ("changeme", least)] {
        write(&server, text);
        reload(&server, failed);
        assert_eq!(statuses(), [401, 200], "{text}");
        let log = server.stderr();
        let line = log.lines().rfind(|line| line.contains(failed)).unwrap();
        assert!(line.contains(reason), "{line}");
    }
    write(&server, TOKENS[0]);
    let everyone = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(server.path("metrics-token"), everyone).unwrap();
    reload(&server, failed);
    assert_eq!(statuses(), [401, 200]);
    rustix::fs::unlink(server.path("metrics-token")).unwrap();
    reload(&server, failed);
    assert_eq!(statuses(), [401, 200]);
    let advice = "there is no file metrics-token; put a token of at least 16 characters into it";
    assert!(server.stderr().contains(advice), "{}", server.stderr());
    write(&server, TOKENS[0]);
    reload(&server, "reloaded the token of the metrics");
    assert_eq!(statuses(), [200, 401]);
    assert!(!server.stderr().contains("canary"), "{}", server.stderr());
}

#[test]
fn metrics_without_a_token_stay_without_one_until_a_restart() {
    let folder = tempdir().unwrap();
    write_secret(
        folder.path(),
        "settings.toml",
        "metrics_listen = '127.0.0.1:0'\n",
    );
    write_secret(folder.path(), "metrics-token", "canary-4c7d659f86d08188");
    let server = Server::start_in(folder, &["--config", "settings.toml"]);
    reload(&server, "reloaded the log filter");
    scrape(&server);
    assert!(
        !server.stderr().contains("the token of the metrics"),
        "{}",
        server.stderr()
    );
    let with = "metrics_listen = '127.0.0.1:0'\nmetrics_token_file = 'metrics-token'\n";
    server.write("settings.toml", with.as_bytes());
    reload(&server, "cannot reload the token of the metrics");
    let log = server.stderr();
    assert!(
        log.contains("takes effect when the server restarts"),
        "{log}"
    );
    scrape(&server);
}
