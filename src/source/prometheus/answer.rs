//! An answer: the bytes of one to the series that they hold, and to whose each is.
//!
//! Source: Prometheus, "HTTP API", instant queries.

use prometheus_http_query::error::PrometheusError;
use prometheus_http_query::response::{Data, InstantVector, PromqlResult};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::source::prometheus::unanswered::{cut, failed, timed_out, too_much};
use crate::wire::query::{Answered, MOST_SERIES, Query, Series, Unanswered};

/// The most bytes of an answer: those of [`MOST_SERIES`] with all the labels of a target each.
pub(crate) const MOST_BYTES: usize = 4 << 20;

/// What the API answers.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Response {
    Success { data: PromqlResult },
    Error(PrometheusError),
}

/// Reads the answer to an instant query.
pub(super) fn read(
    query: &Query,
    status: StatusCode,
    bytes: &[u8],
) -> Result<Answered, Unanswered> {
    match data(status, bytes)? {
        Data::Vector(series) => sort(query, series),
        Data::Matrix(_) => Err(no_vector("a range of samples")),
        Data::Scalar(_) => Err(no_vector("a number without labels")),
    }
}

/// Reads the data of an answer.
pub(super) fn data(status: StatusCode, bytes: &[u8]) -> Result<Data, Unanswered> {
    match serde_json::from_slice(bytes) {
        Ok(Response::Success { data }) => Ok(data.into_inner().0),
        Ok(Response::Error(error)) if error.is_timeout() || error.is_canceled() => Err(timed_out(
            cut(&format!("it took Prometheus too long: {error}")),
        )),
        Ok(Response::Error(error)) => Err(failed(cut(&format!("Prometheus says {error}")))),
        Err(error) => Err(failed(cut(&format!(
            "{status}, and no answer of the query API ({error}); check that --prometheus is the URL of Prometheus' own pages, and what stands before it"
        )))),
    }
}

fn no_vector(what: &str) -> Unanswered {
    failed(format!(
        "the answer is {what}, and each object needs a series of its own; write a query that gives an instant vector"
    ))
}

/// Gives each series to the object that its labels name.
fn sort(query: &Query, series: Vec<InstantVector>) -> Result<Answered, Unanswered> {
    if series.len() > MOST_SERIES {
        return Err(too_much(&format!("{MOST_SERIES} series")));
    }
    let count = series.len();
    let named: Vec<Series> = series
        .into_iter()
        .filter_map(|series| of(query, series))
        .collect();
    Ok(Answered {
        nameless: count - named.len(),
        series: named,
    })
}

/// A series with the object that it names; `None` where it lacks a label.
fn of(query: &Query, series: InstantVector) -> Option<Series> {
    let (mut labels, sample) = series.into_inner();
    let object = &query.spec.object;
    let mut label = |name: &str| labels.remove(name).filter(|value| !value.is_empty());
    Some(Series {
        namespace: match &object.namespace {
            Some(name) => label(name)?.into(),
            None => Box::default(),
        },
        name: label(&object.name)?.into(),
        value: sample.value(),
        at: millis(sample.timestamp()),
    })
}

/// A time in seconds, as milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it saturates, and such a time is far in the future"
)]
pub(super) fn millis(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::source::prometheus::tests::query;
    use crate::wire::query::UnansweredReason;

    fn read(status: u16, body: &str) -> Result<Answered, Unanswered> {
        let status = StatusCode::from_u16(status).unwrap();
        super::read(&query("error-rate", "up"), status, body.as_bytes())
    }

    fn vector(result: &Value) -> String {
        let data = json!({"resultType": "vector", "result": result});
        json!({"status": "success", "data": data}).to_string()
    }

    fn one(labels: &Value, value: &str) -> Value {
        json!({"metric": labels, "value": [1_800_000_000.123, value]})
    }

    #[test]
    fn each_series_goes_to_the_object_that_its_labels_name() {
        let body = vector(&json!([
            one(
                &json!({"namespace": "shop", "app": "front", "pod": "a"}),
                "0.25"
            ),
            one(&json!({"namespace": "shop", "app": "back"}), "NaN"),
            one(&json!({"namespace": "shop", "app": "side"}), "+Inf"),
            one(&json!({"namespace": "shop"}), "1"),
            one(&json!({"app": "front"}), "1"),
            one(&json!({}), "1"),
        ]));
        let answered = read(200, &body).unwrap();
        assert_eq!(answered.nameless, 3);
        let [front, back, side] = &answered.series[..] else {
            panic!("{answered:?}")
        };
        assert_eq!((&*front.namespace, &*front.name), ("shop", "front"));
        assert_eq!((front.value, front.at), (0.25, 1_800_000_000_123));
        assert!(back.value.is_nan());
        assert!(side.value.is_infinite());
    }

    #[test]
    fn an_answer_without_series_is_one() {
        assert_eq!(read(200, &vector(&json!([]))), Ok(Answered::default()));
    }

    #[rstest]
    #[case::html(200, "<html>Sign in</html>", "no answer of the query API")]
    #[case::empty(200, "", "no answer of the query API")]
    #[case::cut_off(
        200,
        r#"{"status":"success","data":{"resultType":"vector","#,
        "no answer of the query API"
    )]
    #[case::other_json(404, r#"{"message":"not found"}"#, "404 Not Found, and no answer")]
    #[case::scalar(
        200,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#,
        "a number without labels"
    )]
    #[case::matrix(
        200,
        r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
        "a range of samples"
    )]
    #[case::mistake(
        400,
        r#"{"status":"error","errorType":"bad_data","error":"1:1: parse error: \nno"}"#,
        "Prometheus says bad_data: 1:1: parse error:  no"
    )]
    fn whatever_else_is_answered_is_an_error(
        #[case] status: u16,
        #[case] body: &str,
        #[case] said: &str,
    ) {
        let unanswered = read(status, body).unwrap_err();
        assert_eq!(unanswered.reason, UnansweredReason::Failed);
        assert!(unanswered.message.contains(said), "{}", unanswered.message);
    }

    #[rstest]
    #[case("timeout")]
    #[case("canceled")]
    fn a_query_that_prometheus_gives_up_has_timed_out(#[case] kind: &str) {
        let body = json!({"status": "error", "errorType": kind, "error": "query timed out"});
        let unanswered = read(503, &body.to_string()).unwrap_err();
        assert_eq!(unanswered.reason, UnansweredReason::TimedOut);
    }

    #[test]
    fn as_many_series_as_are_read_are_read_and_no_more() {
        let series = |count: usize| {
            let series = (0..count).map(|number| {
                one(
                    &json!({"namespace": "shop", "app": format!("a{number}")}),
                    "1",
                )
            });
            vector(&series.collect())
        };
        assert_eq!(
            read(200, &series(MOST_SERIES)).unwrap().series.len(),
            MOST_SERIES
        );
        let unanswered = read(200, &series(MOST_SERIES + 1)).unwrap_err();
        assert_eq!(unanswered.reason, UnansweredReason::TooManySeries);
    }
}
