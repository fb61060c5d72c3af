//! A [`Chat`](chatcore::Chat) over HTTP and WebSocket, as warp filters.
//!
//! ```text
//! socket ─► serve ─────► router ──────────────► rest, dialect, page ─► Chat
//!           timeouts     same-origin, CORS      parse, call, map
//!           caps, peer   headers, ids, panics   ▲
//!           drain        └─► ws ─► Socket ─► Connection (chatcore)
//!                            body ─► Fields, files in a spool
//! ```
//!
//! [`routes`] is everything as one filter, which an application mounts where it likes. Whoever has no
//! server yet runs it under [`serve`](serve::serve), which keeps the limits that a public address
//! needs; it works under any other as well.
//!
//! ```no_run
//! use std::sync::Arc;
//! use chatcore::{Chat, store::memory::MemoryStore};
//! use chatcore_warp::serve::{ServeConfig, serve};
//! use tokio::net::TcpListener;
//! use warp::Filter;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await?;
//! let own = warp::path("own").map(|| "what the application serves beside it");
//! let all = warp::path("chat").and(chatcore_warp::routes(chat.clone(), Default::default())).or(own);
//! let listener = TcpListener::bind("127.0.0.1:3030").await?;
//! let stopped = serve(listener, all, ServeConfig::default(), std::future::pending()).await;
//! chat.shutdown().await;
//! # let _ = stopped;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`serve`] | a server: timeouts, caps, peers behind proxies, graceful stop |
//! | [`router`] | one table of routes, and the same care around every handler |
//! | [`body`] | a request's body as fields and files, within bounds |
//! | [`auth`], [`cookie`], [`origin`], [`headers`] | who asks, from which page, and what browsers are told |
//! | [`problem`], [`reply`] | answers |
//! | [`dialect`] | the HTTP contracts of five documents |
//! | [`page`] | the page to chat with |
//! | [`metrics`] | counters for Prometheus |
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls` | `serve::Tls`: HTTPS and secure WebSockets, with rustls and ring |

mod app;
pub mod auth;
pub mod body;
mod config;
pub mod cookie;
pub mod dialect;
mod exclusive;
mod files;
pub mod headers;
pub mod metrics;
pub mod origin;
pub mod page;
pub mod problem;
pub mod reply;
mod rest;
pub mod router;
mod routes;
pub mod serve;
#[cfg(test)]
mod testing;
mod ws;

pub use config::Config;
pub use routes::routes;
