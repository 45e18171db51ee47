//! The headings in the help, under which the settings of a server stand.

use clap::Command;

use super::ServeSettings;
use super::definition::{Definition as _, definitions};

/// The first setting of each group, in the order of the settings, and its heading.
const GROUPS: [(&str, &str); 13] = [
    ("listen", "Address"),
    ("metrics_listen", "Metrics"),
    ("data_dir", "Storage"),
    ("bucket_endpoint", "Bucket"),
    ("database", "Database"),
    ("experiments", "Access"),
    ("max_artifact_bytes", "Sizes"),
    ("header_timeout", "Slow clients"),
    ("max_connections", "Limits"),
    ("sweep_interval", "Schedule"),
    ("audit_log", "Audit log"),
    ("receipt_key", "Receipts"),
    ("ready_fd", "Log and settings file"),
];

/// Puts the settings of a server under headings. Other options of the command stay where they are.
pub(crate) fn with_headings(command: Command) -> Command {
    let mut heading = None;
    definitions::<ServeSettings>()
        .iter()
        .fold(command, |command, setting| {
            let begins = GROUPS.iter().find(|(first, _)| *first == setting.name());
            heading = begins.map(|(_, title)| *title).or(heading);
            command.mut_arg(setting.name(), |arg| arg.help_heading(heading))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_begins_with_a_setting_and_every_setting_is_in_a_group() {
        let settings = definitions::<ServeSettings>();
        let begin: Vec<_> = settings
            .iter()
            .filter_map(|setting| GROUPS.iter().find(|(first, _)| *first == setting.name()))
            .collect();
        assert_eq!(begin, GROUPS.iter().collect::<Vec<_>>());
        assert_eq!(settings[0].name(), GROUPS[0].0);
    }
}
