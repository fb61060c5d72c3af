//! Just enough of HTTP to make accounts.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fault::Fault;

/// Connects.
///
/// # Errors
/// If nobody listens, with what to do about it.
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect(address).await.map_err(|e| {
        let hint = match e.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                ": start the server first, with `--limits off`, or say where it is with --url"
            }
            _ if e.raw_os_error() == Some(24) => ": raise the limit on open files (`ulimit -n`)",
            _ => "",
        };
        Fault::new(format!("cannot connect to {address}: {e}{hint}"))
    })?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Makes an account; its token lives as long as its session.
///
/// # Errors
/// If the server does not make one, with its answer.
pub(crate) async fn register(address: SocketAddr, handle: &str) -> Result<String, Fault> {
    let body = json!({ "handle": handle, "password": format!("correct horse of {handle}"),
        "device": "load" });
    let path = "/api/v1/accounts";
    let (status, answer) = post(address, path, &body).await?;
    if status != 201 {
        let hint = match status {
            429 => ": start it with `--limits off`",
            404 => ": is it a chatcore server?",
            _ => "",
        };
        return Err(Fault::new(format!(
            "the server answered {status} to POST {path}{hint}\n{answer}"
        )));
    }
    match answer["session_token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => Err(Fault::new(format!("no session_token in {answer}"))),
    }
}

async fn post(address: SocketAddr, path: &str, body: &Value) -> Result<(u16, Value), Fault> {
    let mut stream = connect(address).await?;
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let (head, body) = split(&answer)?;
    // A body that is no JSON is shown as it is.
    let text = || Value::String(String::from_utf8_lossy(body).into_owned());
    Ok((status(head)?, serde_json::from_slice(body).unwrap_or_else(|_| text())))
}

/// The head and the body of an answer.
fn split(answer: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")
        .ok_or_else(|| Fault::new("the server hung up in the middle of its answer"))?;
    Ok((&answer[..end], &answer[end + 4..]))
}

/// The status of an answer, by its head.
///
/// # Errors
/// If that is not HTTP.
pub(crate) fn status(head: &[u8]) -> Result<u16, Fault> {
    let line = String::from_utf8_lossy(head);
    let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.ok_or_else(|| Fault::new(format!("this is not HTTP: {:.80}", line)))
}
