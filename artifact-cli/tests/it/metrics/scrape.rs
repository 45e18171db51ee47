//! Reads the metrics of a server and parses the text format of Prometheus.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;

use crate::harness::{Answer, Server, read_to_end};

/// The metrics of one moment.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) text: String,
    /// The values by name and labels, such as `up{job="a"}`, with the labels in the order of their names.
    values: BTreeMap<String, f64>,
}

impl Scrape {
    fn parse(text: String) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let values = samples.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (in_order(series), value.parse().unwrap())
        });
        Self {
            values: values.collect(),
            text,
        }
    }

    /// Returns the value of a series, or 0.
    #[track_caller]
    pub(super) fn count(&self, series: &str) -> f64 {
        self.values.get(&in_order(series)).copied().unwrap_or(0.0)
    }

    /// Returns the value of a series, which exists.
    #[track_caller]
    pub(super) fn value(&self, series: &str) -> f64 {
        let found = self.values.get(&in_order(series));
        *found.unwrap_or_else(|| panic!("no {series} in\n{}", self.text))
    }

    /// Returns all series.
    pub(super) fn all(&self) -> Vec<&str> {
        self.values.keys().map(String::as_str).collect()
    }
}

/// Puts the labels of a series in order. No label of a test has a comma in its value.
fn in_order(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else {
        return series.to_owned();
    };
    let mut labels: Vec<_> = labels
        .trim_end_matches('}')
        .split("\",")
        .map(|label| label.trim_end_matches('"'))
        .collect();
    labels.sort_unstable();
    format!("{name}{{{}\"}}", labels.join("\","))
}

/// Returns the address of the metrics, from the log.
pub(super) fn address(server: &Server) -> String {
    const BEFORE: &str = "serving metrics at http://";
    server.wait_until("the address", || server.stderr().contains(BEFORE));
    let log = server.stderr();
    let (_, rest) = log.split_once(BEFORE).unwrap();
    rest.split('/').next().unwrap().to_owned()
}

/// Sends a request to the address of the metrics.
pub(super) fn ask(server: &Server, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address(server)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    Answer::of(&read_to_end(&mut stream))
}

/// Returns the request for a path, with further lines of the header.
pub(super) fn get(path: &str, head: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n{head}Connection: close\r\n\r\n")
}

pub(super) fn scrape(server: &Server) -> Scrape {
    let answer = ask(server, &get("/metrics", ""));
    assert_eq!(answer.status, 200, "{}", answer.head);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.field("content-type"), Some(kind));
    Scrape::parse(String::from_utf8(answer.body).unwrap())
}

/// Reads the metrics until a condition holds, for what is counted after a response.
pub(super) fn scrape_until(server: &Server, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
    server.wait_until(what, || holds(&scrape(server)));
    scrape(server)
}
