//! The generators of the fuzzer, some thousand texts of each, the same each time: `scripts/fuzz`
//! makes others.

#[path = "../fuzz/src/grammar.rs"]
mod grammar;
#[path = "../fuzz/src/judge.rs"]
mod judge;
#[path = "../fuzz/src/parsers.rs"]
mod parsers;

use arbitrary::Unstructured;

const REQUESTS: u64 = 1_500;
/// Texts for each parser.
const TEXTS: u64 = 500;

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

#[test]
fn parsers_keep_their_promises_for_texts_of_their_own_letters() {
    for (name, property) in parsers::PROPERTIES {
        let mut accepted = 0;
        for seed in 0..TEXTS {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = vec![0; random.usize(20..200)];
            random.fill(&mut bytes);
            let checked = std::panic::catch_unwind(|| property(&mut Unstructured::new(&bytes)));
            assert!(checked.is_ok(), "{name}, seed {seed}");
            let is_accepted = checked.is_ok_and(Result::unwrap_or_default);
            accepted += usize::from(is_accepted);
        }
        assert!(accepted > 20, "{name}: {accepted} texts were accepted");
    }
}
