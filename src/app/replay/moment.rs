//! A moment, in readable form.

use fusegate_crds::Time;

/// A time in readable form.
pub(super) fn moment(wall: i64) -> String {
    Time::from_millis(wall).map_or_else(|| format!("{wall} ms"), |time| time.to_string())
}
