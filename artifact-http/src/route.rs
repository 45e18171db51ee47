//! The paths under `/v0/experiments/{E}`, parsed once into typed ids.

use artifact_store::{GroupId, MemberId, WorkerId};

/// A resource of an experiment, without the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Experiment,
    Artifacts,
    Whoami,
    Workers,
    Worker(WorkerId),
    WorkerCredential(WorkerId),
    Groups,
    Group(GroupId),
    Members(GroupId),
    Member(GroupId, MemberId),
}

impl Route {
    /// Parses what follows the experiment in a path, such as `/workers`. The comparison is exact:
    /// nothing is decoded, and an ill-formed id makes the path unknown.
    pub(crate) fn parse(rest: &str) -> Option<Self> {
        if rest.is_empty() {
            return Some(Self::Experiment);
        }
        let mut segments = [""; 4];
        let mut count = 0;
        for segment in rest.strip_prefix('/')?.split('/') {
            *segments.get_mut(count)? = segment;
            count += 1;
        }
        Some(match segments[..count] {
            ["artifacts"] => Self::Artifacts,
            ["whoami"] => Self::Whoami,
            ["workers"] => Self::Workers,
            ["workers", worker] => Self::Worker(worker.parse().ok()?),
            ["workers", worker, "reissue-credential"] => {
                Self::WorkerCredential(worker.parse().ok()?)
            }
            ["groups"] => Self::Groups,
            ["groups", group] => Self::Group(group.parse().ok()?),
            ["groups", group, "members"] => Self::Members(group.parse().ok()?),
            ["groups", group, "members", member] => {
                Self::Member(group.parse().ok()?, member.parse().ok()?)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    const W: &str = "wkr_0123456789abcdefghjkmnpqrs";
    const G: &str = "grp_0123456789abcdefghjkmnpqrs";

    #[test]
    fn ids_are_parsed() {
        assert_eq!(Route::parse(""), Some(Route::Experiment));
        assert_eq!(
            Route::parse(&format!("/workers/{W}")),
            Some(Route::Worker(W.parse().unwrap()))
        );
        for member in [W, G] {
            let path = format!("/groups/{G}/members/{member}");
            let expected = Route::Member(G.parse().unwrap(), member.parse().unwrap());
            assert_eq!(Route::parse(&path), Some(expected));
        }
    }

    #[test]
    fn paths_with_malformed_ids_or_ids_of_the_wrong_kind_are_unknown() {
        for path in [
            format!("/workers/{G}"),
            format!("/groups/{W}"),
            format!("/workers/{}", W.to_uppercase()),
            format!("/workers/{W}/"),
            format!("/workers//{W}"),
            "/".to_owned(),
            "artifacts".to_owned(),
            "/workers/".to_owned(),
            "/workers/{W}".to_owned(),
            format!("/groups/{G}/members/{}", &W[1..]),
            format!("/groups/{G}/members/{W}/x"),
        ] {
            assert_eq!(Route::parse(&path), None, "{path}");
        }
    }
}
