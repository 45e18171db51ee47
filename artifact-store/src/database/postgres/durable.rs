//! The part of a statement that makes its commit durable.

/// An expression that makes the commit of the current transaction wait for its sync, whatever the session
/// has set. It is NULL, or the new setting.
macro_rules! durable {
    () => {
        "CASE WHEN pg_catalog.current_setting('synchronous_commit') IN ('on', 'remote_apply') \
         THEN NULL ELSE pg_catalog.set_config('synchronous_commit', 'on', true) END"
    };
}
pub(super) use durable;
