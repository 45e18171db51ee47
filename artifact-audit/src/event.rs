//! An event: one action, by one principal, with its outcome.

use std::borrow::Cow;
use std::fmt::Write;

use crate::kind::{AuditKind, AuditOutcome};
use crate::line::append_text;

/// The maximum length of a text in bytes. Longer ones are cut, so that a line has a bound.
const MAX_TEXT: usize = 512;

/// A member of a line that names something. Its name in the line is [`as_str`](Self::as_str).
///
/// There is no field for a file name, a title, a content type or a worker's name, because they can be personal data that
/// must be deleted one day, which a chain of hashes forbids. Secrets have no field either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AuditField {
    /// The id of the request, which is also in its response and in the request log.
    RequestId,
    /// The HTTP method.
    Method,
    /// The short name of the problem type that the request was refused with, such as `forbidden`.
    Problem,
    /// Who did it, as text: `admin`, the id of a worker or of a named administrator, or another program's name.
    Principal,
    /// The experiment.
    Experiment,
    /// The id of the artifact.
    Artifact,
    /// The id of the collection.
    Collection,
    /// The id of the grant.
    Grant,
    /// The id of the link; never its secret.
    Link,
    /// The id of the resumable upload.
    Upload,
    /// The id of the worker that the action is about.
    Worker,
    /// The id of the group.
    Group,
    /// The id of the member of the group, or of the worker or group that a grant is for.
    Member,
    /// The id of the named administrator that the action is about.
    Administrator,
    /// What became of the receipt of a deposit: `signed` if the response has it.
    Receipt,
    /// The address of the client.
    Client,
}

impl AuditField {
    /// All fields, in the order of a line.
    pub const ALL: [Self; 16] = [
        Self::RequestId,
        Self::Method,
        Self::Problem,
        Self::Principal,
        Self::Experiment,
        Self::Artifact,
        Self::Collection,
        Self::Grant,
        Self::Link,
        Self::Upload,
        Self::Worker,
        Self::Group,
        Self::Member,
        Self::Administrator,
        Self::Receipt,
        Self::Client,
    ];

    /// Returns the name of the member.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestId => "request_id",
            Self::Method => "method",
            Self::Problem => "problem",
            Self::Principal => "principal",
            Self::Experiment => "experiment",
            Self::Artifact => "artifact",
            Self::Collection => "collection",
            Self::Grant => "grant",
            Self::Link => "link",
            Self::Upload => "upload",
            Self::Worker => "worker",
            Self::Group => "group",
            Self::Member => "member",
            Self::Administrator => "administrator",
            Self::Receipt => "receipt",
            Self::Client => "client",
        }
    }
}

/// One action with its outcome. [`AuditLog::record`](crate::AuditLog::record) makes a line of it.
///
/// ```
/// use artifact_audit::{AuditEvent, AuditField, AuditKind, AuditOutcome};
///
/// let event = AuditEvent::new("createGrant", AuditKind::Grant, AuditOutcome::Done)
///     .with_status(201)
///     .with(AuditField::Principal, "admin")
///     .with(AuditField::Artifact, "4f2a9c0de1b83756a0c4d2f19e7b6385");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an event is not in the log until it is recorded"]
pub struct AuditEvent {
    action: Cow<'static, str>,
    kind: AuditKind,
    outcome: AuditOutcome,
    status: Option<u16>,
    count: Option<u64>,
    fields: Vec<(AuditField, Cow<'static, str>)>,
}

impl AuditEvent {
    /// Creates an event without fields. `action` is the name of the operation, such as `createGrant`.
    pub fn new(
        action: impl Into<Cow<'static, str>>,
        kind: AuditKind,
        outcome: AuditOutcome,
    ) -> Self {
        Self {
            action: action.into(),
            kind,
            outcome,
            status: None,
            count: None,
            fields: Vec::new(),
        }
    }

    /// Sets the HTTP status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets how many things the action was about.
    pub fn with_count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Sets a field. A later value of the same field replaces the earlier one. A text longer than 512 bytes is cut.
    ///
    /// No text may be a secret.
    pub fn with(mut self, field: AuditField, text: impl Into<Cow<'static, str>>) -> Self {
        let mut text = text.into();
        if text.len() > MAX_TEXT {
            text = text[..text.floor_char_boundary(MAX_TEXT)].to_owned().into();
        }
        match self
            .fields
            .binary_search_by_key(&field, |(field, _)| *field)
        {
            Ok(at) => self.fields[at].1 = text,
            Err(at) => self.fields.insert(at, (field, text)),
        }
        self
    }

    /// Sets a field if there is a value.
    pub fn with_some(self, field: AuditField, text: Option<impl Into<Cow<'static, str>>>) -> Self {
        match text {
            Some(text) => self.with(field, text),
            None => self,
        }
    }

    /// Returns whether the action changed something, or may have: it is of a [kind](AuditKind::is_change) that does, and was
    /// not refused.
    pub fn may_have_changed(&self) -> bool {
        self.kind.is_change() && self.outcome != AuditOutcome::Refused
    }

    /// Returns the members of the line after its time, as JSON without braces.
    pub(crate) fn members(&self) -> String {
        let mut json = String::with_capacity(320);
        json.push_str("\"event\":\"action\",\"action\":");
        append_text(&mut json, &self.action);
        // Writing into a `String` never fails.
        let (kind, outcome) = (self.kind.as_str(), self.outcome.as_str());
        let _ = write!(json, ",\"kind\":\"{kind}\",\"outcome\":\"{outcome}\"");
        if let Some(status) = self.status {
            let _ = write!(json, ",\"status\":{status}");
        }
        for (field, text) in &self.fields {
            let _ = write!(json, ",\"{}\":", field.as_str());
            append_text(&mut json, text);
        }
        if let Some(count) = self.count {
            let _ = write!(json, ",\"count\":{count}");
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_one_order_and_the_last_value_counts() {
        let event = AuditEvent::new("fetch", AuditKind::Fetch, AuditOutcome::Done)
            .with(AuditField::Experiment, "e")
            .with(AuditField::RequestId, "r1")
            .with_some(AuditField::Link, None::<String>)
            .with(AuditField::RequestId, "r2\n\"")
            .with_status(206)
            .with_count(3);
        assert_eq!(
            event.members(),
            "\"event\":\"action\",\"action\":\"fetch\",\"kind\":\"fetch\",\"outcome\":\"done\",\"status\":206,\
             \"request_id\":\"r2\\n\\\"\",\"experiment\":\"e\",\"count\":3"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let event = AuditEvent::new("x", AuditKind::Read, AuditOutcome::Done)
            .with(AuditField::Principal, "é".repeat(400) + "x")
            .with(AuditField::Client, "a".repeat(MAX_TEXT));
        let kept: Vec<_> = event.fields.iter().map(|(_, text)| text.len()).collect();
        assert_eq!(kept, [MAX_TEXT, MAX_TEXT]);
        let odd = AuditEvent::new("x", AuditKind::Read, AuditOutcome::Done)
            .with(AuditField::Principal, "a".to_owned() + &"é".repeat(400));
        assert_eq!(odd.fields[0].1.len(), MAX_TEXT - 1);
    }

    #[test]
    fn all_fields_are_listed_in_their_order() {
        assert!(AuditField::ALL.is_sorted());
        let mut names: Vec<_> = AuditField::ALL.map(AuditField::as_str).into();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), AuditField::ALL.len());
    }

    #[test]
    fn refused_changes_and_reads_change_nothing() {
        for kind in AuditKind::ALL {
            let event = |outcome| AuditEvent::new("x", kind, outcome);
            assert!(!event(AuditOutcome::Refused).may_have_changed());
            for outcome in [
                AuditOutcome::Done,
                AuditOutcome::Failed,
                AuditOutcome::Unknown,
            ] {
                assert_eq!(event(outcome).may_have_changed(), kind.is_change());
            }
        }
    }
}
