//! The API of `file_size_limit` on systems without SIGXFSZ.

use std::io;

/// Does nothing: this system has no limit on the size of a file that ends the process.
///
/// # Errors
///
/// Never.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the real one"
)]
pub fn survive_file_size_limit() -> io::Result<()> {
    Ok(())
}
