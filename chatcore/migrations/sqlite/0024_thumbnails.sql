-- How the thumbnail of an image is, as JSON; its bytes lie beside those of the image.
ALTER TABLE attachments ADD COLUMN thumbnail TEXT;
