//! Free ports below the kernel's ephemeral range.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// The number of ports handed out, so that two servers of this process never get the same one.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Returns `N` ports that were free a moment ago.
///
/// Another process may take one of them first. Restart a server that cannot bind with other ports.
pub fn free<const N: usize>() -> [u16; N] {
    std::array::from_fn(|_| next(is_free))
}

/// Returns a free port whose number plus 10,000 is free too: SeaweedFS uses that port for gRPC by
/// default.
pub(crate) fn free_with_grpc() -> u16 {
    next(|port| port < FIRST + COUNT - GRPC_OFFSET && is_free(port) && is_free(port + GRPC_OFFSET))
}

const GRPC_OFFSET: u16 = 10_000;

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn next(fits: impl Fn(u16) -> bool) -> u16 {
    // Concurrent processes start far apart.
    let process = std::process::id().wrapping_mul(3_571) % u32::from(COUNT);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (process + u32::from(step)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).expect("it is less than COUNT, a u16");
        if fits(port) {
            return port;
        }
    }
}
