//! The folders of a store and their file systems.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifact_backend_fs::{
    FolderReport, LayoutFinding, LayoutOptions, check_private_folder, examine_folder,
};

use super::finding::{Finding, Status};
use crate::files;
use crate::serve::plan::StorePlan;

/// A sync that takes longer than this is felt: a deposit waits for about four.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// The least free space.
const LITTLE_SPACE: u64 = 1 << 30;
/// The least number of files that can still be created.
const FEW_FILES: u64 = 10_000;

/// Checks the folders that the settings name. Those on one file system share the lines about it.
pub(super) fn check(plan: &StorePlan<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    let data_dir = plan.settings.data_dir.as_path();
    if data_dir.exists() {
        findings.push(rights(data_dir));
    }
    let database = plan.database.path().map(files::parent);
    let folders = [Some(data_dir), plan.settings.backend.path(), database];
    let mut mounts = vec![];
    for folder in folders.into_iter().flatten() {
        examine(folder, &mut mounts, &mut findings);
    }
    findings
}

fn rights(folder: &Path) -> Finding {
    const CHECK: &str = "data-folder";
    let shown = folder.display();
    match check_private_folder(folder, LayoutOptions::default()) {
        Ok(found) if found.is_empty() => Finding::ok(
            CHECK,
            format!("only its owner can use {shown}"),
            "a user who can write to it can replace the database and the admin token",
        ),
        Ok(found) => {
            let problem = |finding: &LayoutFinding| finding.problem.to_string();
            let found: Vec<_> = found.iter().map(problem).collect();
            Finding::new(
                Status::Warning,
                CHECK,
                format!("{shown}: {}", found.join("; ")),
                "a user who can write to it can replace the database and the admin token",
                "run: artifact verify --repair, which also looks at the files in it",
            )
        }
        Err(error) => Finding::new(
            Status::Problem,
            CHECK,
            format!("{shown}: {error}"),
            "the server cannot use it",
            "run the doctor as the user of the server, and give that user the folder",
        ),
    }
}

/// Examines the file system of a folder, or of the folder in which it will be created.
fn examine(folder: &Path, mounts: &mut Vec<PathBuf>, findings: &mut Vec<Finding>) {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut existing = folder.as_path();
    while !existing.is_dir() && existing.parent().is_some() {
        existing = files::parent(existing);
    }
    let shown = existing.display();
    let report = match examine_folder(existing) {
        Ok(report) => report,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return,
        Err(error) => {
            findings.push(Finding::new(
                Status::Problem,
                "file-system",
                format!("{shown} cannot be examined: {error}"),
                "the server cannot use the folder, or its disk fails",
                "run the doctor as the user of the server; after an input/output error look at the log of the kernel (dmesg)",
            ));
            return;
        }
    };
    if report.has_failed_sync {
        findings.push(Finding::new(
            Status::Problem,
            "failed-sync",
            format!("a sync has failed in {shown}"),
            "the backend acknowledges nothing any more, because blobs may be lost that the kernel still shows",
            format!("stop all servers, and follow the file {}", existing.join("failed-sync").display()),
        ));
    }
    if report.creation_error == Some(io::ErrorKind::PermissionDenied) {
        findings.push(Finding::new(
            Status::Problem,
            "file-system",
            format!("{shown}: this user cannot create a file"),
            "the server cannot store anything there",
            "run the doctor as the user of the server, and give that user the folder",
        ));
    }
    if mounts.contains(&report.mount_point) {
        return;
    }
    mounts.push(report.mount_point.clone());
    findings.extend(describe(existing, &report));
}

/// Describes a file system in a few lines.
fn describe(folder: &Path, report: &FolderReport) -> Vec<Finding> {
    let mut findings = vec![file_system(folder, report)];
    findings.push(space(folder, report));
    if let Some(error) = report.creation_error {
        findings.push(Finding::new(
            Status::Skipped,
            "system-calls",
            format!("{}: no file can be created: {error}", folder.display()),
            "which ways the server uses there is not known",
            "run the doctor as the user of the server on a folder that can be written",
        ));
    } else if report.unnamed_files && report.openat2 {
        findings.push(Finding::ok(
            "system-calls",
            "O_TMPFILE and openat2 can be used",
            "a crash leaves no temporary names, and each path is resolved in one call",
        ));
    } else {
        let missing = match (report.unnamed_files, report.openat2) {
            (false, false) => "O_TMPFILE and openat2",
            (false, true) => "O_TMPFILE",
            _ => "openat2",
        };
        findings.push(Finding::new(
            Status::Warning,
            "system-calls",
            format!("{}: {missing} cannot be used", folder.display()),
            "the server uses slower ways: temporary files with names, which a sweep removes after a crash, or one call for each \
             component of a path",
            "use ext4, XFS or btrfs on Linux 5.6 or newer, and a seccomp filter that allows these calls",
        ));
    }
    findings.push(syncs(folder, report));
    findings
}

fn file_system(folder: &Path, report: &FolderReport) -> Finding {
    const CHECK: &str = "file-system";
    let shown = folder.display();
    let kind = if report.file_system.is_empty() {
        "of an unknown type"
    } else {
        &report.file_system
    };
    let ext4 = match report.ext4 {
        Some(ext4) if ext4.journal => ", with a journal",
        Some(_) => ", without a journal",
        None => "",
    };
    let found = format!(
        "{shown} is on {kind} at {}{ext4} ({})",
        report.mount_point.display(),
        report.mount_options
    );
    let bad = |status, meaning: &'static str, advice: Cow<'static, str>| {
        Finding::new(status, CHECK, found.clone(), meaning, advice)
    };
    if report.is_read_only {
        return bad(
            Status::Problem,
            "it is mounted read-only, perhaps because the kernel has found an error",
            "look at the log of the kernel (dmesg), repair the file system, and mount it again"
                .into(),
        );
    }
    if report.is_memory {
        return bad(
            Status::Problem,
            "what is stored there is lost when the machine stops",
            "put the folder on a disk".into(),
        );
    }
    if !report.risks.is_empty() {
        let risks: Vec<_> = report.risks.iter().map(ToString::to_string).collect();
        return bad(
            Status::Warning,
            "a failing disk or a power cut can lose acknowledged blobs",
            risks.join("; ").into(),
        );
    }
    if !report.is_local {
        return bad(
            Status::Warning,
            "this type is not one of those that were tested with power cuts (ext4, XFS, btrfs); a network file system must \
             sync honestly",
            "prefer a local disk, or a bucket".into(),
        );
    }
    Finding::ok(
        CHECK,
        found,
        "the server relies on what the file system keeps of a synced file after a power cut",
    )
}

fn space(folder: &Path, report: &FolderReport) -> Finding {
    const CHECK: &str = "space";
    let mut found = format!(
        "{} MiB of {} MiB free at {}",
        report.free_bytes >> 20,
        report.total_bytes >> 20,
        report.mount_point.display()
    );
    if let Some(files) = report.free_files {
        found = format!("{found}, room for {files} files");
    }
    let is_short = report.free_bytes < LITTLE_SPACE
        || report.free_files.is_some_and(|files| files < FEW_FILES);
    if is_short {
        return Finding::new(
            Status::Warning,
            CHECK,
            found,
            "without space or inodes deposits are answered 507, and the database accepts no writes; fetches go on",
            format!(
                "make room, or move the blobs to a larger disk with artifact migrate; {}",
                folder.display()
            ),
        );
    }
    Finding::ok(CHECK, found, "each blob is a file")
}

fn syncs(folder: &Path, report: &FolderReport) -> Finding {
    const CHECK: &str = "sync";
    let shown = folder.display();
    let Some(syncs) = report.syncs else {
        return Finding::new(
            Status::Skipped,
            CHECK,
            format!("no file could be written to {shown}"),
            "how long a deposit waits for the disk is not known",
            "run the doctor as the user of the server, and make room",
        );
    };
    let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
    let found = format!(
        "{shown}: {} writes of 4 KiB with a sync took {:.2} ms in the median, {:.2} ms at most",
        syncs.syncs,
        milliseconds(syncs.median),
        milliseconds(syncs.longest)
    );
    if syncs.median > SLOW_SYNC {
        return Finding::new(
            Status::Warning,
            CHECK,
            found,
            "a deposit waits for about four syncs, so deposits are slow",
            "use a disk with a battery-backed or power-loss-protected cache, or fewer other writers on this disk",
        );
    }
    Finding::ok(
        CHECK,
        found,
        "a deposit waits for about four syncs; far less than 0.05 ms can mean that the disk does not keep them",
    )
}
