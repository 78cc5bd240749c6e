//! Every declared type against values of its own and of other types.
