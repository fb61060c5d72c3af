//! The native protocol, `chatcore/1`.
/// stub
#[derive(Clone, Copy, Debug)]
pub enum Wire {
    /// x
    A,
}
impl Wire {
    /// x
    pub const ALL: &'static [Self] = &[Self::A];
    /// x
    pub const fn index(self) -> usize {
        0
    }
    /// x
    pub fn event(self, e: &crate::log::Entry) -> bytes::Bytes {
        serde_json::to_vec(e).unwrap_or_default().into()
    }
}
