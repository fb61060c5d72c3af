//! One end of the laboratory.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::sync::mpsc;

use nix::sched::{CloneFlags, setns};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::PATIENCE;

/// The network namespace of the thread that looks.
pub(super) const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// A runtime that has a network of its own, and one address there.
///
/// A socket belongs to where the thread was that made it: make it in a task that is
/// [run](Self::run) here.
pub struct Host {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    address: Ipv4Addr,
}

impl Host {
    pub(super) fn new(name: &str, namespace: File, address: Ipv4Addr) -> io::Result<Self> {
        let there = namespace.metadata()?.ino();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            .enable_all()
            .on_thread_start(move || {
                setns(&namespace, CloneFlags::CLONE_NEWNET).expect("who made it may enter it");
            })
            .build()?;
        let (say, said) = mpsc::channel();
        runtime.spawn(async move { say.send(std::fs::metadata(NAMESPACE).map(|at| at.ino())) });
        let here = said.recv_timeout(PATIENCE).map_err(io::Error::other)??;
        assert_eq!(here, there, "what runs here does not speak to the real network");
        Ok(Self { runtime: Some(runtime), address })
    }

    /// Its own address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Runs a task here, and waits for what comes of it. If it panics, so does the caller.
    pub async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.spawn(task).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Starts a task here.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.as_ref().expect("it is there until it is dropped").spawn(task)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A test drops it within a runtime of its own, where one must not wait.
            runtime.shutdown_background();
        }
    }
}
