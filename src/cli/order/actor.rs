//! The actor: who gives an order, as the API server or the system knows them.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Client;
use kube::api::{Api, PostParams};

/// The most characters of a name.
const LONGEST: usize = 200;

/// Whom the API server takes the client for; the system's name where it does not tell.
pub(super) async fn of_client(client: &Client) -> String {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await;
    let status = review.ok().and_then(|review| review.status);
    let name = status.and_then(|status| status.user_info?.username);
    name.map_or_else(of_system, |name| cut(&name))
}

/// Who is logged in here.
pub(super) fn of_system() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].into_iter();
    let mut names = names.filter_map(|name| std::env::var(name).ok());
    let name = names.find(|name| !name.is_empty());
    name.map_or_else(|| "somebody on this machine".to_owned(), |name| cut(&name))
}

fn cut(name: &str) -> String {
    name.chars()
        .filter(|char| !char.is_control())
        .take(LONGEST)
        .collect()
}
