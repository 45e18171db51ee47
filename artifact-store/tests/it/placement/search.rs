//! A search of every order of the steps of two depositors, two migrators, a fetch, and their servers.
//!
//! Each step is one call of a backend or one transaction of the database. A server may be suspended between any two of its
//! steps for ever; a server of an older version is one that never reads the placement again. A migrator may crash, or be
//! suspended while the other one ends the migration.

use std::collections::HashSet;

/// What the code could do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    /// The insert does not compare the epoch with the fence.
    IgnoresTheFence,
    /// The migrator ends without a fence.
    EndsWithoutFence,
    /// The migrator does not look at the rows again that came before the fence.
    FencesLast,
    /// The deposit notes the epoch after it has stored the bytes.
    NotesTooLate,
    /// A read that finds nothing does not ask for the placement again.
    DoesNotRefresh,
    /// The old blobs are deleted once all rows were seen, before the fence.
    DeletesBeforeTheFence,
}

const IDS: usize = 2;
type Ids = u8;

/// What the database says about the backends. In this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
enum Phase {
    /// `a` alone; epoch 0.
    #[default]
    Old,
    /// `b`, then `a`; epoch 1.
    Moving,
    /// The same, and rows of epoch 0 are refused.
    Fenced,
    /// `b` alone; epoch 2.
    New,
}

impl Phase {
    fn epoch(self) -> u8 {
        match self {
            Self::Old => 0,
            Self::Moving | Self::Fenced => 1,
            Self::New => 2,
        }
    }

    fn fence(self) -> u8 {
        u8::from(self >= Self::Fenced)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Deposit {
    #[default]
    New,
    /// The epoch is noted.
    Noted(u8),
    /// The bytes are durable.
    Stored(u8),
    Acknowledged,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Migrate {
    #[default]
    Idle,
    /// It goes through the rows. The blobs of these are in `b`, or were not wanted.
    Walking { seen: Ids, fenced: bool },
    /// It has read the blob from `a`, and has not committed it in `b`.
    Copying { seen: Ids, fenced: bool, id: u8 },
    /// It has seen all rows that there were.
    SeenAll { fenced: bool },
    /// It deletes from `a` the blobs that are in `b`.
    Deleting,
}

/// A fetch of the first artifact by a server that knows an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Fetch {
    #[default]
    Idle,
    /// This number of looks found nothing.
    Look(u8),
    /// No backend has it. The placement is read again.
    Refresh,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct State {
    a: Ids,
    b: Ids,
    rows: Ids,
    phase: Phase,
    deposits: [Deposit; IDS],
    /// The epochs that the servers of the depositors know.
    known: [u8; IDS],
    migrators: [Migrate; 2],
    fetch: Fetch,
    fetch_knows: u8,
}

impl State {
    fn broken_promise(self) -> Option<&'static str> {
        let read = match self.phase {
            Phase::Old => self.a,
            Phase::Moving | Phase::Fenced => self.a | self.b,
            Phase::New => self.b,
        };
        let acknowledged = (0..IDS).filter(|n| self.deposits[*n] == Deposit::Acknowledged);
        if self.rows & !read != 0 {
            Some("a row without bytes")
        } else if acknowledged.fold(0, |ids, n| ids | 1 << n) & !self.rows != 0 {
            Some("an acknowledged artifact without a row")
        } else if self.fetch == Fetch::Lost {
            Some("a fetch finds an artifact lost")
        } else {
            None
        }
    }

    fn next(self, mutant: Option<Mutant>) -> Vec<Self> {
        let mut next = Vec::new();
        for n in 0..IDS {
            self.deposit(n, mutant, &mut next);
            // The server reads the placement, at any time or never.
            let mut refreshed = self;
            refreshed.known[n] = self.phase.epoch();
            next.push(refreshed);
        }
        for n in 0..2 {
            self.migrate(n, mutant, &mut next);
        }
        self.fetch(mutant, &mut next);
        next
    }

    fn deposit(self, n: usize, mutant: Option<Mutant>, next: &mut Vec<Self>) {
        let at = |deposit| {
            let mut state = self;
            state.deposits[n] = deposit;
            state
        };
        let id: Ids = 1 << n;
        match self.deposits[n] {
            Deposit::New => next.push(at(Deposit::Noted(self.known[n]))),
            Deposit::Noted(epoch) => {
                let mut state = at(Deposit::Stored(epoch));
                match self.known[n] {
                    0 => state.a |= id,
                    _ => state.b |= id,
                }
                next.push(state);
            }
            Deposit::Stored(noted) => {
                let epoch = match mutant {
                    Some(Mutant::NotesTooLate) => self.known[n],
                    _ => noted,
                };
                let is_refused =
                    epoch < self.phase.fence() && mutant != Some(Mutant::IgnoresTheFence);
                if !is_refused {
                    let mut state = at(Deposit::Acknowledged);
                    state.rows |= id;
                    next.push(state);
                }
            }
            Deposit::Acknowledged | Deposit::Ended => return,
        }
        next.push(at(Deposit::Ended));
    }

    fn migrate(self, n: usize, mutant: Option<Mutant>, next: &mut Vec<Self>) {
        let at = |migrate| {
            let mut state = self;
            state.migrators[n] = migrate;
            state
        };
        match self.migrators[n] {
            Migrate::Idle => {
                let mut state = match self.phase {
                    Phase::New => at(Migrate::Deleting),
                    phase => at(Migrate::Walking {
                        seen: 0,
                        fenced: phase == Phase::Fenced,
                    }),
                };
                state.phase = self.phase.max(Phase::Moving);
                next.push(state);
                return;
            }
            Migrate::Walking { seen, fenced } => {
                let left = self.rows & !seen;
                for id in (0..2).filter(|id| left & 1 << id != 0) {
                    let is_there = self.b & 1 << id != 0;
                    next.push(if is_there {
                        let seen = seen | 1 << id;
                        at(Migrate::Walking { seen, fenced })
                    } else if self.a & 1 << id != 0 {
                        at(Migrate::Copying { seen, fenced, id })
                    } else {
                        // Another migrator has moved it: the next look finds it in `b`.
                        at(Migrate::Walking { seen, fenced })
                    });
                }
                if left == 0 {
                    next.push(at(Migrate::SeenAll { fenced }));
                }
            }
            Migrate::Copying { seen, fenced, id } => {
                let seen = seen | 1 << id;
                let mut state = at(Migrate::Walking { seen, fenced });
                state.b |= 1 << id;
                next.push(state);
            }
            Migrate::SeenAll { fenced } => {
                if mutant == Some(Mutant::DeletesBeforeTheFence) && !fenced {
                    next.push(Self { a: 0, ..self });
                }
                let ends = fenced || mutant == Some(Mutant::EndsWithoutFence);
                if !ends && self.phase < Phase::New {
                    let mut state = match mutant {
                        Some(Mutant::FencesLast) => at(Migrate::SeenAll { fenced: true }),
                        // It goes on after the last row that it has seen.
                        _ => at(Migrate::Walking {
                            seen: 0,
                            fenced: true,
                        }),
                    };
                    state.phase = Phase::Fenced;
                    next.push(state);
                } else if self.phase < Phase::New {
                    let mut state = at(Migrate::Deleting);
                    state.phase = Phase::New;
                    next.push(state);
                }
            }
            Migrate::Deleting => {
                let wanted = self.a & self.rows & self.b;
                for id in (0..2).filter(|id| wanted & 1 << id != 0) {
                    let mut state = self;
                    state.a &= !(1 << id);
                    next.push(state);
                }
            }
        }
        // A crash, or the refusal of a change because the other one was first.
        next.push(at(Migrate::Idle));
    }

    fn fetch(self, mutant: Option<Mutant>, next: &mut Vec<Self>) {
        let at = |fetch| {
            let mut state = self;
            state.fetch = fetch;
            state
        };
        let (in_a, in_b) = (self.a & 1 != 0, self.b & 1 != 0);
        let looks: &[bool] = match self.fetch_knows {
            0 => &[in_a],
            1 => &[in_b, in_a, in_b],
            _ => &[in_b],
        };
        match self.fetch {
            Fetch::Idle if self.rows & 1 != 0 => next.push(at(Fetch::Look(0))),
            Fetch::Idle | Fetch::Lost => {}
            Fetch::Look(n) => next.push(match looks.get(usize::from(n)) {
                Some(true) => at(Fetch::Idle),
                Some(false) => at(Fetch::Look(n + 1)),
                None => at(Fetch::Refresh),
            }),
            Fetch::Refresh => {
                let epoch = self.phase.epoch();
                let is_new = epoch != self.fetch_knows && mutant != Some(Mutant::DoesNotRefresh);
                let mut state = at(if is_new { Fetch::Look(0) } else { Fetch::Lost });
                if is_new {
                    state.fetch_knows = epoch;
                }
                next.push(state);
            }
        }
    }
}

/// Visits every reachable state. Returns the number of states, or the first broken promise.
fn search(mutant: Option<Mutant>) -> Result<usize, &'static str> {
    let start = State::default();
    let mut visited = HashSet::from([start]);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        if let Some(broken) = state.broken_promise() {
            return Err(broken);
        }
        for next in state.next(mutant) {
            if visited.insert(next) {
                open.push(next);
            }
        }
    }
    Ok(visited.len())
}

#[test]
fn no_order_of_the_steps_loses_an_artifact() {
    let states = search(None).unwrap();
    assert!(states > 10_000, "only {states} states");
}

#[test]
fn the_search_finds_each_fault() {
    for mutant in [
        Mutant::IgnoresTheFence,
        Mutant::EndsWithoutFence,
        Mutant::FencesLast,
        Mutant::NotesTooLate,
        Mutant::DoesNotRefresh,
        Mutant::DeletesBeforeTheFence,
    ] {
        let found = search(Some(mutant));
        assert!(
            found.is_err(),
            "{mutant:?} is not found in {found:?} states"
        );
    }
}
