//! Other programs read an archive: `tar` and `sha256sum`.

#![expect(
    clippy::disallowed_methods,
    reason = "a test reads and writes its own files"
)]

use std::process::{Command, Output};

use super::site::{Halves, SIZES, fill};
use crate::support::{bytes, digest};

fn run(command: &mut Command) -> Output {
    let output = command.env("LC_ALL", "C").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    assert_eq!(errors, "", "{command:?}");
    output
}

#[tokio::test]
async fn tar_and_sha256sum_read_an_archive() {
    let halves = Halves::in_memory();
    fill(&halves, SIZES).await;
    let (_, archive) = halves.export().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.tar"), &archive).unwrap();

    let tar = |arguments: &[&str]| {
        run(Command::new("tar")
            .args(arguments)
            .current_dir(folder.path()))
    };
    let listed = String::from_utf8(tar(&["tf", "a.tar"]).stdout).unwrap();
    let mut expected = vec![
        "artifact-archive.json".to_owned(),
        "parts/00000001.jsonl".to_owned(),
    ];
    expected.extend(
        halves
            .rows()
            .await
            .iter()
            .map(|row| format!("blobs/{}", row.id)),
    );
    expected.push("parts/00000001.sha256".to_owned());
    expected.push("artifact-archive-end.json".to_owned());
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);

    tar(&["xf", "a.tar"]);
    let checked = run(Command::new("sha256sum")
        .args(["--strict", "--check", "parts/00000001.sha256"])
        .current_dir(folder.path()));
    assert_eq!(
        String::from_utf8(checked.stdout).unwrap().lines().count(),
        SIZES.len()
    );
    for (row, size) in halves.rows().await.iter().zip(SIZES) {
        let path = folder.path().join(format!("blobs/{}", row.id));
        let content = std::fs::read(path).unwrap();
        assert_eq!(digest(&content), digest(&bytes(*size)));
    }
}

#[tokio::test]
async fn an_archive_that_tar_has_packed_again_is_refused() {
    let halves = Halves::in_memory();
    fill(&halves, &[5]).await;
    let (_, archive) = halves.export().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.tar"), &archive).unwrap();
    let tar = |arguments: &[&str]| {
        run(Command::new("tar")
            .args(arguments)
            .current_dir(folder.path()))
    };
    tar(&["xf", "a.tar"]);
    for format in ["ustar", "pax", "gnu", "v7"] {
        let format = format!("--format={format}");
        let parts = [
            "artifact-archive.json",
            "parts",
            "blobs",
            "artifact-archive-end.json",
        ];
        tar(&[&["cf", "b.tar", &format][..], &parts].concat());
        let packed = std::fs::read(folder.path().join("b.tar")).unwrap();
        let to = Halves::in_memory();
        assert!(to.import(&packed).await.is_err(), "{format}");
        assert_eq!(to.rows().await, []);
    }
}
