//! Binding selectors: those that pick first times need a look at all history before.

use super::Context;
use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::reports::attributed::ALWAYS;
use crate::reports::insights::need;
use crate::settings;
use crate::store::scan;
use engine::chunk::Kind;
use engine::expr::{Expr, FirstTimes, FirstTimesKernel, Selector, SelectorSpec};
use std::sync::Arc;

impl Context<'_> {
    /// Binds a selector for a report that counts `by`; `global` is a filter that must hold as well.
    pub fn bind(&self, spec: &SelectorSpec, by: Kind, global: Option<&Expr>) -> Result<Selector> {
        let firsts = spec.firsts();
        let firsts = firsts.iter().map(|every| self.first_times(every, by));
        Ok(spec.bind_with(self, by, global, &firsts.collect::<Result<Vec<_>>>()?)?)
    }

    /// When each subject first did what the selector picks, ever.
    fn first_times(&self, every: &SelectorSpec, by: Kind) -> Result<Arc<FirstTimes>> {
        let selector = every.bind(self, by, None)?;
        let remap = self.remap()?;
        // Settings are read here: threads can not ask the server.
        let limit = settings::query_memory();
        let kernels = scan::scan_on(
            self.sql,
            self.project,
            &need([&selector].into_iter(), [by], &[]),
            ALWAYS,
            &settings::workers(),
            || Ok(FirstTimesKernel::new(by, remap.as_deref(), limit)),
            |kernel, chunk, keep, tick| {
                let hits = selector.hits(chunk, keep, by, tick)?;
                kernel.push(chunk, &hits, tick)
            },
        )?;
        let found = engine::parallel::merge(kernels.into_iter(), FirstTimesKernel::merge)?;
        Ok(Arc::new(found.finish(&mut Interrupts)?))
    }
}
