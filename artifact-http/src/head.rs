//! The head of a request, with what is known about its subject.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use artifact_audit::AuditField;
use artifact_store::{ArtifactId, ExperimentId};
use http::request::Parts;

/// What a request is about: ids, and no text that a client chose freely. For the audit log and the request log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The experiment, once it is known to exist or to be created.
    pub(crate) experiment: Option<ExperimentId>,
    pub(crate) artifact: Option<ArtifactId>,
    /// What else the path names or the handler made, and whether it signed a receipt.
    pub(crate) objects: Vec<(AuditField, String)>,
}

impl Subject {
    pub(crate) const NONE: Self = Self {
        experiment: None,
        artifact: None,
        objects: Vec::new(),
    };
}

/// The head of a request. Handlers add what they find out about its subject.
#[derive(Debug)]
pub(crate) struct Head {
    parts: Parts,
    subject: Mutex<Subject>,
}

impl Head {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            subject: Mutex::new(Subject::NONE),
        }
    }

    pub(crate) fn into_parts(self) -> Parts {
        self.parts
    }

    /// Calls a function with the subject.
    pub(crate) fn with_subject<T>(&self, call: impl FnOnce(&mut Subject) -> T) -> T {
        call(&mut self.subject.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the subject out.
    pub(crate) fn take_subject(&self) -> Subject {
        self.with_subject(std::mem::take)
    }

    /// Records the experiment.
    pub(crate) fn is_about_experiment(&self, id: &ExperimentId) {
        self.with_subject(|subject| subject.experiment = Some(id.clone()));
    }

    /// Records the artifact.
    pub(crate) fn is_about_artifact(&self, id: ArtifactId) {
        self.with_subject(|subject| subject.artifact = Some(id));
    }

    /// Records the id of something else, or what became of it.
    pub(crate) fn is_about(&self, field: AuditField, id: &impl ToString) {
        self.with_subject(|subject| subject.objects.push((field, id.to_string())));
    }
}

impl Deref for Head {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}
