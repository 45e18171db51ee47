//! The change from one admin token to the next, on two servers that share a database.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{Clock, ManualClock};
use artifact_http::{AdminToken, Authenticate as _, IdentityAuthenticator};
use artifact_store::{
    Database, IdentityStore, MemoryDatabase, OldAdminToken, RecordedAdminToken, SqliteDatabase,
    Timestamp,
};
use http::Request;

use crate::support::GatedIdentities;

const TOKENS: [&str; 4] = [
    "8c1f0f3e6b1f4a3f9d9a6b0d2f6c7e5a8c1f0f3e6b1f4a3f9d9a6b0d2f6c7e5a",
    "1b9d6bcd4f7e4d2a9c3e5f60718293a41b9d6bcd4f7e4d2a9c3e5f60718293a4",
    "e3b0c44298fc4c149afbf4c8996fb924e3b0c44298fc4c149afbf4c8996fb924",
    "5feceb66ffc84f38d95278611a2b3c4d5feceb66ffc84f38d95278611a2b3c4d",
];

/// What a wrong server makes of the tokens that it reads.
type Change = fn(RecordedAdminToken) -> RecordedAdminToken;

/// Two servers, each with its own view of one database.
struct Servers {
    database: Arc<dyn IdentityStore>,
    both: [IdentityAuthenticator; 2],
    clock: Arc<ManualClock>,
}

impl Servers {
    fn new(database: Arc<dyn IdentityStore>, views: [Arc<dyn IdentityStore>; 2]) -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let clock = Arc::new(ManualClock::new(start));
        let both = views.map(|view| {
            let clock = Arc::clone(&clock) as Arc<dyn Clock>;
            IdentityAuthenticator::new(view, AdminToken::recorded()).with_clock(clock)
        });
        Self {
            database,
            both,
            clock,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now().try_into().unwrap()
    }

    async fn replace(&self, token: usize, old_valid_for: Option<u64>) {
        let digest = AdminToken::digest(TOKENS[token]).unwrap();
        let new = RecordedAdminToken::new(digest, "host: /srv/token", self.now());
        let until = old_valid_for.map(|seconds| self.now() + Duration::from_secs(seconds));
        let replaced = self.database.replace_admin_token(&new, until);
        replaced.await.unwrap();
    }

    /// Checks on both servers which of the tokens are accepted.
    async fn accept(&self, expected: [bool; 4], when: &str) -> Result<(), String> {
        for server in &self.both {
            for (token, expected) in TOKENS.into_iter().zip(expected) {
                let request =
                    Request::get("/").header("authorization", format!("Bearer admin:{token}"));
                let (request, ()) = request.body(()).unwrap().into_parts();
                let accepted = server.authenticate(&request).await.is_ok();
                if accepted != expected {
                    return Err(format!("{when}: {token} accepted: {accepted}"));
                }
            }
        }
        Ok(())
    }
}

/// Changes the token three times: with time for the old one, with an early end, and at once.
async fn change_tokens(all: &Servers) -> Result<(), String> {
    all.replace(0, None).await;
    all.accept([true, false, false, false], "one token").await?;
    all.replace(1, Some(60)).await;
    let both = [true, true, false, false];
    all.accept(both, "during the change").await?;
    all.clock.advance(Duration::from_secs(59));
    all.accept(both, "before the end").await?;
    all.clock.advance(Duration::from_secs(1));
    let second = [false, true, false, false];
    all.accept(second, "at the end").await?;

    all.replace(2, Some(60)).await;
    let both = [false, true, true, false];
    all.accept(both, "during the second change").await?;
    all.database.end_old_admin_token().await.unwrap();
    let third = [false, false, true, false];
    all.accept(third, "after the early end").await?;

    all.replace(3, None).await;
    let fourth = [false, false, false, true];
    all.accept(fourth, "after a change at once").await
}

async fn sound(one: Arc<dyn IdentityStore>, two: Arc<dyn IdentityStore>) {
    let all = Servers::new(Arc::clone(&one), [one, two]);
    change_tokens(&all).await.unwrap();
}

#[tokio::test]
async fn two_tokens_are_accepted_during_the_change_and_never_three() {
    let memory = Database::new(MemoryDatabase::new()).identities;
    sound(Arc::clone(&memory), memory).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let open = async || Database::new(SqliteDatabase::open(&path).await.unwrap()).identities;
    sound(open().await, open().await).await;
}

/// Each of these servers is wrong in one thing, and the change above notices it.
#[tokio::test]
async fn servers_that_keep_or_lose_the_old_token_are_caught() {
    let for_ever = |mut tokens: RecordedAdminToken| {
        tokens.old = tokens.old.map(|old| OldAdminToken {
            valid_until: Timestamp::MAX,
            ..old
        });
        tokens
    };
    let at_once = |mut tokens: RecordedAdminToken| {
        tokens.old = None;
        tokens
    };
    let late = |mut tokens: RecordedAdminToken| {
        if let Some(old) = tokens.old {
            tokens.digest = old.digest;
        }
        tokens
    };
    let wrong: [(Change, &str); 3] = [
        (for_ever, "at the end"),
        (at_once, "during the change"),
        (late, "during the change"),
    ];
    for (change, caught) in wrong {
        let database = Database::new(MemoryDatabase::new()).identities;
        let view = GatedIdentities::with_admin_tokens(Arc::clone(&database), change);
        let views = [Arc::clone(&database), view as Arc<dyn IdentityStore>];
        let all = Servers::new(database, views);
        let found = change_tokens(&all).await.unwrap_err();
        assert!(found.starts_with(caught), "{found}");
    }
}
