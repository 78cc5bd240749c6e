//! The runtime: services of the process that no decision depends on.

pub mod authority;
pub mod backoff;
pub mod client;
pub mod clock;
pub mod cluster_time;
pub mod http_client;
pub mod http_options;
pub mod keyed_queue;
pub mod leader;
pub mod memory;
pub mod metrics;
pub mod otlp;
pub mod page_size;
pub mod profile;
pub mod sampler;
pub mod server_url;
pub mod shard;
pub mod shutdown;
pub mod tenure;
pub mod tls;
pub mod write_all_retrying;
