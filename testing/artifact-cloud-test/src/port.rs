//! Free ports, below the range that the kernel gives to outgoing connections.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// How many ports were handed out here, so that no two servers of this process ask for one.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// So many ports that were free a moment ago. Another process may be faster: a server that cannot
/// bind is started again with others.
pub fn free<const N: usize>() -> [u16; N] {
    std::array::from_fn(|_| next(is_free))
}

/// A free port of which the one 10,000 above is free too: where nothing else is said, SeaweedFS takes
/// that for gRPC.
pub(crate) fn free_with_grpc() -> u16 {
    next(|port| port < FIRST + COUNT - GRPC && is_free(port) && is_free(port + GRPC))
}

const GRPC: u16 = 10_000;

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn next(fits: impl Fn(u16) -> bool) -> u16 {
    // Processes that run at once begin far from one another.
    let process = std::process::id().wrapping_mul(3_571) % u32::from(COUNT);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (process + u32::from(step)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).expect("it is less than COUNT");
        if fits(port) {
            return port;
        }
    }
}
