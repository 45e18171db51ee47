//! What Prometheus itself says about the metrics, the alerts and the dashboard, by its program `promtool`.

#![expect(clippy::disallowed_methods, reason = "a test writes its own files")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::tempdir;

use super::{MEASURED, deposit, fetch};
use crate::harness::{Done, Server, run, run_with, skip};
use crate::metrics::scrape::scrape;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/deploy");

/// Returns the program, or `None` if it is not installed.
fn promtool() -> Option<Command> {
    let mut command = Command::new("promtool");
    let found = command.arg("--version").output().is_ok();
    let how = "install the package prometheus, and disable its service";
    (!skip(found, "the metrics and alerts by promtool", how)).then(|| Command::new("promtool"))
}

#[track_caller]
fn assert_good(done: &Done) {
    let output = String::from_utf8_lossy(&done.stdout);
    assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{output}");
}

#[test]
fn promtool_finds_no_fault_in_the_metrics() {
    let Some(mut promtool) = promtool() else {
        return;
    };
    let server = Server::start(MEASURED);
    let id = deposit(&server, "bytes");
    fetch(&server, &id);
    let found = scrape(&server);
    assert_good(&run_with(
        promtool.args(["check", "metrics"]),
        found.text.as_bytes(),
    ));
    // Each metric has its two lines of description.
    let described = |prefix: &str| -> BTreeSet<_> {
        let lines = found
            .text
            .lines()
            .filter_map(|line| line.strip_prefix(prefix));
        lines.map(|line| line.split(' ').next().unwrap()).collect()
    };
    let (helps, types) = (described("# HELP "), described("# TYPE "));
    assert_eq!(helps, types);
    assert!(types.len() > 50, "{types:?}");
    for series in found.all() {
        let name = series.split('{').next().unwrap();
        let parts = ["_bucket", "_sum", "_count"];
        let base = parts.iter().find_map(|part| name.strip_suffix(part));
        let is_described = types.contains(name) || base.is_some_and(|base| types.contains(base));
        assert!(is_described, "{series}");
    }
}

#[test]
fn each_alert_is_tested() {
    let Some(mut promtool) = promtool() else {
        return;
    };
    let alerts = std::fs::read_to_string(Path::new(DEPLOY).join("prometheus-alerts.yml")).unwrap();
    let tests = Path::new(DEPLOY).join("prometheus-alerts.test.yml");
    let tests = std::fs::read_to_string(tests).unwrap();
    for alert in alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        // One test in which it fires, and that of a healthy server.
        let fires = format!("alertname: {alert}\n        exp_alerts:\n          - exp_labels");
        assert!(tests.contains(&fires), "no test of {alert}");
    }
    promtool.current_dir(DEPLOY);
    let done = run(promtool.args(["test", "rules", "prometheus-alerts.test.yml"]));
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn prometheus_understands_each_expression_of_the_dashboard() {
    let Some(mut promtool) = promtool() else {
        return;
    };
    let dashboard = std::fs::read(Path::new(DEPLOY).join("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    let mut number = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let expression = expression
                .replace("$__rate_interval", "5m")
                .replace("$instance", ".*");
            assert!(!expression.contains('$'), "{expression}");
            number += 1;
            let quoted = serde_json::to_string(&expression).unwrap();
            let _ = writeln!(
                rules,
                "      - record: panel{number}\n        expr: {quoted}"
            );
        }
    }
    let folder = tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    std::fs::write(&file, rules).unwrap();
    let done = run(promtool.args(["check", "rules"]).arg(&file));
    assert_eq!(done.code, Some(0), "{done:?}");
    let counted = format!("SUCCESS: {number} rules found");
    assert!(done.stdout().contains(&counted), "{done:?}");
}
