//! Running maintenance as the owner of a project.

use pgrx::pg_sys;

/// Puts the previous user back, also when an error unwinds through it.
struct Restore {
    user: pg_sys::Oid,
    context: i32,
}

impl Drop for Restore {
    fn drop(&mut self) {
        // SAFETY: only sets two backend globals to values that were current before.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) }
    }
}

/// Runs `f` as role `owner` in a security-restricted operation, the way VACUUM and REINDEX treat a table's owner:
/// whatever the owner attached to the tables (triggers, rules) runs with the owner's rights, never with the caller's.
pub fn as_owner<R>(owner: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
    let mut restore = Restore {
        user: pg_sys::InvalidOid,
        context: 0,
    };
    // SAFETY: reads and then sets backend globals; `owner` comes from pg_namespace in this transaction.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut restore.user, &mut restore.context);
        pg_sys::SetUserIdAndSecContext(owner, restore.context | pg_sys::SECURITY_RESTRICTED_OPERATION as i32);
    }
    let _restore = restore;
    f()
}
