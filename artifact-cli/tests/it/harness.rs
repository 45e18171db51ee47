//! Starts the real binary, sends requests to it and reads its output.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_artifact");
pub(crate) const TOKEN: &str = "canary-9f86d081884c7d65";

/// Returns a command for the binary with an empty environment except for PATH.
pub(crate) fn artifact(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// The result of a command.
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

    /// Panics with the output if the command failed.
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

/// Says what cannot be tested here, unless it is `available`, and how to change that. Returns whether the
/// test must be skipped. Where everything is required, a skip is a failure.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the CI switch is not a setting of the program, and people read the line"
)]
pub(crate) fn skip(available: bool, what: &str, how: &str) -> bool {
    if !available {
        let required = std::env::var_os("ARTIFACT_TEST_REQUIRE").is_some_and(|all| all == "all");
        assert!(!required, "{what} were not tested; {how}");
        eprintln!("skipped: {what}; {how}");
    }
    !available
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Done {
    command.output().unwrap().into()
}

/// Runs a server that should refuse to start. Kills it if it starts.
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

/// Runs a command to its end with `input` on standard input.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Done {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // The program may stop reading before the end. The test does not fail because of that.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let done = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    done
}

/// A running server with its own data folder. Dropping it kills the server.
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server on a free port with additional arguments. Returns once the server listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &[])
    }

    /// Like [`start`](Self::start), with environment variables. A `--listen` in `arguments` replaces the
    /// free port.
    pub(crate) fn start_with(
        folder: TempDir,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = artifact(folder.path());
        command
            .envs(environment.iter().copied())
            .arg("serve")
            .args(arguments);
        Self::spawn(folder, &mut command)
    }

    /// Starts a server after shell commands such as `ulimit`.
    pub(crate) fn start_after(folder: TempDir, commands: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        let script = format!("{commands}; exec \"$@\"");
        command
            .env_clear()
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .args(["-c", &script, "sh", BINARY, "serve"]);
        Self::spawn(folder, &mut command)
    }

    /// Starts a command that becomes a server. The folder gets its standard error.
    pub(crate) fn spawn(folder: TempDir, command: &mut Command) -> Self {
        if !command
            .get_envs()
            .any(|(name, _)| name == "ARTIFACT_LISTEN")
        {
            command.env("ARTIFACT_LISTEN", "127.0.0.1:0");
        }
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

    /// Returns the server's standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.read("stderr")).unwrap()
    }

    /// Returns a client command with the server's address and its generated token.
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

    /// Connects to the server. Returns the connection and the header lines for a request by the admin.
    pub(crate) fn connect(&self) -> (TcpStream, String) {
        let address = self.url.strip_prefix("http://").unwrap();
        let headers = format!(
            "Host: {address}\r\nAuthorization: Bearer admin:{}\r\nX-Eden-Experiment-Id: default\r\n",
            self.token()
        );
        (self.stream(), headers)
    }

    /// Connects to the server.
    pub(crate) fn stream(&self) -> TcpStream {
        let address = self.url.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        // No passing test waits this long; a failing test must end.
        let limit = Some(std::time::Duration::from_mins(1));
        stream.set_read_timeout(limit).unwrap();
        stream
    }

    pub(crate) fn token(&self) -> String {
        let token = self.read("artifact-data/admin-token");
        String::from_utf8(token).unwrap().trim_end().to_owned()
    }

    /// Gives all servers on one database the file of their token, which only one of them has made.
    pub(crate) fn share_token(servers: &[Self]) {
        let has_file = |server: &&Self| server.path("artifact-data/admin-token").exists();
        let (with, without): (Vec<_>, Vec<_>) = servers.iter().partition(has_file);
        assert_eq!(with.len(), 1, "one server makes the token");
        for server in without {
            let mut file = std::fs::OpenOptions::new();
            let file = file.create_new(true).write(true).mode(0o600);
            let mut file = file.open(server.path("artifact-data/admin-token")).unwrap();
            writeln!(file, "{}", with[0].token()).unwrap();
        }
    }

    /// Sends bytes on a new connection. Returns everything that the server sends until it closes.
    pub(crate) fn say(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.stream();
        // The server may respond and close before it has received everything.
        let _ = stream.write_all(request.as_ref());
        read_to_end(&mut stream)
    }

    /// Returns the process id of the server.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the number of the server's open file descriptors, without those of the database, which opens
    /// connections when it needs them and keeps them.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|file| !file.to_string_lossy().contains("rows.sqlite"))
            .count()
    }

    /// Returns the peak of the server's resident memory in bytes, without the mapped pages of the program, which are many in a
    /// build without optimisation (`VmHWM` and `RssFile` in `/proc`).
    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel's file, not one of the server"
    )]
    pub(crate) fn peak_memory(&self) -> usize {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let bytes = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
            kibibytes.unwrap().trim().parse::<usize>().unwrap() << 10
        };
        bytes("VmHWM:") - bytes("RssFile:")
    }

    /// Returns the variables that the server process was started with, each ended by a NUL.
    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel's file, not one of the server"
    )]
    pub(crate) fn environment(&self) -> String {
        let environment = format!("/proc/{}/environ", self.child.id());
        std::fs::read_to_string(environment).unwrap()
    }

    /// Waits until the condition holds. Panics after 30 seconds.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let deadline = now() + 30;
        while !holds() {
            assert!(now() < deadline, "never came: {what}\n{}", self.stderr());
            std::thread::yield_now();
        }
    }

    /// Returns the paths of the server's blobs and of unfinished uploads.
    pub(crate) fn blobs(&self) -> Vec<String> {
        files_below(&self.path("artifact-data/blobs"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits until the server exits. Returns the exit code (`None` after a signal) and the rest of standard
    /// output.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }

    /// Stops the server and returns its folder.
    pub(crate) fn stop(mut self, signal: &str) -> TempDir {
        self.signal(signal);
        self.wait();
        self.take_folder()
    }

    /// Takes the folder of a server that has exited.
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

/// Reads until the end of the stream. A connection reset also counts as the end.
pub(crate) fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut all = vec![];
    let mut piece = vec![0; 64 << 10];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return all,
            Ok(length) => all.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the server is silent: {}", String::from_utf8_lossy(&all))
            }
            Err(_) => return all,
        }
    }
}

/// A parsed response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Parses the first response in these bytes. Everything after its header is its body.
    #[track_caller]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(bytes)));
        let head = str::from_utf8(&bytes[..end]).unwrap().to_owned();
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        Self {
            status: head[9..12].parse().unwrap(),
            head,
            body: bytes[end + 4..].to_owned(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Asserts that the response is a complete problem with this status and that no bytes follow it.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, kind: &str) -> serde_json::Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{} {text}", self.head);
        let json = "application/problem+json; charset=utf-8";
        assert_eq!(self.field("content-type"), Some(json), "{}", self.head);
        let length = self.body.len().to_string();
        assert_eq!(self.field("content-length"), Some(&*length), "{text}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["type"], kind);
        assert_eq!(problem["status"], status);
        assert!(problem["instance"].as_str().unwrap().starts_with("http"));
        assert_eq!(problem.as_object().unwrap().len(), 5);
        problem
    }
}

/// Returns the relative paths of all files below a folder, sorted.
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

/// Returns pseudo-random bytes (xorshift), so that misplaced or repeated chunks are detected.
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
