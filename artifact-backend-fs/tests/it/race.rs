//! Four processes of 64 threads each on one folder: creates, loads, deletions, lists and sweeps.

use std::collections::HashMap;
use std::process::{Command, Stdio};

use artifact_backend::{ArtifactBackend, ArtifactId, Sha256Digest};
use artifact_backend_fs::FsConfig;
use sha2::{Digest, Sha256};

use crate::syscalls::example;
use crate::world::{World, names};

const PROCESSES: u64 = 4;
const ROUNDS: u64 = 60;

async fn race(named: bool) {
    let world = World::new();
    let processes: Vec<_> = (1..=PROCESSES)
        .map(|seed| {
            let mut command = Command::new(example("race_subject"));
            if named {
                command.arg("--named");
            }
            command.arg(seed.to_string()).arg(ROUNDS.to_string());
            command.arg(world.root()).stdout(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let (mut acknowledged, mut read) = (HashMap::<String, Vec<String>>::new(), Vec::new());
    let mut loads = 0;
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with("DONE\n"), "{text}");
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["ACK", id, digest] => {
                    let won = acknowledged.entry(id.to_owned()).or_default();
                    won.push(digest.to_owned());
                }
                ["GOT", id, digest] => {
                    read.push((id.to_owned(), digest.to_owned()));
                    loads += 1;
                }
                ["DONE"] => {}
                _ => panic!("{line}"),
            }
        }
    }
    assert!(loads > 1_000, "only {loads} loads found a blob");
    let backend = world
        .open_with(FsConfig::default().with_named_staging(named))
        .await;
    for number in 0..12 {
        let mut bytes = [0xc0; 16];
        bytes[8..].copy_from_slice(&u64::to_be_bytes(number));
        let id = ArtifactId::from_bytes(bytes);
        // Never deleted: exactly one store of all processes got Ok, and every reader saw its bytes.
        let won = &acknowledged[&id.to_string()];
        assert_eq!(won.len(), 1, "{id}");
        let bytes = backend.load(id).await.unwrap();
        let digest = Sha256Digest::from_bytes(Sha256::digest(&bytes).into()).to_string();
        assert_eq!(digest, won[0], "{id}");
        for (_, seen) in read.iter().filter(|(read, _)| *read == id.to_string()) {
            assert_eq!(*seen, digest, "{id}");
        }
    }
    // Blobs that may be deleted can be acknowledged again after each delete, so they are not checked.
    assert_eq!(names(&world.staging()), Vec::<String>::new());
    assert_eq!(world.damage(), None);
}

#[tokio::test]
async fn racing_processes_with_unnamed_temporary_files_agree() {
    race(false).await;
}

#[tokio::test]
async fn racing_processes_with_named_temporary_files_agree() {
    race(true).await;
}
