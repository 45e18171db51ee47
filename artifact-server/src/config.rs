//! The limits on clients.

use std::time::Duration;

/// Maximum of [`ServerConfig::unsent_bytes`].
pub(crate) const MAX_UNSENT_BYTES: u32 = 64 << 10;
/// Minimum of [`ServerConfig::unsent_bytes`].
const MIN_UNSENT_BYTES: u32 = 4 << 10;

/// The limits on one connection and on all connections together. Write `..ServerConfig::default()`, because later versions add
/// fields.
///
/// ```
/// use artifact_server::ServerConfig;
///
/// let config = ServerConfig {
///     max_connections: 1000,
///     ..ServerConfig::default()
/// };
/// assert_eq!(config.min_throughput, 4096);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerConfig {
    /// Maximum time from the first to the last byte of a request header, and for the TLS handshake.
    /// Default: 30 seconds.
    pub header_timeout: Duration,
    /// Maximum time that a connection stays open without a request. Default: 60 seconds.
    pub idle_timeout: Duration,
    /// Minimum rate, in bytes per second, at which a client must send a request body and read a
    /// response; 0 for no minimum. Default: 4096.
    pub min_throughput: u64,
    /// Maximum time, in total, that a client may stay below `min_throughput`. Default: 30 seconds.
    pub throughput_window: Duration,
    /// Maximum number of open connections. Default: 4096.
    pub max_connections: usize,
    /// Maximum size of a request header in bytes, including the request line. From 1 KiB to 1 MiB;
    /// the default is 32 KiB. The path and query together may have 8 KiB in any case.
    pub max_header_bytes: usize,
    /// Maximum time for open requests to finish once the server drains. Default: 30 seconds.
    pub drain_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            min_throughput: 4096,
            throughput_window: Duration::from_secs(30),
            max_connections: 4096,
            max_header_bytes: 32 << 10,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl ServerConfig {
    /// Returns how many bytes the kernel buffers for a client beyond the client's receive window (the
    /// socket option `TCP_NOTSENT_LOWAT`). If this is less than the maximum, it is also the maximum
    /// size of a write.
    ///
    /// A blocked writer is woken once the buffer holds less than half of this (tcp(7) and
    /// `__sk_stream_memory_free` in Linux), and one write can exceed it by its own size, at most by
    /// 64 KiB. A client that reads at the minimum rate thus hides its progress for one and a half
    /// times this many bytes. They take four fifths of the window, so it is not taken for a client
    /// that does not read.
    pub(crate) fn unsent_bytes(&self) -> u32 {
        if self.min_throughput == 0 {
            return MAX_UNSENT_BYTES;
        }
        let window_bytes =
            u128::from(self.min_throughput) * self.throughput_window.as_millis() / 1000;
        u32::try_from(window_bytes * 8 / 15)
            .unwrap_or(u32::MAX)
            .clamp(MIN_UNSENT_BYTES, MAX_UNSENT_BYTES)
    }
}
