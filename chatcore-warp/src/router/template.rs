//! Paths with names in them, such as `/rooms/{room}/messages`.

use percent_encoding::percent_decode_str;

/// The values that a path has for the names in its template, decoded.
pub(super) type Params = Vec<(&'static str, String)>;

/// A path to match, in segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Param(&'static str),
}

/// A segment that does not decode to UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadEncoding;

impl Template {
    /// Parses `prefix` and `path`, both beginning with `/` or empty.
    pub(super) fn new(prefix: &str, path: &'static str) -> Self {
        let literal = |s: &str| Segment::Literal(s.to_owned());
        let before = split(prefix).map(literal);
        let after = split(path).map(|s: &'static str| {
            match s.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(name) => Segment::Param(name),
                None => literal(s),
            }
        });
        Self { text: format!("{prefix}{path}"), segments: before.chain(after).collect() }
    }

    /// The template as it was written: what logs and documents call the route.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `path`, without its first slash, has this form. A name stands for one segment that is
    /// not empty.
    pub(super) fn matches(&self, path: &str) -> bool {
        if self.segments.is_empty() {
            return path.is_empty();
        }
        let mut segments = path.split('/');
        let all = self.segments.iter().all(|expected| match (expected, segments.next()) {
            (Segment::Literal(literal), Some(segment)) => literal == segment,
            (Segment::Param(_), Some(segment)) => !segment.is_empty(),
            (_, None) => false,
        });
        all && segments.next().is_none()
    }

    /// The values for the names, from a path that matches.
    pub(super) fn params(&self, path: &str) -> Result<Params, BadEncoding> {
        let named = self.segments.iter().zip(path.split('/')).filter_map(|(expected, segment)| {
            match expected {
                Segment::Param(name) => Some((*name, segment)),
                Segment::Literal(_) => None,
            }
        });
        named
            .map(|(name, segment)| {
                let decoded = percent_decode_str(segment).decode_utf8();
                Ok((name, decoded.map_err(|_| BadEncoding)?.into_owned()))
            })
            .collect()
    }

    /// Sorts what says more first: a literal before a name.
    pub(super) fn rank(&self) -> Vec<bool> {
        self.segments.iter().map(|s| matches!(s, Segment::Param(_))).collect()
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1).filter(|s| !s.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_one_segment_that_is_not_empty() {
        let template = Template::new("/api/v1", "/rooms/{room}/messages");
        assert!(template.matches("api/v1/rooms/r/messages"));
        for other in [
            "api/v1/rooms//messages",
            "api/v1/rooms/a/b/messages",
            "rooms/r/messages",
            "api/v1/rooms/r/messages/",
            "api/v1/rooms/r",
            "",
        ] {
            assert!(!template.matches(other), "{other}");
        }
        let root = Template::new("", "/");
        assert!(root.matches("") && !root.matches("x") && !root.matches("/"));
    }

    #[test]
    fn segments_are_decoded_after_the_split() {
        let template = Template::new("", "/users/{user}/avatar");
        let decoded = template.params("users/a%2Fb%20%C3%A9/avatar").unwrap();
        assert_eq!(decoded, [("user", "a/b é".to_owned())]);
        assert_eq!(template.params("users/%ff/avatar"), Err(BadEncoding));
    }
}
