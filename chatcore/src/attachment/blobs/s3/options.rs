//! Which bucket, where, and in whose name.

use std::fmt;
use std::time::Duration;

use url::Url;

use super::super::BlobError;

/// The longest that a link to a blob may be good.
const LONGEST_LINK: Duration = Duration::from_secs(3600);

/// An access key, and the secret that goes with it. Its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) session: Option<String>,
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Keys").finish_non_exhaustive()
    }
}

impl S3Keys {
    /// A key that lasts.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into(), session: None }
    }

    /// The token that goes with a key for a while.
    #[must_use]
    pub fn with_session(mut self, token: impl Into<String>) -> Self {
        self.session = Some(token.into());
        self
    }

    /// From `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if set, `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// [`BlobError::Unusable`] if one of the first two is not set.
    pub fn from_env() -> Result<Self, BlobError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(id), Some(secret)) =
            (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        else {
            return Err(unusable(
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
            ));
        };
        Ok(Self { id, secret, session: variable("AWS_SESSION_TOKEN") })
    }
}

/// Where blobs are kept in S3, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// What the name of each object begins with: empty, or ending in `/`.
    pub prefix: String,
    /// The server, such as `https://minio.example:9000`. Default: Amazon's, of the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for. Default `us-east-1`.
    pub region: String,
    /// Whether the bucket is a part of the path rather than of the host's name. Default: with an
    /// `endpoint` of one's own.
    pub path_style: bool,
    /// How long links to blobs are good: seconds to an hour. Default: no links are given, and all
    /// bytes pass through this process.
    pub links: Option<Duration>,
    /// How long one attempt at a request may take, the bytes of a part included; three are made, in at
    /// most three times as long. While a blob is read: how long its next bytes may take.
    /// Default 30 s.
    pub timeout: Duration,
}

impl S3Options {
    /// Everything by default, in `bucket` at Amazon.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            endpoint: None,
            region: "us-east-1".into(),
            path_style: false,
            links: None,
            timeout: Duration::from_secs(30),
        }
    }

    /// From `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&path_style=BOOL&links=SECONDS`, where all but
    /// the bucket may be left out.
    ///
    /// # Errors
    /// [`BlobError::Unusable`], without showing the URL.
    pub fn parse(url: &str) -> Result<Self, BlobError> {
        let url = Url::parse(url).map_err(|e| unusable(&format!("its URL cannot be read: {e}")))?;
        let bucket = url.host_str().filter(|host| !host.is_empty() && url.port().is_none());
        let (Some(bucket), "s3") = (bucket, url.scheme()) else {
            return Err(unusable("its URL is of the form `s3://BUCKET/PREFIX`"));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unusable("its keys come from the environment, not from the URL"));
        }
        let mut options = Self::new(bucket);
        options.prefix = prefix(url.path())?;
        let mut path_style = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "endpoint" => options.endpoint = Some(endpoint(&value)?),
                "region" if !value.is_empty() => options.region = value.into_owned(),
                "path_style" => {
                    let said = value.parse();
                    path_style = Some(said.map_err(|_| unusable("path_style is true or false"))?);
                }
                "links" => options.links = Some(links(&value)?),
                _ => {
                    return Err(unusable(
                        "its URL takes endpoint, region, path_style and links, and no more",
                    ));
                }
            }
        }
        options.path_style = path_style.unwrap_or(options.endpoint.is_some());
        Ok(options)
    }
}

/// What goes before each name, from the path of the URL.
fn prefix(path: &str) -> Result<String, BlobError> {
    let path = path.trim_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let sound = path.split('/').all(|part| !matches!(part, "." | ".."));
    match path {
        "" => Ok(String::new()),
        _ if sound && path.chars().all(plain) && path.len() <= 512 => Ok(format!("{path}/")),
        _ => Err(unusable("its prefix is at most 512 of A-Z a-z 0-9 - _ . and /")),
    }
}

fn endpoint(value: &str) -> Result<String, BlobError> {
    let refused = || unusable("its endpoint is of the form `https://HOST:PORT`");
    let url = Url::parse(value).map_err(|_| refused())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if plain && url.has_host() && matches!(url.scheme(), "http" | "https") {
        Ok(value.trim_end_matches('/').to_owned())
    } else {
        Err(refused())
    }
}

fn links(value: &str) -> Result<Duration, BlobError> {
    let refused = || unusable("links are good for 1 to 3600 seconds");
    let time = Duration::from_secs(value.parse().map_err(|_| refused())?);
    if time.is_zero() || time > LONGEST_LINK { Err(refused()) } else { Ok(time) }
}

pub(super) fn unusable(how: &str) -> BlobError {
    BlobError::Unusable(format!("S3: {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        let url = "s3://files/chat/a?endpoint=http://127.0.0.1:9000/&region=eu-1&links=60";
        let options = S3Options::parse(url).unwrap();
        assert_eq!((&*options.bucket, &*options.prefix), ("files", "chat/a/"));
        assert_eq!(options.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!((&*options.region, options.path_style), ("eu-1", true));
        assert_eq!(options.links, Some(Duration::from_secs(60)));
        assert_eq!(S3Options::parse("s3://files").unwrap(), S3Options::new("files"));
        let hosted = S3Options::parse("s3://files?endpoint=https://s3.example&path_style=false");
        assert!(!hosted.unwrap().path_style);
    }

    #[test]
    fn a_url_that_is_not_understood_is_refused_without_being_shown() {
        for bad in [
            "s3:",
            "s3:///prefix",
            "https://hunter2/x",
            "s3://ann:hunter2@files",
            "s3://files?secret=hunter2",
            "s3://files?endpoint=ftp://hunter2",
            "s3://files?endpoint=http://ann:hunter2@host",
            "s3://files?links=0",
            "s3://files?links=3601",
            "s3://files?path_style=hunter2",
            "s3://files/a%20b",
        ] {
            let said = S3Options::parse(bad).expect_err(bad).to_string();
            assert!(said.contains("S3: ") && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = S3Keys::new("the-id", "the-secret").with_session("the-token");
        assert_eq!(format!("{keys:?}"), "S3Keys { .. }");
    }
}
