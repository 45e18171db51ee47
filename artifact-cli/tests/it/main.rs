//! Tests the real binary as a process: its arguments, files, sockets and exit codes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "../clients/mod.rs"]
mod clients;
#[path = "../day/mod.rs"]
mod day;
mod harness;

mod about;
mod admin_token;
mod administrators;
mod archive;
mod audit;
mod backup;
mod collections;
mod collections_page;
mod corrupt;
mod curl_page;
mod day_in_the_life;
mod deposit_and_fetch;
mod doctor;
mod file_size_limit;
mod flipped;
mod folders;
mod framing;
mod gc;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod gc_steps;
mod golden;
mod gone;
mod halves;
mod http2;
mod identities;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod import_steps;
mod keys;
mod killed_uploads;
mod logs;
mod lost_database;
mod maintained;
mod management;
mod many;
mod memory;
mod metrics;
mod migrate;
#[cfg(feature = "otel")]
mod otlp;
mod ownership;
mod pause;
#[cfg(feature = "postgres")]
mod pooled;
#[cfg(feature = "postgres")]
mod postgres;
mod quick_start;
mod quotas;
mod readiness;
mod ready;
mod receipts;
mod refusals;
mod reload;
mod resume;
mod row_notes;
mod scrub;
#[cfg(target_os = "linux")]
mod service_manager;
mod sharing;
mod shutdown;
mod slow;
mod standard_error;
mod sweep;
mod threads;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod traced;
mod unix_socket;
mod uploads;
mod verbs;
mod verify;
mod workers;
