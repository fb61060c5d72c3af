//! Files in S3, on a real server of it within this process.

mod faults;
mod server;
mod store;
