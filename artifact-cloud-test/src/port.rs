//! Free ports, below the range that the kernel gives to outgoing connections.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// How many ports were handed out here, so that no two servers of this process ask for one.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// So many ports that were free a moment ago. Another process may be faster: a server that cannot
/// bind is started again with others.
pub(crate) fn free<const N: usize>() -> [u16; N] {
    // Processes that run at once begin far from one another.
    let process = std::process::id().wrapping_mul(3_571) % u32::from(COUNT);
    let begin = u16::try_from(process).expect("it is less than COUNT");
    std::array::from_fn(|_| {
        loop {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = (u32::from(begin) + u32::from(step)) % u32::from(COUNT);
            let port = FIRST + u16::try_from(offset).expect("it is less than COUNT");
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return port;
            }
        }
    })
}
