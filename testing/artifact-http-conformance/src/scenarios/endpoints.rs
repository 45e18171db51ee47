//! The table of operations in `docs/http-api.md`.

/// The principal class that may use an operation, before its own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Any,
    Admin,
    Worker,
}

/// An operation: its method and its path below the experiment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) class: Class,
}

/// Well-formed ids that do not exist, except by a chance of 2 to the power of -128.
pub(super) const ABSENT_WORKER: &str = "wkr_00000000000000000000000000";
pub(super) const ABSENT_GROUP: &str = "grp_00000000000000000000000000";
/// A well-formed URI that does not exist.
pub(super) const ABSENT_ARTIFACT: &str = "eden://artifacts/00000000000000000000000000000000";

const fn operation(method: &'static str, path: &'static str, class: Class) -> Operation {
    Operation {
        method,
        path,
        class,
    }
}

/// All operations. `{W}`, `{G}` and `{M}` stand for ids; `GET` includes `HEAD`.
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
    /// Returns its path with ids that do not exist.
    pub(super) fn absent(&self) -> String {
        filled(self.path)
    }
}

pub(super) fn filled(path: &str) -> String {
    path.replace("{W}", ABSENT_WORKER)
        .replace("{G}", ABSENT_GROUP)
        .replace("{M}", ABSENT_WORKER)
}

/// Returns each path with its methods, including `HEAD`.
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

/// Paths below an experiment that are not in the table.
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

/// Methods that are tested on every path.
pub(super) const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW",
];
