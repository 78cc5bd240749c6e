//! The stance: what a stream says of itself where it shares its fate, and what it is told.

/// Who may send what shares its fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Whoever likes: nothing is in question, or there is but one stream.
    #[default]
    Open,
    /// This stream, one response.
    Ours,
    /// Not this stream.
    Taken,
}

/// How one stream is with what shares its fate.
// The flags are independent of each other: no two of them make one state.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stance {
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
pub(crate) enum Word {
    /// The client refuses nothing of what it has.
    Mended,
    /// The client refuses even what it took, whatever is replaced on any stream.
    Lost,
}

impl Floor {
    /// Whether a stream may send; `awaits` says that a response of it awaits its answer.
    pub(crate) fn permits(self, awaits: bool) -> bool {
        match self {
            Self::Open => true,
            Self::Ours => !awaits,
            Self::Taken => false,
        }
    }
}
