//! Pages of lists.

use artifact_backend::BoxError;

use super::records::{Columns, MAX_BYTES, MembershipRecord, Record, WorkerRecord};
use super::{Lane, Param, SqlDatabase, params, statements};
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{DisplayName, Group, ListPosition, Page, Worker};

/// The maximum number of workers in a page.
const MAX_WORKERS: usize = 256;
/// The maximum number of groups and members in a page. A group without members counts as one row, a
/// group with members as one row for each of them.
const MAX_GROUP_ROWS: usize = 1024;

/// A record of which a list is made. The first column is its id.
pub(super) trait PageRecord: Record {
    /// The column of its time in microseconds since 1970.
    const TIME: usize;

    /// Returns the number of bytes of its texts.
    fn text_bytes(&self) -> usize;
}

/// A record of a list, at its position. If one record cannot be read, the others still can.
#[derive(Debug)]
struct Listed<R> {
    position: ListPosition,
    record: Result<R, BoxError>,
}

impl<R: PageRecord> Record for Listed<R> {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            position: ListPosition::new(row.integer(R::TIME)?, row.raw_text(0)?),
            record: R::read(row).map_err(Into::into),
        })
    }

    fn size(&self) -> usize {
        // The columns that are numbers, and what the vector needs.
        const FIXED: usize = 128;
        FIXED + self.record.as_ref().map_or(0, R::text_bytes)
    }
}

/// The rows of one page.
struct Rows<R> {
    rows: Vec<Listed<R>>,
    /// Whether there may be more rows.
    more: bool,
}

async fn rows<R: PageRecord>(
    database: &impl SqlDatabase,
    operation: Operation,
    statement: &'static str,
    mut params: Vec<Param>,
    after: &ListPosition,
    limit: usize,
) -> Result<Rows<R>> {
    params.push(after.micros().into());
    params.push(Param::RawText(after.id().to_vec()));
    params.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let rows: Vec<Listed<R>> = database
        .query_in(Lane::List, operation, statement, params)
        .await?;
    let bytes: usize = rows.iter().map(Record::size).sum();
    Ok(Rows {
        more: rows.len() >= limit || bytes >= MAX_BYTES,
        rows,
    })
}

/// Collects the records of a page.
struct PageBuilder<T> {
    page: Page<T>,
    operation: Operation,
}

impl<T> PageBuilder<T> {
    fn new(operation: Operation) -> Self {
        Self {
            page: Page::new(Vec::new(), None),
            operation,
        }
    }

    /// Adds a record. Logs the first one that cannot be read.
    fn push(&mut self, position: &ListPosition, record: Result<T, BoxError>) {
        match record {
            Ok(record) => self.page.records.push(record),
            Err(error) => {
                if self.page.unreadable == 0 {
                    tracing::warn!(
                        alarm = "corrupt-rows",
                        id = ?String::from_utf8_lossy(position.id()),
                        operation = ?self.operation,
                        error = &*error as &dyn std::error::Error,
                        "a list leaves out a record that cannot be read; repair it in the database"
                    );
                }
                self.page.unreadable += 1;
            }
        }
    }

    fn finish(mut self, next: Option<ListPosition>) -> Page<T> {
        self.page.next = next;
        self.page
    }
}

/// A page of records of which each has a row of its own, not yet decoded.
pub(super) struct Undecoded<R> {
    operation: Operation,
    rows: Rows<R>,
}

/// Reads a page by a statement whose parameters are these, a position and a limit.
pub(super) async fn simple<R: PageRecord>(
    database: &impl SqlDatabase,
    operation: Operation,
    statement: &'static str,
    params: Vec<Param>,
    after: &ListPosition,
    limit: usize,
) -> Result<Undecoded<R>> {
    let rows = rows::<R>(database, operation, statement, params, after, limit);
    let rows = rows.await?;
    Ok(Undecoded { operation, rows })
}

impl<R> Undecoded<R> {
    pub(super) fn decode<T>(self, decode: impl Fn(R) -> Result<T>) -> Page<T> {
        let Rows { rows, more } = self.rows;
        let next = rows.last().filter(|_| more);
        let next = next.map(|last| last.position.clone());
        let mut page = PageBuilder::new(self.operation);
        for Listed { position, record } in rows {
            page.push(&position, record.and_then(|record| Ok(decode(record)?)));
        }
        page.finish(next)
    }
}

/// Returns the statement of a list of an experiment, and its first parameters.
fn of_experiment(
    [all, named]: [&'static str; 2],
    experiment: &ExperimentId,
    name: Option<&DisplayName>,
) -> (&'static str, Vec<Param>) {
    let mut params = vec![Param::from(experiment.as_str())];
    params.extend(name.map(|name| Param::from(name.as_str())));
    (if name.is_some() { named } else { all }, params)
}

pub(super) async fn workers(
    database: &impl SqlDatabase,
    experiment: &ExperimentId,
    name: Option<&DisplayName>,
    after: &ListPosition,
) -> Result<Page<Worker>> {
    let operation = Operation::FindWorker;
    let (statement, params) = of_experiment(statements::SELECT_WORKER_PAGE, experiment, name);
    let page = simple(database, operation, statement, params, after, MAX_WORKERS);
    let page = page.await?;
    Ok(page.decode(|record: WorkerRecord| record.decode(experiment)))
}

pub(super) async fn groups(
    database: &impl SqlDatabase,
    experiment: &ExperimentId,
    name: Option<&DisplayName>,
    after: &ListPosition,
) -> Result<Page<Group>> {
    let operation = Operation::FindGroup;
    let (statement, params) = of_experiment(statements::SELECT_GROUP_PAGE, experiment, name);
    let rows = rows::<MembershipRecord>(
        database,
        operation,
        statement,
        params,
        after,
        MAX_GROUP_ROWS,
    );
    let Rows { mut rows, more } = rows.await?;
    let mut next = None;
    if more && let Some(last) = rows.last().map(|last| last.position.clone()) {
        // More rows of the last group may follow. It is left for the next page, or read alone.
        let first_of_last = rows.partition_point(|row| row.position < last);
        if first_of_last == 0 {
            rows = whole_group(database, experiment, &last).await?;
            next = Some(last);
        } else {
            rows.truncate(first_of_last);
            next = rows.last().map(|row| row.position.clone());
        }
    }
    let mut page = PageBuilder::new(operation);
    let mut rows = rows.into_iter().peekable();
    while let Some(Listed { position, record }) = rows.next() {
        let mut records = vec![record];
        while let Some(row) = rows.next_if(|row| row.position == position) {
            records.push(row.record);
        }
        let group = records
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .and_then(|records| Ok(MembershipRecord::decode_group(&records, experiment)?));
        if let Some(group) = group.transpose() {
            page.push(&position, group);
        }
    }
    Ok(page.finish(next))
}

/// Reads a group with all its members in one read. Returns no rows if it was deleted meanwhile.
async fn whole_group(
    database: &impl SqlDatabase,
    experiment: &ExperimentId,
    position: &ListPosition,
) -> Result<Vec<Listed<MembershipRecord>>> {
    let [experiment] = params![experiment.as_str()];
    let id = Param::RawText(position.id().to_vec());
    let rows: Vec<WholeGroupRow> = database
        .query_in(
            Lane::List,
            Operation::FindGroup,
            statements::SELECT_GROUP,
            [experiment, id],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// A row of a group that is read to its end, whatever its size.
#[derive(Debug)]
struct WholeGroupRow(Listed<MembershipRecord>);

impl Record for WholeGroupRow {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Listed::read(row).map(Self)
    }
}
