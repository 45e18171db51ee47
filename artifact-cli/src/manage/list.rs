//! `artifact ls`.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use artifact_backend::{Clock as _, SystemClock};
use artifact_client::{Artifact, ArtifactPage, ListFilter};
use jiff::Timestamp;

use super::ListArguments;
use crate::collection;
use crate::connect::{ClientContext, until_interrupted};
use crate::output::{self, printable};
use crate::settings::Period;

/// The number of artifacts of a page: the largest that servers send.
const PAGE: u32 = 1_000;

/// How the list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Columns for people.
    Table,
    /// Columns with a tab between them.
    Lines,
    /// One JSON document.
    Json,
}

pub(crate) async fn list(context: &ClientContext, arguments: ListArguments) -> Result<()> {
    if let Some(collection) = &arguments.collection {
        let (recursive, json) = (arguments.recursive, arguments.json.json);
        let listed = collection::list_folder(context, collection, recursive, json);
        return until_interrupted(listed).await;
    }
    let format = if arguments.json.json {
        Format::Json
    } else if output::stdout_is_terminal() {
        Format::Table
    } else {
        Format::Lines
    };
    let filter = filter(arguments)?;
    until_interrupted(run(context, &filter, format)).await
}

/// Prints page after page, so that memory does not grow with the list.
async fn run(context: &ClientContext, filter: &ListFilter, format: Format) -> Result<()> {
    let mut after = None;
    let mut unreadable: u64 = 0;
    let mut writer = Writer::new(format);
    loop {
        let page = context.client.list(filter, after.as_deref()).await;
        let page = page.map_err(|error| context.explain(error))?;
        unreadable = unreadable.saturating_add(page.unreadable);
        output::raw(&writer.page(&page)?)?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    output::raw(&writer.end(unreadable))?;
    if unreadable > 0 {
        output::warn(format_args!(
            "{unreadable} records cannot be read and are not listed; the server's log names them"
        ));
    }
    Ok(())
}

fn filter(arguments: ListArguments) -> Result<ListFilter> {
    let mut filter = ListFilter::default().with_limit(PAGE);
    if let Some(principal) = arguments.created_by {
        filter = filter.with_created_by(&principal);
    }
    if let Some(period) = arguments.older_than {
        filter = filter.with_created_before(&time_before_now(period)?);
    }
    if let Some(period) = arguments.newer_than {
        filter = filter.with_created_from(&time_before_now(period)?);
    }
    if let Some(size) = arguments.min_size {
        filter = filter.with_min_size(size.0);
    }
    if let Some(size) = arguments.max_size {
        filter = filter.with_max_size(size.0);
    }
    if let Some(content_type) = arguments.content_type {
        filter = filter.with_content_type(&content_type);
    }
    if let Some(name) = arguments.name {
        filter = filter.with_name(&name);
    }
    Ok(filter)
}

/// Returns the time that was this period ago, by the clock of this machine.
fn time_before_now(period: Period) -> Result<String> {
    let now = Timestamp::try_from(SystemClock.now());
    let time = now.and_then(|now| now.checked_sub(period.0));
    Ok(time
        .context("the clock of this machine is thousands of years off; set it")?
        .to_string())
}

/// Writes pages.
struct Writer {
    format: Format,
    /// Whether the beginning of the document was written.
    has_begun: bool,
    /// What precedes the next artifact in JSON.
    separator: &'static str,
}

impl Writer {
    fn new(format: Format) -> Self {
        Self {
            format,
            has_begun: false,
            separator: "",
        }
    }

    fn page(&mut self, page: &ArtifactPage) -> Result<String> {
        let mut text = String::new();
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        match self.format {
            Format::Json => {
                if !has_begun {
                    text.push_str("{\"artifacts\":[");
                }
                for artifact in &page.artifacts {
                    let json = serde_json::to_string(artifact);
                    text.push_str(std::mem::replace(&mut self.separator, ","));
                    text.push_str(&json.context("cannot write the response as JSON")?);
                }
            }
            Format::Table | Format::Lines => {
                if !has_begun && self.format == Format::Table {
                    let header = [
                        "URI",
                        "SIZE",
                        "DEPOSITED",
                        "BY",
                        "TYPE",
                        "NAME",
                        "COLLECTION",
                    ];
                    self.line(&mut text, &header.map(String::from));
                }
                self.lines(&mut text, page);
            }
        }
        Ok(text)
    }

    fn lines(&self, text: &mut String, page: &ArtifactPage) {
        for artifact in &page.artifacts {
            self.line(text, &columns(artifact));
        }
    }

    fn line(&self, text: &mut String, columns: &[String; 7]) {
        let [uri, size, time, by, content_type, name, home] = columns;
        let _ = if self.format == Format::Table {
            // As wide as the columns usually are. A longer value moves the rest of its line.
            let line = format!(
                "{uri:<49}  {size:>12}  {time:<20}  {by:<30}  {content_type:<24}  {name:<24}  {home}"
            );
            writeln!(text, "{}", line.trim_end())
        } else {
            writeln!(text, "{}", columns.join("\t"))
        };
    }

    /// Returns the end of the document.
    fn end(&self, unreadable: u64) -> String {
        match self.format {
            Format::Json => format!("],\"unreadable\":{unreadable}}}\n"),
            Format::Table | Format::Lines => String::new(),
        }
    }
}

fn columns(artifact: &Artifact) -> [String; 7] {
    let created_at = match artifact.created_at.parse::<Timestamp>() {
        // Parts of a second are in the JSON.
        Ok(time) => Timestamp::from_second(time.as_second())
            .unwrap_or(time)
            .to_string(),
        Err(_) => printable(&artifact.created_at),
    };
    [
        artifact.uri.clone(),
        artifact.size_bytes.to_string(),
        created_at,
        printable(&artifact.created_by),
        printable(&artifact.content_type),
        printable(artifact.file_name.as_deref().unwrap_or_default()),
        home(artifact),
    ]
}

/// Returns the collection of which an artifact is a file, and its name there, as `artifact get` takes them.
fn home(artifact: &Artifact) -> String {
    match (&artifact.collection, &artifact.path) {
        (Some(collection), Some(path)) => printable(&format!("{collection}/{path}")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[&str], next: Option<&str>) -> ArtifactPage {
        let artifacts: Vec<_> = names
            .iter()
            .map(|name| {
                serde_json::json!({
                    "artifacts_uri": "eden://artifacts/4f2a9c0de1b83756a0c4d2f19e7b6385",
                    "id": "4f2a9c0de1b83756a0c4d2f19e7b6385",
                    "experiment": "default",
                    "size_bytes": 5,
                    "content_type": "text/plain",
                    "file_name": name,
                    "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
                    "created_by": "admin",
                    "created_at": "2026-01-02T03:04:05.000006Z",
                    "expires_at": null,
                    "collection": name.starts_with('a').then_some("col_1"),
                    "path": name.starts_with('a').then(|| format!("x/{name}")),
                })
            })
            .collect();
        let page = serde_json::json!({ "artifacts": artifacts, "unreadable": 0, "next": next });
        serde_json::from_value(page).unwrap()
    }

    fn written(format: Format, pages: &[ArtifactPage]) -> String {
        let mut writer = Writer::new(format);
        let mut text = String::new();
        for page in pages {
            text.push_str(&writer.page(page).unwrap());
        }
        text + &writer.end(0)
    }

    #[test]
    fn the_pages_of_a_list_are_one_json_document() {
        for pages in [
            &[page(&[], None)][..],
            &[page(&[], Some("1")), page(&["a"], None)],
            &[
                page(&["a", "b"], Some("1")),
                page(&[], Some("2")),
                page(&["c"], None),
            ],
            &[page(&["a"], Some("1")), page(&[], None)],
        ] {
            let text = written(Format::Json, pages);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let names: Vec<_> = json["artifacts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|artifact| artifact["file_name"].as_str().unwrap())
                .collect();
            let expected: Vec<_> = pages
                .iter()
                .flat_map(|page| &page.artifacts)
                .map(|artifact| artifact.file_name.as_deref().unwrap())
                .collect();
            assert_eq!(names, expected);
            assert_eq!(json["unreadable"], 0);
            assert!(text.ends_with("}\n"), "{text}");
        }
    }

    #[test]
    fn a_table_has_its_header_once_and_no_invisible_characters() {
        let pages = [page(&["a\u{1b}[31m"], Some("1")), page(&["b"], None)];
        let text = written(Format::Table, &pages);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("URI ") && lines[0].ends_with("COLLECTION"));
        assert!(lines[1].ends_with(r"col_1/x/a\u{1b}[31m"), "{text}");
        assert!(lines[2].ends_with("  b"), "{text}");
        assert!(lines[1].contains(" 2026-01-02T03:04:05Z "), "{text}");
        let lines = written(Format::Lines, &pages);
        assert_eq!(lines.lines().next().unwrap().split('\t').count(), 7);
    }
}
