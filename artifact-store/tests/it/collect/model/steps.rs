//! The states and steps of the model.

/// What the code could do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// The collector deletes after it has seen that there is no row.
    DoesNotCondemn,
    /// The collector deletes all ids that it wanted to condemn.
    IgnoresTheAnswer,
    /// The transaction that condemns relies on the collector's earlier look for rows.
    CondemnsBlindly,
    /// The collector condemns after it has deleted.
    DeletesFirst,
    /// The insert does not look for condemned ids.
    InsertsCondemned,
    /// The bytes of a removed artifact are deleted before the row.
    RemovesBytesFirst,
    /// The catalog does not remember removed ids, and an insert whose reply was lost is repeated.
    ForgetsRemovals,
}

/// The number of depositors, each with one id, and of collectors.
const EACH: usize = 2;
/// A set of ids: bit `n` is the id of depositor `n`.
type Ids = u8;

/// The progress of a deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Deposit {
    #[default]
    New,
    /// The bytes are durable.
    Stored,
    /// The deadline had not passed. The row is not begun; the machine may sleep here for any time.
    InTime,
    /// The row is written, but the reply was lost.
    Unanswered,
    Acknowledged,
    /// With an error, or by a crash.
    Ended,
}

/// The progress of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Collect {
    #[default]
    Idle,
    /// These old blobs were listed.
    Listed(Ids),
    /// These had no row when the collector looked.
    Orphans(Ids),
    /// These are deleted one after the other.
    Deleting(Ids),
    /// A mutant condemns these now.
    Deleted(Ids),
}

/// The progress of the removal of the first artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Remove {
    #[default]
    Idle,
    /// The first of the two steps is done.
    Half,
    Done,
}

/// The progress of a fetch of the first artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Fetch {
    #[default]
    Idle,
    /// The row was found, perhaps in a cache.
    Row,
    /// The blob was not found. The row is looked up again.
    NoBlob,
    /// The row is still there, so the artifact is reported as lost.
    Lost,
}

/// A state of the whole store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct State {
    blobs: Ids,
    /// The blobs that are as old as the grace period.
    old: Ids,
    rows: Ids,
    /// Condemned and removed ids.
    condemned: Ids,
    removed: Ids,
    deposits: [Deposit; EACH],
    collectors: [Collect; EACH],
    remove: Remove,
    fetch: Fetch,
}

impl State {
    pub(super) fn broken_promise(self) -> Option<&'static str> {
        let is_acknowledged = |n: &usize| self.deposits[*n] == Deposit::Acknowledged;
        let acknowledged = (0..EACH)
            .filter(is_acknowledged)
            .fold(0, |ids, n| ids | 1 << n);
        if self.rows & !self.blobs != 0 {
            Some("a row without bytes")
        } else if self.rows & self.removed != 0 {
            Some("a removed artifact is there again")
        } else if acknowledged & !self.removed & !self.rows != 0 {
            Some("an acknowledged artifact without a row")
        } else if self.fetch == Fetch::Lost {
            Some("a fetch finds an artifact lost")
        } else {
            None
        }
    }

    /// Returns every state that one step of one participant leads to.
    pub(super) fn next(self, mutant: Option<Mutant>) -> Vec<Self> {
        let mut next = Vec::new();
        for n in 0..EACH {
            self.deposit(n, mutant, &mut next);
            self.collect(n, mutant, &mut next);
            // The clock: a blob gets old at any moment.
            if self.blobs & !self.old & (1 << n) != 0 {
                next.push(Self {
                    old: self.old | 1 << n,
                    ..self
                });
            }
        }
        self.remove(mutant, &mut next);
        self.fetch(&mut next);
        next
    }

    fn deposit(self, n: usize, mutant: Option<Mutant>, next: &mut Vec<Self>) {
        let id: Ids = 1 << n;
        let at = |deposit| {
            let mut state = self;
            state.deposits[n] = deposit;
            state
        };
        let insert = |done| {
            let is_refused = self.rows & id != 0
                || (self.condemned & id != 0 && mutant != Some(Mutant::InsertsCondemned));
            if is_refused {
                return at(Deposit::Ended);
            }
            let mut state = at(done);
            state.rows |= id;
            state
        };
        match self.deposits[n] {
            Deposit::New => {
                let mut stored = at(Deposit::Stored);
                stored.blobs |= id;
                next.push(stored);
            }
            // In the real code the deadline may be missed too. That is the step to `Ended`.
            Deposit::Stored => next.push(at(Deposit::InTime)),
            Deposit::InTime => {
                next.push(insert(Deposit::Acknowledged));
                next.push(insert(Deposit::Unanswered));
            }
            // A repeated insert finds its own row, and the deposit is acknowledged.
            Deposit::Unanswered if self.rows & id != 0 => next.push(at(Deposit::Acknowledged)),
            Deposit::Unanswered => next.push(insert(Deposit::Acknowledged)),
            Deposit::Acknowledged | Deposit::Ended => return,
        }
        // A crash, an error or a passed deadline.
        next.push(at(Deposit::Ended));
    }

    fn collect(self, n: usize, mutant: Option<Mutant>, next: &mut Vec<Self>) {
        let at = |collect| {
            let mut state = self;
            state.collectors[n] = collect;
            state
        };
        match self.collectors[n] {
            Collect::Idle => {
                next.push(at(Collect::Listed(self.blobs & self.old)));
                return;
            }
            Collect::Listed(ids) => next.push(at(Collect::Orphans(ids & !self.rows))),
            Collect::Orphans(ids) if mutant == Some(Mutant::DoesNotCondemn) => {
                next.push(at(Collect::Deleting(ids)));
            }
            Collect::Orphans(ids) if mutant == Some(Mutant::DeletesFirst) => {
                let mut state = at(Collect::Deleted(ids));
                state.blobs &= !ids;
                next.push(state);
            }
            Collect::Orphans(ids) => {
                let looks = mutant != Some(Mutant::CondemnsBlindly);
                let condemned = if looks { ids & !self.rows } else { ids };
                let ignores = mutant == Some(Mutant::IgnoresTheAnswer);
                let deleted = if ignores { ids } else { condemned };
                let mut state = at(Collect::Deleting(deleted));
                state.condemned |= condemned;
                next.push(state);
            }
            Collect::Deleting(0) => {}
            Collect::Deleting(ids) => {
                for id in [1, 2].into_iter().filter(|id| ids & id != 0) {
                    let mut state = at(Collect::Deleting(ids & !id));
                    state.blobs &= !id;
                    next.push(state);
                }
            }
            Collect::Deleted(ids) => {
                let mut state = at(Collect::Idle);
                state.condemned |= ids & !self.rows;
                next.push(state);
            }
        }
        // The end of the run, or a crash.
        next.push(at(Collect::Idle));
    }

    /// A client removes the first artifact, or the retention does.
    fn remove(self, mutant: Option<Mutant>, next: &mut Vec<Self>) {
        let (mut row, mut bytes) = (self, self);
        row.rows &= !1;
        if mutant != Some(Mutant::ForgetsRemovals) {
            row.condemned |= 1;
        }
        row.removed |= 1;
        bytes.blobs &= !1;
        let (first, second) = match mutant {
            Some(Mutant::RemovesBytesFirst) => (bytes, row),
            _ => (row, bytes),
        };
        match self.remove {
            Remove::Idle if self.rows & 1 != 0 => next.push(Self {
                remove: Remove::Half,
                ..first
            }),
            Remove::Half => {
                next.push(Self {
                    remove: Remove::Done,
                    ..second
                });
                // A crash between the two.
                next.push(Self {
                    remove: Remove::Done,
                    ..self
                });
            }
            Remove::Idle | Remove::Done => {}
        }
    }

    fn fetch(self, next: &mut Vec<Self>) {
        let (has_row, has_blob) = (self.rows & 1 != 0, self.blobs & 1 != 0);
        let fetch = match self.fetch {
            Fetch::Idle if has_row => Fetch::Row,
            Fetch::Row if !has_blob => Fetch::NoBlob,
            Fetch::NoBlob if has_row => Fetch::Lost,
            Fetch::Row | Fetch::NoBlob => Fetch::Idle,
            Fetch::Idle | Fetch::Lost => return,
        };
        next.push(Self { fetch, ..self });
    }
}
