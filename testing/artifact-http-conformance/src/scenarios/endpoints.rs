//! The table of operations, as `docs/http-api.md` has it.

/// Who may use an operation, before any rule of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Any,
    Admin,
    Worker,
}

/// One operation: its method, and its path under the experiment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) class: Class,
}

/// Ids that are well-formed and name nothing, but by a chance of 2 to the power of -128.
pub(super) const ABSENT_WORKER: &str = "wkr_00000000000000000000000000";
pub(super) const ABSENT_GROUP: &str = "grp_00000000000000000000000000";
/// A URI of the same kind.
pub(super) const ABSENT_ARTIFACT: &str = "eden://artifacts/00000000000000000000000000000000";

const fn operation(method: &'static str, path: &'static str, class: Class) -> Operation {
    Operation {
        method,
        path,
        class,
    }
}

/// Every operation. `{W}`, `{G}` and `{M}` stand for ids; `GET` answers `HEAD` too.
pub(super) const OPERATIONS: [Operation; 14] = [
    operation("GET", "", Class::Any),
    operation("GET", "/whoami", Class::Worker),
    operation("POST", "/workers", Class::Admin),
    operation("GET", "/workers", Class::Any),
    operation("GET", "/workers/{W}", Class::Any),
    operation("POST", "/workers/{W}/reissue-credential", Class::Admin),
    operation("POST", "/groups", Class::Admin),
    operation("GET", "/groups", Class::Any),
    operation("GET", "/groups/{G}", Class::Any),
    operation("DELETE", "/groups/{G}", Class::Admin),
    operation("POST", "/groups/{G}/members", Class::Admin),
    operation("DELETE", "/groups/{G}/members/{M}", Class::Admin),
    operation("POST", "/artifacts", Class::Any),
    operation("GET", "/artifacts", Class::Any),
];

impl Operation {
    /// Its path with ids that name nothing.
    pub(super) fn absent(&self) -> String {
        filled(self.path)
    }
}

pub(super) fn filled(path: &str) -> String {
    path.replace("{W}", ABSENT_WORKER)
        .replace("{G}", ABSENT_GROUP)
        .replace("{M}", ABSENT_WORKER)
}

/// The different paths among the operations, each with its methods, `HEAD` among them.
pub(super) fn paths() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut paths: Vec<(&str, Vec<&str>)> = Vec::new();
    for operation in OPERATIONS {
        let mut methods = vec![operation.method];
        if operation.method == "GET" {
            methods.push("HEAD");
        }
        match paths.iter_mut().find(|(path, _)| *path == operation.path) {
            Some((_, present)) => present.extend(methods),
            None => paths.push((operation.path, methods)),
        }
    }
    paths
}

/// Paths under an experiment that are none of the table.
pub(super) const UNKNOWN: [&str; 16] = [
    "/",
    "/nothing",
    "/artifacts/",
    "/artifacts//",
    "/artifacts/x",
    "/Artifacts",
    "/%61rtifacts",
    "/artifacts;x=1",
    "//artifacts",
    "/../artifacts",
    "/./artifacts",
    "/workers/",
    "/workers/wkr_00000000000000000000000000/",
    "/workers/wkr_00000000000000000000000000/nothing",
    "/groups/grp_00000000000000000000000000/members/",
    "/whoami/",
];

/// Methods that are tried on every path.
pub(super) const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW",
];
