//! The fuzzer. Which target it feeds, or what else it does, is in the environment: the arguments are libFuzzer's.
//!
//! ```text
//! FUZZ_TARGET   name of the target
//! FUZZ_DO       seed DIR, pack DIR FILE or unpack FILE DIR: does that instead, and ends
//! ```
#![no_main]

mod packed;
mod seeds;
mod targets;

use std::path::Path;
use std::sync::OnceLock;
use targets::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = targets::target(&name) else {
        let names: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
        println!("{}", names.join(" "));
        std::process::exit(i32::from(!name.is_empty()));
    };
    let job = std::env::var("FUZZ_DO").unwrap_or_default();
    let done = match *job.split(' ').collect::<Vec<_>>() {
        [""] => None,
        ["seed", dir] => Some(seed(&name, Path::new(dir))),
        ["pack", dir, file] => Some(pack(Path::new(dir), Path::new(file))),
        ["unpack", file, dir] => Some(unpack(Path::new(file), Path::new(dir))),
        _ => Some(Err(std::io::Error::other(format!("FUZZ_DO can't be {job:?}")))),
    };
    match done {
        None => TARGET.get_or_init(|| target),
        Some(Ok(())) => std::process::exit(0),
        Some(Err(e)) => {
            eprintln!("{job}: {e}");
            std::process::exit(1)
        }
    };
}, |bytes: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(bytes);
    }
});

fn seed(target: &str, dir: &Path) -> std::io::Result<()> {
    for (i, input) in seeds::of(target).iter().enumerate() {
        std::fs::write(dir.join(format!("seed-{i:04}")), input)?;
    }
    Ok(())
}

fn pack(dir: &Path, file: &Path) -> std::io::Result<()> {
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        inputs.push(std::fs::read(entry?.path())?);
    }
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let parts = inputs
        .iter()
        .flat_map(|i| [(i.len() as u32).to_le_bytes().to_vec(), i.clone()]);
    std::fs::write(file, parts.collect::<Vec<_>>().concat())
}

fn unpack(file: &Path, dir: &Path) -> std::io::Result<()> {
    for (i, input) in packed::inputs(&std::fs::read(file)?).iter().enumerate() {
        std::fs::write(dir.join(format!("kept-{i:05}")), input)?;
    }
    Ok(())
}
