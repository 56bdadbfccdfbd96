//! What worker threads must not inherit from a backend.
//!
//! Workers run pure Rust over buffers they own (see `engine::parallel`). They never call Postgres: its functions, its memory
//! and its errors belong to the main thread.

use std::any::Any;

/// Puts the signal mask back.
struct Mask(libc::sigset_t);

impl Drop for Mask {
    fn drop(&mut self) {
        // SAFETY: sets the calling thread's mask to what it was; the set was filled by the kernel.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

/// Blocks every signal until the answer is dropped. Threads started meanwhile keep them blocked for good, so that the
/// handlers of Postgres only ever run on its main thread.
pub fn signals_blocked() -> Box<dyn Any> {
    // SAFETY: both sets are plain data that the calls below fill before they are read.
    let old = unsafe {
        let (mut all, mut old) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        old
    };
    Box::new(Mask(old))
}
