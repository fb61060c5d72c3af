//! Names and contents that mean harm to whoever opens them.

use chatcore_tests::Http;
use reqwest::Method;

use super::{PIXEL, upload};
use crate::site::{Site, problem, text};

/// Rule 45.
#[tokio::test]
async fn names_that_lead_out_of_a_folder_or_into_a_header() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let names = [
        "../../../../etc/passwd",
        "..\\..\\windows\\system32\\evil.txt",
        "C:\\evil.txt",
        "C:evil.txt",
        "/etc/passwd",
        "\\\\server\\share\\x.txt",
        "a\u{0}.txt",
        "a\r\nset-cookie: x=y\r\n.txt",
        "a\"; filename=\"evil.html",
        "a%0d%0aset-cookie: x",
        "CON",
        "NUL.txt",
        "...",
        ".",
        "..",
        "",
        " ",
        ".htaccess",
        "evil.html",
        "evil.svg",
        "photo.png.exe",
        "gpj\u{202e}gnp.exe",
        "\u{feff}\u{200b}.txt",
        "name;rm -rf *.txt",
        "$(reboot).txt",
        "<script>alert(1)</script>.txt",
        "file:///etc/passwd",
        "\u{1f4a9}.txt",
        &"n".repeat(5_000),
        &"\u{1f4a9}".repeat(300),
    ];
    let mut ids = Vec::new();
    for name in names {
        // By hand: a client's library would tidy the name up.
        let quoted = name.replace('"', "%22");
        let body = [
            format!(
                "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{quoted}\"\r\n\r\n"
            )
            .into_bytes(),
            b"just some text".to_vec(),
            b"\r\n--b--\r\n".to_vec(),
        ]
        .concat();
        let request = ann.http.request(Method::POST, "/api/v1/attachments");
        let request = request.header("content-type", "multipart/form-data; boundary=b");
        let answer = Http::send(request.body(body)).await;
        if answer.status == 400 {
            // A header of a part that is no header.
            problem(&answer, 400, "bad_request");
            continue;
        }
        let made = answer.expect(201).json();
        let (id, url) = (text(&made, "/id"), text(&made, "/url"));
        assert!(
            id.len() >= 16 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        ids.push(id.clone());
        let kept = text(&made, "/name");
        assert!(!kept.is_empty() && kept.len() <= 255, "{name:?} became {kept:?}");
        for bad in ['/', '\\', '\0', '\r', '\n', '"', '\u{202e}', ':', '<', '>'] {
            assert!(!kept.contains(bad), "{name:?} became {kept:?}");
        }
        assert!(kept != "." && kept != "..", "{name:?} became {kept:?}");
        let lower = kept.to_lowercase();
        for runs in [".exe", ".html", ".svg"] {
            assert!(!lower.ends_with(runs), "{name:?} became {kept:?}");
        }
        let got = ann.http.get(&url).await.expect(200);
        assert_eq!(got.text(), "just some text");
        let disposition = got.header("content-disposition");
        assert!(disposition.starts_with("inline") || disposition.starts_with("attachment"));
        assert!(disposition.is_ascii() && disposition.matches('"').count() <= 2, "{disposition}");
        assert!(got.headers.get("set-cookie").is_none(), "{name:?}");
        // The id alone says which file it is; the name in the path is for people.
        let renamed = format!("/api/v1/attachments/{id}/evil.html");
        let got = ann.http.get(&renamed).await.expect(200);
        assert!(!got.header("content-type").contains("html"));
        assert_eq!(got.header("content-disposition"), disposition);
    }
    assert!(ids.len() >= 20, "{}", ids.len());
    for trick in ["..%2f..%2f", "%00", "x%0d%0a", "~", "%2e%2e"] {
        let answer = ann.http.get(&format!("/api/v1/attachments/{trick}/passwd")).await;
        assert!(matches!(answer.status, 400 | 404), "{trick}: {}", answer.status);
    }
    site.still_serves(&ann).await;
}

/// Rule 46.
#[tokio::test]
async fn markup_and_polyglots_are_never_shown_as_what_they_might_be() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let html = b"<!DOCTYPE html><script>alert(1)</script>".to_vec();
    let after_png = [PIXEL, b"<script>alert(1)</script>"].concat();
    let gif =
        [&b"GIF89a\x01\x00\x01\x00\x00\x00\x00"[..], b"/*<script>alert(1)</script>*/=1;"].concat();
    let pdf = b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj".to_vec();
    let bom_html = [&b"\xef\xbb\xbf\n\t <hTmL>"[..], b"<body onload=alert(1)>"].concat();
    let utf16: Vec<u8> =
        "\u{feff}<script>alert(1)</script>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hostile: Vec<(&str, &str, Vec<u8>)> = vec![
        ("a.svg", "image/svg+xml", svg.clone()),
        ("a.png", "image/png", svg.clone()),
        ("a.txt", "text/plain", svg),
        ("a.html", "text/html", html.clone()),
        ("a.png", "image/png", html.clone()),
        ("a.jpg", "text/html; charset=utf-7", html.clone()),
        ("a.png", "text/html", after_png.clone()),
        ("a.html", "text/html", after_png),
        ("a.gif", "application/javascript", gif),
        ("a.png", "image/png", pdf),
        (
            "a.xml",
            "text/xml",
            b"<?xml version='1.0'?><x xmlns='http://www.w3.org/1999/xhtml'/>".to_vec(),
        ),
        ("a.txt", "text/plain", bom_html),
        ("a.txt", "text/plain", utf16),
        ("a.js", "text/javascript", b"alert(document.cookie)".to_vec()),
        ("a.swf", "application/x-shockwave-flash", b"FWS\x09\x00\x00\x00\x00".to_vec()),
        ("a.png", "image/png", b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff".to_vec()),
        ("a.png", "image/png", b"\x7fELF\x02\x01\x01\x00".to_vec()),
        ("a.txt", "text/plain", b"#!/bin/sh\nrm -rf /\n".to_vec()),
        ("a.wasm", "application/wasm", b"\0asm\x01\0\0\0".to_vec()),
        ("a.htaccess", "", b"AddType text/html .png".to_vec()),
        ("a.url", "", b"[InternetShortcut]\nURL=file:///c:/evil.exe".to_vec()),
        (
            "a.mht",
            "multipart/related",
            b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<script>".to_vec(),
        ),
    ];
    let shown = [
        "image/png",
        "image/gif",
        "image/jpeg",
        "image/webp",
        "text/plain; charset=utf-8",
        "text/plain",
    ];
    for (name, mime, bytes) in hostile {
        let answer = upload(&ann.http, name, mime, bytes.clone()).await;
        if answer.status == 415 {
            problem(&answer, 415, "unsupported_media");
            continue;
        }
        let made = answer.expect(201).json();
        let got = ann.http.get(&text(&made, "/url")).await.expect(200);
        assert_eq!(got.body, bytes, "{name} {mime}");
        let content_type = got.header("content-type").to_owned();
        for evil in ["html", "svg", "xml", "javascript", "flash", "wasm"] {
            assert!(!content_type.contains(evil), "{name} {mime}: {content_type}");
        }
        let disposition = got.header("content-disposition");
        let saved = disposition.starts_with("attachment");
        assert!(
            saved || shown.contains(&content_type.as_str()),
            "{name}: {content_type} {disposition}"
        );
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        let policy = got.header("content-security-policy");
        assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
        assert!(!got.header("cross-origin-resource-policy").is_empty());
    }
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = PIXEL.to_vec();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    bytes
}

/// Rule 50: refused from the header, at every door that takes pictures.
#[tokio::test]
async fn pictures_that_would_fill_the_memory_of_whoever_draws_them() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let gif = |width: u16, height: u16| {
        let mut bytes = b"GIF89a".to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend([0, 0, 0, 0x2c, 0, 0, 0, 0]);
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend([0, 2, 2, 0x44, 1, 0, 0x3b]);
        bytes
    };
    let mut huge = vec![
        ("a.png", png(50_000, 50_000)),
        ("a.png", png(u32::MAX, u32::MAX)),
        ("a.png", png(1, 2_000_000_000)),
        ("a.png", png(16_000, 16_000)),
        ("a.gif", gif(65_535, 65_535)),
        // A small screen with a huge picture on it, which browsers make the screen fit; and the same
        // behind more colours and comments than anyone reads.
        ("a.gif", {
            let mut bytes = gif(65_535, 65_535);
            bytes[6..10].copy_from_slice(&[1, 0, 1, 0]);
            bytes
        }),
        ("a.gif", {
            let mut bytes = gif(65_535, 65_535);
            bytes[6..10].copy_from_slice(&[1, 0, 1, 0]);
            bytes[10] = 0x87;
            let comment = [&[0x21, 0xfe][..], &[255; 256].repeat(100), &[0]].concat();
            bytes.splice(13..13, [vec![7; 768], comment].concat());
            bytes
        }),
    ];
    let jpeg = |height: u16, width: u16| {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
        bytes.extend(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        bytes.extend([0xff, 0xc0, 0, 11, 8]);
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend([1, 1, 0x11, 0, 0xff, 0xd9]);
        bytes
    };
    huge.push(("a.jpg", jpeg(65_535, 65_535)));
    for (name, bytes) in huge {
        let answer = upload(&ann.http, name, "image/png", bytes.clone()).await;
        assert_eq!(answer.status, 413, "{name}: {}", answer.text());
        problem(&answer, 413, "too_large");
        let part = reqwest::multipart::Part::bytes(bytes).file_name("me.png");
        let form = reqwest::multipart::Form::new().part("file", part);
        let request = ann.http.request(Method::PUT, "/api/v1/me/avatar").multipart(form);
        let answer = Http::send(request).await;
        assert_eq!(answer.status, 413, "{name}: {}", answer.text());
    }
    // Pictures that are cut, or lie about themselves, do no harm: they are taken or not.
    for cut in [8, 16, 20, 24, 33] {
        let answer = upload(&ann.http, "a.png", "image/png", &PIXEL[..cut]).await;
        assert!(matches!(answer.status, 201 | 400 | 413 | 415), "{cut}: {}", answer.text());
    }
    for (width, height) in [(0, 0), (0, 1), (1, 0)] {
        let answer = upload(&ann.http, "a.png", "image/png", png(width, height)).await;
        assert!(matches!(answer.status, 201 | 400 | 413 | 415), "{}", answer.text());
    }
    upload(&ann.http, "a.png", "image/png", PIXEL).await.expect(201);
    site.still_serves(&ann).await;
}
