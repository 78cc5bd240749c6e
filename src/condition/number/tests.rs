//! Numbers, durations, quantities and percentages as text.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("0", 0.0)]
#[case("250ms", 250.0)]
#[case("1.5s", 1_500.0)]
#[case("1m30s", 90_000.0)]
#[case("2h", 7_200_000.0)]
#[case("1h0m0.5s", 3_600_500.0)]
#[case("100us", 0.1)]
#[case("100\u{b5}s", 0.1)]
#[case("100\u{3bc}s", 0.1)]
#[case("1ns", 1e-6)]
#[case(".5s", 500.0)]
#[case("1.s", 1_000.0)]
#[case("-1.5s", -1_500.0)]
#[case("+1s", 1_000.0)]
#[case("-0", 0.0)]
#[case("1.005s", 1_005.0)]
#[case("0.1s0.2s", 300.0)]
#[case("0.3333333333333333333h", 1_199_999.999_999)]
#[case("+Inf", f64::INFINITY)]
#[case("-infinity", f64::NEG_INFINITY)]
fn a_duration_is_read_as_go_reads_it(#[case] text: &str, #[case] millis: f64) {
    assert_eq!(duration(text), Some(millis));
}

#[rstest]
#[case("1d", 86_400_000.0)]
#[case("2w", 1_209_600_000.0)]
#[case("1w2d3h4m5s6ms", 788_645_006.0)]
#[case("1.5d", 129_600_000.0)]
#[case("-1d", -86_400_000.0)]
fn days_and_weeks_are_read_too(#[case] text: &str, #[case] millis: f64) {
    assert_eq!(duration(text), Some(millis));
}

#[rstest]
#[case("PT1H30M", 5_400_000.0)]
#[case("P1D", 86_400_000.0)]
#[case("P2W", 1_209_600_000.0)]
#[case("P1DT2H3M4.5S", 93_784_500.0)]
#[case("PT0.25S", 250.0)]
#[case("PT0,25S", 250.0)]
#[case("-PT1M", -60_000.0)]
#[case("PT0S", 0.0)]
fn iso_8601_is_read_too(#[case] text: &str, #[case] millis: f64) {
    assert_eq!(duration(text), Some(millis));
}

#[rstest]
#[case("")]
#[case("-")]
#[case("250")]
#[case("1.5")]
#[case("ms")]
#[case(".s")]
#[case("1 s")]
#[case("1y")]
#[case("P")]
#[case("PT")]
#[case("P1")]
#[case("P1H")]
#[case("PT1D")]
#[case("P1M")]
#[case("P1Y")]
#[case("P1DT")]
#[case("p1d")]
#[case("1D")]
#[case("1S")]
#[case("1s ")]
#[case("1s-1s")]
#[case("--1s")]
#[case("1e3s")]
#[case("1_000s")]
#[case("ns")]
fn a_duration_without_number_or_unit_is_none(#[case] text: &str) {
    assert_eq!(duration(text), None);
}

#[test]
fn a_duration_of_any_length_is_a_large_number_and_never_wraps() {
    let millis = duration(&format!("{}h", "9".repeat(1_000))).unwrap();
    assert!(millis > 1e30, "{millis}");
    assert!(duration(&"9999999999999999999999h".repeat(1_000)).unwrap() > 1e30);
}

#[rstest]
#[case("1", 1.0)]
#[case("-1.5", -1.5)]
#[case("250m", 0.25)]
#[case("100n", 1e-7)]
#[case("3u", 3e-6)]
#[case("1.005k", 1_005.0)]
#[case("2M", 2e6)]
#[case("2G", 2e9)]
#[case("2T", 2e12)]
#[case("2P", 2e15)]
#[case("2E", 2e18)]
#[case("1Ki", 1_024.0)]
#[case("500Mi", 524_288_000.0)]
#[case("1.5Gi", 1_610_612_736.0)]
#[case("1Ti", 1_099_511_627_776.0)]
#[case("1Pi", 1_125_899_906_842_624.0)]
#[case("1Ei", 1_152_921_504_606_846_976.0)]
#[case("12e6", 12e6)]
#[case("12E-3", 0.012)]
#[case("1e400", f64::INFINITY)]
#[case("-Inf", f64::NEG_INFINITY)]
fn a_quantity_is_read_in_base_units(#[case] text: &str, #[case] number: f64) {
    assert_eq!(quantity(text), Some(number));
}

#[rstest]
#[case("")]
#[case("Mi")]
#[case("1 Mi")]
#[case("1mi")]
#[case("1K")]
#[case("1KiB")]
#[case("1e")]
#[case("e3")]
#[case("1e3Mi")]
#[case("1-2k")]
#[case(".k")]
#[case("1µ")]
fn a_text_which_is_no_quantity_is_none(#[case] text: &str) {
    assert_eq!(quantity(text), None);
}

#[rstest]
#[case("12.5%", 12.5)]
#[case("12.5", 12.5)]
#[case("-1%", -1.0)]
#[case("Infinity%", f64::INFINITY)]
fn a_percentage_may_have_its_sign(#[case] text: &str, #[case] number: f64) {
    assert_eq!(percent(text), Some(number));
}

#[rstest]
#[case("%")]
#[case("12.5%%")]
#[case("12.5 %")]
#[case("")]
fn a_text_which_is_no_percentage_is_none(#[case] text: &str) {
    assert_eq!(percent(text), None);
}

#[rstest]
#[case("NaN")]
#[case("nan")]
#[case("-NaN")]
fn not_a_number_is_told_by_every_reader(#[case] text: &str) {
    for read in [number, percent, duration, quantity] {
        assert!(read(text).is_some_and(f64::is_nan), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in ".{0,40}|[-+0-9.eEµusmhKMGi%]{0,20}") {
        for read in [number, percent, duration, quantity] {
            read(&text);
        }
    }

    #[test]
    fn a_duration_in_whole_units_is_exact(hours in 0_u32..2_000, seconds in 0_u32..100_000, millis in 0_u32..100_000) {
        let expected = u64::from(hours) * 3_600_000 + u64::from(seconds) * 1_000 + u64::from(millis);
        let read = duration(&format!("{hours}h{seconds}s{millis}ms"));
        prop_assert_eq!(read.map(|millis| format!("{millis:.3}")), Some(format!("{expected}.000")));
    }
}
