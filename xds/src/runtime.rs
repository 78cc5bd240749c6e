//! A runtime layer: the RTDS resource, built canonically from key and value pairs.

mod cut;

use std::collections::BTreeMap;

pub use cut::keys;

use crate::canonical::proto;
use crate::resource::Resource;
use crate::type_url::TypeUrl;
use crate::wire;

/// What one runtime key is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum RuntimeValue {
    /// A number; a percentage, where the key wants one.
    Number(f64),
    /// A text.
    Text(String),
    /// A feature flag.
    Bool(bool),
    /// An `envoy.type.v3.FractionalPercent`, for percentages finer than one in a hundred.
    FractionalPercent {
        /// How many of the denominator.
        numerator: u32,
        /// Out of how many.
        denominator: Denominator,
    },
}

/// What a fractional percent is out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denominator {
    /// Out of 100.
    Hundred,
    /// Out of 10,000.
    TenThousand,
    /// Out of 1,000,000.
    Million,
}

impl Denominator {
    fn name(self) -> &'static str {
        match self {
            Self::Hundred => "HUNDRED",
            Self::TenThousand => "TEN_THOUSAND",
            Self::Million => "MILLION",
        }
    }
}

/// The layer `name` with these keys; of a key given twice the last value holds.
///
/// A layer is one resource: Envoy replaces all its keys at once, so it is always given whole.
///
/// ```
/// use fusegate_xds::runtime::{self, RuntimeValue};
///
/// let layer = runtime::layer("shop", [("upstream.maintenance_mode.checkout", RuntimeValue::Number(100.0))]);
/// assert_eq!(&**layer.name(), "shop");
/// ```
pub fn layer<'a>(
    name: &str,
    fields: impl IntoIterator<Item = (&'a str, RuntimeValue)>,
) -> Resource {
    let fields: BTreeMap<&str, Vec<u8>> = fields
        .into_iter()
        .map(|(key, value)| (key, encode(&value)))
        .collect();
    let body = assemble(name, fields.into_iter());
    Resource::from_bytes(TypeUrl::RUNTIME, name, &body)
}

/// The encoded layer of values that are encoded already, in the order of their keys.
fn assemble<'a>(name: &str, fields: impl Iterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let layer = proto::map(fields);
    let mut body = Vec::with_capacity(layer.len() + name.len() + 8);
    wire::put_bytes(&mut body, 1, name.as_bytes());
    wire::put_head(&mut body, 2, layer.len());
    body.extend_from_slice(&layer);
    body
}

/// The encoded `google.protobuf.Value`.
fn encode(value: &RuntimeValue) -> Vec<u8> {
    match value {
        RuntimeValue::Number(number) => proto::number(*number),
        RuntimeValue::Text(text) => proto::text(text),
        RuntimeValue::Bool(flag) => proto::flag(*flag),
        RuntimeValue::FractionalPercent {
            numerator,
            denominator,
        } => {
            let denominator = ("denominator", proto::text(denominator.name()));
            let numerator = ("numerator", proto::number(f64::from(*numerator)));
            proto::structure(&proto::map([denominator, numerator].into_iter()))
        }
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::service::runtime::v3::Runtime;
    use envoy_types::pb::google::protobuf::{Any, Value, value::Kind};
    use prost::Message;

    use super::{Denominator, RuntimeValue, layer};
    use crate::resource::Resource;

    fn decode(resource: &Resource) -> Runtime {
        let any = Any::decode(resource.any().clone()).unwrap();
        Runtime::decode(any.value.as_slice()).unwrap()
    }

    #[test]
    fn every_kind_of_value_arrives() {
        let half = RuntimeValue::FractionalPercent {
            numerator: 5,
            denominator: Denominator::TenThousand,
        };
        let resource = layer(
            "shop",
            [
                ("number", RuntimeValue::Number(0.0)),
                ("text", RuntimeValue::Text("on".into())),
                ("flag", RuntimeValue::Bool(false)),
                ("half", half),
            ],
        );
        let runtime = decode(&resource);
        let mut fields = runtime.layer.unwrap().fields;
        assert_eq!(runtime.name, "shop");
        assert_eq!(fields["number"].kind, Some(Kind::NumberValue(0.0)));
        assert_eq!(fields["text"].kind, Some(Kind::StringValue("on".into())));
        assert_eq!(fields["flag"].kind, Some(Kind::BoolValue(false)));
        let Some(Value {
            kind: Some(Kind::StructValue(half)),
        }) = fields.remove("half")
        else {
            panic!("no fractional percent");
        };
        assert_eq!(half.fields["numerator"].kind, Some(Kind::NumberValue(5.0)));
        assert_eq!(
            half.fields["denominator"].kind,
            Some(Kind::StringValue("TEN_THOUSAND".into()))
        );
    }

    #[test]
    fn a_layer_is_what_the_canonical_encoding_of_its_message_is() {
        let built = layer(
            "shop",
            [
                ("b", RuntimeValue::Number(1.0)),
                ("a", RuntimeValue::Bool(true)),
            ],
        );
        assert_eq!(built, Resource::from_message("shop", &decode(&built)));
    }

    #[test]
    fn an_empty_layer_still_has_a_layer() {
        assert_eq!(
            decode(&layer("shop", []))
                .layer
                .map(|layer| layer.fields.len()),
            Some(0)
        );
    }
}
