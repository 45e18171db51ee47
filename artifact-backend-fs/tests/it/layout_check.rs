//! What a check finds in a root, and what it repairs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact_backend::{ArtifactBackend, ArtifactId, ErrorKind};
use artifact_backend_fs::{
    LayoutOptions, LayoutReport, check_layout, check_private_file, check_private_folder,
};

use crate::world::{World, is_root, skip};

/// Two blobs, in the fan-out folders 0 and f.
const IDS: [&str; 2] = [
    "0123456789abcdef0123456789abcdef",
    "fedcba9876543210fedcba9876543210",
];

async fn world() -> World {
    let world = World::new();
    let backend = world.open().await;
    for id in IDS {
        let id: ArtifactId = id.parse().unwrap();
        backend.store(id, "bytes".into()).await.unwrap();
    }
    world
}

/// Checks the root. Returns each finding as a line, in order.
fn check(root: &Path, repair: bool) -> (LayoutReport, Vec<String>) {
    let options = LayoutOptions::default().with_repair(repair);
    let mut lines = Vec::new();
    let report = check_layout(root, options, |finding| {
        let (path, problem) = (finding.path.display(), finding.problem);
        let end = if finding.repaired { ", repaired" } else { "" };
        lines.push(format!("{path}: {}: {problem}{end}", problem.as_str()));
    });
    lines.sort();
    (report.unwrap(), lines)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_root_that_the_backend_has_made_is_good() {
    let world = world().await;
    let (report, lines) = check(&world.root(), false);
    assert_eq!(lines, [""; 0]);
    // The marker, two folders, the fan-out folders and two blobs.
    assert_eq!((report.checked, report.findings), (1 + 2 + 16 + 2, 0));
    assert!(report.is_good());
}

#[tokio::test]
async fn modes_are_found_and_repaired_and_nothing_else_is_changed() {
    let world = world().await;
    let root = world.root();
    let blob = root.join("blobs/0").join(IDS[0]);
    mode(&blob, 0o644);
    mode(&root.join("blobs/0"), 0o755);
    mode(&root.join("artifact-format"), 0o600);
    mode(&root, 0o777);
    let expected = [
        ": mode: it has the mode 0777 instead of 0700".to_owned(),
        "artifact-format: mode: it has the mode 0600 instead of 0400".to_owned(),
        format!(
            "blobs/0/{}: mode: it has the mode 0644 instead of 0400",
            IDS[0]
        ),
        "blobs/0: mode: it has the mode 0755 instead of 0700".to_owned(),
    ];
    let (report, lines) = check(&root, false);
    assert_eq!(lines, expected);
    assert_eq!((report.findings, report.repaired), (4, 0));
    assert!(!report.is_good());
    assert_eq!(fs::metadata(&blob).unwrap().mode() & 0o7777, 0o644);

    let (report, lines) = check(&root, true);
    assert_eq!(lines, expected.map(|line| format!("{line}, repaired")));
    assert!(report.is_good());
    assert_eq!(check(&root, false).1, [""; 0]);
    let backend = world.open().await;
    let id: ArtifactId = IDS[0].parse().unwrap();
    assert_eq!(backend.load(id).await.unwrap(), "bytes");
}

#[tokio::test]
async fn names_that_no_backend_makes_are_found_and_stay() {
    let world = world().await;
    let root = world.root();
    fs::write(root.join("notes.txt"), "").unwrap();
    fs::write(root.join("failed-sync"), "").unwrap();
    fs::write(root.join("staging/left"), "").unwrap();
    fs::create_dir(root.join("blobs/g")).unwrap();
    fs::rename(
        root.join("blobs/f").join(IDS[1]),
        root.join("blobs/e").join(IDS[1]),
    )
    .unwrap();
    let other = "00000000000000000000000000000001";
    fs::write(root.join("blobs").join(other), "").unwrap();
    fs::create_dir(root.join("blobs/0").join(other)).unwrap();
    let linked = "00000000000000000000000000000002";
    symlink("/etc/hosts", root.join("blobs/0").join(linked)).unwrap();
    fs::remove_dir(root.join("blobs/3")).unwrap();
    let (report, lines) = check(&root, true);
    let kinds: Vec<_> = lines
        .iter()
        .map(|line| line.rsplitn(2, ": ").last().unwrap().to_owned())
        .collect();
    let expected = [
        format!("blobs/0/{other}: type"),
        format!("blobs/0/{linked}: symlink"),
        format!("blobs/{other}: folder"),
        "blobs/3: missing".to_owned(),
        format!("blobs/e/{}: folder", IDS[1]),
        "blobs/g: unexpected".to_owned(),
        "failed-sync: failed-sync".to_owned(),
        "notes.txt: unexpected".to_owned(),
        "staging/left: unexpected".to_owned(),
    ];
    assert_eq!(kinds, expected);
    assert_eq!((report.findings, report.repaired), (9, 0));
    assert!(fs::symlink_metadata(root.join("blobs/0").join(linked)).is_ok());
    assert_ne!(fs::metadata("/etc/hosts").unwrap().mode() & 0o7777, 0o400);
}

#[tokio::test]
async fn files_of_another_user_are_found_and_not_repaired() {
    if skip(is_root(), "files of other users", "run the tests as root") {
        return;
    }
    let world = world().await;
    let root = world.root();
    let blob = root.join("blobs/f").join(IDS[1]);
    chown(&blob, Some(1_234_501), None).unwrap();
    mode(&blob, 0o644);
    let (report, lines) = check(&root, true);
    let path = format!("blobs/f/{}", IDS[1]);
    assert_eq!(
        lines,
        [
            format!("{path}: mode: it has the mode 0644 instead of 0400"),
            format!("{path}: owner: it belongs to the user 1234501 instead of 0; chown it"),
        ]
    );
    assert_eq!((report.findings, report.repaired), (2, 0));
    assert_eq!(fs::metadata(&blob).unwrap().mode() & 0o7777, 0o644);
}

#[tokio::test]
async fn the_group_of_a_volume_that_an_orchestrator_prepares_is_not_judged() {
    let world = world().await;
    let root = world.root();
    let blob = root.join("blobs/0").join(IDS[0]);
    mode(&root, 0o2770);
    mode(&root.join("blobs"), 0o2770);
    mode(&blob, 0o464);
    let (_, lines) = check(&root, true);
    let path = format!("blobs/0/{}", IDS[0]);
    let expected = format!("{path}: mode: it has the mode 0464 instead of 0400, repaired");
    assert_eq!(lines, [expected]);
    assert_eq!(fs::metadata(&blob).unwrap().mode() & 0o7777, 0o460);
    // The kubelet lets owner and group read and write.
    mode(&blob, 0o660);
    assert_eq!(check(&root, true).1, [""; 0]);
}

#[tokio::test]
async fn a_volume_of_root_may_have_files_of_the_server() {
    if skip(is_root(), "volumes of root", "run the tests as root") {
        return;
    }
    let world = world().await;
    let root = world.root();
    mode(&root, 0o2770);
    let others = run("find", &[root.to_str().unwrap(), "-mindepth", "1"]);
    for path in others.lines() {
        chown(path, Some(1_234_501), None).unwrap();
    }
    assert_eq!(check(&root, false).1, [""; 0]);
    mode(&root, 0o700);
    let owners = check(&root, false);
    assert_eq!(owners.0.findings, 1 + 2 + 16 + 2, "{owners:?}");
}

fn run(program: &str, arguments: &[&str]) -> String {
    let done = std::process::Command::new(program).args(arguments).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test]
async fn nothing_is_repaired_in_a_folder_without_a_marker() {
    let world = world().await;
    let root = world.root();
    fs::remove_file(root.join("artifact-format")).unwrap();
    let blob = root.join("blobs/0").join(IDS[0]);
    mode(&blob, 0o644);
    mode(&root, 0o755);
    let (report, lines) = check(&root, true);
    assert_eq!((report.findings, report.repaired), (3, 0), "{lines:?}");
    let modes = [&root, &blob].map(|path| fs::metadata(path).unwrap().mode() & 0o7777);
    assert_eq!(modes, [0o755, 0o644]);
    fs::write(root.join("artifact-format"), "another program 1\n").unwrap();
    let repair = LayoutOptions::default().with_repair(true);
    let error = check_layout(&root, repair, |finding| panic!("{finding:?}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
}

#[tokio::test]
async fn the_mode_of_a_file_with_other_names_is_found_and_not_repaired() {
    let world = world().await;
    let root = world.root();
    let outside = root.parent().unwrap().join("other");
    fs::write(&outside, "bytes").unwrap();
    mode(&outside, 0o755);
    let name = "blobs/0/00000000000000000000000000000003";
    fs::hard_link(&outside, root.join(name)).unwrap();
    let (report, lines) = check(&root, true);
    assert_eq!((report.findings, report.repaired), (1, 0));
    let expected =
        format!("{name}: mode: it has the mode 0755 instead of 0400; it has other names");
    assert!(lines[0].starts_with(&expected), "{lines:?}");
    assert_eq!(fs::metadata(&outside).unwrap().mode() & 0o7777, 0o755);
    // As after `cp -al`: with the right mode it is no finding.
    mode(&outside, 0o400);
    assert!(check(&root, false).0.is_good());
}

#[tokio::test]
async fn a_symlink_that_replaces_a_blob_at_any_moment_leads_nowhere() {
    let world = world().await;
    let root = world.root();
    let outside = root.parent().unwrap().join("other");
    fs::write(&outside, "").unwrap();
    mode(&outside, 0o666);
    let name = root.join("blobs/0/00000000000000000000000000000004");
    let [file, link] = ["file", "link"].map(|name| root.parent().unwrap().join(name));
    fs::write(&file, "").unwrap();
    symlink(&outside, &link).unwrap();
    fs::rename(&file, &name).unwrap();
    let regular = fs::File::open(&name).unwrap();
    let is_over = AtomicBool::new(false);
    let (mut seen, mut rounds) = ([0, 0], 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (parent, name) = (root.parent().unwrap(), name.as_path());
            let parent = fs::File::open(parent).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&parent, "link", rustix::fs::CWD, name, flags).unwrap();
            }
        });
        while (seen.contains(&0) && rounds < 50_000) || rounds < 5_000 {
            rounds += 1;
            regular
                .set_permissions(Permissions::from_mode(0o644))
                .unwrap();
            for line in check(&root, true).1 {
                seen[usize::from(line.contains(": symlink: "))] += 1;
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(!seen.contains(&0), "{seen:?} in {rounds} rounds");
    assert_eq!(fs::metadata(&outside).unwrap().mode() & 0o7777, 0o666);
}

#[test]
fn private_files_and_folders_are_checked_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.sqlite");
    let owner = fs::metadata(folder.path()).unwrap().uid();
    let look = |owner, repair| {
        let options = LayoutOptions::default().with_repair(repair);
        let findings = check_private_file(&file, owner, options).unwrap();
        let found = findings.iter();
        found
            .map(|finding| (finding.problem.as_str(), finding.repaired))
            .collect::<Vec<_>>()
    };
    assert_eq!(look(owner, false), []);
    fs::write(&file, "").unwrap();
    mode(&file, 0o666);
    assert_eq!(look(owner, false), [("mode", false)]);
    assert_eq!(
        look(owner + 1, true),
        [("owner", false), ("mode", false)],
        "not repaired"
    );
    assert_eq!(look(owner, true), [("mode", true)]);
    assert_eq!(look(owner, true), []);
    fs::remove_file(&file).unwrap();
    symlink("elsewhere", &file).unwrap();
    assert_eq!(look(owner, true), [("symlink", false)]);

    mode(folder.path(), 0o755);
    let repair = LayoutOptions::default().with_repair(true);
    let found = check_private_folder(folder.path(), repair).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].repaired);
    let checked = fs::metadata(folder.path()).unwrap().mode() & 0o7777;
    assert_eq!(checked, 0o700);
}
