//! The story on real servers: a status is written at one end, and at the other Envoy sheds, the CRD has its previous schema back, and an alert stands.

mod acts;
mod audit;
mod cluster;
mod contracts;
mod documents;
mod fleet;
mod folder;
mod gates;
mod illegal;
mod lifecycle;
mod observe;
mod recovery;
mod refusal;
mod restart;
mod shape;
mod store;
mod streak;
mod trip;
mod visit;
mod wire;
mod world;
