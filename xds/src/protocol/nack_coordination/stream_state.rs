//! The stream state: what a stream reports of itself to the coordination, and what it is told.

/// Whether a stream may send what is judged together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SendPermit {
    /// Every stream may: nothing is in question, or there is only one.
    #[default]
    Free,
    /// This stream may, one response.
    Granted,
    /// Another stream may.
    Denied,
}

/// How one stream is with what is judged together.
// The flags are independent of each other: no two of them make one state.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// A response awaits its answer.
    pub(crate) awaits: bool,
    /// Something that the client refused is to be replaced by what it took.
    pub(crate) restoring: bool,
    /// Something was refused, and it is not known yet whether it is bad.
    pub(crate) unsettled: bool,
    /// There may be something to send.
    pub(crate) due: bool,
}

/// What was found out on another stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The client refuses nothing of what it has.
    Mended,
    /// The client refuses even what it took before, whatever is replaced on any stream.
    Lost,
}

impl SendPermit {
    /// Whether a stream may send; `awaits` says that one of its responses awaits its answer.
    pub(crate) fn allows(self, awaits: bool) -> bool {
        match self {
            Self::Free => true,
            Self::Granted => !awaits,
            Self::Denied => false,
        }
    }
}
