//! The parsers of a node: the first byte selects one, the others make its text.
#![no_main]

#[path = "../src/parsers.rs"]
mod parsers;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use parsers::PROPERTIES;

fuzz_target!(|bytes: &[u8]| {
    if let Some((selector, rest)) = bytes.split_first() {
        let (_, property) = PROPERTIES[usize::from(*selector) % PROPERTIES.len()];
        // Bytes that make no text are no finding.
        let _ = property(&mut Unstructured::new(rest));
    }
});
