#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wgconv_fuzz::suite(data));
