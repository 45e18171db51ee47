//! What the thread that writes is asked for.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::transaction::WriteError;
use super::writer::Writer;
use crate::database::sql::Command;
use crate::database::subject::Subject;
use crate::error::{ErrorKind, Result};

/// One write.
#[derive(Debug)]
pub(super) enum Write {
    /// A write that every SQL database knows.
    Command(Command),
    /// A write of the maintenance.
    Work(Work),
}

/// A function that writes in a transaction.
pub(super) struct Work {
    subject: Subject,
    /// Whether it may write more than a few hundred rows.
    takes_long: bool,
    statements: Box<Statements>,
}

/// Runs statements in a transaction.
type Statements = dyn Fn(&Connection) -> Result<(), WriteError> + Send;

impl From<Command> for Write {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl Write {
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Command(command) => command.subject(),
            Self::Work(work) => work.subject,
        }
    }

    /// Returns whether the write needs no sync, because the backend has it durably.
    pub(super) fn is_noted(&self) -> bool {
        matches!(self, Self::Command(command) if command.is_noted())
    }

    /// Returns whether the write may write more than a few hundred rows.
    pub(super) fn takes_long(&self) -> bool {
        match self {
            Self::Command(command) => command.takes_long(),
            Self::Work(work) => work.takes_long,
        }
    }
}

impl Work {
    /// Writes. If it fails, the caller rolls its statements back.
    pub(super) fn apply(&self, connection: &Connection) -> Result<(), WriteError> {
        (self.statements)(connection)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("subject", &self.subject)
            .field("takes_long", &self.takes_long)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Calls a function in a transaction, all or nothing, and returns its result once that is durable.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        subject: impl Into<Subject>,
        takes_long: bool,
        work: impl Fn(&Connection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T> {
        let subject = subject.into();
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        let statements = move |connection: &Connection| {
            let value = work(connection)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        };
        self.write(Write::Work(Work {
            subject,
            takes_long,
            statements: Box::new(statements),
        }))
        .await?;
        let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| {
            let error = subject.error(ErrorKind::Unexpected);
            error.with_detail("the write was committed without a result")
        })
    }
}
