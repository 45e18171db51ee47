//! The HTTP binding of an artifact store as an axum router.
