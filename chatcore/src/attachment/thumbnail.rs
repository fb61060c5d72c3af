//! Small pictures of images, made once, when the image comes in.
//!
//! What is decoded was uploaded by a stranger. So what it says of itself is looked at first, and what
//! would take more memory than is allowed, or is made to take long, is not decoded at all; at most a
//! few are decoded at once, on threads of their own; and what cannot be decoded simply has no
//! thumbnail.

use std::io::Cursor;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::AttachmentError;
use super::blobs::BlobReader;
use crate::log::Thumbnail;

/// How good a JPEG thumbnail is, of 100.
const QUALITY: u8 = 80;

/// Scans of a JPEG file; ordinary ones have about ten. Each is a walk over all of the picture.
const SCANS: usize = 64;

/// How thumbnails are made. Clones share what is made at once.
#[derive(Clone, Debug)]
pub struct Thumbnails {
    side: u32,
    memory: u64,
    patience: Duration,
    turns: Arc<Semaphore>,
}

impl Default for Thumbnails {
    /// At most 640 pixels wide and high; 192 MiB for an image, two at once, for 10 seconds.
    fn default() -> Self {
        Self {
            side: 640,
            memory: 192 << 20,
            patience: Duration::from_secs(10),
            turns: Arc::new(Semaphore::new(2)),
        }
    }
}

impl Thumbnails {
    /// The longest side of a thumbnail, in pixels.
    #[must_use]
    pub fn side(mut self, pixels: u32) -> Self {
        self.side = pixels.max(1);
        self
    }

    /// What decoding one image may take, in bytes, as far as its header tells. Larger images have no
    /// thumbnail. Beside that, the file itself is held in memory, twice.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// How many are made at the same time, each on a thread.
    #[must_use]
    pub fn at_once(mut self, images: NonZeroUsize) -> Self {
        self.turns = Arc::new(Semaphore::new(images.get().min(Semaphore::MAX_PERMITS)));
        self
    }

    /// How long an upload waits for its turn, and goes without a thumbnail then.
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// A thumbnail of an image whose bytes `open` gives; none if it is none that can be made one of.
    pub(super) async fn make<F>(
        &self,
        content_type: &str,
        open: F,
    ) -> Result<Option<(Thumbnail, Bytes)>, AttachmentError>
    where
        F: Future<Output = Result<BlobReader, AttachmentError>>,
    {
        let Some(format) = format(content_type) else { return Ok(None) };
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = timeout(self.patience, turn).await else {
            tracing::debug!("no thumbnail: too many are being made");
            return Ok(None);
        };
        // Only who has a turn holds a file in memory.
        let reader = open.await?;
        let length = usize::try_from(reader.range.end - reader.range.start).unwrap_or(0);
        let bytes = BytesMut::with_capacity(length);
        let take = |mut all: BytesMut, piece: Bytes| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        };
        let bytes = reader.stream.try_fold(bytes, take).await?;
        let (side, memory) = (self.side, self.memory);
        let made = tokio::task::spawn_blocking(move || {
            let made = shrink(&bytes, format, side, memory);
            drop(turn);
            made
        });
        match made.await {
            Ok(Ok(made)) => Ok(Some(made)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "no thumbnail can be made of an image");
                Ok(None)
            }
            Err(_panic) => {
                tracing::warn!("making a thumbnail panicked");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
impl Thumbnails {
    /// Takes every turn.
    pub(in crate::attachment) async fn hold_all(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(self.turns.available_permits()).expect("a few");
        Arc::clone(&self.turns).acquire_many_owned(all).await.expect("never closed")
    }
}

fn format(content_type: &str) -> Option<ImageFormat> {
    Some(match content_type {
        "image/png" => ImageFormat::Png,
        "image/jpeg" => ImageFormat::Jpeg,
        "image/gif" => ImageFormat::Gif,
        "image/webp" => ImageFormat::WebP,
        _ => return None,
    })
}

fn shrink(
    bytes: &[u8],
    format: ImageFormat,
    side: u32,
    memory: u64,
) -> Result<(Thumbnail, Bytes), ImageError> {
    let (scans, progressive) = match format {
        ImageFormat::Jpeg => scans(bytes),
        _ => (0, false),
    };
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(memory);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // What decoders hold beside the picture: coefficients, planes, a frame that is smaller than the whole.
    let times = match format {
        ImageFormat::Jpeg if progressive => 3,
        ImageFormat::Gif | ImageFormat::WebP => 2,
        _ => 1,
    };
    if decoder.total_bytes().saturating_mul(times) > memory || scans > SCANS {
        let kind = image::error::LimitErrorKind::InsufficientMemory;
        return Err(ImageError::Limits(image::error::LimitError::from_kind(kind)));
    }
    // Where it does not say how it is to be turned, it is not.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)?;
    if picture.width().max(picture.height()) > side {
        picture = picture.thumbnail(side, side);
    }
    picture.apply_orientation(orientation);
    // The encoders write the picture, and nothing that came along with it.
    let mut small = Vec::new();
    let content_type = if is_see_through(&picture) {
        picture.to_rgba8().write_with_encoder(PngEncoder::new(&mut small))?;
        "image/png"
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut small, QUALITY);
        picture.to_rgb8().write_with_encoder(encoder)?;
        "image/jpeg"
    };
    let (width, height) = (picture.width(), picture.height());
    let size = small.len() as u64;
    let thumbnail = Thumbnail { content_type: content_type.to_owned(), size, width, height };
    Ok((thumbnail, small.into()))
}

fn is_see_through(picture: &DynamicImage) -> bool {
    picture.color().has_alpha() && picture.to_rgba8().pixels().any(|pixel| pixel.0[3] < u8::MAX)
}

/// How many scans a JPEG file has at most, and whether it may be a progressive one: within image data
/// no marker's bytes stand, within previews they may.
fn scans(bytes: &[u8]) -> (usize, bool) {
    let (mut scans, mut progressive) = (0, false);
    for pair in bytes.windows(2) {
        match pair {
            [0xFF, 0xDA] => scans += 1,
            [0xFF, 0xC2 | 0xC6 | 0xCA | 0xCE] => progressive = true,
            _ => {}
        }
    }
    (scans, progressive)
}

#[cfg(test)]
pub(in crate::attachment) mod tests {
    use image::codecs::gif::GifEncoder;
    use image::codecs::webp::WebPEncoder;
    use image::{ImageEncoder as _, Rgb, RgbImage, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    /// Left half red, right half blue, and as see-through as `alpha` says.
    fn halves(width: u32, height: u32, alpha: u8) -> RgbaImage {
        RgbaImage::from_fn(width, height, |x, _| match x < width / 2 {
            true => Rgba([255, 0, 0, alpha]),
            false => Rgba([0, 0, 255, alpha]),
        })
    }

    pub(in crate::attachment) fn png(width: u32, height: u32, alpha: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = halves(width, height, alpha);
        picture.write_with_encoder(PngEncoder::new(&mut bytes)).expect("it is written");
        bytes
    }

    fn rgb(width: u32, height: u32) -> RgbImage {
        DynamicImage::from(halves(width, height, 255)).to_rgb8()
    }

    /// A JPEG that says how it is to be turned.
    fn jpeg(width: u32, height: u32, orientation: u8) -> Vec<u8> {
        let mut exif = b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif).expect("it takes that");
        rgb(width, height).write_with_encoder(encoder).expect("it is written");
        bytes
    }

    fn gif(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for alpha in [255, 0] {
            let frame = image::Frame::new(halves(width, height, alpha));
            encoder.encode_frame(frame).expect("it is written");
        }
        drop(encoder);
        bytes
    }

    fn webp(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = WebPEncoder::new_lossless(&mut bytes);
        rgb(width, height).write_with_encoder(encoder).expect("it is written");
        bytes
    }

    fn made(bytes: &[u8], format: ImageFormat) -> (Thumbnail, DynamicImage) {
        let (thumbnail, small) = shrink(bytes, format, 64, 192 << 20).expect("it can be decoded");
        assert_eq!(thumbnail.size, small.len() as u64);
        let format = super::format(&thumbnail.content_type).expect("a known type");
        let picture = image::load_from_memory_with_format(&small, format).expect("it is sound");
        assert_eq!((picture.width(), picture.height()), (thumbnail.width, thumbnail.height));
        (thumbnail, picture)
    }

    fn is_red(picture: &DynamicImage, x: u32, y: u32) -> bool {
        let Rgb([red, _, blue]) = *picture.to_rgb8().get_pixel(x, y);
        red > 200 && blue < 60
    }

    #[test]
    fn images_of_every_kind_become_small() {
        let all = [
            (png(320, 160, 255), ImageFormat::Png),
            (jpeg(320, 160, 1), ImageFormat::Jpeg),
            (gif(320, 160), ImageFormat::Gif),
            (webp(320, 160), ImageFormat::WebP),
        ];
        for (bytes, format) in all {
            let (thumbnail, picture) = made(&bytes, format);
            assert_eq!((thumbnail.width, thumbnail.height), (64, 32), "{format:?}");
            assert_eq!(thumbnail.content_type, "image/jpeg", "{format:?}: nothing shows through");
            assert!(is_red(&picture, 5, 16) && !is_red(&picture, 58, 16), "{format:?}");
        }
    }

    #[test]
    fn what_is_see_through_stays_so() {
        let (thumbnail, picture) = made(&png(320, 160, 100), ImageFormat::Png);
        assert_eq!(thumbnail.content_type, "image/png");
        assert_eq!(picture.to_rgba8().get_pixel(5, 5).0[3], 100);
    }

    #[test]
    fn small_images_keep_their_size_and_thin_ones_a_pixel() {
        assert_eq!(made(&png(20, 10, 255), ImageFormat::Png).0.width, 20);
        let (thin, _) = made(&png(2_000, 1, 255), ImageFormat::Png);
        assert_eq!((thin.width, thin.height), (64, 1));
    }

    /// Turned as the camera says, and then it says so no more: a browser would turn it twice.
    #[test]
    fn a_photograph_is_turned_upright_and_loses_what_it_tells() {
        let (thumbnail, picture) = made(&jpeg(320, 160, 6), ImageFormat::Jpeg);
        assert_eq!((thumbnail.width, thumbnail.height), (32, 64));
        assert!(is_red(&picture, 16, 5) && !is_red(&picture, 16, 58), "left has become top");
        let (_, small) = shrink(&jpeg(320, 160, 6), ImageFormat::Jpeg, 64, 1 << 30).expect("sound");
        assert!(!small.windows(4).any(|bytes| bytes == b"Exif"));
        let mut told = png(64, 64, 255);
        // A text, between the header and the picture; its checksum is not looked at closely.
        let text = b"\0\0\0\x0BtEXtAuthor\0Anne";
        let sum = crc(&text[4..]).to_be_bytes();
        told.splice(33..33, text.iter().copied().chain(sum));
        let (_, small) = shrink(&told, ImageFormat::Png, 64, 1 << 30).expect("sound");
        assert!(!small.windows(4).any(|bytes| bytes == b"Anne"));
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum: u32, _| {
                (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg())
            })
        })
    }

    /// A header that promises gigabytes, and almost no data: it is refused by the header.
    #[test]
    fn a_bomb_costs_nothing() {
        let began = std::time::Instant::now();
        for side in [30_000_u32, 65_000, 2_000_000] {
            let mut bomb = png(8, 8, 255);
            bomb[16..20].copy_from_slice(&side.to_be_bytes());
            bomb[20..24].copy_from_slice(&side.to_be_bytes());
            let sum = crc(&bomb[12..29]).to_be_bytes();
            bomb[29..33].copy_from_slice(&sum);
            let refused = shrink(&bomb, ImageFormat::Png, 64, 192 << 20);
            assert!(matches!(refused, Err(ImageError::Limits(_))), "{side}: {refused:?}");
        }
        let mut bomb = gif(8, 8);
        bomb[6..10].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(matches!(
            shrink(&bomb, ImageFormat::Gif, 64, 192 << 20),
            Err(ImageError::Limits(_))
        ));
        // Scan after scan over a picture of ordinary size.
        let mut bomb = jpeg(640, 480, 1);
        let scan = bomb.windows(2).position(|pair| pair == [0xFF, 0xDA]).expect("it has one");
        let scans = bomb[scan..bomb.len() - 2].repeat(1_000);
        bomb.splice(scan.., scans);
        assert!(matches!(
            shrink(&bomb, ImageFormat::Jpeg, 64, 192 << 20),
            Err(ImageError::Limits(_))
        ));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }

    #[test]
    fn what_is_cut_short_is_no_fault() {
        let all = [
            (png(64, 64, 100), ImageFormat::Png),
            (jpeg(64, 64, 6), ImageFormat::Jpeg),
            (gif(64, 64), ImageFormat::Gif),
            (webp(64, 64), ImageFormat::WebP),
        ];
        for (bytes, format) in all {
            for length in (0..bytes.len()).step_by(1 + bytes.len() / 150) {
                // Some decoders show what there is; none must do worse than to give up.
                if let Ok((thumbnail, _)) = shrink(&bytes[..length], format, 32, 1 << 20) {
                    assert!(thumbnail.width <= 32 && thumbnail.height <= 32);
                }
            }
            assert!(shrink(&bytes[..20], format, 32, 1 << 20).is_err(), "{format:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn bytes_that_were_changed_anywhere_are_no_fault(at in 0..4_000_usize, by in 1..=255_u8,
            format in 0..4_usize) {
            let (mut bytes, format) = match format {
                0 => (png(40, 30, 90), ImageFormat::Png),
                1 => (jpeg(40, 30, 3), ImageFormat::Jpeg),
                2 => (gif(40, 30), ImageFormat::Gif),
                _ => (webp(40, 30), ImageFormat::WebP),
            };
            let at = at % bytes.len();
            bytes[at] = bytes[at].wrapping_add(by);
            if let Ok((thumbnail, _)) = shrink(&bytes, format, 16, 1 << 22) {
                prop_assert!(thumbnail.width <= 16 && thumbnail.height <= 16);
            }
        }
    }
}
