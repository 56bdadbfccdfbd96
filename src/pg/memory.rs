//! How the C library keeps memory that was freed.

/// Freed memory that is kept for the next use, instead of being given back to the system.
const KEEP: libc::c_int = 8 << 20;
/// Larger pieces are mapped on their own, and given back at once.
const OWN_MAPPING: libc::c_int = 2 << 20;

/// Keeps a few megabytes of freed memory. A report decodes one segment after another into buffers of a hundred kilobytes:
/// with the defaults of glibc each of them would be given back to the system and faulted in again, page by page, which
/// takes longer than decoding.
pub fn keep_freed() {
    // SAFETY: changes two numbers of the allocator; it is called while no other thread runs.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING);
    }
}
