#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod concurrency_limit;
mod intercept;
mod layered;
#[cfg(feature = "metrics")]
mod metrics;
mod moving;
mod read_cache;
mod retry;
mod tenant;
mod tenant_ids;
mod tenant_upload;
mod throttle;
mod timeout;
#[cfg(feature = "tracing")]
mod trace;

pub use concurrency_limit::{ConcurrencyLimit, ConcurrencyLimiter};
pub use intercept::{Call, Held, Intercept};
pub use layered::{InterceptLayer, Layered};
#[cfg(feature = "metrics")]
pub use metrics::{METRICS, Metrics};
pub use moving::MovingBackend;
pub use read_cache::{CachedBackend, ReadCache};
pub use retry::{Retry, RetryBackend};
pub use tenant::{Tenant, TenantBackend};
pub use throttle::{Throttle, Throttler};
pub use timeout::Timeout;
#[cfg(feature = "tracing")]
pub use trace::Trace;
