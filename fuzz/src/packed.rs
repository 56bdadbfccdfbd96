//! Many inputs in one file: each its length (u32, little-endian) and its bytes; the short ones come first.

/// The inputs of a file.
pub fn inputs(mut file: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some((length, rest)) = file.split_first_chunk::<4>() {
        let (input, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        all.push(input);
        file = rest;
    }
    all
}
