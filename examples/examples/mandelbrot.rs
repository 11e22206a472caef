//! Draws the Mandelbrot set into a PNG file: bands of unequal work, which idle workers take from
//! busy ones.
//!
//! ```text
//! cargo run --release -p raykit-examples --example mandelbrot -- mandelbrot.png 1920
//! ```

use anyhow::Context as _;
use raykit::prelude::*;
use raykit_examples::{arguments, number};
use std::io::{BufWriter, Write as _};
use std::time::Instant;

const USAGE: &str = "usage: mandelbrot [FILE] [WIDTH]   (standard: mandelbrot.png 1200)";
const BAND_ROWS: u32 = 8;
const STEPS_MAX: u32 = 1000;

/// The colours of some rows, three bytes a point.
#[remote]
fn band(top: u32, rows: u32, width: u32) -> Vec<u8> {
    let scale = 3.6 / f64::from(width);
    let height = width * 2 / 3;
    let mut pixels = Vec::with_capacity((rows * width * 3) as usize);
    for row in top..top + rows {
        for column in 0..width {
            let x = f64::from(column) * scale - 2.5;
            let y = (f64::from(row) - f64::from(height) / 2.0) * scale;
            pixels.extend(colour(escape(x, y)));
        }
    }
    pixels
}

/// After how many steps the point escapes, smoothed; `None` if it does not.
fn escape(cx: f64, cy: f64) -> Option<f64> {
    let (mut x, mut y) = (0.0_f64, 0.0_f64);
    for step in 0..STEPS_MAX {
        let (xx, yy) = (x * x, y * y);
        if xx + yy > 256.0 {
            return Some(f64::from(step) + 1.0 - (xx + yy).log2().log2() + 3.0);
        }
        (x, y) = (xx - yy + cx, 2.0 * x * y + cy);
    }
    None
}

fn colour(steps: Option<f64>) -> [u8; 3] {
    let Some(steps) = steps else { return [0; 3] };
    let wave =
        |shift: f64| (127.5 - 127.5 * (0.35 * steps.max(0.0).sqrt() * 2.0 + shift).cos()) as u8;
    [wave(0.0), wave(0.5), wave(1.0)]
}

fn main() -> anyhow::Result<()> {
    let [path, width] = arguments(USAGE);
    let path = path.unwrap_or_else(|| "mandelbrot.png".into());
    let width = number(width, 1200_u32, USAGE).clamp(30, 16_384);
    let height = width * 2 / 3;
    let _ray = raykit::init()?;

    let begun = Instant::now();
    let tops = (0..height).step_by(BAND_ROWS as usize);
    let bands = band::map(tops.map(|top| (top, BAND_ROWS.min(height - top), width)));

    let file = std::fs::File::create(&path).context(path.clone())?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    let mut stream = writer.stream_writer()?;
    for band in &bands {
        stream.write_all(&band.shared()?)?; // the first is written while others are drawn
    }
    stream.finish()?;
    writer.finish()?;
    println!("{path}: {width} x {height}, {} tasks, {:.1?}", bands.len(), begun.elapsed());
    Ok(())
}
