//! The table of system calls that work on files and sockets.

use nix::libc;

/// The properties of a system call that the tracer needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    /// The index of the argument that is a descriptor.
    pub(crate) descriptor: Option<usize>,
    /// The index of the argument that points to a path.
    pub(crate) path: Option<usize>,
    pub(crate) transfer: Transfer,
    /// Whether the call changes names or attributes, or makes something durable. Such a call may take
    /// effect and still return an error.
    pub(crate) lasting: bool,
}

/// Where a call keeps the number of bytes to transfer, which the tracer can reduce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    None,
    /// The third argument is a length in bytes.
    Length,
    /// The second argument points to an array of buffers.
    Vector,
}

const fn entry(number: i64, name: &'static str) -> Entry {
    Entry {
        number,
        name,
        descriptor: Some(0),
        path: None,
        transfer: Transfer::None,
        lasting: false,
    }
}

const fn at(number: i64, name: &'static str) -> Entry {
    Entry {
        path: Some(1),
        ..entry(number, name)
    }
}

const fn by_path(number: i64, name: &'static str) -> Entry {
    Entry {
        descriptor: None,
        path: Some(0),
        ..entry(number, name)
    }
}

const fn moves(number: i64, name: &'static str, transfer: Transfer) -> Entry {
    Entry {
        transfer,
        ..entry(number, name)
    }
}

const fn lasting(entry: Entry) -> Entry {
    Entry {
        lasting: true,
        ..entry
    }
}

/// Calls that submit operations to the kernel without further system calls, which a tracer cannot see.
pub(crate) const UNTRACEABLE: &[i64] = &[libc::SYS_io_uring_setup, libc::SYS_io_submit];

const TABLE: &[Entry] = &[
    moves(libc::SYS_read, "read", Transfer::Length),
    moves(libc::SYS_write, "write", Transfer::Length),
    moves(libc::SYS_pread64, "pread64", Transfer::Length),
    moves(libc::SYS_pwrite64, "pwrite64", Transfer::Length),
    moves(libc::SYS_readv, "readv", Transfer::Vector),
    moves(libc::SYS_writev, "writev", Transfer::Vector),
    moves(libc::SYS_preadv, "preadv", Transfer::Vector),
    moves(libc::SYS_pwritev, "pwritev", Transfer::Vector),
    moves(libc::SYS_preadv2, "preadv2", Transfer::Vector),
    moves(libc::SYS_pwritev2, "pwritev2", Transfer::Vector),
    moves(libc::SYS_recvfrom, "recvfrom", Transfer::Length),
    moves(libc::SYS_sendto, "sendto", Transfer::Length),
    entry(libc::SYS_recvmsg, "recvmsg"),
    entry(libc::SYS_sendmsg, "sendmsg"),
    entry(libc::SYS_connect, "connect"),
    entry(libc::SYS_shutdown, "shutdown"),
    moves(libc::SYS_getdents64, "getdents64", Transfer::None),
    entry(libc::SYS_sendfile, "sendfile"),
    entry(libc::SYS_copy_file_range, "copy_file_range"),
    entry(libc::SYS_splice, "splice"),
    entry(libc::SYS_close, "close"),
    entry(libc::SYS_fstat, "fstat"),
    entry(libc::SYS_fstatfs, "fstatfs"),
    entry(libc::SYS_lseek, "lseek"),
    entry(libc::SYS_flock, "flock"),
    entry(libc::SYS_fcntl, "fcntl"),
    entry(libc::SYS_ioctl, "ioctl"),
    entry(libc::SYS_fadvise64, "fadvise64"),
    entry(libc::SYS_fallocate, "fallocate"),
    entry(libc::SYS_sync_file_range, "sync_file_range"),
    lasting(entry(libc::SYS_ftruncate, "ftruncate")),
    lasting(entry(libc::SYS_fchmod, "fchmod")),
    lasting(entry(libc::SYS_fchown, "fchown")),
    lasting(entry(libc::SYS_fsync, "fsync")),
    lasting(entry(libc::SYS_fdatasync, "fdatasync")),
    lasting(entry(libc::SYS_syncfs, "syncfs")),
    by_path(libc::SYS_open, "open"),
    by_path(libc::SYS_creat, "creat"),
    by_path(libc::SYS_stat, "stat"),
    by_path(libc::SYS_lstat, "lstat"),
    by_path(libc::SYS_statfs, "statfs"),
    by_path(libc::SYS_access, "access"),
    by_path(libc::SYS_readlink, "readlink"),
    lasting(by_path(libc::SYS_truncate, "truncate")),
    lasting(by_path(libc::SYS_mkdir, "mkdir")),
    lasting(by_path(libc::SYS_rmdir, "rmdir")),
    lasting(by_path(libc::SYS_unlink, "unlink")),
    lasting(by_path(libc::SYS_rename, "rename")),
    lasting(by_path(libc::SYS_link, "link")),
    lasting(by_path(libc::SYS_symlink, "symlink")),
    lasting(by_path(libc::SYS_chmod, "chmod")),
    lasting(by_path(libc::SYS_chown, "chown")),
    at(libc::SYS_openat, "openat"),
    at(libc::SYS_openat2, "openat2"),
    at(libc::SYS_newfstatat, "newfstatat"),
    at(libc::SYS_statx, "statx"),
    at(libc::SYS_readlinkat, "readlinkat"),
    at(libc::SYS_faccessat, "faccessat"),
    at(libc::SYS_faccessat2, "faccessat2"),
    at(libc::SYS_name_to_handle_at, "name_to_handle_at"),
    lasting(at(libc::SYS_mkdirat, "mkdirat")),
    lasting(at(libc::SYS_unlinkat, "unlinkat")),
    lasting(at(libc::SYS_renameat, "renameat")),
    lasting(at(libc::SYS_renameat2, "renameat2")),
    lasting(at(libc::SYS_linkat, "linkat")),
    lasting(at(libc::SYS_symlinkat, "symlinkat")),
    lasting(at(libc::SYS_fchmodat, "fchmodat")),
    lasting(at(libc::SYS_fchownat, "fchownat")),
    lasting(at(libc::SYS_utimensat, "utimensat")),
];

pub(crate) fn find(number: i64) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.number == number)
}
