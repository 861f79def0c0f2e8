#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wgconv_fuzz::tune_cache(data));
