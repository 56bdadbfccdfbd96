use super::*;
use crate::tick::NoTick;

/// Cancels at the n-th question.
struct After(usize);

impl Tick for After {
    fn tick(&mut self) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or(Error::Cancelled)?;
        Ok(())
    }
}

fn sum_of_items(threads: usize, items: usize) -> u64 {
    let workers = Workers::new(threads, 0);
    let sums = PerThread::new(&workers);
    let job = |thread, item, _: &mut dyn Tick| {
        sums.with(
            thread,
            || Ok(0u64),
            |s| {
                *s += item as u64;
                Ok(())
            },
        )
    };
    workers.each(items, items, &mut NoTick, &job).unwrap();
    sums.into_states().sum()
}

#[test]
fn every_item_is_done_once_on_any_number_of_threads() {
    for threads in [0, 1, 2, 4, 9] {
        for items in [0usize, 1, 2, 100, 5000] {
            let wanted = (0..items as u64).sum::<u64>();
            assert_eq!(sum_of_items(threads, items), wanted);
            let workers = Workers::new(threads, 50);
            let sums = PerThread::new(&workers);
            let job = |thread: usize, item: usize, _: &mut dyn Tick| {
                sums.with(
                    thread,
                    || Ok(0u64),
                    |s| {
                        *s += item as u64;
                        Ok(())
                    },
                )
            };
            let feed = |f: &mut Feeder<usize>| (0..items).try_for_each(|i| f.push(i, 1000));
            workers.stream::<_, Error>(&mut NoTick, feed, &job).unwrap();
            assert_eq!(sums.into_states().sum::<u64>(), wanted);
        }
    }
}

#[test]
fn the_first_failure_is_told_and_stops_all() {
    for threads in [1, 2, 4] {
        let workers = Workers::new(threads, 0);
        let fails = |_: usize, item: usize, _: &mut dyn Tick| match item {
            7 => Err(Error::corrupt("seven")),
            _ => Ok(()),
        };
        assert_eq!(
            workers.each(1000, 1000, &mut NoTick, &fails),
            Err(Error::corrupt("seven"))
        );
        let feed = |f: &mut Feeder<usize>| (0..1000).try_for_each(|i| f.push(i, 1));
        assert_eq!(
            workers.stream::<_, Error>(&mut NoTick, feed, &fails),
            Err(Error::corrupt("seven"))
        );
    }
}

#[test]
fn a_panic_of_a_worker_is_an_error() {
    let workers = Workers::new(3, 0);
    let panics = |thread: usize, _: usize, _: &mut dyn Tick| {
        if thread > 0 {
            panic!("of a worker");
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        Ok(())
    };
    assert!(matches!(
        workers.each(1000, 1000, &mut NoTick, &panics),
        Err(Error::Corrupt(_))
    ));
}

#[test]
fn a_cancelled_leader_takes_the_workers_with_it() {
    let workers = Workers::new(4, 0);
    let endless = |_: usize, _: usize, tick: &mut dyn Tick| {
        loop {
            tick.tick()?;
            std::thread::yield_now();
        }
    };
    assert_eq!(workers.each(100, 100, &mut After(50), &endless), Err(Error::Cancelled));
    let feed = |f: &mut Feeder<usize>| (0..1000).try_for_each(|i| f.push(i, 1));
    assert_eq!(
        workers.stream::<_, Error>(&mut After(3000), feed, &endless),
        Err(Error::Cancelled)
    );
}

#[test]
fn an_unwinding_leader_takes_the_workers_with_it() {
    let workers = Workers::new(4, 0);
    let endless = |thread: usize, _: usize, tick: &mut dyn Tick| {
        loop {
            if thread == 0 {
                return Ok(());
            }
            tick.tick()?;
            std::thread::yield_now();
        }
    };
    let feed = |f: &mut Feeder<usize>| -> Result<()> {
        (0..10).try_for_each(|i| f.push(i, 1))?;
        panic!("as when the database raises an error");
    };
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        workers.stream::<_, Error>(&mut NoTick, feed, &endless)
    }));
    assert!(unwound.is_err());
}
