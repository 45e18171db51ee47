//! A standard error or standard output that fails, is gone, or takes nothing: the server lives, and no request
//! waits.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{BINARY, Done, Server, artifact, read_to_end, run};

/// A server on a Unix socket, so that the test does not need its output. Dropping it kills the server.
struct Quiet {
    folder: TempDir,
    child: Child,
}

impl Quiet {
    /// Starts a server by a shell command, in which `"$@"` is the server. Returns when it accepts requests.
    fn start(script: &str, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>, log: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("/bin/sh")
            .env_clear()
            .current_dir(folder.path())
            .args([
                "-c",
                script,
                "sh",
                BINARY,
                "serve",
                "--listen",
                "unix:socket",
            ])
            .args(["--log-format", "json", "--log-level", log])
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut server = Self { folder, child };
        while UnixStream::connect(server.socket()).is_err() {
            assert_eq!(server.child.try_wait().unwrap(), None, "the server ended");
            std::thread::yield_now();
        }
        server
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }

    /// Sends that many requests on one connection and asserts that all are answered.
    fn answers(&self, requests: usize) {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        let limit = Some(std::time::Duration::from_mins(1));
        stream.set_read_timeout(limit).unwrap();
        let mut reader = stream.try_clone().unwrap();
        let answers = std::thread::spawn(move || read_to_end(&mut reader));
        for number in 1..=requests {
            let end = if number == requests {
                "Connection: close\r\n"
            } else {
                ""
            };
            write!(stream, "GET /healthz HTTP/1.1\r\nHost: h\r\n{end}\r\n").unwrap();
        }
        let answers = answers.join().unwrap();
        let answers = String::from_utf8(answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), requests);
    }

    /// Ends the server by SIGTERM and returns its exit code.
    fn end(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let deadline = now() + 30;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(now() < deadline, "the server does not end");
            std::thread::yield_now();
        }
    }

    /// Returns how many writes the thread of the log has tried (`syscw`, proc(5)).
    fn writes(&self) -> u64 {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut tasks = std::fs::read_dir(tasks)
            .unwrap()
            .map(|task| task.unwrap().path());
        let read = |path: &Path| {
            let mut text = String::new();
            File::options()
                .read(true)
                .open(path)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            text
        };
        let log = tasks
            .find(|task| read(&task.join("comm")) == "log\n")
            .unwrap();
        let counts = read(&log.join("io"));
        let count = counts.lines().find_map(|line| line.strip_prefix("syscw: "));
        count.unwrap().parse().unwrap()
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a pipe, and its read end.
fn pipe() -> (OwnedFd, OwnedFd) {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    (write, read)
}

fn pipe_without_reader() -> OwnedFd {
    let (write, _read) = pipe();
    write
}

/// Returns a pipe that is full, and its read end.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (write, read) = pipe();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&write));
    let mut filler = OpenOptions::new()
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .unwrap();
    while filler.write(&[b'x'; 4096]).is_ok() {}
    while filler.write(b"x").is_ok() {}
    (write, read)
}

/// Returns the lost lines that a line of the log reports.
fn lost(line: &str) -> Option<u64> {
    let line: Value = serde_json::from_str(line).unwrap();
    line["lost_lines"].as_u64()
}

#[test]
fn a_dead_standard_error_stops_nothing() {
    for (script, is_pipe) in [
        ("exec \"$@\"", true),
        ("exec \"$@\" 2>/dev/full", false),
        ("exec \"$@\" 2>&-", false),
        ("exec \"$@\" 2>&- 1>&- 0<&-", false),
    ] {
        let stderr = if is_pipe {
            pipe_without_reader().into()
        } else {
            Stdio::null()
        };
        let server = Quiet::start(script, Stdio::null(), stderr, "trace");
        server.answers(100);
        assert_eq!(server.end(), Some(0), "{script}");
    }
}

#[test]
fn a_closed_terminal_stops_nothing() {
    let control = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    rustix::pty::unlockpt(&control).unwrap();
    let name = rustix::pty::ptsname(&control, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let terminal = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    let server = Quiet::start("exec \"$@\"", Stdio::null(), terminal, "trace");
    drop(control);
    server.answers(100);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn an_undrained_standard_error_stops_nothing_and_the_lost_lines_are_counted() {
    let (stderr, read) = full_pipe();
    let server = Quiet::start("exec \"$@\"", Stdio::null(), stderr, "info");
    // Twice as many as the server holds in memory.
    let requests = 10_000;
    server.answers(requests);
    let mut log = BufReader::new(File::from(read));
    let (mut seen, mut missing) = (0, None);
    let mut line = String::new();
    while missing.is_none() {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
        let text = line.trim_start_matches('x');
        seen += u64::from(text.contains("artifact::request"));
        missing = lost(text);
    }
    let missing = missing.unwrap();
    assert!(missing > 100, "{missing}");
    assert_eq!(seen + missing, requests as u64);
    server.answers(1);
    let logged = std::thread::spawn(move || {
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        rest
    });
    assert_eq!(server.end(), Some(0));
    let rest = logged.join().unwrap();
    assert_eq!(rest.matches("artifact::request").count(), 1, "{rest}");
    assert!(rest.contains("shutting down"), "{rest}");
}

#[test]
fn a_signal_ends_a_server_whose_standard_error_takes_nothing() {
    let (stderr, _read) = full_pipe();
    let server = Quiet::start("exec \"$@\"", Stdio::null(), stderr, "trace");
    server.answers(1_000);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn lines_without_a_reader_are_counted_once_a_reader_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let reader = || {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(&path, flags, Mode::empty()).unwrap()
    };
    let first = reader();
    let stderr = OpenOptions::new().write(true).open(&path).unwrap();
    let server = Quiet::start("exec \"$@\"", Stdio::null(), stderr, "info");
    drop(first);
    for _ in 0..3 {
        let before = server.writes();
        server.answers(1);
        while server.writes() == before {
            std::thread::yield_now();
        }
    }
    let second = reader();
    // Blocks from now on, which the writer does not notice.
    let flags = rustix::fs::fcntl_getfl(&second).unwrap();
    rustix::fs::fcntl_setfl(&second, flags - OFlags::NONBLOCK).unwrap();
    let mut log = BufReader::new(File::from(second));
    server.answers(1);
    let mut lines = ["", ""].map(str::to_owned);
    for line in &mut lines {
        log.read_line(line).unwrap();
    }
    assert!(lost(&lines[0]) >= Some(3), "{lines:?}");
    assert!(lines[1].contains("artifact::request"), "{lines:?}");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_standard_output_that_takes_nothing_stops_no_start() {
    let (full, _read) = full_pipe();
    for (script, stdout) in [
        ("exec \"$@\"", Stdio::from(full)),
        ("exec \"$@\"", pipe_without_reader().into()),
        ("exec \"$@\" >/dev/full", Stdio::null()),
        // The ready descriptor is a pipe too.
        (
            "exec \"$@\" --ready-fd 7 7>&1",
            pipe_without_reader().into(),
        ),
    ] {
        let server = Quiet::start(script, stdout, Stdio::null(), "info");
        server.answers(1);
        assert_eq!(server.end(), Some(0), "{script}");
    }
    let (full, _read) = full_pipe();
    let script = "exec \"$@\" --ready-fd 7 7>&1 >/dev/null";
    let server = Quiet::start(script, full, Stdio::null(), "info");
    server.answers(1);
    assert_eq!(server.end(), Some(0));
}

/// Runs the program by a shell command, in which `"$@"` is the program. Returns the exit code.
fn code(script: &str, stderr: Stdio, arguments: &[&str]) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .current_dir(folder.path())
        .args(["-c", script, "sh", BINARY])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);
    command.status().unwrap().code()
}

#[test]
fn the_exit_code_does_not_depend_on_standard_error() {
    for (arguments, expected) in [
        (&["serve", "--listn", "x"][..], 2),
        (&["serve", "--listen", "x"], 2),
        (&["serve", "--data-dir", "/gone/x"], 2),
        (&["put", "/gone/x"], 2),
        (&["put"], 2),
        (&["--help"], 0),
        (&["serve", "--print-config"], 0),
    ] {
        let codes = [
            code("exec \"$@\"", pipe_without_reader().into(), arguments),
            code("exec \"$@\" 2>/dev/full", Stdio::null(), arguments),
            code("exec \"$@\" 2>&-", Stdio::null(), arguments),
            // The file is at the limit, and the first byte more raises SIGXFSZ.
            code("ulimit -f 0; exec \"$@\" 2>>log", Stdio::null(), arguments),
        ];
        assert_eq!(codes, [Some(expected); 4], "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["serve", "--print-config"]] {
        let full = code("exec \"$@\" >/dev/full", Stdio::null(), arguments);
        assert_eq!(full, Some(1), "{arguments:?}");
    }
    // A full pipe: the sentence is lost, and the program ends.
    for arguments in [&["serve", "--data-dir", "/gone/x"][..], &["put", "/gone/x"]] {
        let (stderr, _read) = full_pipe();
        assert_eq!(code("exec \"$@\"", stderr.into(), arguments), Some(2));
    }
}

#[test]
fn clients_work_without_standard_error() {
    let server = Server::start(&[]);
    let put = |script: &str, stderr: Stdio| {
        let mut command = Command::new("/bin/sh");
        command
            .env_clear()
            .env("ARTIFACT_ADMIN_TOKEN", server.token())
            .current_dir(server.folder.path())
            .args([
                "-c",
                script,
                "sh",
                BINARY,
                "put",
                "-",
                "--server",
                &server.url,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"bytes").unwrap();
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{script}");
        assert!(done.stdout.starts_with(b"eden://artifacts/"), "{script}");
    };
    put("exec \"$@\"", pipe_without_reader().into());
    put("exec \"$@\" 2>/dev/full", Stdio::null());
    put("exec \"$@\" 2>&-", Stdio::null());
    let (stderr, _read) = full_pipe();
    put("exec \"$@\"", stderr.into());
}

/// What only standard output would have had.
#[test]
fn a_failed_standard_output_does_not_lose_the_uri_or_the_worker() {
    let server = Server::start(&[]);
    let token = ["--admin-token-file", "artifact-data/admin-token"];
    let client = |arguments: &[&str], stdout: Stdio| {
        let mut command = artifact(server.folder.path());
        command
            .args(arguments)
            .args(["--server", &server.url])
            .args(token);
        command.stdout(stdout).stderr(Stdio::piped());
        let done = Done::from(command.spawn().unwrap().wait_with_output().unwrap());
        (done.code, done.stderr)
    };
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (stdout, code) in [
        (full().into(), 1),
        (Stdio::from(pipe_without_reader()), 141),
    ] {
        let (found, stderr) = client(&["put", "stderr"], stdout);
        assert_eq!(found, Some(code), "{stderr}");
        let uri = stderr.split_once("the artifact is stored as ").unwrap().1;
        let uri = uri.lines().next().unwrap();
        run(&mut server.client(&["get", uri])).succeeded();
    }
    let (code, stderr) = client(&["worker", "create"], full().into());
    assert_eq!(code, Some(1), "{stderr}");
    let command = stderr.split_once("artifact worker reissue ").unwrap().1;
    let id = command.lines().next().unwrap();
    let reissued = client(&["worker", "reissue", id], Stdio::null());
    assert_eq!(reissued.0, Some(0), "{}", reissued.1);
}
