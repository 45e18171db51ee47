//! Full disks, exhausted inodes, read-only disks, process limits, and users other than root. Mounting
//! needs root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind};
use artifact_backend_fs::{FileSystemRisk, FsBackend, FsConfig, file_system_risks};
use artifact_crash_test::syscalls::{self, Fault};
use artifact_crash_test::{Checker, Line, RunOutcome, Subject};
use bytes::Bytes;
use tempfile::TempDir;

use crate::syscalls::{example, layout, subject};
use crate::world::{blob_names, in_memory, is_root, names, remount, skip};

/// A small mounted file system; unmounted on drop.
pub(crate) struct Mounted {
    folder: TempDir,
}

impl Mounted {
    /// Mounts a tmpfs with options of mount(8), or an ext4 image with options of mke2fs(8).
    pub(crate) fn new(kind: &str, options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("mounted");
        fs::create_dir(&target).unwrap();
        if kind == "ext4" {
            let image = folder.path().join("image");
            fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
            let quiet = ["-q", "-F", "-m", "0"];
            run("mkfs.ext4", |command| {
                command.args(quiet).args(options.split(' ')).arg(&image)
            });
            run("mount", |command| {
                command.args(["-o", "loop"]).arg(&image).arg(&target)
            });
        } else {
            run("mount", |command| {
                command
                    .args(["-t", kind, "-o", options, "none"])
                    .arg(&target)
            });
        }
        Self { folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("mounted/root")
    }

    pub(crate) fn remount(&self, option: &str) {
        remount(&self.folder.path().join("mounted"), option);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let target = self.folder.path().join("mounted");
        let _ = Command::new("umount").arg("--lazy").arg(target).status();
    }
}

fn run(program: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) {
    let mut command = Command::new(program);
    let output = arguments(&mut command).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

pub(crate) fn cannot_mount() -> bool {
    skip(is_root(), "full and read-only disks", "run it as root")
}

/// Stores until the disk is full, then checks that every acknowledged blob can be loaded.
async fn fill_and_check(mounted: &Mounted, named: bool, bytes: usize) {
    let config = FsConfig::default().with_named_staging(named);
    let backend = FsBackend::open(mounted.root(), config).await.unwrap();
    let body = Bytes::from(vec![7; bytes]);
    let mut stored = Vec::new();
    let refused = loop {
        let id = ArtifactId::mint();
        match backend.store(id, body.clone()).await {
            Ok(()) => stored.push(id),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::OutOfSpace, "{error}");
                let text = error.to_string();
                assert!(text.contains("no free blocks or inodes"), "{text}");
                break id;
            }
        }
        assert!(stored.len() < 10_000, "the disk never fills up");
    };
    assert!(stored.len() > 3, "only {} blobs fit", stored.len());
    // The rejected blob is absent, and every acknowledged blob is there.
    let absent = backend.load(refused).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    for id in &stored {
        assert_eq!(backend.load(*id).await.unwrap(), body);
    }
    assert_eq!(names(&mounted.root().join("staging")), Vec::<String>::new());
    assert_eq!(blob_names(&mounted.root()).len(), stored.len());
    // Freed room can be used at once: a full disk does not count as a failed disk.
    for id in stored.drain(..3) {
        backend.delete(id).await.unwrap();
    }
    backend.store(refused, body.clone()).await.unwrap();
    assert_eq!(backend.load(refused).await.unwrap(), body);
}

#[tokio::test]
async fn full_disks_reject_stores_and_lose_nothing() {
    if cannot_mount() {
        return;
    }
    for named in [false, true] {
        fill_and_check(&Mounted::new("tmpfs", "size=4m"), named, 300_000).await;
        fill_and_check(&Mounted::new("ext4", "-O has_journal"), named, 500_000).await;
        fill_and_check(&Mounted::new("ext4", "-O ^has_journal"), named, 500_000).await;
    }
}

#[tokio::test]
async fn full_inode_tables_reject_stores_and_lose_nothing() {
    if cannot_mount() {
        return;
    }
    for named in [false, true] {
        fill_and_check(&Mounted::new("tmpfs", "nr_inodes=300"), named, 10).await;
        fill_and_check(&Mounted::new("ext4", "-N 304"), named, 10).await;
    }
}

#[tokio::test]
async fn read_only_disks_reject_stores_and_can_be_read() {
    if cannot_mount() {
        return;
    }
    for options in ["-O has_journal", "-O ^has_journal"] {
        let mounted = Mounted::new("ext4", options);
        let (here, new) = (ArtifactId::mint(), ArtifactId::mint());
        let body = Bytes::from_static(b"here to stay");
        let backend = FsBackend::open(mounted.root(), FsConfig::default())
            .await
            .unwrap();
        backend.store(here, body.clone()).await.unwrap();
        mounted.remount("ro");
        let refused = backend.store(new, body.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{refused}");
        assert!(refused.to_string().contains("read-only"), "{refused}");
        let kept = backend.delete(here).await.unwrap_err();
        assert_eq!(kept.kind(), ErrorKind::Misconfigured, "{kept}");
        assert_eq!(backend.load(here).await.unwrap(), body);
        assert_eq!(
            backend.load(new).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        // The rejected store was not recorded as a failed sync.
        mounted.remount("rw");
        backend.store(new, body.clone()).await.unwrap();
        assert_eq!(backend.load(new).await.unwrap(), body);
    }
}

#[test]
fn risks_of_a_file_system_are_detected() {
    use FileSystemRisk::{ContinuesAfterErrors, FastCommit};
    if cannot_mount() {
        return;
    }
    for (options, risks) in [
        ("-O ^has_journal", &[ContinuesAfterErrors][..]),
        ("-O ^has_journal -e remount-ro", &[]),
        ("-O has_journal,^fast_commit", &[]),
        ("-O has_journal,fast_commit", &[FastCommit]),
    ] {
        let mounted = Mounted::new("ext4", options);
        let folder = mounted.root().parent().unwrap().to_owned();
        assert_eq!(file_system_risks(&folder).unwrap(), risks, "{options}");
    }
    let mounted = Mounted::new("ext4", "-O ^has_journal");
    mounted.remount("errors=remount-ro");
    assert_eq!(
        file_system_risks(mounted.root().parent().unwrap()).unwrap(),
        []
    );
    assert_eq!(file_system_risks(Path::new("/proc")).unwrap(), []);
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs one operation of the subject after shell commands such as `ulimit`.
fn run_after(commands: &str, operation: &str, verb: &str, root: &Path) -> Output {
    let script = format!("{commands} exec \"$@\"");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &script, "sh"])
        .arg(example("syscall_subject"));
    command.args([operation, verb]).arg(root).output().unwrap()
}

#[test]
fn file_size_limits_reject_uploads_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    // dash counts by 512 bytes: one MiB, of an upload of 2.3 MB.
    let ignored = run_after(
        "trap '' XFSZ; ulimit -f 2048;",
        "upload",
        "run",
        &folder.path().join("a"),
    );
    assert!(stdout(&ignored).contains("too large"), "{ignored:?}");
    assert!(stdout(&ignored).contains("ulimit -f"), "{ignored:?}");
    // A process that does not ignore the signal is killed, which acts like a crash.
    let killed = run_after("ulimit -f 2048;", "upload", "run", &folder.path().join("b"));
    assert_eq!(killed.status.signal(), Some(25), "{killed:?}");
    for root in ["a", "b"] {
        let root = folder.path().join(root);
        let looked = run_after("", "upload", "check", &root);
        assert!(looked.status.success(), "{looked:?}");
        let lines = stdout(&looked);
        assert!(
            !lines.contains("BAD") && !lines.contains("STRAY"),
            "{lines}"
        );
        assert_eq!(lines.matches("HAVE").count(), 1, "{lines}");
    }
}

#[test]
fn open_file_limits_reject_stores_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let made = run_after("", "store", "run", &root);
    assert!(stdout(&made).contains("ACK 0b0b"), "{made:?}");
    for limit in 3..12 {
        // Too low to open the store, or just high enough to open it but not to store.
        let limited = run_after(&format!("ulimit -n {limit};"), "store-again", "run", &root);
        let text = stdout(&limited);
        assert!(limited.status.code().is_some(), "{limited:?}");
        assert!(!text.contains("ACK"), "{text}");
    }
    let looked = run_after("", "store", "check", &root);
    assert_eq!(stdout(&looked).matches("HAVE").count(), 2, "{looked:?}");
    assert!(!stdout(&looked).contains("STRAY"), "{looked:?}");
}

/// Before Linux 6.10 only root can link a descriptor directly. Other users link it through /proc.
#[test]
fn descriptors_that_cannot_be_linked_directly_are_linked_through_proc() {
    let traced = syscalls::available().is_ok();
    if skip(traced, "the way through /proc", "allow ptrace(2)") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let subject = subject(false, "store");
    let mut links = Vec::new();
    let run = syscalls::trace(&subject, root.path(), |call| {
        let first = call.name == "linkat" && links.is_empty();
        if call.name == "linkat" {
            links.push(call.target.clone());
        }
        first.then_some(Fault::Fail(rustix::io::Errno::NOENT))
    });
    let run = run.unwrap();
    assert_eq!(run.outcome, RunOutcome::Success);
    assert_eq!(links.len(), 2, "{links:?}");
    assert!(links[1].starts_with("/proc/self/fd/"), "{links:?}");
    let acknowledged = run
        .lines
        .iter()
        .filter(|line| matches!(line, Line::Ack(..)));
    assert_eq!(acknowledged.count(), 2);
    assert_eq!(blob_names(root.path()).len(), 2);
}

#[test]
fn stores_of_an_ordinary_user_survive_faults_at_every_system_call() {
    let traced = syscalls::available().is_ok();
    if skip(
        is_root() && traced,
        "an ordinary user",
        "run it as root, with ptrace(2)",
    ) {
        return;
    }
    let parent = tempfile::tempdir_in(in_memory()).unwrap();
    fs::set_permissions(parent.path(), Permissions::from_mode(0o711)).unwrap();
    // In a place that this user can reach.
    let program = parent.path().join("subject");
    fs::copy(example("syscall_subject"), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let script = "for root; do :; done; chown 65534 \"$root\" && \
                  exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\"";
    for operation in ["store", "store-again", "upload"] {
        let subject = Subject::new("/bin/sh").with_arg("-c").with_arg(script);
        let subject = subject.with_arg(&program).with_arg(operation);
        let checkers = [Checker::from(layout()), Checker::from(subject.clone())];
        let swept = syscalls::sweep(&subject, parent.path(), &checkers).unwrap();
        assert!(swept.report.is_clean(), "{operation}: {}", swept.report);
    }
}
