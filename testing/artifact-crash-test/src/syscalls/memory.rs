//! Reads and writes the memory of a stopped thread, and reads its descriptors, through `/proc` (proc(5)).

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use nix::unistd::Pid;

/// Reads up to `limit` bytes at an address, fewer if the mapping ends earlier.
pub(crate) fn read(thread: Pid, address: u64, limit: usize) -> Vec<u8> {
    let mut bytes = vec![0; limit];
    let opened = OpenOptions::new()
        .read(true)
        .open(format!("/proc/{thread}/mem"));
    let length = opened
        .and_then(|memory| memory.read_at(&mut bytes, address))
        .unwrap_or(0);
    bytes.truncate(length);
    bytes
}

/// Reads the 64-bit word at an address.
pub(crate) fn word(thread: Pid, address: u64) -> Option<u64> {
    let bytes = read(thread, address, 8);
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

/// Writes a 64-bit word at an address.
pub(crate) fn set_word(thread: Pid, address: u64, word: u64) -> std::io::Result<()> {
    let memory = OpenOptions::new()
        .write(true)
        .open(format!("/proc/{thread}/mem"))?;
    memory.write_all_at(&word.to_ne_bytes(), address)
}

/// Reads the NUL-terminated text at an address, up to 256 bytes. For messages.
pub(crate) fn text(thread: Pid, address: u64) -> String {
    let mut bytes = read(thread, address, 256);
    let end = bytes.iter().position(|&byte| byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the target of a descriptor: a path, or a word such as `pipe:[1]`.
pub(crate) fn descriptor(thread: Pid, number: u64) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/{thread}/fd/{number}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}
