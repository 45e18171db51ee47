//! Compares the names and labels in the alerts and the dashboard with the definitions.

use std::collections::BTreeSet;

use artifact_backend::metrics::{Metric, MetricKind};
use serde_json::Value;

use super::ALL;

/// Labels that Prometheus adds.
const OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

#[expect(
    clippy::disallowed_methods,
    reason = "a test reads files of the repository"
)]
fn read(name: &str) -> String {
    let path = format!("{}/../docs/deploy/{name}", env!("CARGO_MANIFEST_DIR"));
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

/// Adds the texts of all members `expr` below a value.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "expr" => found.push(text.clone()),
                    value => expressions(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// Returns the words of an expression that can be names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(move |letter| !is_name(letter))
}

/// Finds the metric of a name in an expression. The parts of a histogram have names of their own.
fn find(name: &str) -> Option<Metric> {
    let all = || ALL.iter().copied().flatten();
    let exact = all().find(|metric| metric.name == name && metric.kind != MetricKind::Histogram);
    exact
        .or_else(|| {
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|part| name.strip_suffix(part))?;
            all().find(|metric| metric.name == base && metric.kind == MetricKind::Histogram)
        })
        .copied()
}

/// Checks the names and the labels of an expression, and returns its metrics.
fn check(text: &str) -> BTreeSet<&'static str> {
    let mut labels: BTreeSet<&str> = OF_PROMETHEUS.into();
    let mut used = BTreeSet::new();
    for word in
        words(text).filter(|word| word.starts_with("artifact_") || word.starts_with("process_"))
    {
        let metric = find(word).unwrap_or_else(|| panic!("no metric is {word}: {text}"));
        labels.extend(metric.labels);
        used.insert(metric.name);
    }
    for (at, _) in text.match_indices("by (") {
        let list = text[at + 4..].split(')').next().unwrap();
        for label in list.split(',').map(str::trim) {
            assert!(
                labels.contains(label),
                "no metric has the label {label}: {text}"
            );
        }
    }
    for matchers in text.split('{').skip(1) {
        let matchers = matchers.split('}').next().unwrap();
        for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
            let label = matcher.split(['=', '!']).next().unwrap().trim();
            assert!(
                labels.contains(label),
                "no metric has the label {label}: {text}"
            );
        }
    }
    used
}

#[test]
fn the_dashboard_uses_metrics_that_exist() {
    let mut found = Vec::new();
    let dashboard = serde_json::from_str(&read("grafana-dashboard.json")).unwrap();
    expressions(&dashboard, &mut found);
    let used: BTreeSet<_> = found.iter().flat_map(|text| check(text)).collect();
    assert!(found.len() > 20 && used.len() > 20, "{used:?}");
}

#[test]
fn the_alerts_use_metrics_that_exist() {
    let alerts = read("prometheus-alerts.yml");
    let rules: Vec<_> = alerts.split("- alert:").skip(1).collect();
    assert!(rules.len() >= 12);
    for rule in rules {
        let (_, expression) = rule.split_once("expr:").unwrap();
        let expression = expression.split("\n        for:").next().unwrap();
        assert!(!check(expression).is_empty(), "{rule}");
    }
}
