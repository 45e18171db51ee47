//! The placement in a SQL database.

#![expect(
    clippy::future_not_send,
    reason = "a SQLite transaction stays on the writer's thread; a PostgreSQL one is Send where it is used"
)]

use async_trait::async_trait;

use super::{
    Columns, Command, Record, SqlDatabase, Transaction, params, position, stored_position,
};
use crate::catalog::RowPosition;
use crate::database::rejected::Rejected;
use crate::error::{Operation, Result};
use crate::placement::{FormerBackend, Placement, PlacementRecord};

/// Returns a line for each former backend, or one line without any.
const SELECT: &str = "\
    SELECT epoch, fence, reached, current_url, previous_url, former_backends.url, \
        coalesce(former_backends.is_emptied, false) \
    FROM placement LEFT JOIN former_backends ON true ORDER BY former_backends.url";
const SELECT_EPOCH: &str = "SELECT epoch, fence, current_url, previous_url FROM placement";
pub(in crate::database) const REPLACE_PLACEMENT: &str = "\
    INSERT INTO placement (only_row, epoch, fence, reached, current_url, previous_url) \
    VALUES (true, $1, $2, $3, $4, $5) \
    ON CONFLICT (only_row) DO UPDATE SET epoch = excluded.epoch, fence = excluded.fence, \
        reached = excluded.reached, current_url = excluded.current_url, \
        previous_url = excluded.previous_url";
const FORGET_FORMER: &str = "DELETE FROM former_backends";
pub(in crate::database) const INSERT_FORMER: &str =
    "INSERT INTO former_backends (url, is_emptied) VALUES ($1, CAST($2 AS text) = 'emptied')";
const SET_REACHED: &str = "UPDATE placement SET reached = $1 WHERE epoch = $2";

/// A write of the placement.
#[derive(Debug)]
pub(in crate::database) enum PlacementCommand {
    /// Replaces the placement, whose epoch is the number.
    Replace(u64, Box<Placement>),
    /// Sets the position that was reached under an epoch.
    SetReached(u64, RowPosition),
}

impl PlacementCommand {
    /// Applies the command. It can be repeated.
    pub(super) async fn apply<T: Transaction>(&self, tx: &T) -> Result<(), T::Error> {
        match self {
            Self::Replace(expected, new) => replace(tx, *expected, new).await,
            Self::SetReached(epoch, reached) => {
                let params = params![stored_position(*reached), stored_epoch(*epoch)];
                match tx.execute(SET_REACHED, &params).await? {
                    1 => Ok(()),
                    _ => Err(Rejected::PLACEMENT_CHANGED.into()),
                }
            }
        }
    }
}

async fn replace<T: Transaction>(tx: &T, expected: u64, new: &Placement) -> Result<(), T::Error> {
    // Before the first look: all rows with an older epoch are committed, or are inserted after this transaction.
    tx.fence_inserts().await?;
    let found: Option<EpochRecord> = tx.query_one(SELECT_EPOCH, &[]).await?;
    if found.as_ref().is_some_and(|found| found.is(new)) {
        return Ok(());
    }
    if found.map_or(0, |found| found.epoch) != stored_epoch(expected) {
        return Err(Rejected::PLACEMENT_CHANGED.into());
    }
    let params = params![
        stored_epoch(new.epoch),
        stored_epoch(new.fence),
        stored_position(new.reached),
        &*new.current,
        new.previous.as_deref(),
    ];
    tx.execute(REPLACE_PLACEMENT, &params).await?;
    tx.execute(FORGET_FORMER, &[]).await?;
    for former in &new.former {
        tx.execute(INSERT_FORMER, &params![&*former.url, former.state()])
            .await?;
    }
    Ok(())
}

/// Returns the number of an epoch as it is stored, also beside a row.
pub(in crate::database) fn stored_epoch(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

#[async_trait]
impl<D: SqlDatabase> PlacementRecord for D {
    async fn placement(&self) -> Result<Option<Placement>> {
        let records: Vec<PlacementLine> = self.query(Operation::Placement, SELECT, []).await?;
        let mut records = records.into_iter();
        let Some(PlacementLine(mut placement, first)) = records.next() else {
            return Ok(None);
        };
        placement.former.extend(first);
        placement.former.extend(records.filter_map(|line| line.1));
        Ok(Some(placement))
    }

    async fn replace_placement(&self, expected: u64, new: &Placement) -> Result<()> {
        let command = PlacementCommand::Replace(expected, Box::new(new.clone()));
        self.write(Command::Placement(command)).await
    }

    async fn set_reached(&self, epoch: u64, reached: RowPosition) -> Result<()> {
        let command = PlacementCommand::SetReached(epoch, reached);
        self.write(Command::Placement(command)).await
    }
}

/// The placement without the former backends, and one of them.
struct PlacementLine(Placement, Option<FormerBackend>);

impl Record for PlacementLine {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        let epoch = |column| Ok(u64::try_from(row.integer(column)?).unwrap_or(0));
        let placement = Placement {
            epoch: epoch(0)?,
            fence: epoch(1)?,
            reached: position(row.integer(2)?),
            current: row.text(3)?,
            previous: row.optional_text(4)?,
            former: Vec::new(),
        };
        let former = match row.optional_text(5)? {
            Some(url) => Some(FormerBackend::new(url, row.boolean(6)?)),
            None => None,
        };
        Ok(Self(placement, former))
    }
}

/// What identifies a placement in a transaction.
struct EpochRecord {
    epoch: i64,
    fence: i64,
    current: String,
    previous: Option<String>,
}

impl Record for EpochRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            epoch: row.integer(0)?,
            fence: row.integer(1)?,
            current: row.text(2)?,
            previous: row.optional_text(3)?,
        })
    }
}

impl EpochRecord {
    fn is(&self, new: &Placement) -> bool {
        self.epoch == stored_epoch(new.epoch)
            && self.fence == stored_epoch(new.fence)
            && self.current == new.current
            && self.previous == new.previous
    }
}
