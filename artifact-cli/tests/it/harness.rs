//! Starts the real binary and talks to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_artifact");
pub(crate) const TOKEN: &str = "canary-9f86d081884c7d65";

/// The binary with nothing of this process's environment but what programs need to run.
pub(crate) fn artifact(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn stdout(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    /// Panics with what was said where it did not succeed.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs to the end.
pub(crate) fn run(command: &mut Command) -> Done {
    command.output().unwrap().into()
}

/// Runs a server that should refuse to start. One that starts all the same is killed.
pub(crate) fn run_refused(command: &mut Command) -> Done {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let done = Done::from(child.wait_with_output().unwrap());
    Done {
        stdout: line.into_bytes(),
        ..done
    }
}

/// Runs to the end with this on standard input.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Done {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A program that stops reading before the end is no failure of the test.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let done = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    done
}

/// A running server with its data in a folder of its own. It is killed when it is dropped.
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// A server on a free port with these further arguments, once it says that it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let mut command = artifact(folder.path());
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments);
        let errors = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.path().join("stderr"))
            .unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line
            .trim_end()
            .strip_prefix("listening on ")
            .unwrap_or_default()
            .to_owned();
        let server = Self {
            folder,
            url,
            child,
            stdout,
        };
        assert!(!server.url.is_empty(), "{}", server.stderr());
        server
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "a test looks at its own files")]
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// What it has said so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.read("stderr")).unwrap()
    }

    /// `artifact put` or `get` with the server's address and its generated token.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let mut command = artifact(self.folder.path());
        let options = [
            "--server",
            &self.url,
            "--admin-token-file",
            "artifact-data/admin-token",
        ];
        command
            .args(&arguments[..1])
            .args(options)
            .args(&arguments[1..]);
        command
    }

    /// A connection to it, and the header lines that a request of its admin needs.
    pub(crate) fn connect(&self) -> (TcpStream, String) {
        let address = self.url.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let headers = format!(
            "Host: {address}\r\nAuthorization: Bearer admin:{}\r\nX-Eden-Experiment-Id: default\r\n",
            self.token()
        );
        (stream, headers)
    }

    pub(crate) fn token(&self) -> String {
        let token = self.read("artifact-data/admin-token");
        String::from_utf8(token).unwrap().trim_end().to_owned()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; the exit code (`None`: a signal), and what else was on standard output.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }

    /// Ends it, and gives its folder on.
    pub(crate) fn stop(mut self, signal: &str) -> TempDir {
        self.signal(signal);
        self.wait();
        self.take_folder()
    }

    /// The folder of a server that has ended.
    pub(crate) fn take_folder(&mut self) -> TempDir {
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file below a folder, by its path there, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap();
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = vec![];
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// Bytes that no compression and no repetition would hide an error in (xorshift).
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}
