//! Every endpoint x every principal x every row, generated from the list of endpoints.

use artifact_http::{Endpoint, Who as Class, endpoints};
use axum::body::Body;
use http::Method;

use crate::support::{FILE, HOME, Site, Who, fetch_path, form, request};

/// Whose artifact is asked for.
#[derive(Debug, Clone, Copy)]
enum Target {
    Absent,
    Workers,
    Members,
    Admins,
    Elsewhere,
}

impl Target {
    const ALL: [Self; 5] = [
        Self::Absent,
        Self::Workers,
        Self::Members,
        Self::Admins,
        Self::Elsewhere,
    ];

    fn depositor(self) -> Option<Who> {
        match self {
            Self::Absent => None,
            Self::Workers => Some(Who::Worker),
            Self::Members => Some(Who::Member),
            Self::Admins => Some(Who::Admin),
            Self::Elsewhere => Some(Who::Foreigner),
        }
    }
}

/// What the protocol says.
fn expected(endpoint: &Endpoint, who: Who, target: Target) -> u16 {
    if !who.is_known() {
        return 401;
    }
    if who.home() != HOME {
        return 403;
    }
    // Today no endpoint excludes a valid principal of the experiment. One that will must say so
    // here: this match does not compile, or falls to the panic, with a class that is new.
    match endpoint.who {
        Class::Any | Class::WorkerOrAdmin => {}
        _ => panic!("say who may use {} {}", endpoint.method, endpoint.path),
    }
    match (endpoint.path, endpoint.method.as_str()) {
        ("", "GET") => 200,
        ("/artifacts", "POST") => 201,
        ("/artifacts", "GET") => match target {
            Target::Absent | Target::Elsewhere => 404,
            _ if target.depositor() == Some(who) => 200,
            _ if matches!(who, Who::Admin | Who::Member) => 200,
            _ => 403,
        },
        other => panic!("say what {other:?} answers"),
    }
}

#[tokio::test]
async fn the_status_is_what_the_table_says() {
    let site = Site::new().await;
    let mut seen = 0;
    for target in Target::ALL {
        let uri = match target.depositor() {
            Some(depositor) => site.put(depositor, b"x").await,
            None => format!("eden://artifacts/{}", "0".repeat(32)),
        };
        for endpoint in endpoints() {
            for who in Who::ALL {
                let mut methods = vec![endpoint.method.clone()];
                if endpoint.method == Method::GET {
                    methods.push(Method::HEAD);
                }
                for method in methods {
                    let path = match endpoint.path {
                        "/artifacts" => fetch_path(HOME, &uri),
                        rest => format!("/v0/experiments/{HOME}{rest}"),
                    };
                    let content_type = "multipart/form-data; boundary=xXx-boundary-xXx";
                    let asked = request(method.clone(), &path, who, HOME)
                        .header("content-type", content_type)
                        .body(Body::from(form(&[(FILE, b"y")])))
                        .unwrap();
                    let reply = site.send(asked).await;
                    let why = format!("{method} {} by {who:?} of {target:?}", endpoint.path);
                    assert_eq!(reply.status, expected(endpoint, who, target), "{why}");
                    if !reply.status.is_success() && method != Method::HEAD {
                        let kind = match reply.status.as_u16() {
                            401 => "unauthorized",
                            403 => "forbidden",
                            _ => "not-found",
                        };
                        reply.assert_problem(reply.status.as_u16(), kind, &why);
                    }
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(
        seen,
        5 * 8 * 5,
        "endpoints with HEAD x principals x targets"
    );
}
