//! The queries of the running program: handed from the engine to the Prometheus source, and counted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

use crate::engine::output::QueryCount;
use crate::runtime::metrics::{Metrics, QueryLabel, ResultLabel};
use crate::wire::query::{MOST_QUERIES, Query};

/// Tells the source which queries are to run, and counts what comes of them.
pub(super) struct QueryBoard {
    wanted: watch::Sender<Arc<[Query]>>,
    metrics: Metrics,
    /// Those that have metrics: the first ones, as many as run.
    counted: BTreeSet<QueryLabel>,
}

impl QueryBoard {
    /// An empty one, and where its queries can be read.
    pub(super) fn open(metrics: Metrics) -> (Self, watch::Receiver<Arc<[Query]>>) {
        let (wanted, queries) = watch::channel(Arc::from([]));
        let board = Self {
            wanted,
            metrics,
            counted: BTreeSet::new(),
        };
        (board, queries)
    }

    /// Has these queries run, and no others.
    pub(super) fn want(&mut self, queries: Vec<Query>) {
        if **self.wanted.borrow() == *queries {
            return;
        }
        let first = queries.iter().take(MOST_QUERIES);
        let counted = first.map(|query| label(&query.name.contract, &query.name.key));
        let counted: BTreeSet<QueryLabel> = counted.collect();
        let gone = self.counted.difference(&counted).cloned().collect();
        self.metrics.queries.remove(&gone);
        self.counted = counted;
        self.wanted.send_replace(queries.into());
    }

    /// Counts what came of queries.
    pub(super) fn count(&self, counts: &[QueryCount]) {
        for count in counts {
            let label = label(&count.contract, &count.key);
            if !self.counted.contains(&label) {
                continue;
            }
            let families = &self.metrics.queries;
            let set = |family: &Family<QueryLabel, Gauge>, value: u64| {
                let value = i64::try_from(value).unwrap_or(i64::MAX);
                family.get_or_create(&label).set(value);
            };
            let took = Duration::from_millis(count.took).as_secs_f64();
            families.seconds.get_or_create(&label).set(took);
            set(&families.series, count.series as u64);
            set(&families.objects, count.objects as u64);
            let QueryLabel { contract, key } = label.clone();
            let result = count.result;
            let label = ResultLabel {
                contract,
                key,
                result,
            };
            families.answers.get_or_create(&label).inc();
        }
    }
}

fn label(contract: &str, key: &str) -> QueryLabel {
    QueryLabel {
        contract: contract.to_owned(),
        key: key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use fusegate_crds::{ObjectLabels, PrometheusQuery};

    use super::*;
    use crate::wire::query::QueryName;

    fn query(key: &str) -> Query {
        let object = ObjectLabels {
            namespace: None,
            name: "node".to_owned(),
        };
        Query {
            name: QueryName {
                contract: "nodes".into(),
                key: key.into(),
            },
            spec: Arc::new(PrometheusQuery {
                query: "up".to_owned(),
                object,
                interval: "15s".into(),
                max_age: "60s".into(),
            }),
            interval: 15_000,
            max_age: 60_000,
        }
    }

    fn count(key: &str, result: &'static str) -> QueryCount {
        QueryCount {
            contract: "nodes".into(),
            key: key.into(),
            result,
            took: 12,
            series: 3,
            objects: 2,
        }
    }

    #[test]
    fn a_query_is_counted_while_a_contract_asks_it() {
        let metrics = Metrics::new();
        let (mut board, queries) = QueryBoard::open(metrics.clone());
        board.want(vec![query("error-rate"), query("latency")]);
        assert_eq!(queries.borrow().len(), 2);
        board.count(&[count("error-rate", "Answered"), count("other", "Answered")]);
        board.count(&[
            count("error-rate", "QueryFailed"),
            count("latency", "Answered"),
        ]);
        let text = metrics.encode();
        for line in [
            r#"fusegate_prometheus_answers_total{contract="nodes",key="error-rate",result="Answered"} 1"#,
            r#"fusegate_prometheus_answers_total{contract="nodes",key="error-rate",result="QueryFailed"} 1"#,
            r#"fusegate_prometheus_answer_series{contract="nodes",key="error-rate"} 3"#,
            r#"fusegate_prometheus_answer_objects{contract="nodes",key="latency"} 2"#,
            r#"fusegate_prometheus_answer_seconds{contract="nodes",key="latency"} 0.012"#,
        ] {
            assert!(
                text.lines().any(|each| each == line),
                "{line} is not in {text}"
            );
        }
        assert!(!text.contains("\"other\""), "{text}");
        board.want(vec![query("latency")]);
        let text = metrics.encode();
        assert!(!text.contains("error-rate"), "{text}");
        assert!(text.contains("latency"), "{text}");
    }
}
