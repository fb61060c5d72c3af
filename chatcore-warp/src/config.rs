//! What can be set about serving a chat.

use chatcore::protocol::session::Config as SessionConfig;

use crate::body::BodyLimits;
use crate::origin::{AllowedOrigins, InvalidOrigin};

/// What can be set about the filters of this crate; limits of the server that runs them are in
/// [`ServeConfig`](crate::serve::ServeConfig).
///
/// ```
/// # fn main() -> Result<(), chatcore_warp::origin::InvalidOrigin> {
/// let config = chatcore_warp::Config::default()
///     .with_allowed_origins(["https://app.example"])?
///     .without_page();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) origins: AllowedOrigins,
    pub(crate) body: BodyLimits,
    pub(crate) page: bool,
    pub(crate) standalone: bool,
    pub(crate) session: Option<SessionConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            origins: AllowedOrigins::default(),
            body: BodyLimits::default(),
            page: true,
            standalone: false,
            session: None,
        }
    }
}

impl Config {
    /// Origins, beside our own, whose pages may call us and read what we answer. Default: none.
    ///
    /// # Errors
    /// The first that is not an origin such as `https://app.example`.
    pub fn with_allowed_origins<S: AsRef<str>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidOrigin> {
        self.origins = AllowedOrigins::parse(origins)?;
        Ok(self)
    }

    /// Bounds on request bodies.
    #[must_use]
    pub fn with_body_limits(mut self, limits: BodyLimits) -> Self {
        self.body = limits;
        self
    }

    /// The times and bounds of each WebSocket's session. Default: those of [`SessionConfig`], with the
    /// chat's own limits.
    #[must_use]
    pub fn with_session(mut self, session: SessionConfig) -> Self {
        self.session = Some(session);
        self
    }

    /// Leaves out the page at `/`, for an application that has its own.
    #[must_use]
    pub fn without_page(mut self) -> Self {
        self.page = false;
        self
    }

    /// Answers unknown paths, too, with a problem document: for a server that serves nothing else.
    /// Default: they are left to the filters beside.
    #[must_use]
    pub fn standalone(mut self) -> Self {
        self.standalone = true;
        self
    }

    /// Lifts what bounds how many may do something at once, for load tests. What one request may take
    /// stays bounded.
    #[must_use]
    pub fn without_limits(mut self) -> Self {
        self.body = self
            .body
            .with_uploads_at_once(usize::MAX)
            .with_uploads_per_address(usize::MAX)
            .with_large_per_address(usize::MAX);
        self
    }
}
