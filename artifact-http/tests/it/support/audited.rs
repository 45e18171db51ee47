//! An audit log, and the lines that it must have.

use std::collections::HashMap;

use artifact_audit::{AuditLog, AuditOptions, verify_files};
use http::Request;
use serde_json::Value;
use tempfile::TempDir;

/// One request, and what its line must say.
#[derive(Debug)]
pub(crate) struct ExpectedLine {
    pub(crate) action: &'static str,
    pub(crate) method: String,
    pub(crate) status: u16,
    /// `None` if the credential is not valid.
    pub(crate) principal: Option<String>,
    /// The values of members, or `None` for those that the line must not have.
    pub(crate) members: Vec<(&'static str, Option<String>)>,
}

/// A log, and the lines that are expected in it.
#[derive(Debug)]
pub(crate) struct Audited {
    folder: TempDir,
    pub(crate) log: AuditLog,
    expected: Vec<ExpectedLine>,
}

impl Audited {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        Self {
            log: AuditLog::open(&path, AuditOptions::default()).unwrap(),
            folder,
            expected: Vec::new(),
        }
    }

    /// Gives a request the id of the next line.
    pub(crate) fn name<B>(&self, request: &mut Request<B>) {
        let id = format!("request-{}", self.expected.len());
        request
            .headers_mut()
            .insert("x-request-id", id.parse().unwrap());
    }

    /// Adds the line of the request that was named last.
    pub(crate) fn expect(&mut self, line: ExpectedLine) {
        self.expected.push(line);
    }

    /// Closes the log, and asserts that each request has left exactly one line with the right facts, that the chain is good, and
    /// that no secret is in it. Returns the number of lines that were compared.
    pub(crate) async fn assert_complete(self, secrets: &[String]) -> usize {
        self.log.close().await.unwrap();
        let report = verify_files(&[self.log.path()], &[]).unwrap();
        assert!(report.is_good(), "{:?}", report.damages.first());
        let text = read(&self.log);
        for secret in secrets {
            assert!(secret.len() >= 8, "{secret:?} could be there by chance");
            assert!(!text.contains(secret.as_str()), "the log has {secret}");
        }
        let mut lines: HashMap<String, Vec<Value>> = HashMap::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(id) = line["request_id"].as_str() {
                lines.entry(id.to_owned()).or_default().push(line);
            }
        }
        assert_eq!(lines.len(), self.expected.len());
        for (number, expected) in self.expected.iter().enumerate() {
            let found = &lines[&format!("request-{number}")];
            assert_eq!(found.len(), 1, "{expected:?}: {found:?}");
            expected.assert_is(&found[0]);
        }
        drop(self.folder);
        self.expected.len()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test reads its own file")]
fn read(log: &AuditLog) -> String {
    std::fs::read_to_string(log.path()).unwrap()
}

impl ExpectedLine {
    fn assert_is(&self, line: &Value) {
        let outcome = match self.status {
            ..400 => "done",
            400..500 => "refused",
            500.. => "failed",
        };
        assert_eq!(line["event"], "action", "{line}");
        assert_eq!(line["action"], self.action, "{line}");
        assert_eq!(line["status"], self.status, "{self:?}: {line}");
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["method"], self.method.as_str(), "{line}");
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        assert_eq!(text("principal"), self.principal, "{self:?}: {line}");
        let problem = match self.status {
            401 => Some("unauthorized"),
            403 => Some("forbidden"),
            404 => Some("not-found"),
            _ => None,
        };
        assert_eq!(text("problem").as_deref(), problem, "{line}");
        for (name, value) in &self.members {
            assert_eq!(text(name), *value, "{name}: {self:?}: {line}");
        }
    }
}
