//! Bodies of `multipart/form-data`, right and wrong.

/// The boundary of every form here.
pub(crate) const BOUNDARY: &str = "cOnF-boundary-cOnF";
/// The header of a part that is as it should be.
pub(crate) const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\nContent-Type: application/x-conformance\r\n";
/// The media type of that part.
pub(crate) const FILE_TYPE: &str = "application/x-conformance";

/// `multipart/form-data` with the boundary.
pub(crate) fn form_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// A body of these parts, each with its header lines.
pub(crate) fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, bytes) in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// The one part `file` with these bytes.
pub(crate) fn file(bytes: &[u8]) -> Vec<u8> {
    form(&[(FILE, bytes)])
}

/// Bytes that are not all the same, and hold the beginnings of delimiters.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let pattern = format!("\r\n--{}\r\r\n--x\0\u{ff}", &BOUNDARY[..BOUNDARY.len() - 1]);
    let counted = (0..=length / 8).flat_map(|n| {
        let mut piece = pattern.as_bytes()[..n % pattern.len()].to_vec();
        piece.extend_from_slice(&n.to_le_bytes());
        piece
    });
    counted.take(length).collect()
}
