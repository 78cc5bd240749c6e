//! A rule: what a finding is called, why it hurts, and how a person mends it.

use std::fmt;

/// A rule of the lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A map without `maxProperties`.
    MapWithoutBound,
    /// A map whose keys no CEL rule restricts.
    MapWithoutKeyRule,
    /// A list without `maxItems`.
    ListWithoutBound,
    /// Text as the value of a map or the item of a list, without `maxLength`.
    ValueWithoutLength,
    /// A bound that stands only within `allOf`.
    BoundOnlyInAllOf,
    /// Maps and lists within each other, too deep.
    NestingTooDeep,
    /// Unknown fields preserved under `status`.
    UnknownFieldsInStatus,
    /// `status.conditions` as a list that isn't keyed by `type`.
    ConditionsNotKeyed,
    /// A status without the status subresource.
    NoStatusSubresource,
    /// A CEL rule that takes a large part of the budget.
    CelCost,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 10] = [
        Self::MapWithoutBound,
        Self::MapWithoutKeyRule,
        Self::ListWithoutBound,
        Self::ValueWithoutLength,
        Self::BoundOnlyInAllOf,
        Self::NestingTooDeep,
        Self::UnknownFieldsInStatus,
        Self::ConditionsNotKeyed,
        Self::NoStatusSubresource,
        Self::CelCost,
    ];

    /// Its name, as in the output and the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MapWithoutBound => "map-without-bound",
            Self::MapWithoutKeyRule => "map-without-key-rule",
            Self::ListWithoutBound => "list-without-bound",
            Self::ValueWithoutLength => "value-without-length",
            Self::BoundOnlyInAllOf => "bound-only-in-allof",
            Self::NestingTooDeep => "nesting-too-deep",
            Self::UnknownFieldsInStatus => "unknown-fields-in-status",
            Self::ConditionsNotKeyed => "conditions-not-keyed",
            Self::NoStatusSubresource => "no-status-subresource",
            Self::CelCost => "cel-cost",
        }
    }

    /// Why it hurts, in a sentence.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::MapWithoutBound => {
                "without maxProperties one writer can fill an object up to the 1.5 MiB that etcd takes, \
                 and CEL rules are priced as if a map held hundreds of thousands of entries"
            }
            Self::MapWithoutKeyRule => {
                "keys of any name and length are stored, since a schema has no word for keys; only a CEL \
                 rule restricts them"
            }
            Self::ListWithoutBound => {
                "without maxItems one writer can fill an object up to the 1.5 MiB that etcd takes, and CEL \
                 rules are priced as if a list held over a million items"
            }
            Self::ValueWithoutLength => {
                "each of many values may be as long as a request, and CEL rules that read it are priced so"
            }
            Self::BoundOnlyInAllOf => {
                "the API server enforces the bound, but ignores it when it prices CEL rules, so rules are \
                 refused that would be cheap"
            }
            Self::NestingTooDeep => {
                "the numbers of entries multiply with every level, and with them the price of a CEL rule \
                 and the work of validation"
            }
            Self::UnknownFieldsInStatus => {
                "pruning is off, so that anything may be stored in the status, unseen by CEL rules and by \
                 whoever reads the schema"
            }
            Self::ConditionsNotKeyed => {
                "server-side apply takes the list as one value, so that two controllers overwrite each \
                 other's conditions"
            }
            Self::NoStatusSubresource => {
                "whoever writes the spec can write the status too, every status write bumps the generation, \
                 and no right to the status alone can be given"
            }
            Self::CelCost => {
                "the API server refuses a rule that is estimated to cost more than the budget, and a small \
                 change of the schema can push this one over it"
            }
        }
    }

    /// How it is mended, for people.
    #[must_use]
    pub const fn mend(self) -> &'static str {
        match self {
            Self::MapWithoutBound => "add maxProperties",
            Self::MapWithoutKeyRule => {
                "add a rule to x-kubernetes-validations such as self.all(key, key in ['a', 'b'])"
            }
            Self::ListWithoutBound => "add maxItems",
            Self::ValueWithoutLength => "add maxLength",
            Self::BoundOnlyInAllOf => "state the bound beside allOf as well",
            Self::NestingTooDeep => {
                "flatten the structure, or move the inner part into a kind of its own"
            }
            Self::UnknownFieldsInStatus => {
                "declare the fields that are written, then remove x-kubernetes-preserve-unknown-fields"
            }
            Self::ConditionsNotKeyed => {
                "set x-kubernetes-list-type to map and x-kubernetes-list-map-keys to [type]"
            }
            Self::NoStatusSubresource => "add subresources.status",
            Self::CelCost => "bound the lists, maps and texts that the rule reads or stands in",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
