//! `artifact-conformance`: the scenarios against a server, from the command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use artifact_http_conformance::{Subject, Suite};
use clap::Parser;

/// Its help; a bare URL is no documentation of Rust.
const BASE_URL: &str = "Where the server is, such as http://127.0.0.1:8080";

/// Runs the scenarios of the HTTP protocol against a server, and prints what came of each.
///
/// Exit codes: 0 passed, 1 a scenario failed, 2 it could not be run.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "this text is the help, for people")]
#[command(name = "artifact-conformance", version, max_term_width = 100)]
struct Arguments {
    /// See [`BASE_URL`].
    #[arg(long, value_name = "URL", required_unless_present = "list", help = BASE_URL)]
    base_url: Option<String>,
    /// File with the server's admin token; without it, ARTIFACT_ADMIN_TOKEN is the token
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Set by the environment alone: the arguments of a process are public
    #[arg(
        long,
        env = "ARTIFACT_ADMIN_TOKEN",
        hide = true,
        hide_env_values = true
    )]
    admin_token: Option<String>,
    /// Experiment in which workers, groups and artifacts are made
    #[arg(long, value_name = "ID", default_value = "default")]
    experiment: String,
    /// Another experiment that the server hosts, for what happens between two
    #[arg(long, value_name = "ID")]
    second_experiment: Option<String>,
    /// Cap that the server was started with, in bytes, for the exact cap
    #[arg(long, value_name = "N")]
    max_artifact_bytes: Option<u64>,
    /// Public URL that the server was started with, where that is not the base URL
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The endpoints are mounted in another server: leave out what only `artifact serve` answers
    #[arg(long)]
    embedded: bool,
    /// Only scenarios whose name holds this text, or that cite this clause
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print the scenarios and their clauses, and run none
    #[arg(long)]
    list: bool,
    /// Print JSON instead of lines
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(refusal) => {
            let _ = writeln!(std::io::stderr(), "artifact-conformance: {refusal}");
            ExitCode::from(2)
        }
    }
}

/// Whether all passed; or why nothing could be run.
fn run(arguments: Arguments) -> Result<bool, String> {
    let Arguments {
        base_url,
        admin_token_file,
        admin_token,
        experiment,
        second_experiment,
        max_artifact_bytes,
        public_url,
        embedded,
        filter,
        list,
        json,
    } = arguments;
    let wanted = filter.clone().unwrap_or_default();
    if !Suite::scenarios().any(|scenario| Suite::matches(scenario, &wanted)) {
        return Err(format!(
            "no scenario and no clause is named {wanted}; see --list"
        ));
    }
    if list {
        return print_list(&wanted, json).map(|()| true);
    }
    let token = match (admin_token_file, admin_token) {
        (Some(file), _) => read_token(&file)?,
        (None, Some(token)) => token,
        (None, None) => {
            return Err("give --admin-token-file FILE or ARTIFACT_ADMIN_TOKEN".to_owned());
        }
    };
    let base_url = base_url.unwrap_or_default();
    let mut subject = Subject::new(&base_url, token)
        .map_err(|error| error.to_string())?
        .with_experiment(experiment);
    if let Some(experiment) = second_experiment {
        subject = subject.with_second_experiment(experiment);
    }
    if let Some(bytes) = max_artifact_bytes {
        subject = subject.with_max_artifact_bytes(bytes);
    }
    if let Some(url) = public_url {
        subject = subject.with_public_url(&url);
    }
    if embedded {
        subject = subject.embedded();
    }
    let mut suite = Suite::new(subject);
    if let Some(filter) = filter {
        suite = suite.with_filter(filter);
    }
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|error| format!("no threads to run on: {error}"))?;
    let report = runtime.block_on(suite.run());
    if json {
        let text = serde_json::to_string_pretty(&report).expect("a report is texts and lists");
        print(&text)?;
    } else {
        print(&report.to_string())?;
    }
    Ok(report.passed())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file that the caller names, read once; no blob is near"
)]
fn read_token(file: &std::path::Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

fn print_list(filter: &str, json: bool) -> Result<(), String> {
    let wanted = Suite::scenarios().filter(|scenario| Suite::matches(scenario, filter));
    if json {
        let list: Vec<_> = wanted
            .map(|one| serde_json::json!({ "name": one.name, "clauses": one.clauses }))
            .collect();
        return print(&serde_json::Value::from(list).to_string());
    }
    for scenario in wanted {
        print(&format!(
            "{:<20}{}",
            scenario.clauses.join(" "),
            scenario.name
        ))?;
    }
    Ok(())
}

/// To standard output; that its reader went away is an end like another.
fn print(text: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| format!("standard output: {error}"))
}
