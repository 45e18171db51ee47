//! The output of a command of maintenance: lines of data, and the progress on a terminal.

#[cfg(feature = "fs")]
use std::path::Path;

use artifact_store::ArtifactId;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::failure::chain;
use crate::output;

/// Prints the findings of a command while it runs. No finding is kept in memory.
pub(super) struct Lines {
    json: bool,
    spinner: Option<ProgressBar>,
    /// The first failed write to standard output. The command goes on without output.
    failed: Option<anyhow::Error>,
}

impl Lines {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            spinner: (!json && output::stderr_is_terminal()).then(spinner),
            failed: None,
        }
    }

    /// Shows how far the command is, on a terminal.
    pub(super) fn progress(&self, text: impl FnOnce() -> String) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(text());
            spinner.tick();
        }
    }

    /// Prints a finding about an id.
    pub(super) fn found(&mut self, what: &str, id: ArtifactId, size: Option<u64>) {
        let line = match (self.json, size) {
            (true, Some(size)) => {
                json!({"found": what, "id": id.to_string(), "size_bytes": size}).to_string()
            }
            (true, None) => json!({"found": what, "id": id.to_string()}).to_string(),
            (false, Some(size)) => format!("{what} {id} {size} bytes"),
            (false, None) => format!("{what} {id}"),
        };
        self.data(line);
    }

    /// Prints a finding with its cause.
    pub(super) fn failed(&mut self, what: &str, id: ArtifactId, error: &artifact_store::Error) {
        let why = chain(error);
        self.data(if self.json {
            json!({"found": what, "id": id.to_string(), "error": why}).to_string()
        } else {
            format!("{what} {id}: {why}")
        });
    }

    /// Prints what is wrong with a file or folder.
    #[cfg(feature = "fs")]
    pub(super) fn wrong_file(&mut self, what: &str, path: &Path, why: &str, repaired: bool) {
        let path = path.display().to_string();
        self.data(if self.json {
            let line = json!({"found": what, "path": path, "error": why, "repaired": repaired});
            line.to_string()
        } else {
            let end = if repaired { "; repaired" } else { "" };
            format!("{what} {}: {why}{end}", output::printable(&path))
        });
    }

    /// Prints why the two halves are not those of one store.
    pub(super) fn wrong_halves(&mut self, why: &str) {
        self.data(if self.json {
            json!({"found": "halves", "error": why}).to_string()
        } else {
            format!("halves: {why}")
        });
    }

    /// Prints a line for people.
    pub(super) fn note(&self, line: &str) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| output::note(line)),
            None => output::note(line),
        }
    }

    /// Prints the totals: a line of JSON, or a sentence for people. Fails if a line could not be written.
    pub(super) fn finish(
        mut self,
        totals: Map<String, Value>,
        sentence: &str,
    ) -> anyhow::Result<()> {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        if self.json {
            self.data(Value::Object(totals).to_string());
        } else {
            output::note(sentence);
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    fn data(&mut self, line: String) {
        if self.failed.is_some() {
            return;
        }
        let printed = match &self.spinner {
            Some(spinner) => spinner.suspend(|| output::data(line)),
            None => output::data(line),
        };
        self.failed = printed.err();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    ProgressBar::new_spinner().with_style(style.expect("a test parses the template"))
}

#[cfg(test)]
mod tests {
    use super::spinner;

    #[test]
    fn the_template_is_valid() {
        assert_eq!(spinner().length(), None);
    }
}
