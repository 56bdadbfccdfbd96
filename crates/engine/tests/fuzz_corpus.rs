//! The inputs that fuzzing kept (see fuzz/README.md), once more through the same functions.

#[path = "../../../fuzz/src/packed.rs"]
mod packed;
#[path = "../../../fuzz/src/targets/mod.rs"]
mod targets;

macro_rules! replayed {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                let name = stringify!($target);
                let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/", stringify!($target), ".bin");
                let file = std::fs::read(file).unwrap();
                let inputs = packed::inputs(&file);
                assert!(!inputs.is_empty());
                let target = targets::target(name).unwrap();
                inputs.into_iter().for_each(target);
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($target)),*]);
        }
    };
}

replayed! {
    bitmap32 bitmap64 text32 text64 state32 state64 funnel retention sequence path touch pattern modes
}
