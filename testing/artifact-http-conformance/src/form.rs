//! Bodies of `multipart/form-data`, valid and invalid.

/// The boundary of all forms.
pub(crate) const BOUNDARY: &str = "cOnF-boundary-cOnF";
/// The header of a valid part.
pub(crate) const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\nContent-Type: application/x-conformance\r\n";
/// The media type of that part.
pub(crate) const FILE_TYPE: &str = "application/x-conformance";

/// Returns the media type `multipart/form-data` with the boundary.
pub(crate) fn form_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// Encodes a multipart body. Each part is its header lines and its content.
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

/// Returns a valid body with these bytes as the part `file`.
pub(crate) fn file(bytes: &[u8]) -> Vec<u8> {
    form(&[(FILE, bytes)])
}

/// Returns varied bytes that contain prefixes of delimiters.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let pattern = format!("\r\n--{}\r\r\n--x\0\u{ff}", &BOUNDARY[..BOUNDARY.len() - 1]);
    let counted = (0..=length / 8).flat_map(|n| {
        let mut chunk = pattern.as_bytes()[..n % pattern.len()].to_vec();
        chunk.extend_from_slice(&n.to_le_bytes());
        chunk
    });
    counted.take(length).collect()
}
