//! A real S3 server within the test's own process, whose answers can be made to fail.

mod shelf;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatcore::attachment::blobs::{BlobError, S3Blobs, S3Keys, S3Options};
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use shelf::Shelf;

/// The bucket that there is.
pub const BUCKET: &str = "chat-files";
/// The key that opens it.
pub const KEY: &str = "the-key-id";
/// Its secret.
pub const SECRET: &str = "the-secret-of-the-key";

/// What happens to a request instead of what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status and the name of an error.
    Answer(u16, &'static str),
    /// It is not answered for so long, and then done.
    Late(Duration),
    /// The connection is closed without an answer.
    Cut,
    /// It is done, and the connection is closed without an answer.
    DoneAndCut,
    /// The answer's body breaks off after so many bytes.
    Short(usize),
    /// The answer's body stands still after so many bytes.
    Stuck(usize),
}

/// Which requests fail, and how: told by the method and what stands after the host.
type Plan = Box<dyn FnMut(&http::Method, &str) -> Option<Fault> + Send>;

#[derive(Default)]
struct Faults {
    plan: Mutex<Option<Plan>>,
    seen: Mutex<Vec<String>>,
}

/// An S3 server on a free port, with one bucket, until it is dropped.
pub struct S3Server {
    address: SocketAddr,
    dir: TempDir,
    shelf: Shelf,
    faults: Arc<Faults>,
    serving: JoinHandle<()>,
}

impl fmt::Debug for S3Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Server").field("address", &self.address).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl S3Server {
    /// Starts one.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join(BUCKET)).expect("a bucket");
        let shelf = Shelf::new(dir.path());
        let mut service = S3ServiceBuilder::new(shelf.clone());
        service.set_auth(s3s::auth::SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let faults = Arc::new(Faults::default());
        let serving = tokio::spawn(serve(listener, service, Arc::clone(&faults)));
        Self { address, dir, shelf, faults, serving }
    }

    /// The URL of a place in its bucket.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}?endpoint=http://{}", self.address)
    }

    /// A store that keeps its blobs here, and gives each request this long.
    ///
    /// # Errors
    /// Those of [`S3Blobs::connect`].
    pub async fn blobs(&self, timeout: Duration) -> Result<S3Blobs, BlobError> {
        self.blobs_at("some/where", timeout).await
    }

    /// The same, at another place in the bucket.
    ///
    /// # Errors
    /// Those of [`S3Blobs::connect`].
    pub async fn blobs_at(&self, prefix: &str, timeout: Duration) -> Result<S3Blobs, BlobError> {
        let mut options = S3Options::parse(&self.url(prefix)).expect("a sound URL");
        options.timeout = timeout;
        S3Blobs::connect(options, S3Keys::new(KEY, SECRET)).await
    }

    /// Has requests fail from now on as `plan` says.
    pub fn fail(&self, plan: impl FnMut(&http::Method, &str) -> Option<Fault> + Send + 'static) {
        *locked(&self.faults.plan) = Some(Box::new(plan));
    }

    /// Lets requests succeed again.
    pub fn mend(&self) {
        *locked(&self.faults.plan) = None;
    }

    /// What was asked so far: the method and what stands after the host, each.
    pub fn seen(&self) -> Vec<String> {
        locked(&self.faults.seen).clone()
    }

    /// The names of all objects.
    pub fn objects(&self) -> Vec<String> {
        let bucket = self.dir.path().join(BUCKET);
        let name = |path: PathBuf| {
            path.strip_prefix(&bucket).expect("it is in there").display().to_string()
        };
        files(&bucket).into_iter().map(name).collect()
    }

    /// The names of the objects to which uploads in parts have begun and not ended.
    pub fn uploads(&self) -> Vec<String> {
        self.shelf.uploads()
    }

    /// The files in which the server keeps parts of uploads.
    pub fn parts(&self) -> Vec<PathBuf> {
        let mut found = files(self.dir.path());
        found.retain(|path| path.to_string_lossy().contains(".part-"));
        found
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Everything below a directory that is a file.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

async fn serve(listener: TcpListener, service: S3Service, faults: Arc<Faults>) {
    // Dropped with this future, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (service, faults) = (service.clone(), Arc::clone(&faults));
        let answer = service_fn(move |request| answer(request, service.clone(), faults.clone()));
        connections.spawn(async move {
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // Connections that are cut are what some of the tests are about.
            let _ = server.serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    service: S3Service,
    faults: Arc<Faults>,
) -> io::Result<Response<s3s::Body>> {
    let asked = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    locked(&faults.seen).push(format!("{} {asked}", request.method()));
    let fault = locked(&faults.plan).as_mut().and_then(|plan| plan(request.method(), &asked));
    let cut = || io::Error::from(io::ErrorKind::ConnectionReset);
    let call = |request| hyper::service::Service::call(&service, request);
    match fault {
        None => call(request).await.map_err(|_| cut()),
        Some(Fault::Answer(status, code)) => {
            let _ = http_body_util::BodyExt::collect(request.into_body()).await;
            let said = format!("<Error><Code>{code}</Code><Message>as told</Message></Error>");
            let mut answer = Response::new(s3s::Body::http_body(Full::from(said)));
            *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
            Ok(answer)
        }
        Some(Fault::Late(time)) => {
            tokio::time::sleep(time).await;
            call(request).await.map_err(|_| cut())
        }
        Some(Fault::Cut) => Err(cut()),
        Some(Fault::DoneAndCut) => {
            let done = call(request).await.map_err(|_| cut())?;
            // Some are done only while their answer is read.
            let _ = http_body_util::BodyExt::collect(done.into_body()).await;
            Err(cut())
        }
        Some(Fault::Short(bytes)) => {
            let end = futures_util::stream::once(async move { Err(cut()) });
            Ok(call(request).await.map_err(|_| cut())?.map(|body| broken(body, bytes, end)))
        }
        Some(Fault::Stuck(bytes)) => {
            let end = futures_util::stream::pending();
            Ok(call(request).await.map_err(|_| cut())?.map(|body| broken(body, bytes, end)))
        }
    }
}

/// At least `bytes` of a body, and then `end`.
fn broken(
    body: s3s::Body,
    bytes: usize,
    end: impl futures_util::Stream<Item = io::Result<Frame<bytes::Bytes>>> + Send + Sync + 'static,
) -> s3s::Body {
    let mut passed = 0;
    let start = body.into_data_stream().take_while(move |piece| {
        let before = passed;
        passed += piece.as_ref().map_or(0, bytes::Bytes::len);
        std::future::ready(before < bytes)
    });
    let start = start.map(|piece| piece.map(Frame::data).map_err(io::Error::other));
    s3s::Body::http_body_unsync(StreamBody::new(start.chain(end)))
}
