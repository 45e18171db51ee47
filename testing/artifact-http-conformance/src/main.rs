//! The command `artifact-conformance`, which runs the scenarios against a server.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use artifact_http_conformance::{Subject, Suite};
use clap::Parser;

/// The help text of `--base-url`; a constant, because rustdoc rejects a bare URL.
const BASE_URL: &str = "Base URL of the server, such as http://127.0.0.1:8080";

/// Runs the scenarios of the HTTP protocol against a server and prints the result of each.
///
/// Exit codes: 0 all passed, 1 a scenario failed, 2 the scenarios could not be run.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "this text is the help of the command")]
#[command(name = "artifact-conformance", version, max_term_width = 100)]
struct Arguments {
    /// See [`BASE_URL`].
    #[arg(long, value_name = "URL", required_unless_present = "list", help = BASE_URL)]
    base_url: Option<String>,
    /// File with the server's admin token; the default is the token in ARTIFACT_ADMIN_TOKEN
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Taken from the environment only, because the arguments of a process are public
    #[arg(
        long,
        env = "ARTIFACT_ADMIN_TOKEN",
        hide = true,
        hide_env_values = true
    )]
    admin_token: Option<String>,
    /// Experiment in which the scenarios create workers, groups and artifacts
    #[arg(long, value_name = "ID", default_value = "default")]
    experiment: String,
    /// Another experiment of the server, for scenarios that need two
    #[arg(long, value_name = "ID")]
    second_experiment: Option<String>,
    /// The server's artifact size cap in bytes, for scenarios that test the exact cap
    #[arg(long, value_name = "N")]
    max_artifact_bytes: Option<u64>,
    /// Public URL that the server was started with, if it differs from the base URL
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Public key of the log of receipts, for scenarios of receipts
    #[arg(long, value_name = "KEY")]
    receipt_key: Option<String>,
    /// Skip scenarios of `artifact serve` itself, for endpoints mounted in another server
    #[arg(long)]
    embedded: bool,
    /// Run only scenarios whose name contains this text, or that cite this clause
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print the scenarios and their clauses without running them
    #[arg(long)]
    list: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "artifact-conformance: {message}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether all scenarios passed, or why they could not be run.
fn run(arguments: Arguments) -> Result<bool, String> {
    let Arguments {
        base_url,
        admin_token_file,
        admin_token,
        experiment,
        second_experiment,
        max_artifact_bytes,
        public_url,
        receipt_key,
        embedded,
        filter,
        list,
        json,
    } = arguments;
    let wanted = filter.clone().unwrap_or_default();
    if !Suite::scenarios().any(|scenario| Suite::matches(scenario, &wanted)) {
        return Err(format!(
            "no scenario name contains `{wanted}` and no clause has this id; see --list"
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
    if let Some(key) = receipt_key {
        subject = subject.with_receipt_key(key);
    }
    if embedded {
        subject = subject.embedded();
    }
    let mut suite = Suite::new(subject);
    if let Some(filter) = filter {
        suite = suite.with_filter(filter);
    }
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|error| format!("the async runtime cannot start: {error}"))?;
    let report = runtime.block_on(suite.run());
    if json {
        let text =
            serde_json::to_string_pretty(&report).expect("a report has only texts and lists");
        print(&text)?;
    } else {
        print(&report.to_string())?;
    }
    Ok(report.passed())
}

#[expect(
    clippy::disallowed_methods,
    reason = "reads a file that the caller names, which is not a blob"
)]
fn read_token(file: &std::path::Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

fn print_list(filter: &str, json: bool) -> Result<(), String> {
    let wanted = Suite::scenarios().filter(|scenario| Suite::matches(scenario, filter));
    if json {
        let list: Vec<_> = wanted
            .map(|scenario| serde_json::json!({ "name": scenario.name, "clauses": scenario.clauses }))
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

/// Prints to standard output. A closed pipe is an error like any other.
fn print(text: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{text}")
        .map_err(|error| format!("cannot write to standard output: {error}"))
}
