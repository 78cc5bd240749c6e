//! Simulations of what files have, as people ask for them.

mod files;

use std::fmt::Write as _;

use rstest::rstest;
use serde_json::Value;

use files::{Files, POLICY};

/// Twenty minutes of an object that gets sick after five and is well after twelve.
fn latency() -> String {
    let mut rows = "time,network-latency,mark\n".to_owned();
    for minute in 0..20 {
        let (value, mark) = match minute {
            3 => ("300ms", "good"),
            5..12 => ("900ms", "bad"),
            _ => ("120ms", "good"),
        };
        writeln!(rows, "2026-11-22T14:{minute:02}:00Z,{value},{mark}").unwrap();
    }
    rows
}

#[tokio::test]
async fn a_trip_and_its_recovery_are_told_on_a_timeline() {
    let files = Files::with(POLICY, &latency());
    let told = files.simulate(&[]).await.unwrap();
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn a_simulation_is_told_to_machines_as_well() {
    let files = Files::with(POLICY, &latency());
    let told = files.simulate(&["--output", "json"]).await.unwrap();
    insta::assert_snapshot!(told);
    let yaml = files.simulate(&["--output", "yaml"]).await.unwrap();
    let yaml: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(yaml, serde_json::from_str::<Value>(&told).unwrap());
}

#[tokio::test]
async fn settings_are_compared_in_a_table() {
    let files = Files::with(POLICY, &latency());
    let sweep = "consecutive=1..4/3,above=250ms..1s/750ms,clearBelow=200ms";
    let told = files.simulate(&["--sweep", sweep]).await.unwrap();
    insta::assert_snapshot!(told);
    let told = files
        .simulate(&["--sweep", "above=200ms..400ms", "-o", "json"])
        .await
        .unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let settings = told["settings"].as_array().unwrap();
    let above: Vec<&str> = settings
        .iter()
        .filter_map(|setting| setting["set"]["above"].as_str())
        .collect();
    assert_eq!(above, ["200ms", "250ms", "300ms", "350ms", "400ms"]);
}

#[tokio::test]
async fn the_plot_stands_by_itself_and_shows_names_as_text() {
    let rows = latency().replace(",mark", ",object");
    let rows = rows.replace(",good", ",<eu&1>").replace(",bad", ",<eu&1>");
    let files = Files::with(POLICY, &rows);
    let plot = files.path("plot.svg");
    files.simulate(&["--plot", &plot]).await.unwrap();
    let svg = std::fs::read_to_string(plot).unwrap();
    assert!(
        svg.contains("&lt;eu&amp;1&gt;") && !svg.contains("<eu"),
        "{svg}"
    );
    assert!(svg.contains("prefers-color-scheme:dark"), "{svg}");
    for part in [
        "class=\"Open\"",
        "class=\"HalfOpen\"",
        "class=\"limit\"",
        "class=\"value\"",
    ] {
        assert!(svg.contains(part), "no {part} in {svg}");
    }
    assert!(
        !svg.contains("http://") || svg.matches("http").count() == 1,
        "{svg}"
    );
}

#[tokio::test]
async fn metrics_of_several_objects_are_judged_each_by_its_own() {
    let mut rows = "time,object,error-rate\n".to_owned();
    for second in (0..600).step_by(15) {
        let (at, sick) = (1_795_000_000 + second, (120..180).contains(&second));
        let front = if sick { "0.5" } else { "0.01" };
        writeln!(rows, "{at},front,{front}").unwrap();
        // The other one has no traffic for a while, which says nothing.
        let value = if sick { "NaN" } else { "0.02" };
        writeln!(rows, "{at},back,{value}").unwrap();
    }
    let policy = POLICY.replace(
        "network-latency, above: 250ms, clearBelow: 200ms",
        "error-rate, above: \"0.1\"",
    );
    let files = Files::with(&policy, &rows);
    let told = files.simulate(&["-o", "json"]).await.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let trips = |index: usize| told["circuits"][index]["trips"].as_array().unwrap().len();
    assert_eq!(told["circuits"][0]["object"], "back");
    assert_eq!((trips(0), trips(1)), (0, 1), "{told}");
    assert_eq!(
        told["circuits"][1]["trips"][0]["at"],
        "2026-11-18T11:09:10Z"
    );
}

#[tokio::test]
async fn a_latched_circuit_is_told_to_wait_for_a_person() {
    let mut rows = "time,network-latency\n".to_owned();
    for minute in 0..60 {
        let value = if minute % 10 < 4 { "900ms" } else { "120ms" };
        writeln!(rows, "2026-11-22T14:{minute:02}:00Z,{value}").unwrap();
    }
    let policy = format!("{POLICY}  flap: {{trips: 1, within: 1h}}\n");
    let told = Files::with(&policy, &rows).simulate(&[]).await.unwrap();
    assert!(told.contains("latched"), "{told}");
    assert!(
        told.contains("1 latched, Open until a person acts"),
        "{told}"
    );
}

#[rstest]
#[case::no_time(
    "when,network-latency\n",
    "o.csv:1: column when: is no key of the contract; write time, object, mark or one of network-latency, error-rate"
)]
#[case::no_key(
    "time\n1\n",
    "o.csv:1: has no column with values; add one of network-latency, error-rate"
)]
#[case::twice(
    "time,error-rate,error-rate\n",
    "o.csv:1: column error-rate: is there twice; remove one"
)]
#[case::computed(
    "time,broken\n",
    "o.csv:1: column broken: is computed or stands for several values, which a table can't give; simulate from a recording"
)]
#[case::empty(
    "time,error-rate\n",
    "o.csv:1: has no rows; give at least one observation"
)]
#[case::moment(
    "time,error-rate\nsoon,1\n",
    "o.csv:2: column time: \"soon\" is no time; write it as 2026-11-22T14:05:28Z, or as seconds since 1970"
)]
#[case::order(
    "time,error-rate\n2,1\n1,1\n",
    "o.csv:3: column time: lies before the row above; sort the rows by time"
)]
#[case::unit(
    "time,network-latency\n1,250\n",
    "o.csv:2: column network-latency: is \"250\", which is no Duration; write a number with a unit, such as \"250ms\""
)]
#[case::mark(
    "time,error-rate,mark\n1,1,fine\n",
    "o.csv:2: column mark: \"fine\" is no mark; write good, bad or nothing"
)]
#[case::fields(
    "time,error-rate\n1,1,2\n",
    "o.csv:2: has 3 fields, and the first line has 2; give each line as many"
)]
#[case::audit(
    "{\"action\":\"Map\"}\n",
    "o.csv: is an audit log, which names the keys that changed and not their values; give the recording of that run (`fusegate run --record`)"
)]
#[tokio::test]
async fn what_is_wrong_in_a_file_is_named_with_its_place(#[case] rows: &str, #[case] said: &str) {
    let failure = Files::with(POLICY, rows).simulate(&[]).await.unwrap_err();
    assert!(failure.ends_with(said), "{failure}");
}

#[rstest]
#[case::field("speed=1..2", "\"speed\" can't be swept")]
#[case::form("above", "write FIELD=FROM..TO")]
#[case::value("above=fast..slow", "--sweep above: is \"fast\", which is no Duration")]
#[case::order(
    "above=400ms..200ms",
    "--sweep above: a range goes from the lesser value to the greater one"
)]
#[case::absent("below=1..2", "--sweep below: no rule of the policy has it")]
#[case::many(
    "consecutive=1..99,within=1m..2m",
    "--sweep has more than 100 settings"
)]
#[case::endless("above=1ms..60s/1ms", "--sweep above: has more than 100 values")]
#[case::refused(
    "above=100ms",
    "--sweep: the policy can't have above=100ms: spec.trip.when[0]"
)]
#[case::of_trip("network-latency.within=1m", "is of the trip and of no condition")]
#[tokio::test]
async fn a_sweep_that_makes_no_sense_is_refused(#[case] sweep: &str, #[case] said: &str) {
    let files = Files::with(POLICY, &latency());
    let failure = files.simulate(&["--sweep", sweep]).await.unwrap_err();
    assert!(failure.contains(said), "{failure}");
}

#[tokio::test]
async fn a_policy_with_problems_is_not_simulated() {
    let policy = POLICY.replace("250ms", "fast");
    let files = Files::with(&policy, &latency());
    let failure = files.simulate(&[]).await.unwrap_err();
    assert!(
        failure.contains("correct these first") && failure.contains("\"fast\""),
        "{failure}"
    );
    let files = Files::with(
        &format!("{POLICY}---\n{}", POLICY.replace("checkout", "other")),
        &latency(),
    );
    let failure = files.simulate(&[]).await.unwrap_err();
    assert!(
        failure.contains("shop/checkout, shop/other; say with --policy"),
        "{failure}"
    );
    files.simulate(&["--policy", "shop/other"]).await.unwrap();
}

/// A recording of a kind is judged by a contract and a policy of today.
#[tokio::test]
async fn what_a_fusegate_recorded_is_judged_anew() {
    let recording = include_str!("../../app/replay/fixtures/before.jsonl");
    let header = recording.lines().next().unwrap();
    let declared = recording
        .lines()
        .find(|line| line.contains("{\"Contract\":{\"Applied\""))
        .unwrap();
    assert!(
        header.contains("\"recording\"") && declared.contains("Canary"),
        "{declared}"
    );
    let files = Files::with(POLICY, recording);
    let failure = files.simulate(&[]).await.unwrap_err();
    assert!(
        failure.contains("tells of no Storefront.shop.example.com"),
        "{failure}"
    );
}
