//! How large images are, from their headers, before anything decodes them.

use super::{AttachmentError, AttachmentLimits, sniff};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Dimensions {
    /// Refuses what takes too much memory to show.
    ///
    /// # Errors
    /// [`AttachmentError::ImageTooLarge`].
    pub fn check(self, limits: &AttachmentLimits) -> Result<(), AttachmentError> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        if self.width.max(self.height) > limits.image_side || pixels > limits.image_pixels {
            return Err(AttachmentError::ImageTooLarge {
                max_side: limits.image_side,
                max_pixels: limits.image_pixels,
            });
        }
        Ok(())
    }
}

/// Finds the dimensions of an image while its bytes pass.
#[derive(Debug)]
pub(super) enum Measure {
    /// Not an image.
    NoImage,
    /// The header is in the first bytes, or nowhere.
    Head,
    /// The header comes after segments of any length.
    Jpeg(JpegScan),
    /// Done.
    Found(Dimensions),
    /// It says that it is an image, and has no sound header.
    Broken,
}

impl Measure {
    pub(super) fn new(content_type: &str) -> Self {
        match content_type {
            "image/jpeg" => Self::Jpeg(JpegScan::default()),
            "image/png" | "image/gif" | "image/webp" | "image/bmp" => Self::Head,
            // Types that only a host's own allow-list lets in; their headers are not read.
            _ => Self::NoImage,
        }
    }

    /// Takes the next bytes, the head of the file being the first of them; whether the dimensions
    /// are known from these bytes on.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<Dimensions> {
        let found = match self {
            Self::NoImage | Self::Found(_) | Self::Broken => return None,
            Self::Head => header(bytes),
            Self::Jpeg(scan) => match scan.feed(bytes) {
                JpegStep::More => return None,
                JpegStep::Found(dimensions) => Some(dimensions),
                JpegStep::Broken => None,
            },
        };
        *self = found.map_or(Self::Broken, Self::Found);
        found
    }

    /// The dimensions, once the file has ended; `Err` if it is a broken image.
    pub(super) fn finish(&self) -> Result<Option<Dimensions>, ()> {
        match self {
            Self::NoImage => Ok(None),
            Self::Found(dimensions) => Ok(Some(*dimensions)),
            Self::Head | Self::Jpeg(_) | Self::Broken => Err(()),
        }
    }
}

fn header(bytes: &[u8]) -> Option<Dimensions> {
    let size = imagesize::blob_size(bytes).ok()?;
    let side = |pixels: usize| u32::try_from(pixels).ok().filter(|pixels| *pixels > 0);
    let screen = Dimensions { width: side(size.width)?, height: side(size.height)? };
    if bytes.starts_with(b"GIF8") { gif(bytes, screen) } else { Some(screen) }
}

/// What it takes to show a GIF: its screen or its first picture, whichever is larger, as browsers
/// make the screen fit that. None if so much stands before the picture that the head does not show it.
fn gif(head: &[u8], screen: Dimensions) -> Option<Dimensions> {
    match first_picture(head) {
        Some((width, height)) => {
            Some(Dimensions { width: screen.width.max(width), height: screen.height.max(height) })
        }
        None if head.len() < sniff::HEAD => Some(screen),
        None => None,
    }
}

/// How far the first picture of a GIF reaches to the right and down (GIF89a, sections 18 to 24).
fn first_picture(head: &[u8]) -> Option<(u32, u32)> {
    let flags = *head.get(10)?;
    let colours = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + colours;
    loop {
        match head.get(at)? {
            // An extension: a label, and blocks up to an empty one.
            0x21 => {
                at += 2;
                while let length @ 1.. = *head.get(at)? {
                    at += 1 + usize::from(length);
                }
                at += 1;
            }
            0x2C => {
                let number = |offset: usize| {
                    let bytes = head.get(at + offset..at + offset + 2)?;
                    Some(u32::from(u16::from_le_bytes(bytes.try_into().ok()?)))
                };
                return Some((number(1)? + number(5)?, number(3)? + number(7)?));
            }
            _ => return None,
        }
    }
}

/// Walks the segments of a JPEG file (ITU-T T.81, annex B) to the frame header, however far behind
/// the first bytes it lies: photographs carry previews and colour profiles of megabytes before it.
#[derive(Debug)]
pub(super) struct JpegScan {
    /// Bytes of the present segment that are to be passed over.
    skip: usize,
    /// What was seen of the next marker and of what follows it.
    seen: Vec<u8>,
}

impl Default for JpegScan {
    fn default() -> Self {
        // The start of the image, by which the file was told to be a JPEG.
        Self { skip: 2, seen: Vec::with_capacity(FRAME_HEADER) }
    }
}

enum JpegStep {
    More,
    Found(Dimensions),
    Broken,
}

/// A marker, the length of its segment, a byte of precision, height and width.
const FRAME_HEADER: usize = 2 + 2 + 1 + 2 + 2;

impl JpegScan {
    fn feed(&mut self, mut bytes: &[u8]) -> JpegStep {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let Some((&byte, rest)) = bytes.split_first() else { return JpegStep::More };
            bytes = rest;
            // Any number of fill bytes may stand before a marker.
            if !(self.seen == [0xFF] && byte == 0xFF) {
                self.seen.push(byte);
            }
            match self.seen.as_slice() {
                // Image data, or the end, before any frame header.
                [0xFF, 0xDA | 0xD9 | 0x00] => return JpegStep::Broken,
                // Markers that stand alone.
                [0xFF, 0x01 | 0xD0..=0xD8] => self.seen.clear(),
                [0xFF, marker, high, low] if !is_frame(*marker) => {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    if length < 2 {
                        return JpegStep::Broken;
                    }
                    self.skip = length - 2;
                    self.seen.clear();
                }
                [0xFF, _, _, _, _, h1, h2, w1, w2] => {
                    let height = u32::from(u16::from_be_bytes([*h1, *h2]));
                    let width = u32::from(u16::from_be_bytes([*w1, *w2]));
                    // A height of 0 is told after the image data: nothing made by cameras or
                    // programs of today, and nothing that could be checked here.
                    if width == 0 || height == 0 {
                        return JpegStep::Broken;
                    }
                    return JpegStep::Found(Dimensions { width, height });
                }
                [0xFF, ..] => {}
                _ => return JpegStep::Broken,
            }
        }
    }
}

/// Start of frame, in any of its codings; not the tables that share its numbers.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

#[cfg(test)]
pub(in crate::attachment) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first bytes of a PNG image.
    pub(in crate::attachment) fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(b"\x08\x06\0\0\0\0\0\0\0");
        bytes
    }

    /// The first bytes of a JPEG image, with `padding` bytes of other segments before its header.
    pub(in crate::attachment) fn jpeg(width: u16, height: u16, padding: usize) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8];
        let mut left = padding;
        while left > 0 {
            let length = left.min(60_000);
            bytes.extend([0xFF, 0xE1]);
            bytes.extend(u16::try_from(length + 2).expect("it fits").to_be_bytes());
            bytes.extend(std::iter::repeat_n(0xFF, length));
            left -= length;
        }
        bytes.extend([0xFF, 0xFF, 0xC2, 0, 17, 8]);
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes
    }

    fn measure(content_type: &str, bytes: &[u8], piece: usize) -> Result<Option<Dimensions>, ()> {
        let mut measure = Measure::new(content_type);
        for piece in bytes.chunks(piece) {
            measure.feed(piece);
        }
        measure.finish()
    }

    #[test]
    fn headers_tell_the_size() {
        let size = |w, h| Ok(Some(Dimensions { width: w, height: h }));
        assert_eq!(measure("image/png", &png(50_000, 3), 64), size(50_000, 3));
        assert_eq!(measure("image/gif", b"GIF89a\x40\x01\xf0\0\0\0\0", 64), size(320, 240));
        assert_eq!(measure("image/jpeg", &jpeg(640, 480, 0), 64), size(640, 480));
        assert_eq!(measure("text/plain", b"words", 64), Ok(None));
    }

    #[test]
    fn a_jpeg_header_is_found_behind_megabytes_of_other_data() {
        let bytes = jpeg(4000, 3000, 3_000_000);
        let expected = Ok(Some(Dimensions { width: 4000, height: 3000 }));
        assert_eq!(measure("image/jpeg", &bytes, 65_536), expected);
    }

    #[test]
    fn an_image_without_a_sound_header_is_broken() {
        assert_eq!(measure("image/png", &png(0, 5), 64), Err(()));
        assert_eq!(measure("image/png", &png(5, 5)[..20], 64), Err(()));
        assert_eq!(measure("image/jpeg", &[0xFF, 0xD8, 0xFF, 0xDA, 0, 2], 64), Err(()));
        assert_eq!(measure("image/jpeg", &[0xFF, 0xD8, 0xFF, 0xE0, 0, 1], 64), Err(()));
        assert_eq!(measure("image/jpeg", &jpeg(5, 5, 100)[..60], 64), Err(()));
        assert_eq!(measure("image/jpeg", &[0xFF, 0xD8, 0x12], 64), Err(()));
    }

    #[test]
    fn too_many_pixels_are_refused_by_side_and_by_area() {
        let limits = AttachmentLimits::default();
        let check = |width, height| Dimensions { width, height }.check(&limits).is_ok();
        assert!(check(8000, 6000));
        assert!(!check(50_000, 1), "one side too long");
        assert!(!check(10_000, 10_000), "too many in all");
        assert!(!check(u32::MAX, u32::MAX), "no overflow");
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_answer(width in 1..u16::MAX, height in 1..u16::MAX,
            padding in 0..200_000_usize, piece in 1..70_000_usize) {
            let found = measure("image/jpeg", &jpeg(width, height, padding), piece);
            prop_assert_eq!(found, Ok(Some(Dimensions {
                width: width.into(), height: height.into()
            })));
        }

        #[test]
        fn any_bytes_are_measured_without_a_fault(bytes in proptest::collection::vec(
            prop_oneof![Just(0xFF_u8), Just(0xD8), Just(0xC0), any::<u8>()], 0..300)) {
            let _ = measure("image/jpeg", &[&[0xFF, 0xD8][..], &bytes].concat(), 7);
            for kind in ["image/png", "image/gif", "image/webp"] {
                let _ = measure(kind, &bytes, 300);
            }
        }
    }
}
