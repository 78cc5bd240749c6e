//! Numbers, durations, quantities and percentages as text.
