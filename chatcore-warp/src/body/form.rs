//! `application/x-www-form-urlencoded` (WHATWG URL, section 5), with bad UTF-8 refused, not replaced.

use percent_encoding::percent_decode;

use super::{BodyError, BodyLimits, Fields};

pub(super) fn parse(bytes: &[u8], limits: &BodyLimits) -> Result<Fields, BodyError> {
    let mut fields = Fields::default();
    for pair in bytes.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        let cut = pair.iter().position(|b| *b == b'=');
        let (name, value) = cut.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        fields.insert(decode(name)?, decode(value)?.into(), limits)?;
    }
    Ok(fields)
}

fn decode(bytes: &[u8]) -> Result<String, BodyError> {
    let spaced: Vec<u8> = bytes.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    String::from_utf8(percent_decode(&spaced).collect())
        .map_err(|_| BodyError::Malformed("the form is not valid UTF-8"))
}
