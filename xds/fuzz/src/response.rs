//! A response: what it must be, whatever came before it.

use std::collections::BTreeSet;

use fusegate_xds::protocol::Response;

/// Rules 3 and 30: a nonce of its own, no name twice, nothing of another type.
pub fn check(response: &Response, nonces: &mut BTreeSet<String>) {
    let nonce = response.nonce.to_string();
    assert!(nonces.insert(nonce), "rule 3: {response:?}");
    let resources = response.resources.iter().chain(&response.heartbeats);
    let mut names = BTreeSet::new();
    for resource in resources {
        assert_eq!(*resource.type_url(), response.type_url, "rule 30");
        assert!(names.insert(&**resource.name()), "rule 30: {response:?}");
    }
    for name in &response.removed {
        assert!(names.insert(name), "rule 30: {response:?}");
    }
}
