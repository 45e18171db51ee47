//! What the strict file system keeps after a crash, and what it leaves behind.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};

use artifact_crash_test::strict::{Disk, Edit, Event, Image, Options, StrictMount, Survival};
use artifact_crash_test::{Random, available};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, open, renameat_with};
use rustix::io::Errno;

use crate::harness::{is_mounted, ready};

#[test]
fn file_operations_behave_as_the_manuals_say() {
    if !ready(available()) {
        return;
    }
    let mount = StrictMount::new(Options::default()).unwrap();
    let path = |name: &str| mount.root().join(name);
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true);
    let mut file = options
        .clone()
        .create_new(true)
        .mode(0o400)
        .open(path("a"))
        .unwrap();
    file.write_all(b"hello").unwrap();
    file.write_at(b"J", 0).unwrap();
    assert_eq!(
        options
            .create_new(true)
            .open(path("a"))
            .unwrap_err()
            .raw_os_error(),
        Some(17)
    );
    std::fs::hard_link(path("a"), path("b")).unwrap();
    assert_eq!(
        (
            file.metadata().unwrap().nlink(),
            file.metadata().unwrap().mode()
        ),
        (2, 0o100_400)
    );
    let renamed = |to: &str, flags| renameat_with(CWD, path("b"), CWD, path(to), flags);
    assert_eq!(renamed("a", RenameFlags::NOREPLACE), Err(Errno::EXIST));
    std::fs::create_dir(path("folder")).unwrap();
    renamed("folder/c", RenameFlags::NOREPLACE).unwrap();
    assert_eq!(rustix::fs::rmdir(path("folder")), Err(Errno::NOTEMPTY));
    rustix::fs::unlink(path("a")).unwrap();
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(
        (text.as_str(), file.metadata().unwrap().nlink()),
        ("Jello", 1)
    );
    file.set_len(2).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 2);
    let tmpfile = OFlags::TMPFILE | OFlags::WRONLY;
    assert_eq!(
        open(mount.root(), tmpfile, Mode::RUSR).unwrap_err(),
        Errno::OPNOTSUPP
    );
    let mut names: Vec<_> = std::fs::read_dir(mount.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["folder"]);
    assert_eq!(
        rustix::fs::statat(CWD, path("absent"), AtFlags::empty()).unwrap_err(),
        Errno::NOENT
    );
}

/// Returns the files that survive a crash after `action`, if no unsynced edit survives.
fn files_after_crash(action: impl Fn(&std::path::Path)) -> Vec<(String, Vec<u8>)> {
    let mount = StrictMount::new(Options::default()).unwrap();
    action(mount.root());
    let mut disk = Disk::new(&Image::default());
    for event in mount.events() {
        disk.play(&event);
    }
    let image = disk.crash(Survival::Nothing, Random::new(0));
    let remounted = StrictMount::new(Options::default().with_image(image)).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(remounted.root())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mut bytes = Vec::new();
            let mut options = std::fs::OpenOptions::new();
            options
                .read(true)
                .open(entry.path())
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            (entry.file_name().into_string().unwrap(), bytes)
        })
        .collect();
    files.sort_unstable();
    files
}

fn sync_folder(folder: &std::path::Path) {
    let folder = open(folder, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    rustix::fs::fsync(folder).unwrap();
}

#[test]
fn only_synced_data_survives_a_crash() {
    if !ready(available()) {
        return;
    }
    let create = |root: &std::path::Path, flags: i32| {
        let mut options = std::fs::OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .custom_flags(flags)
            .open(root.join("a"))
            .unwrap()
    };
    let files = files_after_crash(|root| {
        let mut file = create(root, 0);
        file.write_all(b"one").unwrap();
        file.sync_data().unwrap();
        file.write_all(b"two").unwrap();
    });
    assert_eq!(files, []);
    let files = files_after_crash(|root| {
        let mut file = create(root, 0);
        file.write_all(b"one").unwrap();
        file.sync_data().unwrap();
        file.write_all(b"two").unwrap();
        sync_folder(root);
    });
    assert_eq!(files, [("a".to_owned(), b"one".to_vec())]);
    let files = files_after_crash(|root| {
        let o_sync = OFlags::SYNC.bits().cast_signed();
        create(root, o_sync).write_all(b"one").unwrap();
        sync_folder(root);
        rustix::fs::unlink(root.join("a")).unwrap();
    });
    assert_eq!(files, [("a".to_owned(), b"one".to_vec())]);
}

#[test]
fn printed_lines_are_recorded_in_order_with_other_events() {
    if !ready(available()) {
        return;
    }
    let mount = StrictMount::new(Options::default()).unwrap();
    let mut stdout = mount.stdout().unwrap();
    std::fs::create_dir(mount.root().join("one")).unwrap();
    stdout.write_all(b"EXISTS a\nEXI").unwrap();
    std::fs::create_dir(mount.root().join("two")).unwrap();
    stdout.write_all(b"STS b\n").unwrap();
    drop(stdout);
    let order: Vec<_> = mount
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Printed(line) => Some(format!("{line:?}")),
            Event::Edit(_, Edit::Names(names)) => Some(format!("{:?}", names[0].0)),
            _ => None,
        })
        .collect();
    assert_eq!(
        order,
        ["\"one\"", "Exists(\"a\")", "\"two\"", "Exists(\"b\")"]
    );
}

#[test]
fn a_panic_leaves_no_mount_behind() {
    if !ready(available()) {
        return;
    }
    let path = std::sync::Mutex::new(std::path::PathBuf::new());
    let panicked = std::panic::catch_unwind(|| {
        let mount = StrictMount::new(Options::default()).unwrap();
        mount.root().clone_into(&mut path.lock().unwrap());
        // The mount is in use, so only a lazy unmount can succeed.
        let _file = open(mount.root(), OFlags::RDONLY, Mode::empty()).unwrap();
        assert!(is_mounted(mount.root().parent().unwrap()));
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    let path = path
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let point = path.parent().unwrap();
    assert!(
        !is_mounted(point) && !point.exists(),
        "{} is still there",
        point.display()
    );
}
