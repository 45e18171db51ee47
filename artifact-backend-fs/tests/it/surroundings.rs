//! File systems and tools that report the attributes of files in another way than a plain disk: overlays, FUSE, access
//! control lists, restored backups, orchestrators, hard-linked snapshots. The bytes are right in all of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, ErrorKind,
};
use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_crash_test::syscalls::{self, Call, Fault};
use artifact_crash_test::{Line, RunOutcome};
use bytes::Bytes;
use futures_util::TryStreamExt;
use rustix::io::Errno;
use tempfile::TempDir;

use crate::syscalls::{example, subject};
use crate::world::{World, is_root, names, remount, skip};

/// A mount; unmounted on drop.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn is_installed(program: &str) -> bool {
    let started = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    started.is_ok_and(|status| status.success())
}

/// Mounts `from` at `to` by bindfs(1).
fn bindfs(options: &[&str], from: &Path, to: &Path) -> Mount {
    run(Command::new("bindfs").args(options).arg(from).arg(to));
    Mount(to.to_owned())
}

fn cannot_bindfs() -> bool {
    let available = is_root() && Path::new("/dev/fuse").exists() && is_installed("bindfs");
    skip(
        available,
        "FUSE mounts",
        "install bindfs and fuse3, and run it as root",
    )
}

/// Creates folders with these names.
fn folders<const N: usize>(parent: &TempDir, names: [&str; N]) -> [PathBuf; N] {
    names.map(|name| {
        let folder = parent.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    })
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn configs() -> [FsConfig; 3] {
    let config = FsConfig::default;
    [
        config(),
        config().with_named_staging(true),
        config().with_inline_read_bytes(0),
    ]
}

fn body(id: ArtifactId, size: usize) -> Bytes {
    id.to_string()
        .into_bytes()
        .into_iter()
        .cycle()
        .take(size)
        .collect()
}

/// Stores one small and one large blob with each setting.
async fn store(root: &Path) -> Vec<(ArtifactId, usize)> {
    let mut stored = Vec::new();
    for config in configs() {
        let backend = FsBackend::open(root, config).await.unwrap();
        let (small, large) = (ArtifactId::mint(), ArtifactId::mint());
        backend.store(small, body(small, 3_000)).await.unwrap();
        // Just stored: an attribute cache still holds what it saw before the publish.
        assert_eq!(backend.load(small).await.unwrap(), body(small, 3_000));
        let again = backend.store(small, "other".into()).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        let mut upload = backend.upload(large).await.unwrap();
        upload.expect_size(3 << 20);
        for _ in 0..3 {
            upload.write(body(large, 1 << 20)).await.unwrap();
        }
        upload.commit().await.unwrap();
        assert_eq!(backend.stat(large).await.unwrap().size, 3 << 20);
        stored.extend([(small, 3_000), (large, 3 << 20)]);
    }
    stored
}

/// Opens the root as another process would, and reads and lists every blob.
async fn check(root: &Path, stored: &[(ArtifactId, usize)]) {
    for config in configs() {
        let backend = FsBackend::open(root, config).await.unwrap();
        for &(id, size) in stored {
            let bytes = backend.load(id).await.unwrap();
            let downloaded = backend.load_range(id, ByteRange::Full).await.unwrap();
            assert_eq!(bytes, downloaded, "{id}");
            assert!(
                bytes.starts_with(&body(id, 3_000)) && bytes.len() == size,
                "{id}"
            );
            assert_eq!(backend.stat(id).await.unwrap().size, size as u64);
        }
        let listed: Vec<_> = backend.list().await.unwrap().try_collect().await.unwrap();
        let mut listed: Vec<_> = listed.into_iter().map(|blob| blob.id).collect();
        let mut wanted: Vec<_> = stored.iter().map(|(id, _)| *id).collect();
        listed.sort();
        wanted.sort();
        assert_eq!(listed, wanted);
        assert_eq!(names(&root.join("staging")), [""; 0]);
    }
}

/// Deletes every blob.
async fn delete(root: &Path, stored: &[(ArtifactId, usize)]) {
    let backend = FsBackend::open(root, FsConfig::default()).await.unwrap();
    for (id, _) in stored {
        backend.delete(*id).await.unwrap();
        assert_eq!(
            backend.load(*id).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}

async fn store_check_and_delete(root: &Path) {
    let stored = store(root).await;
    check(root, &stored).await;
    delete(root, &stored).await;
}

#[tokio::test]
async fn overlays_of_two_file_systems_keep_blobs_of_both_layers() {
    let available = is_root()
        && fs::read_to_string("/proc/filesystems")
            .unwrap()
            .contains("overlay");
    if skip(available, "an overlay", "run it as root, with overlayfs") {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let [lower, upper, merged] = folders(&parent, ["lower", "upper", "merged"]);
    let below = store(&lower.join("root")).await;
    run(Command::new("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(&upper));
    let _upper = Mount(upper.clone());
    for folder in ["files", "work"] {
        fs::create_dir(upper.join(folder)).unwrap();
    }
    let options = format!(
        "xino=off,lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.join("files").display(),
        upper.join("work").display()
    );
    run(Command::new("mount")
        .args(["-t", "overlay", "-o", &options, "none"])
        .arg(&merged));
    let _merged = Mount(merged.clone());
    let root = merged.join("root");
    check(&root, &below).await;
    let mut stored = store(&root).await;
    stored.extend(below);
    check(&root, &stored).await;
    delete(&root, &stored).await;
    store_check_and_delete(&merged.join("new root")).await;
}

#[tokio::test]
async fn fuse_mounts_that_report_attributes_in_their_own_way_keep_blobs() {
    if cannot_bindfs() {
        return;
    }
    let attributes: [&[&str]; 8] = [
        &[],
        &["--chmod-ignore"],
        &["--chmod-deny"],
        &["--chown-ignore"],
        &["--hide-hard-links"],
        &["-o", "attr_timeout=60,entry_timeout=60"],
        &["--perms=0644:a+X"],
        &["--multithreaded"],
    ];
    for options in attributes {
        let parent = tempfile::tempdir().unwrap();
        let [folder, mounted] = folders(&parent, ["folder", "mounted"]);
        let mount = bindfs(options, &folder, &mounted);
        let root = mounted.join("root");
        store_check_and_delete(&root).await;
        let stored = store(&root).await;
        drop(mount);
        check(&folder.join("root"), &stored).await;
    }
}

#[tokio::test]
async fn access_control_lists_for_other_users_do_not_hide_blobs() {
    if skip(
        is_installed("setfacl"),
        "access control lists",
        "install acl",
    ) {
        return;
    }
    let parent = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for entry in ["u:backup:rX", "u:backup:rwX"] {
        let root = parent.path().join(entry);
        let mut stored = store(&root).await;
        run(Command::new("setfacl").args(["-R", "-m", entry]).arg(&root));
        check(&root, &stored).await;
        run(Command::new("setfacl")
            .args(["-R", "-d", "-m", entry])
            .arg(&root));
        stored.extend(store(&root).await);
        check(&root, &stored).await;
        delete(&root, &stored).await;
    }
}

#[tokio::test]
async fn blobs_with_any_readable_mode_and_owner_are_whole() {
    let world = World::new();
    let stored = store(&world.root()).await;
    for mode in [0o644, 0o440, 0o600, 0o660, 0o755, 0o4400, 0o400] {
        for (id, _) in &stored {
            set_mode(&world.blob(*id), mode);
        }
        check(&world.root(), &stored).await;
    }
    if is_root() {
        for (id, _) in &stored {
            chown(world.blob(*id), Some(12_345), Some(12_345)).unwrap();
        }
        check(&world.root(), &stored).await;
    }
    delete(&world.root(), &stored).await;
}

/// `fsGroup` of Kubernetes: the kubelet widens the modes of a volume before each start.
#[tokio::test]
async fn modes_that_an_orchestrator_widens_between_two_starts_are_accepted() {
    let world = World::new();
    let mut stored = store(&world.root()).await;
    let tree = [world.root(), world.root().join("blobs"), world.staging()];
    let or = |path: &Path, bits| {
        set_mode(
            path,
            fs::metadata(path).unwrap().permissions().mode() | bits,
        );
    };
    for (id, _) in &stored {
        or(&world.blob(*id), 0o660);
    }
    or(&world.root().join("artifact-format"), 0o660);
    for folder in &tree {
        or(folder, 0o2770);
    }
    check(&world.root(), &stored).await;
    stored.extend(store(&world.root()).await);
    check(&world.root(), &stored).await;
    for folder in &tree {
        set_mode(folder, 0o700);
    }
    check(&world.root(), &stored).await;
}

/// A volume's root belongs to root, and a group lets the process write to it.
#[test]
fn a_root_of_the_superuser_with_a_writable_group_is_accepted() {
    if skip(is_root(), "an ordinary user in a volume", "run it as root") {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    set_mode(parent.path(), 0o755);
    let [root] = folders(&parent, ["root"]);
    chown(&root, Some(0), Some(65_534)).unwrap();
    set_mode(&root, 0o2770);
    let program = parent.path().join("subject");
    fs::copy(example("syscall_subject"), &program).unwrap();
    set_mode(&program, 0o755);
    for (operation, verb, line) in [
        ("store", "run", "ACK 0b0b"),
        ("store", "check", "HAVE 0b0b"),
    ] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        let output = command
            .arg(&program)
            .args([operation, verb])
            .arg(&root)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(line), "{output:?}");
    }
}

#[tokio::test]
async fn a_hard_linked_snapshot_beside_the_root_does_not_hide_blobs() {
    let world = World::new();
    let mut stored = store(&world.root()).await;
    let snapshot = world.outside().join("snapshot");
    run(Command::new("cp")
        .arg("-al")
        .arg(world.root())
        .arg(&snapshot));
    check(&world.root(), &stored).await;
    check(&snapshot, &stored).await;
    stored.extend(store(&world.root()).await);
    run(Command::new("cp")
        .arg("-al")
        .arg(world.root())
        .arg(world.outside().join("second")));
    check(&world.root(), &stored).await;
    delete(&world.root(), &stored).await;
    check(&snapshot, &stored[..6]).await;
}

/// Runs `open` and a store after it, with a fault at each call of `open` that `faulty` selects. Returns
/// the outcome and everything that the subject printed.
fn traced(faulty: impl Fn(&Call) -> Option<Errno>) -> Option<(RunOutcome, String)> {
    let available = syscalls::available();
    if skip(
        available.is_ok(),
        "faults at system calls",
        "allow ptrace(2)",
    ) {
        return None;
    }
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("root");
    let run = syscalls::trace(&subject(false, "open"), &root, |call| {
        faulty(call).map(Fault::Fail)
    });
    let run = run.unwrap();
    let acknowledged = run.lines.iter().any(|line| matches!(line, Line::Ack(..)));
    if acknowledged {
        assert_eq!(names(&root.join("staging")), [""; 0]);
    }
    let text = format!("{:?} {:?}", run.outcome, run.lines);
    Some((run.outcome, text))
}

const NOT_POSSIBLE: [Errno; 7] = [
    Errno::PERM,
    Errno::OPNOTSUPP,
    Errno::NOSYS,
    Errno::INVAL,
    Errno::MLINK,
    Errno::XDEV,
    Errno::ACCESS,
];

#[test]
fn file_systems_without_hard_links_are_rejected_with_the_reason() {
    for errno in NOT_POSSIBLE {
        let Some((outcome, text)) = traced(|call| (call.name == "linkat").then_some(errno)) else {
            return;
        };
        assert_ne!(outcome, RunOutcome::Success, "{errno}");
        assert!(text.contains("does not make hard links"), "{errno}: {text}");
        assert!(
            text.contains("misconfigured") && !text.contains("belong"),
            "{errno}: {text}"
        );
    }
}

#[test]
fn file_systems_that_cannot_sync_a_folder_are_rejected_with_the_reason() {
    let faulty = |call: &Call| {
        (call.name == "fsync" && call.target.ends_with("/staging")).then_some(Errno::INVAL)
    };
    let Some((outcome, text)) = traced(faulty) else {
        return;
    };
    assert_ne!(outcome, RunOutcome::Success);
    assert!(text.contains("cannot sync a folder"), "{text}");
}

#[test]
fn unnamed_files_that_fail_by_any_error_are_replaced_by_named_ones() {
    let errnos = [
        Errno::OPNOTSUPP,
        Errno::ISDIR,
        Errno::INVAL,
        Errno::NOENT,
        Errno::PERM,
        Errno::ACCESS,
        Errno::NOSYS,
        Errno::IO,
        Errno::NXIO,
        Errno::TXTBSY,
        Errno::EXIST,
    ];
    for errno in errnos {
        let faulty = |call: &Call| {
            (call.name == "openat" && call.target.ends_with("/blobs/.")).then_some(errno)
        };
        let Some((outcome, text)) = traced(faulty) else {
            return;
        };
        assert_eq!(outcome, RunOutcome::Success, "{errno}: {text}");
        assert!(text.contains("Ack("), "{errno}: {text}");
    }
}

/// An unnamed file that cannot be linked is as useless as none.
#[test]
fn unnamed_files_that_cannot_be_linked_are_replaced_by_named_ones() {
    for errno in NOT_POSSIBLE {
        let links = std::cell::Cell::new(0);
        let faulty = |call: &Call| {
            links.set(links.get() + u32::from(call.name == "linkat"));
            // The two ways to link the first trial blob.
            (call.name == "linkat" && links.get() <= 2).then_some(errno)
        };
        let Some((outcome, text)) = traced(faulty) else {
            return;
        };
        assert_eq!(outcome, RunOutcome::Success, "{errno}: {text}");
        assert!(text.contains("Ack("), "{errno}: {text}");
    }
}

/// Old kernels and security filters fail openat2(2) by any error.
#[test]
fn openat_replaces_a_missing_openat2() {
    for errno in [Errno::NOSYS, Errno::PERM, Errno::ACCESS, Errno::INVAL] {
        let Some((outcome, text)) = traced(|call| (call.name == "openat2").then_some(errno)) else {
            return;
        };
        assert_eq!(outcome, RunOutcome::Success, "{errno}: {text}");
        assert!(text.contains("Ack("), "{errno}: {text}");
    }
}

#[test]
fn files_and_space_that_cannot_be_reserved_do_not_matter() {
    for errno in [Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL, Errno::NOSPC] {
        let available = syscalls::available();
        if skip(
            available.is_ok(),
            "faults at system calls",
            "allow ptrace(2)",
        ) {
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        let faults = ["fallocate", "fadvise64", "preadv2"];
        for operation in ["upload", "load", "download"] {
            let run = syscalls::trace(
                &subject(false, operation),
                &parent.path().join(operation),
                |call| faults.contains(&call.name).then_some(Fault::Fail(errno)),
            );
            let run = run.unwrap();
            assert_eq!(
                run.outcome,
                RunOutcome::Success,
                "{errno} {operation}: {:?}",
                run.lines
            );
        }
    }
}

/// Mounts need root, and a mount must be refused even if it is on the same file system.
#[tokio::test]
async fn a_mount_over_a_blob_is_never_read() {
    if skip(is_root(), "a mount over a blob", "run it as root") {
        return;
    }
    let world = World::new();
    let stored = store(&world.root()).await;
    let (id, _) = stored[0];
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let foreign = elsewhere.path().join("foreign");
    fs::write(&foreign, "foreign").unwrap();
    for source in [world.secret(), foreign] {
        run(Command::new("mount")
            .arg("--bind")
            .arg(&source)
            .arg(world.blob(id)));
        let _mount = Mount(world.blob(id));
        for config in configs() {
            let backend = FsBackend::open(world.root(), config).await.unwrap();
            assert_eq!(
                backend.load(id).await.unwrap_err().kind(),
                ErrorKind::Corrupt
            );
            let download = backend.download(id, ByteRange::Full).await;
            assert_eq!(download.err().unwrap().kind(), ErrorKind::Corrupt);
        }
    }
    assert_eq!(world.damage(), None);
}

#[tokio::test]
async fn a_full_or_read_only_disk_can_be_opened_and_read() {
    if skip(is_root(), "full and read-only disks", "run it as root") {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let [mounted] = folders(&parent, ["mounted"]);
    run(Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=32m", "none"])
        .arg(&mounted));
    let _mount = Mount(mounted.clone());
    let root = mounted.join("root");
    let stored = store(&root).await;
    let filler = fs::File::create(mounted.join("filler")).unwrap();
    while std::io::Write::write(&mut &filler, &[1; 4096]).is_ok_and(|written| written > 0) {}
    drop(filler);
    check(&root, &stored).await;
    let backend = FsBackend::open(&root, FsConfig::default()).await.unwrap();
    let full = backend
        .store(ArtifactId::mint(), body(stored[0].0, 9_000))
        .await;
    assert_eq!(full.unwrap_err().kind(), ErrorKind::OutOfSpace);
    remount(&mounted, "ro");
    check(&root, &stored).await;
}
