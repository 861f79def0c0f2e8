//! What the playground computes without a device. Tested by `cargo test -p wgconv-web-numbers`, without a browser.

pub mod field;
pub mod kernel;

/// Distance of neighbouring values of f32 at a value; that of the least normal ones below them.
pub fn unit_in_last_place(value: f64) -> f64 {
    let exponent = value.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor();
    (exponent - 23.0).exp2()
}

#[cfg(test)]
mod tests {
    use super::unit_in_last_place;

    #[test]
    fn units_in_the_last_place() {
        assert_eq!(unit_in_last_place(1.0), f64::from(f32::EPSILON));
        assert_eq!(unit_in_last_place(-1.99), f64::from(f32::EPSILON));
        assert_eq!(unit_in_last_place(2.0), 2.0 * f64::from(f32::EPSILON));
        assert_eq!(unit_in_last_place(0.0), 2.0_f64.powi(-149));
    }
}
