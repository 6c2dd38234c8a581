//! Requests of the grammar, and raw text, through admission, parser and validation, on a worker's
//! stack.
#![no_main]
// The fields of a schema are one future inside the other, and an optimised build computes the layout of
// all of them here: the default of 128 is not enough.
#![recursion_limit = "256"]

#[path = "../src/grammar.rs"]
mod grammar;
#[path = "../src/judge.rs"]
mod judge;

use arbitrary::Unstructured;
use async_graphql::Request;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::sync::mpsc::{Receiver, Sender, channel};

thread_local! {
    /// The thread that judges, its stack as small as a worker's. It ends with the fuzzer.
    static JUDGE: RefCell<(Sender<Request>, Receiver<()>)> = RefCell::new(judge_on_a_small_stack());
}

fn judge_on_a_small_stack() -> (Sender<Request>, Receiver<()>) {
    let ((requests, asked), (done, answers)) = (channel::<Request>(), channel());
    let judge = move || {
        let schema = judge::schema();
        while let Ok(request) = asked.recv() {
            judge::judge(&schema, request);
            if done.send(()).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(judge).expect("a thread");
    (requests, answers)
}

fuzz_target!(|bytes: &[u8]| {
    let grammatical = grammar::request(&mut Unstructured::new(bytes)).ok();
    let raw = std::str::from_utf8(bytes).ok().map(Request::new);
    for request in grammatical.into_iter().chain(raw) {
        JUDGE.with_borrow(|(requests, answers)| {
            requests.send(request).expect("the judge lives");
            answers.recv().expect("the judge lives");
        });
    }
});
