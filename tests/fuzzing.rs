//! The grammar of the fuzzer, some thousand requests of it, the same each time: `scripts/fuzz`
//! makes others.

#[path = "../fuzz/src/grammar.rs"]
mod grammar;
#[path = "../fuzz/src/judge.rs"]
mod judge;

use arbitrary::Unstructured;

const REQUESTS: u64 = 1_500;

#[test]
fn requests_of_the_grammar_are_judged_on_a_small_stack() {
    let judge = || {
        let schema = judge::schema();
        let mut executed = 0;
        for seed in 0..REQUESTS {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = vec![0; random.usize(20..400)];
            random.fill(&mut bytes);
            let Ok(request) = grammar::request(&mut Unstructured::new(&bytes)) else {
                continue;
            };
            executed += usize::from(judge::judge(&schema, request));
        }
        executed
    };
    let executed = std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(judge)
        .unwrap()
        .join()
        .unwrap();
    assert!(executed > 0, "the grammar makes nothing that is valid");
}
