//! The operation and the artifact that an error is about.

use artifact_backend::ArtifactId;

use crate::error::{Error, ErrorKind, Operation};

/// The operation and the artifact that an error is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    operation: Operation,
    id: Option<ArtifactId>,
}

impl Subject {
    pub(crate) fn with_id(operation: Operation, id: ArtifactId) -> Self {
        let id = Some(id);
        Self { operation, id }
    }

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn operation(self) -> Operation {
        self.operation
    }

    pub(crate) fn error(self, kind: ErrorKind) -> Error {
        let error = Error::new(kind, self.operation);
        match self.id {
            Some(id) => error.with_id(id),
            None => error,
        }
    }
}

impl From<Operation> for Subject {
    fn from(operation: Operation) -> Self {
        let id = None;
        Self { operation, id }
    }
}
